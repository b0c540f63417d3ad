"""Conversion of the published LTU-AS checkpoint into one folder.

The checkpoint has three parts, each with its own names of weights:

* the base language model's folder, in the layout of transformers (``vicuna_ltuas``);
* the trained weights (``ltuas_long_noqa_a6.bin``): the transformer over time and layers, the
  projection, and LoRA, under the names of peft's wrapped model;
* Whisper large-v1 in OpenAI's layout (``large-v1.pt``), whose decoder is not needed.

Every key must be known, and every weight of the port must be there.
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
"""The entry ``jasco_model`` in the ``config.json`` of a converted folder."""

# The modules of a Whisper block: OpenAI's names (patterns) to those of transformers.
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
_TRAINED = r"base_model\.model\."  # the prefix of peft's wrapped model
_TLTR = _TRAINED + r"model\.audio_encoder\.(time|layer)_tr\."

KEYS: Mapping[str, KeyTable] = {
    "base": llama_keys(LORA_PROJECTIONS),
    "trained": (
        (_TRAINED + r"model\.audio_proj\.1\.(weight|bias)", r"projection.\1"),
        *(
            (rf"{_TLTR}{pattern}\.(weight|bias)", rf"tltr.\1.{name}.\2")
            for pattern, name in _BLOCK.items()
        ),
        (
            _TRAINED + r"(model\.layers\.\d+\.self_attn\.\w+)\.lora_([AB])\.default\.weight",
            r"llama.\1.lora_\2",
        ),
    ),
    "whisper": (
        (r"decoder\..+", None),
        *(
            (rf"encoder\.blocks\.(\d+)\.{pattern}\.(weight|bias)", rf"whisper.layers.\1.{name}.\2")
            for pattern, name in _BLOCK.items()
        ),
        (r"encoder\.(conv[12]\.(?:weight|bias))", r"whisper.\1"),
        (r"encoder\.positional_embedding", "whisper.embed_positions.weight"),
        (r"encoder\.ln_post\.(weight|bias)", r"whisper.layer_norm.\1"),
    ),
}
"""The key table of each part of the checkpoint."""


def expected_of(part: str, sizes: Sizes) -> dict[str, torch.Size]:
    """Return the shapes of the weights that a part must hold, by name in the port."""
    return {key: shape for key, shape in shapes_of(sizes).items() if _part_of(key) == part}


def _part_of(key: str) -> str:
    if key.startswith("whisper."):
        return "whisper"
    return "base" if key.startswith("llama.") and not key.endswith(LORA_KEYS) else "trained"


def convert(
    sizes: Sizes, checkpoint: Mapping[str, tuple[Path, Mapping[str, torch.Tensor]]]
) -> Weights:
    """Rename the weights of all parts of a checkpoint.

    Parameters
    ----------
    sizes : Sizes
    checkpoint : mapping of str to (Path, mapping of str to Tensor)
        For each part of :data:`KEYS`: its path, for messages, and its weights by key.

    Returns
    -------
    dict of str to Tensor
        All weights of the network, by name in the port.

    Raises
    ------
    InputError
        A key is unknown, missing or of another shape.
    """
    return {
        key: value
        for part, table in KEYS.items()
        for key, value in rename(
            checkpoint[part][1], table, expected_of(part, sizes), checkpoint[part][0]
        ).items()
    }


def convert_files(
    base: Path, trained: Path, whisper: Path, folder: Path, *, trusted: bool = False
) -> None:
    """Convert the published checkpoint into a folder.

    Parameters
    ----------
    base : Path
        Folder of the language model.
    trained, whisper : Path
        Files of the trained weights, and of Whisper large-v1.
    folder : Path
        The folder in which to write ``config.json``, ``model.safetensors`` and ``tokenizer.model``.
    trusted : bool
        Whether the two files may execute code while they are unpickled.

    Raises
    ------
    InputError
        A file is missing or invalid.
    """
    config, tokenizer = base / "config.json", base / TOKENIZER
    try:
        llama = llama_sizes(read_json(config))
    except (InputError, ValueError, AttributeError, TypeError):
        raise InputError(f"{config}: not a language model's configuration") from None
    if not tokenizer.is_file():
        raise InputError(f"{tokenizer}: file not found; copy it from the language model")
    openai = read_torch(whisper, trusted=trusted)
    if not isinstance(openai, dict) or not {"dims", "model_state_dict"} <= openai.keys():
        raise InputError(f"{whisper}: not in OpenAI's format of Whisper; use large-v1.pt")
    sizes = Sizes(llama, openai["dims"])
    try:
        make_empty(sizes)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{config} or {whisper}: invalid sizes ({one_line(error)}); check that these are the "
            "published files"
        ) from error
    checkpoint = {
        "base": (base, read_base(base)),
        "trained": (trained, _tensors(trained, read_torch(trained, trusted=trusted))),
        "whisper": (whisper, _tensors(whisper, openai["model_state_dict"])),
    }
    write_folder(folder, {"jasco_model": KIND, "sizes": asdict(sizes)}, convert(sizes, checkpoint))
    shutil.copyfile(tokenizer, folder / TOKENIZER)


def _tensors(path: Path, content: Any) -> Weights:
    if not isinstance(content, dict) or not all(map(torch.is_tensor, content.values())):
        raise InputError(f"{path}: not a plain table of weights")
    return content
