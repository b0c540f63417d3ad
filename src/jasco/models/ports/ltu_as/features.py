"""Audio features: log-mel spectrogram, outputs of all layers of Whisper, and pooling over time."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import gelu, pad
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from jasco.data.audio import SAMPLING_RATE
from jasco.errors import InputError

_MIN_SAMPLES = 400  # one window of the spectrogram


def log_mel(samples: NDArray[np.float32], bins: int, frames: int) -> torch.Tensor:
    """Compute Whisper's log-mel spectrogram of a clip, truncated or padded to a fixed length.

    As in the published code, the spectrogram of the whole clip is computed first. Its dynamic range
    (8 decades below the maximum; Radford et al., 2023) therefore depends on the loudest part of the
    clip, even if that part is truncated. The spectrogram is padded with 0, which differs from that
    of a clip padded with silence.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        From -1 to 1 at 16 kHz.
    bins, frames : int
        Shape of the result.

    Returns
    -------
    Tensor, shape (bins, frames)

    Raises
    ------
    InputError
        The clip is shorter than one window of the spectrogram.
    """
    if len(samples) < _MIN_SAMPLES:
        raise InputError(
            f"the clip has {len(samples)} samples, LTU-AS needs {_MIN_SAMPLES}; remove the clip"
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
    return pad(mel, (0, frames - mel.shape[1]))  # truncates if negative


def make_whisper(dims: Mapping[str, int]) -> WhisperEncoder:
    """Return a Whisper encoder whose weights have yet to be loaded.

    Parameters
    ----------
    dims : mapping of str to int
        The entry ``dims`` of OpenAI's checkpoint.
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
    """Return the configuration of Whisper blocks for transformers."""
    return WhisperConfig(
        d_model=width,
        encoder_attention_heads=heads,
        encoder_ffn_dim=mlp_ratio * width,
        attn_implementation="sdpa",
        **more,
    )


def every_layer(whisper: WhisperEncoder, mel: torch.Tensor) -> torch.Tensor:
    """Compute the input of the first layer of Whisper's encoder and the output of every layer.

    The layers are called one by one, since transformers' encoder accepts only spectrograms of 30 s
    and applies the final layer norm to the last output, which these features lack.

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
    """Average the outputs of the layers over blocks of time; the first layer's input is dropped.

    Parameters
    ----------
    states : Tensor, shape (1 + layers, positions, width)
    size : int
        Positions of a block; a divisor of the number of positions.

    Returns
    -------
    Tensor, shape (layers, positions / size, width)
    """
    return states[1:].unflatten(1, (-1, size)).mean(dim=2)
