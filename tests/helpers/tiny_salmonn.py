"""The parts of a SALMONN of tiny sizes, with random weights, in the published layout."""

from pathlib import Path
from typing import Any

import torch

from jasco.models.ports.salmonn import conversion
from jasco.models.ports.state_dict import write_folder

TINY = {
    "llama": {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "intermediate_size": 24, "vocab_size": 300,
        "rms_norm_eps": 1e-5, "max_position_embeddings": 512, "hidden_act": "silu",
    },
    "whisper": {
        "d_model": 8, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 12,
        "num_mel_bins": 80, "max_source_positions": 1500,
    },
    "beats": {
        "input_patch_size": 16, "embed_dim": 6, "encoder_layers": 2, "encoder_embed_dim": 8,
        "encoder_ffn_embed_dim": 12, "encoder_attention_heads": 2, "deep_norm": True,
        "conv_pos": 4, "conv_pos_groups": 2, "relative_position_embedding": True,
        "num_buckets": 8, "max_distance": 20, "gru_rel_pos": True,
    },
    "qformer": {
        "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 12,
        "num_hidden_layers": 1, "cross_attention_freq": 1, "num_query_tokens": 1,
        "layer_norm_eps": 1e-12, "hidden_act": "gelu",
    },
    "window": conversion.SETTINGS["window"],
    "lora": {"r": 2, "alpha": 8, "targets": ["q_proj", "v_proj"]},
}  # fmt: skip

Shapes = dict[str, tuple[int, ...]]
Parts = dict[str, dict[str, Any]]
"""By part: the weights under their published names."""

COPY = "encoder.layers.1.self_attn.relative_attention_bias.weight"
"""A copy of the first layer's position biases, which the parts of BEATs and SALMONN hold."""


def affine(*names: str) -> list[str]:
    """Return the names of the weight and the bias of each module."""
    return [f"{name}.{part}" for name in names for part in ("weight", "bias")]


