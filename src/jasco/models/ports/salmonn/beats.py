"""The encoder of BEATs (Chen et al., 2023, "BEATs: Audio pre-training with acoustic tokenizers").

A Transformer encodes patches of the spectrogram, ordered by time. Its attention has a relative
position bias: all layers share one table of biases, and each layer gates it by its own queries
(WavLM; Chen et al., 2022, section III-B). Dropout and all that serves pre-training are left out.

Modules are named as in the checkpoint, except for the shared table.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from jasco.errors import InputError, invalid_value


@dataclass(frozen=True)
class BeatsConfig:
    """The settings in a checkpoint's ``cfg`` that affect the result, with the original's defaults.

    Attributes
    ----------
    input_patch_size : int
        Size of a patch, both in frames and in mel bands.
    embed_dim : int
        Width of a patch's embedding.
    conv_bias : bool
        Whether the convolution that embeds patches has a bias.
    encoder_layers, encoder_embed_dim, encoder_ffn_embed_dim, encoder_attention_heads : int
        Sizes of the Transformer.
    activation_fn : str
        Only ``gelu`` is supported.
    layer_norm_first : bool
        Whether layers normalise their input (pre-norm) instead of their output (post-norm).
    deep_norm : bool
        Whether residuals are scaled by (2 layers)^(1/4) (DeepNet; Wang et al., 2022).
    conv_pos, conv_pos_groups : int
        Kernel size and groups of the convolution that replaces absolute position embeddings.
    relative_position_embedding : bool
        Whether attention has a relative position bias.
    num_buckets, max_distance : int
        Rows of the table of biases, and the distance from which all share the last bucket.
    gru_rel_pos : bool
        Whether the bias is gated.
    """

    input_patch_size: int
    embed_dim: int = 512
    conv_bias: bool = False
    encoder_layers: int = 12
    encoder_embed_dim: int = 768
    encoder_ffn_embed_dim: int = 3072
    encoder_attention_heads: int = 12
    activation_fn: str = "gelu"
    layer_norm_first: bool = False
    deep_norm: bool = False
    conv_pos: int = 128
    conv_pos_groups: int = 16
    relative_position_embedding: bool = False
    num_buckets: int = 320
    max_distance: int = 1280
    gru_rel_pos: bool = False

    @classmethod
    def of(cls, cfg: Mapping[str, Any]) -> "BeatsConfig":
        """Return the settings in a checkpoint's ``cfg``."""
        if "input_patch_size" not in cfg:
            raise InputError(
                "BEATs: missing setting input_patch_size; check that it is the right file"
            )
        config = cls(**{field.name: cfg[field.name] for field in fields(cls) if field.name in cfg})
        if config.activation_fn != "gelu":
            raise InputError(invalid_value("activation_fn", config.activation_fn, "expected gelu"))
        return config


