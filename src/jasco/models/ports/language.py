"""The language model of a port: a Llama whose input combines text and audio embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding


def make_llama(sizes: Mapping[str, Any]) -> LlamaForCausalLM:
    """Return a Llama whose weights have yet to be loaded.

    Parameters
    ----------
    sizes : mapping
        The entries of a base model's ``config.json`` (``hidden_size``, ``num_hidden_layers``, ...).
    """
    return LlamaForCausalLM(LlamaConfig(**sizes))


def fill(network: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Load weights into a network that was created on torch's device ``meta``.

    The weights are not copied. Afterwards the network is in evaluation mode, without gradients.

    Parameters
    ----------
    network : Module
        A network with a Llama as its attribute ``llama``.
    weights : mapping of str to Tensor
        All weights of the network, each in the dtype that it is computed in.

    Raises
    ------
    RuntimeError
        A weight is missing, unknown or of another shape.
    """
    network.load_state_dict(dict(weights), strict=True, assign=True)
    # The rotary frequencies are computed, not stored: always in float32.
    network.llama.model.rotary_emb = LlamaRotaryEmbedding(network.llama.config)
    network.eval().requires_grad_(False)


def splice(llama: LlamaForCausalLM, parts: Sequence[Sequence[int] | torch.Tensor]) -> torch.Tensor:
    """Concatenate text and audio into one sequence of embeddings.

    Parameters
    ----------
    llama : LlamaForCausalLM
        The model whose token embeddings are used.
    parts : sequence
        Token ids, or embeddings of shape (time, width), in the order of the sequence.

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
