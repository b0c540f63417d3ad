"""The LoRA scale of a prompt, predicted from the question alone."""

import torch
from torch import nn
from torch.nn import functional
from transformers import LlamaForCausalLM


def states_before_norm(llama: LlamaForCausalLM, embeddings: torch.Tensor) -> torch.Tensor:
    """Compute the states of the last layer before the final norm.

    transformers returns the states of the last layer only after the norm.

    Parameters
    ----------
    llama : LlamaForCausalLM
    embeddings : Tensor, shape (1, length, width)

    Returns
    -------
    Tensor, shape (1, length, width)
    """
    states: list[torch.Tensor] = []
    hook = llama.model.norm.register_forward_pre_hook(lambda _, inputs: states.append(inputs[0]))
    try:
        llama.model(inputs_embeds=embeddings, use_cache=False)
    finally:
        hook.remove()
    return states[0]


class ScaleHead(nn.Module):
    """Predict one scale for each channel from Llama's states of a question.

    Parameters
    ----------
    width, bottleneck : int
        Channels of the states, and inside the head.
    largest : float
        Upper bound of the scales.
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
        """Return the scale, shape (width,): attention pooling of the features.

        It is clamped to the range from 0 to ``largest``.
        """
        features = self.features(states)[0]
        weights = torch.softmax(self.attention(features), dim=0)
        return (weights * features).sum(dim=0).clamp(0.0, self.largest)
