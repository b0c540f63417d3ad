"""The whole network: what is heard becomes a few embeddings in front of the prompt's."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import layer_norm

from jasco.models.ports.language import fill, make_llama, splice
from jasco.models.ports.lora import add_lora
from jasco.models.ports.ltu_as.features import every_layer, log_mel, make_whisper, pool_time
from jasco.models.ports.ltu_as.sizes import Sizes
from jasco.models.ports.ltu_as.tltr import TimeLayerTransformer

LORA_PROJECTIONS = ("q_proj", "v_proj")
"""Projections of the language model's attention that have a low-rank update."""


class LtuAs(nn.Module):
    """LTU-AS without its speech recogniser, whose transcript is part of the prompt.

    Parameters
    ----------
    sizes : Sizes
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.whisper = make_whisper(sizes.whisper)
        self.tltr = TimeLayerTransformer(
            sizes.width, sizes.time_heads, sizes.layer_heads, sizes.mlp_ratio
        )
        self.projection = nn.Linear(sizes.width, sizes.llama["hidden_size"])
        self.llama = make_llama(sizes.llama)
        add_lora(self.llama, LORA_PROJECTIONS, sizes.rank, sizes.alpha / sizes.rank)

    def features(self, samples: NDArray[np.float32]) -> torch.Tensor:
        """Compute what Whisper's layers make of a clip's first seconds.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            From -1 to 1 at 16 kHz.

        Returns
        -------
        Tensor, shape (layers, audio tokens, width)
        """
        mel = log_mel(samples, self.sizes.whisper["n_mels"], self.sizes.frames)
        states = every_layer(self.whisper, mel.to(self.projection.weight))
        return pool_time(states, self.sizes.pool)

    def connect(self, features: torch.Tensor) -> torch.Tensor:
        """Bring features to the language model.

        Parameters
        ----------
        features : Tensor, shape (batch, layers, audio tokens, width)

        Returns
        -------
        Tensor, shape (batch, audio tokens, hidden)
        """
        return self.project(self.tltr(features))

    def project(self, summed: torch.Tensor) -> torch.Tensor:
        """Normalise (without weights) and project into the language model.

        Parameters
        ----------
        summed : Tensor, shape (batch, audio tokens, width)

        Returns
        -------
        Tensor, shape (batch, audio tokens, hidden)
        """
        projected: torch.Tensor = self.projection(layer_norm(summed, summed.shape[-1:]))
        return projected

    def audio_embeddings(self, samples: NDArray[np.float32]) -> torch.Tensor:
        """Compute the embeddings that stand for a clip.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            From -1 to 1 at 16 kHz.

        Returns
        -------
        Tensor, shape (audio tokens, hidden)
        """
        with torch.inference_mode():
            return self.connect(self.features(samples)[None])[0]

    def sequence(self, audio: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        """Put a clip in front of a prompt; BOS, the prompt's first token, comes after the clip.

        Parameters
        ----------
        audio : Tensor, shape (audio tokens, hidden)
        ids : sequence of int
            BOS and the prompt's tokens.

        Returns
        -------
        Tensor, shape (1, length, hidden)
        """
        return splice(self.llama, [audio, ids])


def make_empty(sizes: Sizes) -> LtuAs:
    """Make the network without memory for its weights, which are to be put in with ``assign``."""
    with torch.device("meta"):
        return LtuAs(sizes)


def assemble(sizes: Sizes, weights: Mapping[str, torch.Tensor], dtype: torch.dtype) -> LtuAs:
    """Make the network with its weights.

    Parameters
    ----------
    sizes : Sizes
    weights : mapping of str to Tensor
        All of the network's.
    dtype : dtype
        What it computes in, but for the norms between time and layers.

    Returns
    -------
    LtuAs
    """
    model = make_empty(sizes)
    precise = {
        key: value.to(torch.float32 if key.startswith("tltr.") and "layer_norm" in key else dtype)
        for key, value in weights.items()
    }
    fill(model, precise)
    return model


def shapes_of(sizes: Sizes) -> dict[str, torch.Size]:
    """Give the shape of every weight, without making room for any."""
    return {key: value.shape for key, value in make_empty(sizes).state_dict().items()}
