"""The checkpoint of a WavLLM of tiny sizes, with random weights, in the published layout."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import torch

from jasco.models.ports.lora import LORA_KEYS
from jasco.models.ports.wavllm.model import shapes_of
from jasco.models.ports.wavllm.prompt import LEFT
from tiny_tokenizer import train_tokenizer

TINY: dict[str, Any] = {
    "jasco_model": "wavllm",
    "whisper": {
        "d_model": 8, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 8,
        "num_mel_bins": 80, "max_source_positions": 1500,
    },
    "wavlm": {
        "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 8, "conv_dim": [4] * 7, "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
        "conv_stride": [5, 2, 2, 2, 2, 2, 2], "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
    },
    "connectors": {
        "whisper_middle": 12, "wavlm_middle": 10, "width": 6, "bottleneck": 4, "out": 5,
    },
    "llama": {
        "vocab_size": 384, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
    },
    "updates": {"rank": 3},
    "scale": {"bottleneck": 6, "largest": 3.0},
}  # fmt: skip


def make_weights() -> dict[str, Any]:
    """Return random weights under the published names and in the published layout."""
    generator = torch.Generator().manual_seed(3)
    randn = partial(torch.randn, generator=generator)
    weights = {
        # The published LoRA matrices are transposed.
        published_name(key): 0.3 * randn(shape[::-1] if key.endswith(LORA_KEYS) else shape)
        for key, shape in shapes_of(TINY).items()
    }
    width, out = TINY["llama"]["hidden_size"], TINY["connectors"]["out"]
    return weights | {
        "audio_proj.weight": randn(width, out),
        "audio_proj.bias": randn(width),
        "wavlm_encoder.model.masked_spec_embed": randn(TINY["wavlm"]["hidden_size"]),
    }


def published_name(key: str) -> str:
    """Return the published name of one of our weights: the inverse of the conversion's table."""
    for ours, name in (
        (r"wavlm_layers", "wavlm_encoder.output_weights"),
        (r"(.*)parametrizations\.weight\.original0", r"\1weight_g"),
        (r"(.*)parametrizations\.weight\.original1", r"\1weight_v"),
        (r"whisper\.(.*)", r"audio_encoder.model.\1"),
        (r"wavlm\.(.*)", r"wavlm_encoder.model.\1"),
        (r"fusion\.(.*)", r"wavlm_audio_proj.\1"),
        (r"whisper_connector\.(.*)", r"audio_encoder.\1"),
        (r"wavlm_connector\.(.*)", r"wavlm_encoder.\1"),
        (r"(.*)subsampler\.first\.(.*)", r"\1subsample.conv_layers.0.\2"),
        (r"(.*)subsampler\.second\.(.*)", r"\1subsample.conv_layers.1.\2"),
        (r"(.*)adapter\.(down|up)\.(.*)", r"\1adapter.\2_layer.\3"),
        (r"(.*)adapter\.norm\.(.*)", r"\1adapter.layer_norm.\2"),
        (r"scale_head\.(.*)", r"gpt_model.model_llama.scale_\1"),
        (r"(.*)scale_down\.(.*)", r"\1scale_fc_1.\2"),
        (r"(.*)scale_up\.(.*)", r"\1scale_fc_2.\2"),
        (r"(.*)scale_attention\.(.*)", r"\1scale_weight_attention.\2"),
        (r"llama\.model\.(.*)", r"gpt_model.model_llama.\1"),
        (r"llama\.lm_head\.weight", "gpt_model.model_llama.output.weight"),
        (r"(.*)embed_tokens\.weight", r"\1tok_embeddings.weight"),
        (r"(.*)input_layernorm\.weight", r"\1attention_norm.weight"),
        (r"(.*)post_attention_layernorm\.weight", r"\1ffn_norm.weight"),
        (r"(.*)mlp\.gate_proj\.weight", r"\1feed_forward.w1.weight"),
        (r"(.*)mlp\.down_proj\.weight", r"\1feed_forward.w2.weight"),
        (r"(.*)mlp\.up_proj\.weight", r"\1feed_forward.w3.weight"),
        (r"(.*)self_attn\.(.)_proj\.base\.weight", r"\1attention.w\2.weight"),
        (r"(.*)self_attn\.(.)_proj\.lora_A", r"\1attention.w\2_lora_A"),
        (r"(.*)self_attn\.(.)_proj\.lora_B", r"\1attention.w\2_lora_B"),
    ):
        if match := re.fullmatch(ours, key):
            key = match.expand(name)
    return key


def write_tokenizer(path: Path) -> None:
    """Write a tokenizer that knows the words of the prompts."""
    sentences = [*LEFT.split("\n"), "What sound is this?", "A dog barks [INST] speech"]
    path.write_bytes(train_tokenizer(sentences * 20, 330))
