"""The network of LTU-AS: a few audio embeddings precede those of the prompt."""

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
"""Projections of the language model's attention that have LoRA."""


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
        """Compute the pooled outputs of Whisper's layers for a clip's first seconds.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            Samples from -1 to 1 at 16 kHz.

        Returns
        -------
        Tensor, shape (layers, audio tokens, width)
        """
        mel = log_mel(samples, self.sizes.whisper["n_mels"], self.sizes.frames)
        states = every_layer(self.whisper, mel.to(self.projection.weight))
        return pool_time(states, self.sizes.pool)

    def connect(self, features: torch.Tensor) -> torch.Tensor:
        """Compute embeddings of the language model from features.

        Parameters
        ----------
        features : Tensor, shape (batch, layers, audio tokens, width)

        Returns
        -------
        Tensor, shape (batch, audio tokens, hidden)
        """
        return self.project(self.tltr(features))

    def project(self, averaged: torch.Tensor) -> torch.Tensor:
        """Compute the projection of normalised features to the language model's width.

        The layer norm has no weights.

        Parameters
        ----------
        averaged : Tensor, shape (batch, audio tokens, width)

        Returns
        -------
        Tensor, shape (batch, audio tokens, hidden)
        """
        projected: torch.Tensor = self.projection(layer_norm(averaged, averaged.shape[-1:]))
        return projected

    def audio_embeddings(self, samples: NDArray[np.float32]) -> torch.Tensor:
        """Compute the embeddings of a clip.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            Samples from -1 to 1 at 16 kHz.

        Returns
        -------
        Tensor, shape (audio tokens, hidden)
        """
        with torch.inference_mode():
            return self.connect(self.features(samples)[None])[0]

    def sequence(self, audio: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        """Return the embeddings of a clip, followed by those of BOS and the prompt.

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
    """Return the network on torch's device ``meta``, where its weights take no memory."""
    with torch.device("meta"):
        return LtuAs(sizes)


def assemble(sizes: Sizes, weights: Mapping[str, torch.Tensor], dtype: torch.dtype) -> LtuAs:
    """Return the network with its weights.

    Parameters
    ----------
    sizes : Sizes
    weights : mapping of str to Tensor
        All weights of the network, by name.
    dtype : dtype
        The dtype of all weights but the layer norms of :mod:`.tltr`, which are in float32.

    Returns
    -------
    LtuAs
    """
    model = make_empty(sizes)
    converted = {
        key: value.to(torch.float32 if key.startswith("tltr.") and "layer_norm" in key else dtype)
        for key, value in weights.items()
    }
    fill(model, converted)
    return model


def shapes_of(sizes: Sizes) -> dict[str, torch.Size]:
    """Return the shape of every weight, by name."""
    return {key: value.shape for key, value in make_empty(sizes).state_dict().items()}
