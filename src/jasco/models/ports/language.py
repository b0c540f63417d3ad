"""The language model of a port: Llama, with audio embeddings between those of its tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding


def make_llama(sizes: Mapping[str, Any]) -> LlamaForCausalLM:
    """Create a Llama without weights.

    Parameters
    ----------
    sizes : mapping
        As in the ``config.json`` of a base model (``hidden_size``, ``num_hidden_layers``, ...).
    """
    return LlamaForCausalLM(LlamaConfig(**sizes))


def fill(network: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Fill a network that was created without weights, on torch's device ``meta``.

    The weights are not copied; afterwards the network is ready for inference.

    Parameters
    ----------
    network : Module
        A network with a Llama as its attribute ``llama``.
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
    """Join text and audio into one sequence.

    Parameters
    ----------
    llama : LlamaForCausalLM
        The model with the embeddings of the tokens.
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
