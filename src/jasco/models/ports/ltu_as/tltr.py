"""The transformer over time and layers (TLTR; Gong et al., 2023, "Whisper-AT")."""

import torch
from torch import nn
from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer

from jasco.models.ports.ltu_as.features import whisper_config


class TimeLayerTransformer(nn.Module):
    """Attention over time within each layer, then over the layers at each time, then their mean.

    The two blocks are built like those of Whisper (layer norms before attention and MLP, no bias on
    the keys). There are no position embeddings.

    Parameters
    ----------
    width : int
    time_heads, layer_heads : int
        Attention heads of the two blocks.
    mlp_ratio : int
        Ratio of the MLPs' hidden width to ``width``.
    """

    def __init__(self, width: int, time_heads: int, layer_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.time = _block(width, time_heads, mlp_ratio)
        self.layer = _block(width, layer_heads, mlp_ratio)

    def over_time(self, features: torch.Tensor) -> torch.Tensor:
        """Compute attention over time, within each layer.

        Parameters
        ----------
        features : Tensor, shape (batch, layers, time, width)

        Returns
        -------
        Tensor, shape (batch, layers, time, width)
        """
        attended: torch.Tensor = self.time(features.flatten(0, 1), None)
        return attended.unflatten(0, features.shape[:2])

    def over_layers(self, features: torch.Tensor) -> torch.Tensor:
        """Compute attention over the layers, at each time.

        Parameters
        ----------
        features : Tensor, shape (batch, layers, time, width)

        Returns
        -------
        Tensor, shape (batch, layers, time, width)
        """
        by_time = features.transpose(1, 2)
        attended: torch.Tensor = self.layer(by_time.flatten(0, 1), None)
        return attended.unflatten(0, by_time.shape[:2]).transpose(1, 2)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Compute one sequence from those of all layers.

        Parameters
        ----------
        features : Tensor, shape (batch, layers, time, width)

        Returns
        -------
        Tensor, shape (batch, time, width)
        """
        return self.over_layers(self.over_time(features)).mean(dim=1)


class _Norm(nn.LayerNorm):
    """A layer norm that is always computed in float32, as in the published code."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        normalised: torch.Tensor = super().forward(hidden.float())
        return normalised.to(hidden.dtype)


def _block(width: int, heads: int, mlp_ratio: int) -> WhisperEncoderLayer:
    block = WhisperEncoderLayer(whisper_config(width, heads, mlp_ratio))
    block.self_attn_layer_norm = _Norm(width)
    block.final_layer_norm = _Norm(width)
    return block
