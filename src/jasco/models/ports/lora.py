"""Low-rank adaptation (LoRA; Hu et al., 2021) of a language model's attention."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import linear
from transformers import LlamaForCausalLM

LORA_KEYS = (".lora_A", ".lora_B")
"""Suffixes of the names of LoRA weights."""


class LoRALinear(nn.Module):
    """A linear layer with LoRA: W x + scale * (B A x).

    B A is not merged into W: in half precision, small values would be lost in sums with large
    weights.

    Parameters
    ----------
    base : Linear
    rank : int
    scale : float, Tensor of shape (rows, 1, out), or None
        The factor of B A x: one number, or one for each output channel and row of a batch. None:
        LoRA is not applied.
    """

    def __init__(self, base: nn.Linear, rank: int, scale: float | None = None) -> None:
        super().__init__()
        self.base = base
        self.lora_A = nn.Parameter(torch.zeros(rank, base.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale: float | torch.Tensor | None = scale

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Compute the projection, shape (rows, time, out), of states of shape (rows, time, in)."""
        projected: torch.Tensor = self.base(states)
        if self.scale is None:
            return projected
        return projected + linear(linear(states, self.lora_A), self.lora_B) * self.scale


def add_lora(
    llama: LlamaForCausalLM, projections: Sequence[str], rank: int, scale: float | None = None
) -> None:
    """Add LoRA to the projections (``q_proj``, ...) of every layer's attention."""
    for layer in llama.model.layers:
        for name in projections:
            base = getattr(layer.self_attn, name)
            setattr(layer.self_attn, name, LoRALinear(base, rank, scale))
