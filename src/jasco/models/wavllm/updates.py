"""Low-rank updates (LoRA; Hu et al., 2021) of Llama's attention, scaled channel by channel.

To mark positions, the published model rotates neighbouring channels of queries and keys (0 with 1,
2 with 3, ...; Su et al., 2021); transformers' Llama rotates a head's first half with its second
one. Both are the same model where the channels of queries and keys are reordered (:func:`halves`):
rows of the projection, columns of its update, and the scale alike. Values and outputs are not
rotated, and keep their order.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import LlamaForCausalLM

ROTATED, PLAIN = ("q_proj", "k_proj"), ("v_proj", "o_proj")
"""Names of the updated projections of each layer's attention."""


def halves(width: int, heads: int) -> torch.Tensor:
    """Give the order of channels that brings each head's even ones before its odd ones.

    Parameters
    ----------
    width : int
        Channels of all heads.
    heads : int

    Returns
    -------
    Tensor of int, shape (width,)
        Whence each channel comes: ``published[halves(...)]`` is in transformers' order.
    """
    return torch.arange(width).reshape(heads, -1, 2).transpose(1, 2).flatten()


class UpdatedLinear(nn.Module):
    """A projection and its update: W x + scale * (x A B).

    Parameters
    ----------
    base : Linear
    rank : int

    Attributes
    ----------
    scale : Tensor, shape (out,), or None
        How much of the update each channel gets. None: the projection alone.
    """

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.zeros(base.in_features, rank))
        self.up = nn.Parameter(torch.zeros(rank, base.out_features))
        self.scale: torch.Tensor | None = None

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Project states of shape (..., in)."""
        projected: torch.Tensor = self.base(states)
        if self.scale is None:
            return projected
        return projected + states @ self.down @ self.up * self.scale


def add_updates(llama: LlamaForCausalLM, rank: int) -> None:
    """Give the projections of every layer's attention their updates."""
    for layer in llama.model.layers:
        for name in ROTATED + PLAIN:
            base = getattr(layer.self_attn, name)
            setattr(layer.self_attn, name, UpdatedLinear(base, rank))


@contextmanager
def updated(llama: LlamaForCausalLM, scale: torch.Tensor) -> Iterator[None]:
    """Let the updates count, for as long as this lasts.

    Parameters
    ----------
    llama : LlamaForCausalLM
        With updates (:func:`add_updates`).
    scale : Tensor, shape (width,)
        In the published order of channels; the same in all layers and projections.
    """
    order = halves(len(scale), llama.config.num_attention_heads).to(scale.device)
    try:
        _set_scale(llama, rotated=scale[order], plain=scale)
        yield
    finally:
        _set_scale(llama, rotated=None, plain=None)


def _set_scale(
    llama: LlamaForCausalLM, rotated: torch.Tensor | None, plain: torch.Tensor | None
) -> None:
    for layer in llama.model.layers:
        for names, scale in ((ROTATED, rotated), (PLAIN, plain)):
            for name in names:
                getattr(layer.self_attn, name).scale = scale
