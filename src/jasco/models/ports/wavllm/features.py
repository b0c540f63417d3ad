"""What the two encoders are given of a clip."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import WhisperFeatureExtractor

from jasco.data.audio import SAMPLING_RATE
from jasco.errors import InputError

_POSITIONS_A_SECOND = 50  # of Whisper's encoder

SAMPLES_AN_EMBEDDING = 4 * SAMPLING_RATE // _POSITIONS_A_SECOND
"""How much of a clip each embedding stands for: connectors leave a quarter of the positions."""


def whisper_parts(
    samples: NDArray[np.float32], sizes: Mapping[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the log-mel spectrograms of a clip's parts of 30 s, which do not overlap.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        From -1 to 1 at 16 kHz.
    sizes : mapping
        Of Whisper (``num_mel_bins``, ``max_source_positions``).

    Returns
    -------
    features : Tensor, shape (parts, bins, frames)
        Each part is filled up with silence.
    valid : Tensor of int, shape (parts,)
        Frames of each part that are no filling.
    """
    extractor = WhisperFeatureExtractor(
        feature_size=sizes["num_mel_bins"],
        chunk_length=sizes["max_source_positions"] // _POSITIONS_A_SECOND,
    )
    length = extractor.n_samples
    parts = [samples[start : start + length] for start in range(0, len(samples), length)]
    heard = extractor(
        parts, sampling_rate=SAMPLING_RATE, return_attention_mask=True, return_tensors="pt"
    )
    return heard["input_features"], heard["attention_mask"].sum(dim=1)


def valid_positions(frames: torch.Tensor) -> int:
    """Count the encoder's positions that are kept of every part, from its valid frames.

    All parts keep as many as the longest: the last one so keeps some of its filling. Whisper's
    second convolution rotary_order the frames.
    """
    return (int(frames.max()) - 1) // 2 + 1


def wavlm_waveform(samples: NDArray[np.float32], sizes: Mapping[str, Any]) -> torch.Tensor:
    """Give the waveform as WavLM Base was trained on it: as it is, not normalised.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
    sizes : mapping
        Of WavLM (``conv_kernel``, ``conv_stride``).

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
            f"a clip of {len(samples)} samples is too short to be heard; WavLM needs {shortest}"
        )
    return torch.from_numpy(samples)[None]
