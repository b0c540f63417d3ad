"""How large the parts of the model are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jasco.data.audio import SAMPLING_RATE

HOP = 160
"""Samples from one frame of the spectrogram to the next."""

_LLAMA = (
    "attention_bias",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "mlp_bias",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "tie_word_embeddings",
    "vocab_size",
)


@dataclass(frozen=True)
class Sizes:
    """Sizes of LTU-AS; those that no published file tells are the published script's.

    Attributes
    ----------
    llama : mapping
        Of the language model, as in the ``config.json`` of the base model.
    whisper : mapping of str to int
        Of the features' Whisper, as under ``dims`` in OpenAI's file (``n_audio_state``, ...).
    time_heads, layer_heads, mlp_ratio : int
        Of the transformer over time and layers, which is as wide as Whisper.
    frames : int
        Of the spectrogram that are heard.
    pool : int
        Positions of Whisper's encoder that are averaged into one.
    rank, alpha : int, float
        Of the low-rank updates.
    """

    llama: Mapping[str, Any]
    whisper: Mapping[str, int]
    time_heads: int = 1
    layer_heads: int = 8
    mlp_ratio: int = 4
    frames: int = 1_000
    pool: int = 20
    rank: int = 8
    alpha: float = 16

    @property
    def width(self) -> int:
        """Width of Whisper's encoder."""
        return self.whisper["n_audio_state"]

    @property
    def max_audio_seconds(self) -> float:
        """Seconds of a clip that the features are made of; the transcript is of the whole clip."""
        return self.frames * HOP / SAMPLING_RATE


def llama_sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """Take a language model's sizes out of its ``config.json``."""
    return {name: config[name] for name in _LLAMA if config.get(name) is not None}
