"""Sizes of the network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jasco.data.audio import SAMPLING_RATE

HOP = 160
"""Samples between consecutive frames of the spectrogram."""

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
    """Sizes of LTU-AS.

    The defaults, which are in no published file, are those of the published script.

    Attributes
    ----------
    llama : mapping
        Sizes of the language model, as in the ``config.json`` of the base model.
    whisper : mapping of str to int
        Sizes of the Whisper that computes features: the entry ``dims`` of OpenAI's checkpoint
        (``n_audio_state``, ...).
    time_heads, layer_heads, mlp_ratio : int
        Sizes of the transformer over time and layers, which has the width of Whisper.
    frames : int
        Number of frames of the spectrogram, to which clips are truncated or padded.
    pool : int
        Positions of Whisper's encoder that are averaged into one audio token.
    rank, alpha : int, float
        Rank and alpha of LoRA.
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
        """Seconds of a clip that the features cover; the transcript covers the whole clip."""
        return self.frames * HOP / SAMPLING_RATE


def llama_sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sizes of a language model from its ``config.json``."""
    return {name: config[name] for name in _LLAMA if config.get(name) is not None}