def make_parts() -> Parts:
    """Return random weights of all parts: names and shapes spelled out, no key table used."""
    generator = torch.Generator().manual_seed(7)

    def fill(shapes: Shapes) -> dict[str, Any]:
        return {key: torch.rand(shape, generator=generator) - 0.5 for key, shape in shapes.items()}

    llama = {"model.embed_tokens": (300, 16), "model.norm": (16,), "lm_head": (300, 16)}
    lora: Shapes = {}
    for layer in ("model.layers.0", "model.layers.1"):
        llama |= {f"{layer}.self_attn.{part}_proj": (16, 16) for part in "qkvo"}
        llama |= {f"{layer}.mlp.{part}_proj": (24, 16) for part in ("gate", "up")}
        llama |= {f"{layer}.mlp.down_proj": (16, 24)}
        llama |= {f"{layer}.{part}_layernorm": (16,) for part in ("input", "post_attention")}
        for part in "qv":
            name = f"llama_model.base_model.model.{layer}.self_attn.{part}_proj"
            lora[f"{name}.lora_A.default.weight"] = (2, 16)
            lora[f"{name}.lora_B.default.weight"] = (16, 2)
    shapes = {f"{key}.weight": shape for key, shape in llama.items()}
    shapes |= {f"model.layers.{n}.self_attn.rotary_emb.inv_freq": (4,) for n in range(2)}

    layer = "model.encoder.layers.0"
    norms = (
        f"{layer}.self_attn_layer_norm",
        f"{layer}.final_layer_norm",
        "model.encoder.layer_norm",
    )
    whisper: Shapes = {
        "model.encoder.conv1.weight": (8, 80, 3), "model.encoder.conv1.bias": (8,),
        "model.encoder.conv2.weight": (8, 8, 3), "model.encoder.conv2.bias": (8,),
        "model.encoder.embed_positions.weight": (1500, 8),
        **{f"{layer}.self_attn.{part}_proj.weight": (8, 8) for part in ("q", "k", "v", "out")},
        **{f"{layer}.self_attn.{part}_proj.bias": (8,) for part in ("q", "v", "out")},
        f"{layer}.fc1.weight": (12, 8), f"{layer}.fc1.bias": (12,),
        f"{layer}.fc2.weight": (8, 12), f"{layer}.fc2.bias": (8,),
        **dict.fromkeys(affine(*norms), (8,)),
        "model.decoder.embed_tokens.weight": (20, 8), "proj_out.weight": (20, 8),
    }  # fmt: skip

    beats: Shapes = {
        "patch_embedding.weight": (6, 1, 16, 16), **dict.fromkeys(affine("layer_norm"), (6,)),
        "post_extract_proj.weight": (8, 6), "post_extract_proj.bias": (8,),
        "encoder.pos_conv.0.weight_g": (1, 1, 4), "encoder.pos_conv.0.weight_v": (8, 4, 4),
        "encoder.pos_conv.0.bias": (8,), **dict.fromkeys(affine("encoder.layer_norm"), (8,)),
        "predictor.weight": (5, 8), "predictor.bias": (5,),
    }  # fmt: skip
    for layer in ("encoder.layers.0", "encoder.layers.1"):
        attention = f"{layer}.self_attn"
        for part in "qkv":
            beats |= {
                f"{attention}.{part}_proj.weight": (8, 8),
                f"{attention}.{part}_proj.bias": (8,),
            }
        beats |= {
            f"{attention}.out_proj.weight": (8, 8), f"{attention}.out_proj.bias": (8,),
            f"{attention}.grep_linear.weight": (8, 4), f"{attention}.grep_linear.bias": (8,),
            f"{attention}.grep_a": (1, 2, 1, 1),
            f"{attention}.relative_attention_bias.weight": (8, 2),
            f"{layer}.fc1.weight": (12, 8), f"{layer}.fc1.bias": (12,),
            f"{layer}.fc2.weight": (8, 12), f"{layer}.fc2.bias": (8,),
            **dict.fromkeys(affine(f"{attention}_layer_norm", f"{layer}.final_layer_norm"), (8,)),
        }  # fmt: skip

    start = "speech_Qformer.bert"
    layer = f"{start}.encoder.layer.0"
    dense = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
    dense += [f"{layer}.crossattention.self.query"]
    dense += [f"{layer}.{part}.output.dense" for part in ("attention", "crossattention")]
    parts = ("attention.output", "crossattention.output", "output_query")
    norms = (f"{start}.embeddings.LayerNorm", *(f"{layer}.{part}.LayerNorm" for part in parts))
    trained: Shapes = {
        **lora,
        "speech_query_tokens": (1, 1, 8),
        **dict.fromkeys(affine("ln_speech", "ln_audio", *norms), (8,)),
        **{f"{part}.weight": (8, 8) for part in dense}, **{f"{part}.bias": (8,) for part in dense},
        **{f"{layer}.crossattention.self.{part}.weight": (8, 16) for part in ("key", "value")},
        **{f"{layer}.crossattention.self.{part}.bias": (8,) for part in ("key", "value")},
        f"{layer}.intermediate_query.dense.weight": (12, 8),
        f"{layer}.intermediate_query.dense.bias": (12,),
        f"{layer}.output_query.dense.weight": (8, 12), f"{layer}.output_query.dense.bias": (8,),
        f"{start}.embeddings.position_ids": (1, 512),
        "speech_llama_proj.weight": (16, 8), "speech_llama_proj.bias": (16,),
        "llama_model.base_model.model.model.layers.0.self_attn.rotary_emb.inv_freq": (4,),
    }  # fmt: skip
    weights = {
        "llama": fill(shapes),
        "whisper": fill(whisper),
        "beats": fill(beats),
        "salmonn": fill(trained),
    }
    table = weights["beats"]["encoder.layers.0.self_attn.relative_attention_bias.weight"]
    weights["beats"][COPY] = table.clone()
    weights["salmonn"][f"beats.{COPY}"] = table.clone()
    return weights


SENTENCE = "USER ASSISTANT Speech What sound can you hear It rains and they run home again"


def write_files(folder: Path) -> dict[str, Path]:
    """Write all parts into a folder; return their paths by part."""
    from sentencepiece import SentencePieceTrainer

    paths = {part: folder / part for part in ("base", "whisper")}
    paths |= {part: folder / f"{part}.pt" for part in ("beats", "salmonn")}
    weights = make_parts()
    for part, name in (("base", "llama"), ("whisper", "whisper")):
        write_folder(paths[part], TINY[name], weights[name])
    torch.save({"cfg": TINY["beats"], "model": weights["beats"]}, paths["beats"])
    torch.save({"model": weights["salmonn"], "epoch": 3}, paths["salmonn"])
    SentencePieceTrainer.train(
        sentence_iterator=iter([SENTENCE] * 20),
        model_prefix=str(paths["base"] / "tokenizer"),
        vocab_size=290,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return paths
