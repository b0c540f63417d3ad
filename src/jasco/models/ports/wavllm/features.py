"""The inputs of the two encoders, computed from a clip."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import WhisperFeatureExtractor

from jasco.data.audio import SAMPLING_RATE
from jasco.errors import InputError

_POSITIONS_PER_SECOND = 50  # of Whisper's encoder

SAMPLES_PER_EMBEDDING = 4 * SAMPLING_RATE // _POSITIONS_PER_SECOND
"""Samples per audio embedding; the connectors keep a quarter of the positions."""


def whisper_parts(
    samples: NDArray[np.float32], sizes: Mapping[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the log-mel spectrograms of a clip's parts of 30 s, which do not overlap.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        From -1 to 1 at 16 kHz.
    sizes : mapping
        Sizes of Whisper (``num_mel_bins``, ``max_source_positions``).

    Returns
    -------
    features : Tensor, shape (parts, bins, frames)
        Each part is padded with silence.
    valid : Tensor of int, shape (parts,)
        Number of frames of each part without padding.
    """
    extractor = WhisperFeatureExtractor(
        feature_size=sizes["num_mel_bins"],
        chunk_length=sizes["max_source_positions"] // _POSITIONS_PER_SECOND,
    )
    length = extractor.n_samples
    parts = [samples[start : start + length] for start in range(0, len(samples), length)]
    batch = extractor(
        parts, sampling_rate=SAMPLING_RATE, return_attention_mask=True, return_tensors="pt"
    )
    return batch["input_features"], batch["attention_mask"].sum(dim=1)


def valid_positions(frames: torch.Tensor) -> int:
    """Return the number of encoder positions to keep of each part, from the parts' valid frames.

    All parts keep as many positions as the longest one, so the last part keeps some of its padding.
    Whisper's second convolution halves the number of frames.
    """
    return (int(frames.max()) - 1) // 2 + 1


def wavlm_waveform(samples: NDArray[np.float32], sizes: Mapping[str, Any]) -> torch.Tensor:
    """Return the waveform as a tensor, not normalised, as in the training of WavLM Base.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
    sizes : mapping
        Sizes of WavLM (``conv_kernel``, ``conv_stride``).

    Returns
    -------
    Tensor, shape (1, samples)

    Raises
    ------
    InputError
        The clip is shorter than one frame.
    """
    shortest = 1
    for kernel, stride in zip(
        reversed(sizes["conv_kernel"]), reversed(sizes["conv_stride"]), strict=True
    ):
        shortest = (shortest - 1) * stride + kernel
    if len(samples) < shortest:
        raise InputError(
            f"the clip has {len(samples)} samples, WavLM needs {shortest}; remove the clip"
        )
    return torch.from_numpy(samples)[None]
