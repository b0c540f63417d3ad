"""From the published files to one folder: every weight named, every key accounted for.

Three files, each with names of its own:

* the base language model's folder, in the layout of transformers (``vicuna_ltuas``);
* what was trained (``ltuas_long_noqa_a6.bin``): the transformer over time and layers, the
  projection, and the low-rank updates, under the names of peft's wrapped model;
* Whisper large-v1 in OpenAI's layout (``large-v1.pt``), whose decoder is not needed.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from jasco.errors import InputError, one_line
from jasco.models.ports.ltu_as.model import UPDATED, make_empty, shapes_of
from jasco.models.ports.ltu_as.sizes import Sizes, llama_sizes
from jasco.models.ports.weights import (
    TOKENIZER,
    Rename,
    Weights,
    read_base,
    read_json,
    read_torch,
    rename,
    write_folder,
)

KIND = "ltu-as"
"""What a converted folder's ``config.json`` says that it holds."""

# A block of Whisper's kind, by OpenAI's names and transformers'.
_BLOCK = {
    "attn.query": "self_attn.q_proj",
    "attn.key": "self_attn.k_proj",
    "attn.value": "self_attn.v_proj",
    "attn.out": "self_attn.out_proj",
    "attn_ln": "self_attn_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
    "mlp_ln": "final_layer_norm",
}
_AROUND = {
    "encoder.conv1.weight": "conv1.weight",
    "encoder.conv1.bias": "conv1.bias",
    "encoder.conv2.weight": "conv2.weight",
    "encoder.conv2.bias": "conv2.bias",
    "encoder.positional_embedding": "embed_positions.weight",
    "encoder.ln_post.weight": "layer_norm.weight",
    "encoder.ln_post.bias": "layer_norm.bias",
}


def base_name(key: str) -> str | None:
    """Name a weight of the base language model; frequencies of positions are computed anew."""
    if re.fullmatch(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq", key):
        return None
    update = rf"(model\.layers\.\d+\.self_attn\.(?:{'|'.join(UPDATED)}))\.weight"
    if match := re.fullmatch(update, key):
        return f"llama.{match[1]}.base.weight"
    return f"llama.{key}"


def trained_name(key: str) -> str:
    """Name a weight of what was trained."""
    if match := re.fullmatch(r"base_model\.model\.model\.audio_proj\.1\.(weight|bias)", key):
        return f"projection.{match[1]}"
    block = r"base_model\.model\.model\.audio_encoder\.(time|layer)_tr\.(.+)\.(weight|bias)"
    if match := re.fullmatch(block, key):
        return f"tltr.{match[1]}.{_BLOCK[match[2]]}.{match[3]}"
    update = (
        r"base_model\.model\.(model\.layers\.\d+\.self_attn\.\w+)\.lora_([AB])\.default\.weight"
    )
    if match := re.fullmatch(update, key):
        return f"llama.{match[1]}.{'down' if match[2] == 'A' else 'up'}"
    raise KeyError(key)


def whisper_name(key: str) -> str | None:
    """Name a weight of Whisper; the decoder's are of no use."""
    if key.startswith("decoder."):
        return None
    if match := re.fullmatch(r"encoder\.blocks\.(\d+)\.(.+)\.(weight|bias)", key):
        return f"whisper.layers.{match[1]}.{_BLOCK[match[2]]}.{match[3]}"
    return f"whisper.{_AROUND[key]}"


NAMES: Mapping[str, Rename] = {
    "base": base_name,
    "trained": trained_name,
    "whisper": whisper_name,
}
"""The published files, and how the weights in each are called here."""


def expected_of(file: str, sizes: Sizes) -> dict[str, torch.Size]:
    """Give the shapes of what one of the published files must bring, by name."""
    return {key: shape for key, shape in shapes_of(sizes).items() if _file_of(key) == file}


def _file_of(key: str) -> str:
    if key.startswith("whisper."):
        return "whisper"
    return "base" if key.startswith("llama.") and not key.endswith((".down", ".up")) else "trained"


def convert(
    sizes: Sizes, released: Mapping[str, tuple[Path, Mapping[str, torch.Tensor]]]
) -> Weights:
    """Rename the weights of all published files, strictly.

    Parameters
    ----------
    sizes : Sizes
    released : mapping of str to (Path, mapping of str to Tensor)
        By the names of :data:`NAMES`: where it is, for messages, and the weights under its names.

    Returns
    -------
    dict of str to Tensor
        All that the network has.

    Raises
    ------
    InputError
        A key is unknown, missing or of another shape.
    """
    return {
        key: value
        for file, name in NAMES.items()
        for key, value in rename(
            released[file][1], name, expected_of(file, sizes), released[file][0]
        ).items()
    }


def convert_files(
    base: Path, trained: Path, whisper: Path, folder: Path, *, trusted: bool = False
) -> None:
    """Write a converted folder.

    Parameters
    ----------
    base : Path
        Folder of the language model.
    trained, whisper : Path
        Files of what was trained, and of Whisper large-v1.
    folder : Path
        Where ``config.json``, ``model.safetensors`` and ``tokenizer.model`` go.
    trusted : bool
        Whether the two files may run code of their own while they are read.

    Raises
    ------
    InputError
        A file is missing, or not what it should be.
    """
    config, tokenizer = base / "config.json", base / TOKENIZER
    try:
        llama = llama_sizes(read_json(config))
    except (InputError, ValueError, AttributeError, TypeError):
        raise InputError(f"{config}: no configuration of a language model") from None
    if not tokenizer.is_file():
        raise InputError(f"{tokenizer}: is missing; it belongs to the language model")
    checkpoint = read_torch(whisper, trusted=trusted)
    if not isinstance(checkpoint, dict) or not {"dims", "model_state_dict"} <= checkpoint.keys():
        raise InputError(f"{whisper}: not in OpenAI's layout of Whisper (large-v1.pt is)")
    sizes = Sizes(llama, checkpoint["dims"])
    try:
        make_empty(sizes)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{config} or {whisper}: sizes that make no model ({one_line(error)}); "
            "are these the published files?"
        ) from error
    released = {
        "base": (base, read_base(base)),
        "trained": (trained, _tensors(trained, read_torch(trained, trusted=trusted))),
        "whisper": (whisper, _tensors(whisper, checkpoint["model_state_dict"])),
    }
    write_folder(folder, {"jasco_model": KIND, "sizes": asdict(sizes)}, convert(sizes, released))
    shutil.copyfile(tokenizer, folder / TOKENIZER)


def _tensors(path: Path, content: Any) -> Weights:
    if not isinstance(content, dict) or not all(map(torch.is_tensor, content.values())):
        raise InputError(f"{path}: not a plain table of weights")
    return content
