"""Speech to text: Whisper tiny.en (Radford et al., 2023) in 8 bits through CTranslate2."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class Transcriber:
    """Whisper, ready to write down what is said.

    Parameters
    ----------
    folder : Path
        The CTranslate2 model with its tokenizer.
    threads : int
        Processor threads for one clip.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        from faster_whisper import WhisperModel

        self._model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=threads, num_workers=1
        )

    def transcript(self, samples: NDArray[np.float32]) -> str:
        """Write down what is said in English; empty where nothing is.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            From -1 to 1 at 16 kHz.
        """
        # Greedy, and without the tries at higher temperatures: the same clip, the same text.
        segments, _ = self._model.transcribe(
            samples,
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(segment.text.strip() for segment in segments).strip()
