"""Speech recognition: Whisper tiny.en (Radford et al., 2023) with 8 bits in CTranslate2."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Filters:
    """The matrix of Whisper's mel filters, whose products do not depend on the number of cores.

    NumPy computes ``@`` with a library that distributes sums over cores: on one core and on two,
    spectrograms differ in their last bits, and transcripts occasionally by a comma or a word.

    Parameters
    ----------
    matrix : ndarray, shape (bands, frequencies)
    """

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        self._matrix = matrix

    def __matmul__(self, spectrum: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply by a spectrum, shape (frequencies, frames), without that library."""
        product: NDArray[np.float32] = np.einsum(
            "bf,ft->bt", self._matrix, spectrum, optimize=False
        )
        return product


class Transcriber:
    """Whisper, loaded.

    Parameters
    ----------
    folder : Path
        The CTranslate2 model with its tokenizer.
    """

    def __init__(self, folder: Path) -> None:
        from faster_whisper import WhisperModel

        # One thread: with several, the distribution of sums affects their last bits.
        self._model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1
        )
        features = self._model.feature_extractor
        features.mel_filters = Filters(features.mel_filters)

    def transcript(self, samples: NDArray[np.float32]) -> str:
        """Transcribe English speech; empty if there is none.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            From -1 to 1 at 16 kHz.
        """
        segments = self._segments(samples, without_timestamps=True)
        return " ".join(segment.text.strip() for segment in segments).strip()

    def _segments(self, samples: NDArray[np.float32], **timestamps: bool) -> Any:
        """Return the segments of speech, with or without times."""
        # Greedy, without fallback to higher temperatures, so that a clip always has the same text.
        segments, _ = self._model.transcribe(
            samples,
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            **timestamps,
        )
        return segments