class Beats(nn.Module):
    """The encoder, from filter banks to one vector per patch.

    Parameters
    ----------
    config : BeatsConfig
    """

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        patch, width = config.input_patch_size, config.encoder_embed_dim
        self.patch_embedding = nn.Conv2d(1, config.embed_dim, patch, patch, bias=config.conv_bias)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        self.post_extract_proj = (
            nn.Linear(config.embed_dim, width) if config.embed_dim != width else nn.Identity()
        )
        self.encoder = Encoder(config)

    def forward(self, bank: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        """Encode filter banks.

        Parameters
        ----------
        bank : Tensor, shape (batch, frames, bins)
            Normalised filter banks.
        padding : Tensor of bool, shape (batch, frames), optional
            True where a frame is padding.

        Returns
        -------
        Tensor, shape (batch, patches, width)
            Patches ordered by time, and at each time from low to high frequency.
        """
        patches = self.patch_embedding(bank[:, None]).flatten(2).transpose(1, 2)
        if padding is not None:
            padding = coarser(padding, patches.shape[1])
        encoded: torch.Tensor = self.encoder(
            self.post_extract_proj(self.layer_norm(patches)), padding
        )
        return encoded


def coarser(padding: torch.Tensor, length: int) -> torch.Tensor:
    """Return a padding mask at a lower resolution; a step is padding if all that it spans is.

    Parameters
    ----------
    padding : Tensor of bool, shape (batch, fine)
    length : int
        At most ``fine``. A remainder at the end is ignored.

    Returns
    -------
    Tensor of bool, shape (batch, length)
    """
    span = padding.shape[1] // length
    return padding[:, : span * length].unflatten(1, (length, span)).all(-1)


class Encoder(nn.Module):
    """The Transformer of BEATs."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        self.pos_conv = PositionalConvolution(config)
        self.layer_norm = nn.LayerNorm(config.encoder_embed_dim)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.encoder_layers))
        self.relative_attention_bias = (
            nn.Embedding(config.num_buckets, config.encoder_attention_heads)
            if config.relative_position_embedding
            else None
        )
        self._norm_first = config.layer_norm_first
        self._max_distance = config.max_distance

    def forward(self, x: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
        """Encode patches, shape (batch, patches, width), with a mask of shape (batch, patches)."""
        if padding is not None:
            x = x.masked_fill(padding[..., None], 0)
        x = x + self.pos_conv(x)
        if not self._norm_first:
            x = self.layer_norm(x)
        bias = self.position_bias(x.shape[1])
        for layer in self.layers:
            x = layer(x, bias, padding)
        return self.layer_norm(x) if self._norm_first else x

    def position_bias(self, length: int) -> torch.Tensor | None:
        """Return the bias of the attention before gating, shape (heads, length, length)."""
        table = self.relative_attention_bias
        if table is None:
            return None
        positions = torch.arange(length, device=table.weight.device)
        distance = positions - positions[:, None]
        buckets = relative_buckets(distance, table.num_embeddings, self._max_distance)
        bias: torch.Tensor = table(buckets).permute(2, 0, 1)
        return bias


def relative_buckets(distance: torch.Tensor, count: int, max_distance: int) -> torch.Tensor:
    """Return the buckets of relative positions (T5; Raffel et al., 2020, section 2.1).

    The upper half of the buckets is for keys after the query, the lower half for keys at or before
    it. Within each half, the first half of the buckets holds one distance each; the widths of the
    others grow logarithmically with the distance.

    Parameters
    ----------
    distance : Tensor of int
        Position of the key minus that of the query.
    count : int
        Number of buckets.
    max_distance : int
        Distance from which all share the last bucket.

    Returns
    -------
    Tensor of int, shape as ``distance``
    """
    half = count // 2
    exact = half // 2
    absolute = distance.abs()
    share = torch.log(absolute.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    wide = (exact + (share * (half - exact)).long()).clamp(max=half - 1)
    return torch.where(distance > 0, half, 0) + torch.where(absolute < exact, absolute, wide)


class PositionalConvolution(nn.Module):
    """A convolution over patches instead of absolute position embeddings (Baevski et al., 2020).

    Checkpoints hold its weight as two factors (weight normalisation); here they are multiplied.
    """

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width, kernel = config.encoder_embed_dim, config.conv_pos
        self.conv = nn.Conv1d(
            width, width, kernel, padding=kernel // 2, groups=config.conv_pos_groups
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve patches, shape (batch, patches, width)."""
        convolved = self.conv(x.transpose(1, 2))
        convolved = convolved[..., : x.shape[1]]  # an even kernel yields one more
        return functional.gelu(convolved).transpose(1, 2)


class Layer(nn.Module):
    """A layer of the Transformer."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width, inner = config.encoder_embed_dim, config.encoder_ffn_embed_dim
        self.self_attn = Attention(config)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)
        self._norm_first = config.layer_norm_first
        self._residual = (2 * config.encoder_layers) ** 0.25 if config.deep_norm else 1.0

    def forward(
        self, x: torch.Tensor, bias: torch.Tensor | None, padding: torch.Tensor | None
    ) -> torch.Tensor:
        """Apply self-attention and the feed-forward network; shape (batch, patches, width)."""
        if self._norm_first:
            x = x + self.self_attn(self.self_attn_layer_norm(x), bias, padding)
            return x + self._feed_forward(self.final_layer_norm(x))
        attended = self.self_attn(x, bias, padding)
        x = self.self_attn_layer_norm(self._residual * x + attended)
        normalised: torch.Tensor = self.final_layer_norm(self._residual * x + self._feed_forward(x))
        return normalised

    def _feed_forward(self, x: torch.Tensor) -> torch.Tensor:
        transformed: torch.Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return transformed


class Attention(nn.Module):
    """Self-attention with a gated relative position bias.

    The original divides the queries by 32, subtracts each row's maximum from the scores and
    multiplies them by 32. This prevents overflow in half precision and does not change the
    softmax; here it is left out.
    """

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width, self._heads = config.encoder_embed_dim, config.encoder_attention_heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        self._gated = config.gru_rel_pos
        if self._gated:
            self.grep_linear = nn.Linear(width // self._heads, 8)
            self.grep_a = nn.Parameter(torch.ones(1, self._heads, 1, 1))

    def forward(
        self, x: torch.Tensor, bias: torch.Tensor | None, padding: torch.Tensor | None
    ) -> torch.Tensor:
        """Compute self-attention.

        Parameters
        ----------
        x : Tensor, shape (batch, patches, width)
        bias : Tensor, shape (heads, patches, patches), optional
        padding : Tensor of bool, shape (batch, patches), optional

        Returns
        -------
        Tensor, shape (batch, patches, width)
        """
        query, key, value = (
            project(x).unflatten(-1, (self._heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        if bias is not None and self._gated:
            bias = self._gate(query) * bias
        if padding is not None:
            bias = query.new_zeros(()) if bias is None else bias
            bias = bias.masked_fill(padding[:, None, None], -math.inf)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: torch.Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return out

    def _gate(self, query: torch.Tensor) -> torch.Tensor:
        """Compute the gate of the bias from the queries (WavLM; Chen et al., 2022, eq. 4 to 6).

        Parameters
        ----------
        query : Tensor, shape (batch, heads, patches, width of a head)

        Returns
        -------
        Tensor, shape (batch, heads, patches, 1)
        """
        gates = self.grep_linear(query).unflatten(-1, (2, 4)).sum(-1).sigmoid()
        update, reset = gates.split(1, dim=-1)
        gate: torch.Tensor = update * (reset * self.grep_a - 1) + 2
        return gate
