"""A function and an object that act as models; their answers depend on audio and prompt."""

from typing import Any

import numpy as np


def answer(audio: Any, sampling_rate: int, prompt: str) -> str:
    """Return the loudest frequency bin and the end of the prompt."""
    assert sampling_rate == 16_000
    return f"A tone of {int(np.abs(np.fft.rfft(audio)).argmax())} for: {prompt[-20:]}"


class BatchModel:
    """A model that takes batches and records their sizes."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def answer(self, audios: Any, sampling_rate: int, prompts: Any) -> list[str]:
        self.batches.append(len(prompts))
        return [
            answer(audio, sampling_rate, prompt)
            for audio, prompt in zip(audios, prompts, strict=True)
        ]
