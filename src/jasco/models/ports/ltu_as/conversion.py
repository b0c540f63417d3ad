"""From the published files to one folder: every weight named, every key accounted for.

Three files, each with names of its own:

* the base language model's folder, in the layout of transformers (``vicuna_ltuas``);
* what was trained (``ltuas_long_noqa_a6.bin``): the transformer over time and layers, the
  projection, and LoRA, under the names of peft's wrapped model;
* Whisper large-v1 in OpenAI's layout (``large-v1.pt``), whose decoder is not needed.
"""

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from jasco.errors import InputError, one_line
from jasco.models.ports.lora import LORA_KEYS
from jasco.models.ports.ltu_as.model import LORA_PROJECTIONS, make_empty, shapes_of
from jasco.models.ports.ltu_as.sizes import Sizes, llama_sizes
from jasco.models.ports.state_dict import (
    TOKENIZER,
    KeyTable,
    Weights,
    llama_keys,
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
    r"attn\.query": "self_attn.q_proj",
    r"attn\.key": "self_attn.k_proj",
    r"attn\.value": "self_attn.v_proj",
    r"attn\.out": "self_attn.out_proj",
    "attn_ln": "self_attn_layer_norm",
    r"mlp\.0": "fc1",
    r"mlp\.2": "fc2",
    "mlp_ln": "final_layer_norm",
}
_TRAINED = r"base_model\.model\."  # what peft's wrapped model is called
_TLTR = _TRAINED + r"model\.audio_encoder\.(time|layer)_tr\."

KEYS: Mapping[str, KeyTable] = {
    "base": llama_keys(LORA_PROJECTIONS),
    "trained": (
        (_TRAINED + r"model\.audio_proj\.1\.(weight|bias)", r"projection.\1"),
        *(
            (rf"{_TLTR}{theirs}\.(weight|bias)", rf"tltr.\1.{ours}.\2")
            for theirs, ours in _BLOCK.items()
        ),
        (
            _TRAINED + r"(model\.layers\.\d+\.self_attn\.\w+)\.lora_([AB])\.default\.weight",
            r"llama.\1.lora_\2",
        ),
    ),
    "whisper": (
        (r"decoder\..+", None),
        *(
            (rf"encoder\.blocks\.(\d+)\.{theirs}\.(weight|bias)", rf"whisper.layers.\1.{ours}.\2")
            for theirs, ours in _BLOCK.items()
        ),
        (r"encoder\.(conv[12]\.(?:weight|bias))", r"whisper.\1"),
        (r"encoder\.positional_embedding", "whisper.embed_positions.weight"),
        (r"encoder\.ln_post\.(weight|bias)", r"whisper.layer_norm.\1"),
    ),
}
"""The published files, and how the weights in each are named in the port."""


def expected_of(file: str, sizes: Sizes) -> dict[str, torch.Size]:
    """Give the shapes of what one of the published files must bring, by name."""
    return {key: shape for key, shape in shapes_of(sizes).items() if _file_of(key) == file}


def _file_of(key: str) -> str:
    if key.startswith("whisper."):
        return "whisper"
    return "base" if key.startswith("llama.") and not key.endswith(LORA_KEYS) else "trained"


def convert(
    sizes: Sizes, released: Mapping[str, tuple[Path, Mapping[str, torch.Tensor]]]
) -> Weights:
    """Rename the weights of all published files, strictly.

    Parameters
    ----------
    sizes : Sizes
    released : mapping of str to (Path, mapping of str to Tensor)
        By the names of :data:`KEYS`: where it is, for messages, and the weights under its names.

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
        for file, table in KEYS.items()
        for key, value in rename(
            released[file][1], table, expected_of(file, sizes), released[file][0]
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
