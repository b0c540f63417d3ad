"""Waveform to features: log-mel spectrograms for Whisper, Kaldi's filter banks for BEATs.

Conventions
-----------
Samples are ``float64`` from -1 to 1, at 16 kHz, shape (samples,).
"""

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from transformers import WhisperFeatureExtractor

from jasco.models.mel import mel_filters

RATE = 16_000
"""Samples a second."""

WINDOW = 30.0
"""Seconds after which a clip is cut off."""

_SHORTEST = 1  # second

_FRAME, _SHIFT, _FFT = 400, 160, 512  # samples: 25 ms, 10 ms, the next power of two
_BINS = 128
_LOWEST = 20.0  # Hz, of the lowest filter
_PRE_EMPHASIS = 0.97
_MEAN, _DEVIATION = 15.41663, 6.55582  # of AudioSet's filter banks, as BEATs was trained with them


def fit(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Fill up with silence to one second, and leave out what is beyond thirty.

    So does the published code; the script of the model card, which is older, does not fill up.

    Parameters
    ----------
    samples : ndarray of float, shape (samples,)

    Returns
    -------
    ndarray of float64, shape (fitted,)
    """
    heard = samples[: int(WINDOW * RATE)].astype(np.float64)
    return np.pad(heard, (0, max(0, _SHORTEST * RATE - len(heard))))


def log_mel(samples: NDArray[np.float64], bins: int, frames: int) -> torch.Tensor:
    """Make a log-mel spectrogram as Whisper takes it.

    Parameters
    ----------
    samples : ndarray of float64, shape (samples,)
    bins : int
        Mel bands.
    frames : int
        Steps of 10 ms; what is too short is filled up with silence.

    Returns
    -------
    Tensor of float32, shape (1, bins, frames)
    """
    features: torch.Tensor = WhisperFeatureExtractor(feature_size=bins)(
        samples.astype(np.float32),
        sampling_rate=RATE,
        max_length=frames * _SHIFT,
        return_tensors="pt",
    ).input_features
    return features


def filter_bank(samples: NDArray[np.float64]) -> torch.Tensor:
    """Make the normalised filter banks that BEATs takes.

    Parameters
    ----------
    samples : ndarray of float64, shape (samples,)

    Returns
    -------
    Tensor of float32, shape (1, frames, 128)
    """
    energies = kaldi_filter_bank(samples * 2**15)  # BEATs was trained on the range of int16
    return torch.from_numpy(((energies - _MEAN) / (2 * _DEVIATION)).astype(np.float32))[None]


def kaldi_filter_bank(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute log energies of mel bands as Kaldi does by default, without dither.

    Each whole frame of 25 ms loses its mean, is pre-emphasised by 0.97 (its first sample stands
    for the one before), and is weighted with Povey's window, a Hann window to the power 0.85.
    Formulas: Kaldi's ``feature-window.cc`` and ``mel-computations.cc``.

    Parameters
    ----------
    samples : ndarray of float64, shape (samples,)
        In the range of int16.

    Returns
    -------
    ndarray of float64, shape (frames, 128)
    """
    frames = sliding_window_view(samples, _FRAME)[::_SHIFT]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    windowed = (frames - _PRE_EMPHASIS * before) * np.hanning(_FRAME) ** 0.85
    power = np.abs(np.fft.rfft(windowed, _FFT)) ** 2
    filters = mel_filters(_BINS, _LOWEST, RATE / 2, _FFT, np.float32)  # as BEATs was trained
    return np.asarray(np.log(np.maximum(power @ filters, np.finfo(np.float32).eps)))
