"""Sound tagging with YAMNet, which has the 521 classes of AudioSet.

Conventions
-----------
Samples are float32 from -1 to 1 at 16 kHz. A patch is 96 frames of 10 ms by 64 mel bands; patches
overlap by half.
"""

import csv
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jasco.errors import InputError
from jasco.models.mel import mel_filters

FRAME, HOP, FFT = 400, 160, 512  # samples: 25 ms, 10 ms, and zeros up to the next power of two
BANDS, LOWEST, HIGHEST = 64, 125.0, 7_500.0  # Hz
PATCH, PATCH_HOP = 96, 48  # frames

_LOG_OFFSET = 0.001
_INPUT_SCALE, _INPUT_ZERO = 0.04793788492679596, 144
_OUTPUT_SCALE, _OUTPUT_ZERO = 0.7565417289733887, 190
_SPEECH = range(6)  # every clip contains speech, which is transcribed
_SILENCE = 494  # a pause in a clip is not one of its sounds
_LEAST = -4.6  # logit of 1%; below it, a sound counts as absent


@cache
def band_filters() -> NDArray[np.floating]:
    """Return YAMNet's mel filters, which exclude the constant part of the signal."""
    filters = mel_filters(BANDS, LOWEST, HIGHEST, FFT).copy()
    filters[0] = 0
    return filters


def log_mel_patches(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute YAMNet's input.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)

    Returns
    -------
    ndarray, shape (patches, 96, 64)
        Natural logarithm of the mel magnitudes plus 0.001; at least one patch. The audio is padded
        with silence to whole patches.
    """
    first, step = (PATCH - 1) * HOP + FRAME, PATCH_HOP * HOP
    missing = max(0, -(-(len(samples) - first) // step))
    padded = np.pad(samples, (0, first + missing * step - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    magnitudes = np.abs(np.fft.rfft(frames * window, FFT))
    # Not "@", whose last bits depend on the number of cores (see speech.Filters).
    mel = np.einsum("tf,fb->tb", magnitudes, band_filters(), optimize=False)
    log_mel = np.log(mel + _LOG_OFFSET)
    patches = np.lib.stride_tricks.sliding_window_view(log_mel, PATCH, axis=0)[::PATCH_HOP]
    return patches.transpose(0, 2, 1)


def quantised(patches: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Quantise patches to the network's 8-bit input."""
    rounded = np.rint(patches / _INPUT_SCALE) + _INPUT_ZERO
    return np.asarray(np.clip(rounded, 0, 255), dtype=np.uint8)


class Tagger:
    """YAMNet, loaded.

    Parameters
    ----------
    folder : Path
        The folder with ``model.onnx``, ``model.data`` and ``yamnet_class_map.csv``.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a clip takes 20 ms; more threads do not help
        options.log_severity_level = 3
        try:
            self._network = onnxruntime.InferenceSession(
                folder / "model.onnx", options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime does not export its own classes
            raise InputError(
                f"{folder}: onnxruntime {onnxruntime.__version__} cannot load YAMNet: {error}"
            ) from error
        with (folder / "yamnet_class_map.csv").open(encoding="utf-8", newline="") as file:
            self._names = [row["display_name"] for row in csv.DictReader(file)]

    def scores(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute the scores of the classes, shape (521,): the highest logit of any patch."""
        patches = quantised(log_mel_patches(samples))
        outputs = [self._network.run(None, {"audio": patch[None, None]})[0][0] for patch in patches]
        highest = np.asarray(np.max(outputs, axis=0), dtype=np.float64)
        return (highest - _OUTPUT_ZERO) * _OUTPUT_SCALE

    def tags(self, samples: NDArray[np.float32], number: int = 3) -> list[str]:
        """Return the sounds other than speech, the most likely first; none in silence."""
        scores = self.scores(samples)
        scores[[*_SPEECH, _SILENCE]] = -np.inf
        likeliest = np.argsort(-scores, kind="stable")[:number]
        return [self._names[i] for i in likeliest if scores[i] > _LEAST]
