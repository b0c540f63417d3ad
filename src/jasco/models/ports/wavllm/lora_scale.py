"""How much of the updates a prompt gets: predicted from the question alone."""

import torch
from torch import nn
from torch.nn import functional
from transformers import LlamaForCausalLM


def states_before_norm(llama: LlamaForCausalLM, embeddings: torch.Tensor) -> torch.Tensor:
    """Run all layers, and give what the final norm would get.

    Transformers shows the states of the last layer only after the norm.

    Parameters
    ----------
    llama : LlamaForCausalLM
    embeddings : Tensor, shape (1, length, width)

    Returns
    -------
    Tensor, shape (1, length, width)
    """
    kept: list[torch.Tensor] = []
    hook = llama.model.norm.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    try:
        llama.model(inputs_embeds=embeddings, use_cache=False)
    finally:
        hook.remove()
    return kept[0]


class ScaleHead(nn.Module):
    """From Llama's states over a question to one scale for each channel.

    Parameters
    ----------
    width, bottleneck : int
    largest : float
        No channel gets more.
    """

    def __init__(self, width: int, bottleneck: int, largest: float) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        self.attention = nn.Linear(width, 1)
        self.largest = largest

    def features(self, states: torch.Tensor) -> torch.Tensor:
        """Map states of shape (1, length, width) to features of the same shape."""
        features: torch.Tensor = self.up(functional.gelu(self.down(states)))
        return features

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Give the scale, shape (width,): the features' attentive mean, from 0 to the largest."""
        features = self.features(states)[0]
        weights = torch.softmax(self.attention(features), dim=0)
        return (weights * features).sum(dim=0).clamp(0.0, self.largest)
