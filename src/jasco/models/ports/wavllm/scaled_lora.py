"""LoRA of Llama's attention, scaled channel by channel.

To mark positions, the published model rotates neighbouring channels of queries and keys (0 with 1,
2 with 3, ...; Su et al., 2021); transformers' Llama rotates a head's first half with its second
one. Both are the same model where the channels of queries and keys are reordered
(:func:`rotary_order`): rows of the projection and of its B, and the scale alike. Values and outputs
are not rotated, and keep their order.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from transformers import LlamaForCausalLM

ROTATED, PLAIN = ("q_proj", "k_proj"), ("v_proj", "o_proj")
LORA_PROJECTIONS = ROTATED + PLAIN
"""Names of the updated projections of each layer's attention."""


def rotary_order(width: int, heads: int) -> torch.Tensor:
    """Give the order of channels that brings each head's even ones before its odd ones.

    Parameters
    ----------
    width : int
        Channels of all heads.
    heads : int

    Returns
    -------
    Tensor of int, shape (width,)
        Whence each channel comes: ``published[rotary_order(...)]`` is in transformers' order.
    """
    return torch.arange(width).reshape(heads, -1, 2).transpose(1, 2).flatten()


@contextmanager
def scaled_lora(
    llama: LlamaForCausalLM, scales: torch.Tensor
) -> Iterator[Callable[[torch.Tensor], None]]:
    """Let the updates count, for as long as this lasts.

    Parameters
    ----------
    llama : LlamaForCausalLM
        With updates of all of :data:`LORA_PROJECTIONS`.
    scales : Tensor, shape (rows, width)
        For each row of a batch, in the published order of channels; the same in all layers and
        projections.

    Yields
    ------
    callable
        To be told which rows a later batch consists of: Tensor of int, shape (rows,).
    """
    order = rotary_order(scales.shape[1], llama.config.num_attention_heads).to(scales.device)
    rows = torch.arange(len(scales), device=scales.device)

    def keep(kept: torch.Tensor) -> None:
        nonlocal rows
        rows = rows[kept]
        _set_scale(llama, rotated=scales[rows][:, None, order], plain=scales[rows][:, None])

    try:
        keep(rows)
        yield keep
    finally:
        _set_scale(llama, rotated=None, plain=None)


def _set_scale(
    llama: LlamaForCausalLM, rotated: torch.Tensor | None, plain: torch.Tensor | None
) -> None:
    for layer in llama.model.layers:
        for names, scale in ((ROTATED, rotated), (PLAIN, plain)):
            for name in names:
                getattr(layer.self_attn, name).scale = scale
