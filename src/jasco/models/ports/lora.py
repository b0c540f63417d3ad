"""Low-rank updates (LoRA; Hu et al., 2021) of a language model's attention."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import linear
from transformers import LlamaForCausalLM


class UpdatedLinear(nn.Module):
    """A projection and its update: W x + scale * (B A x).

    The two are not merged: in half precision, small updates would be lost in large weights.

    Parameters
    ----------
    base : Linear
    rank : int
    scale : float, Tensor of shape (rows, 1, out), or None
        How much of the update counts: of all, or of each channel in each row of a batch. None:
        the projection alone.
    """

    def __init__(self, base: nn.Linear, rank: int, scale: float | None = None) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.zeros(rank, base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale: float | torch.Tensor | None = scale

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Project states of shape (rows, time, in)."""
        projected: torch.Tensor = self.base(states)
        if self.scale is None:
            return projected
        return projected + linear(linear(states, self.down), self.up) * self.scale


def add_updates(
    llama: LlamaForCausalLM, projections: Sequence[str], rank: int, scale: float | None = None
) -> None:
    """Give projections (``q_proj``, ...) of every layer's attention their updates."""
    for layer in llama.model.layers:
        for name in projections:
            base = getattr(layer.self_attn, name)
            setattr(layer.self_attn, name, UpdatedLinear(base, rank, scale))
