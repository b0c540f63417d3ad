"""The checkpoint of an LTU-AS of tiny sizes, with random weights, in the published layout."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from jasco.models.ports.ltu_as.sizes import Sizes
from tiny_tokenizer import train_tokenizer

Checkpoints = dict[str, tuple[Path, dict[str, Any]]]
"""By the names of the published files: the path, and the weights under their published names."""

TINY = Sizes(
    llama={
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 300,
        "rms_norm_eps": 1e-6, "max_position_embeddings": 2048,
    },
    whisper={
        "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 16, "n_audio_head": 2,
        "n_audio_layer": 3, "n_vocab": 60, "n_text_ctx": 16, "n_text_state": 16, "n_text_head": 2,
        "n_text_layer": 1,
    },
)  # fmt: skip


def _block(prefix: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """List a block's weights in OpenAI's layout."""
    for name, out, into in (
        *((f"attn.{part}", width, width) for part in ("query", "key", "value", "out")),
        ("mlp.0", 4 * width, width),
        ("mlp.2", width, 4 * width),
    ):
        yield f"{prefix}.{name}.weight", (out, into)
        if name != "attn.key":
            yield f"{prefix}.{name}.bias", (out,)
    for name in ("attn_ln", "mlp_ln"):
        yield f"{prefix}.{name}.weight", (width,)
        yield f"{prefix}.{name}.bias", (width,)


def layouts(sizes: Sizes) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shapes of a checkpoint's weights, by part and key."""
    llama, width = sizes.llama, sizes.width
    hidden, inner, words = (llama[k] for k in ("hidden_size", "intermediate_size", "vocab_size"))
    base = {
        "model.embed_tokens.weight": (words, hidden),
        "model.norm.weight": (hidden,),
        "lm_head.weight": (words, hidden),
    }
    top = "base_model.model.model"
    trained = {
        **dict(_block(f"{top}.audio_encoder.time_tr", width)),
        **dict(_block(f"{top}.audio_encoder.layer_tr", width)),
        f"{top}.audio_proj.1.weight": (hidden, width),
        f"{top}.audio_proj.1.bias": (hidden,),
    }
    for layer in (f"layers.{n}" for n in range(llama["num_hidden_layers"])):
        for part in "qkvo":
            base[f"model.{layer}.self_attn.{part}_proj.weight"] = (hidden, hidden)
        base[f"model.{layer}.self_attn.rotary_emb.inv_freq"] = (4,)
        base[f"model.{layer}.mlp.gate_proj.weight"] = (inner, hidden)
        base[f"model.{layer}.mlp.up_proj.weight"] = (inner, hidden)
        base[f"model.{layer}.mlp.down_proj.weight"] = (hidden, inner)
        base[f"model.{layer}.input_layernorm.weight"] = (hidden,)
        base[f"model.{layer}.post_attention_layernorm.weight"] = (hidden,)
        for part in "qv":
            prefix = f"{top}.{layer}.self_attn.{part}_proj"
            trained[f"{prefix}.lora_A.default.weight"] = (sizes.rank, hidden)
            trained[f"{prefix}.lora_B.default.weight"] = (hidden, sizes.rank)
    whisper = {
        "encoder.conv1.weight": (width, sizes.whisper["n_mels"], 3),
        "encoder.conv1.bias": (width,),
        "encoder.conv2.weight": (width, width, 3),
        "encoder.conv2.bias": (width,),
        "encoder.positional_embedding": (sizes.whisper["n_audio_ctx"], width),
        "encoder.ln_post.weight": (width,),
        "encoder.ln_post.bias": (width,),
        "decoder.positional_embedding": (16, 16),
    }
    for n in range(sizes.whisper["n_audio_layer"]):
        whisper |= dict(_block(f"encoder.blocks.{n}", width))
    return {"base": base, "trained": trained, "whisper": whisper}


def make_checkpoints() -> Checkpoints:
    """Return random weights for each of the published files."""
    torch.manual_seed(1)
    return {
        file: (Path(file), {key: torch.randn(shape) / 4 for key, shape in layout.items()})
        for file, layout in layouts(TINY).items()
    }


def write_files(folder: Path, checkpoints: Checkpoints) -> dict[str, Path]:
    """Write the published files into a folder; return their paths by part."""
    base, trained, whisper = (folder / name for name in ("base", "trained.bin", "large-v1.pt"))
    base.mkdir()
    config = {**TINY.llama, "architectures": ["LlamaForCausalLM"], "torch_dtype": "float16"}
    (base / "config.json").write_text(json.dumps(config), "utf-8")
    (base / "tokenizer.model").write_bytes(train_tokenizer(["what is heard", "a dog barks"], 290))
    half = {key: value.half() for key, value in checkpoints["base"][1].items()}
    parts = [dict(list(half.items())[part::2]) for part in range(2)]
    index = {}
    for number, part in enumerate(parts):
        torch.save(part, base / f"pytorch_model-{number}.bin")
        index |= dict.fromkeys(part, f"pytorch_model-{number}.bin")
    (base / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}), "utf-8")
    torch.save(checkpoints["trained"][1], trained)
    torch.save({"dims": TINY.whisper, "model_state_dict": checkpoints["whisper"][1]}, whisper)
    return {"base": base, "trained": trained, "whisper": whisper}
