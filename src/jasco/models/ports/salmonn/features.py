"""Input features: log-mel spectrograms for Whisper, Kaldi's filter banks for BEATs.

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
"""Sampling rate, in Hz."""

MAX_AUDIO_SECONDS = 30.0
"""Duration to which a clip is truncated, in seconds."""

_MIN_SECONDS = 1

_FRAME, _SHIFT, _FFT = 400, 160, 512  # samples: 25 ms, 10 ms, the next power of two
_BINS = 128
_LOWEST = 20.0  # Hz, the lower edge of the first filter
_PRE_EMPHASIS = 0.97
_MEAN, _DEVIATION = 15.41663, 6.55582  # of AudioSet's filter banks, used in training BEATs


def fit(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return samples padded with silence to at least one second, and truncated to 30 seconds.

    The official code does the same; the script of the model card, which is older, does not pad.

    Parameters
    ----------
    samples : ndarray of float, shape (samples,)

    Returns
    -------
    ndarray of float64, shape (fitted,)
    """
    fitted = samples[: int(MAX_AUDIO_SECONDS * RATE)].astype(np.float64)
    return np.pad(fitted, (0, max(0, _MIN_SECONDS * RATE - len(fitted))))


def log_mel(samples: NDArray[np.float64], bins: int, frames: int) -> torch.Tensor:
    """Compute the log-mel spectrogram that is Whisper's input.

    Parameters
    ----------
    samples : ndarray of float64, shape (samples,)
    bins : int
        Number of mel bands.
    frames : int
        Number of frames, of 10 ms each; shorter audio is padded with silence.

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
    """Compute the normalised filter banks that are BEATs' input.

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
    """Compute log energies of mel bands with Kaldi's defaults, without dither.

    From each complete frame of 25 ms, its mean is subtracted; then it is pre-emphasised by 0.97
    (the first sample is its own predecessor) and multiplied by Povey's window, a Hann window to the
    power of 0.85. Formulas: Kaldi's ``feature-window.cc`` and ``mel-computations.cc``.

    Parameters
    ----------
    samples : ndarray of float64, shape (samples,)
        Samples in the range of int16.

    Returns
    -------
    ndarray of float64, shape (frames, 128)
    """
    frames = sliding_window_view(samples, _FRAME)[::_SHIFT]
    frames = frames - frames.mean(axis=1, keepdims=True)
    previous = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    windowed = (frames - _PRE_EMPHASIS * previous) * np.hanning(_FRAME) ** 0.85
    power = np.abs(np.fft.rfft(windowed, _FFT)) ** 2
    filters = mel_filters(_BINS, _LOWEST, RATE / 2, _FFT, np.float32)  # as in training BEATs
    return np.asarray(np.log(np.maximum(power @ filters, np.finfo(np.float32).eps)))
