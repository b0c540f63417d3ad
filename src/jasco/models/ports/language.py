"""The language model of a system: Llama, with low-rank updates, fed with sounds between words."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding


def make_llama(sizes: Mapping[str, Any]) -> LlamaForCausalLM:
    """Make a Llama without weights.

    Parameters
    ----------
    sizes : mapping
        As in the ``config.json`` of a base model (``hidden_size``, ``num_hidden_layers``, ...).
    """
    return LlamaForCausalLM(LlamaConfig(**sizes))


def fill(network: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Put weights into a network that was made without any, on torch's device ``meta``.

    They are taken over, not copied; it is then ready to be asked.

    Parameters
    ----------
    network : Module
        Whose ``llama`` is a Llama.
    weights : mapping of str to Tensor
        All of them, in the precision in which each is to compute.

    Raises
    ------
    RuntimeError
        One is missing, unknown or of another shape.
    """
    network.load_state_dict(dict(weights), strict=True, assign=True)
    # The one thing that is computed, not stored; in float32 whatever the weights are in.
    network.llama.model.rotary_emb = LlamaRotaryEmbedding(network.llama.config)
    network.eval().requires_grad_(False)


def splice(llama: LlamaForCausalLM, parts: Sequence[Sequence[int] | torch.Tensor]) -> torch.Tensor:
    """Put words and sounds into one sequence.

    Parameters
    ----------
    llama : LlamaForCausalLM
        Whose embeddings the words get.
    parts : sequence
        Token numbers, or embeddings of shape (time, width), in the order of the sequence.

    Returns
    -------
    Tensor, shape (1, length, width)
    """
    table = llama.get_input_embeddings()
    rows = [
        part.to(table.weight.dtype)
        if isinstance(part, torch.Tensor)
        else table(torch.tensor(list(part), dtype=torch.long, device=table.weight.device))
        for part in parts
    ]
    return torch.cat(rows)[None]
