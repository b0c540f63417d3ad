"""Models as functions and objects, whose answers depend on the audio and the prompt."""

from typing import Any

import numpy as np


def answer(audio: Any, sampling_rate: int, prompt: str) -> str:
    """Say what is heard, and what was asked."""
    assert sampling_rate == 16_000
    return f"A tone of {int(np.abs(np.fft.rfft(audio)).argmax())} for: {prompt[-20:]}"


class Ears:
    """Takes batches, and notes how many questions came at once."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def answer(self, audios: Any, sampling_rate: int, prompts: Any) -> list[str]:
        self.batches.append(len(prompts))
        return [answer(*each) for each in zip(audios, [sampling_rate] * 8, prompts, strict=False)]
