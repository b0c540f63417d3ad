"""LoRA of Llama's attention, with a scale for each channel.

The rotary position embedding of the original rotates pairs of neighbouring channels of queries and
keys (0 with 1, 2 with 3, ...; Su et al., 2021); transformers' Llama pairs the channels of a head's
first half with those of its second half. Both are equivalent if the channels of queries and keys
are reordered (:func:`rotary_order`): the rows of the projection and of LoRA's B, and the scale.
Values and outputs are not rotated; the order of their channels is the same in both.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from transformers import LlamaForCausalLM

ROTATED, PLAIN = ("q_proj", "k_proj"), ("v_proj", "o_proj")
LORA_PROJECTIONS = ROTATED + PLAIN
"""Names of the projections with LoRA in each layer's attention."""


def rotary_order(width: int, heads: int) -> torch.Tensor:
    """Return the order of channels with the even ones of each head before its odd ones.

    Parameters
    ----------
    width : int
        Number of channels of all heads.
    heads : int
        Number of heads.

    Returns
    -------
    Tensor of int, shape (width,)
        Indices into the checkpoint's channels: ``weight[rotary_order(...)]`` is in transformers'
        order.
    """
    return torch.arange(width).reshape(heads, -1, 2).transpose(1, 2).flatten()


@contextmanager
def scaled_lora(
    llama: LlamaForCausalLM, scales: torch.Tensor
) -> Iterator[Callable[[torch.Tensor], None]]:
    """Enable LoRA within the context.

    Parameters
    ----------
    llama : LlamaForCausalLM
        A model with LoRA in all of :data:`LORA_PROJECTIONS`.
    scales : Tensor, shape (rows, width)
        The scale of each row of a batch, in the checkpoint's order of channels; the same in all
        layers and projections.

    Yields
    ------
    callable
        Function to call before the next batch, with the rows of the last batch that it consists of:
        Tensor of int, shape (rows,).
    """
    order = rotary_order(scales.shape[1], llama.config.num_attention_heads).to(scales.device)
    rows = torch.arange(len(scales), device=scales.device)

    def select_rows(selected: torch.Tensor) -> None:
        nonlocal rows
        rows = rows[selected]
        _set_scale(llama, rotated=scales[rows][:, None, order], plain=scales[rows][:, None])

    try:
        select_rows(rows)
        yield select_rows
    finally:
        _set_scale(llama, rotated=None, plain=None)


def _set_scale(
    llama: LlamaForCausalLM, rotated: torch.Tensor | None, plain: torch.Tensor | None
) -> None:
    for layer in llama.model.layers:
        for names, scale in ((ROTATED, rotated), (PLAIN, plain)):
            for name in names:
                getattr(layer.self_attn, name).scale = scale
