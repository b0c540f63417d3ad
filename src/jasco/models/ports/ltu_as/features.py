"""From a waveform to features: a log-mel spectrogram, all layers of Whisper, pooled over time."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import gelu, pad
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from jasco.data.audio import SAMPLING_RATE
from jasco.errors import InputError

_SHORTEST = 400  # samples: one window of the spectrogram


def log_mel(samples: NDArray[np.float32], bins: int, frames: int) -> torch.Tensor:
    """Compute Whisper's log-mel spectrogram of a clip, and bring it to a fixed length.

    The published code takes the spectrogram of the whole clip as it is, so that its dynamic range
    (8 decades below the maximum; Radford et al., 2023) hangs on the loudest part even where that
    is cut off, and fills up with 0, which is not what silence would give.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        From -1 to 1 at 16 kHz.
    bins, frames : int
        Size of the result.

    Returns
    -------
    Tensor, shape (bins, frames)

    Raises
    ------
    InputError
        The clip is shorter than one window of the spectrogram.
    """
    if len(samples) < _SHORTEST:
        raise InputError(
            f"the clip has {len(samples)} samples and LTU-AS needs {_SHORTEST}; leave it out"
        )
    extract = WhisperFeatureExtractor(feature_size=bins)
    inputs = extract(
        samples,
        sampling_rate=SAMPLING_RATE,
        padding=False,
        truncation=False,
        return_tensors="pt",
    )
    (mel,) = inputs["input_features"]
    return pad(mel, (0, frames - mel.shape[1]))  # less than none: cut


def make_whisper(dims: Mapping[str, int]) -> WhisperEncoder:
    """Make a Whisper encoder without weights.

    Parameters
    ----------
    dims : mapping of str to int
        As in OpenAI's file.
    """
    return WhisperEncoder(
        whisper_config(
            dims["n_audio_state"],
            heads=dims["n_audio_head"],
            encoder_layers=dims["n_audio_layer"],
            num_mel_bins=dims["n_mels"],
            max_source_positions=dims["n_audio_ctx"],
        )
    )


def whisper_config(width: int, heads: int, mlp_ratio: int = 4, **more: int) -> WhisperConfig:
    """Put the sizes of blocks of Whisper's kind as transformers wants them."""
    return WhisperConfig(
        d_model=width,
        encoder_attention_heads=heads,
        encoder_ffn_dim=mlp_ratio * width,
        attn_implementation="sdpa",
        **more,
    )


def every_layer(whisper: WhisperEncoder, mel: torch.Tensor) -> torch.Tensor:
    """Run Whisper's encoder and keep what each layer is given and what the last one gives.

    By hand, since transformers' encoder takes nothing but 30 s, and gives the last layer's output
    only after the final layer norm, which these features go without.

    Parameters
    ----------
    whisper : WhisperEncoder
    mel : Tensor, shape (bins, frames)

    Returns
    -------
    Tensor, shape (1 + layers, positions, width)
    """
    hidden = gelu(whisper.conv1(mel[None]))
    hidden = gelu(whisper.conv2(hidden)).transpose(1, 2)
    hidden = hidden + whisper.embed_positions.weight[: hidden.shape[1]]
    states = [hidden]
    for layer in whisper.layers:
        states.append(layer(states[-1], None))
    return torch.cat(states)


def pool_time(states: torch.Tensor, size: int) -> torch.Tensor:
    """Average the layers' outputs over blocks of time; the first layer's input is left out.

    Parameters
    ----------
    states : Tensor, shape (1 + layers, positions, width)
    size : int
        Positions of a block; a divisor of all.

    Returns
    -------
    Tensor, shape (layers, positions / size, width)
    """
    return states[1:].unflatten(1, (-1, size)).mean(dim=2)
