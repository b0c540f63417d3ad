"""SALMONN's weights, from the files that were published to one of our own.

Four parts are downloaded: the folder of Vicuna, the folder of Whisper, the file of BEATs, and
SALMONN's own with what was trained. Of each, every key has one place in the network, or is on a
list of what is of no use; anything else is refused by name.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from jasco.errors import InputError
from jasco.models.ports.salmonn.beats import BeatsConfig
from jasco.models.ports.salmonn.network import Salmonn
from jasco.models.ports.salmonn.system import KIND
from jasco.models.ports.weights import (
    TOKENIZER,
    Weights,
    read_base,
    read_json,
    read_torch,
    rename,
    write_folder,
)

Shapes = Mapping[str, torch.Size]

SETTINGS: Mapping[str, Any] = {
    # BertConfig's sizes, with what models/salmonn.py changes: layers and cross-attention.
    "qformer": {
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "num_hidden_layers": 2,
        "cross_attention_freq": 1,
        "num_query_tokens": 1,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
    },
    "window": {"second_per_window": 0.333333, "second_stride": 0.333333, "frames_per_30s": 1500},
    "lora": {"r": 8, "alpha": 32, "targets": ["q_proj", "v_proj"]},
}
"""What SALMONN-7B was trained with and no file says."""

LLAMA_SIZES = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "intermediate_size", "vocab_size", "rms_norm_eps", "max_position_embeddings", "hidden_act",
    "rope_theta", "rope_scaling", "rope_parameters",
)  # fmt: skip
WHISPER_SIZES = (
    "d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins",
    "max_source_positions",
)  # fmt: skip

_BIAS = "relative_attention_bias.weight"
_UPDATED = "llama_model.base_model.model."  # what a Llama with updates is called in SALMONN's file
_LORA = {"down": "A", "up": "B"}
_UPDATE = tuple(f".{part}" for part in _LORA)


@dataclass(frozen=True)
class Published:
    """What a file or folder holds.

    Attributes
    ----------
    path : Path
        For messages.
    weights : mapping of str to Tensor
        Under its own names.
    """

    path: Path
    weights: Mapping[str, torch.Tensor]


def convert_files(
    base: Path, whisper: Path, beats: Path, salmonn: Path, folder: Path, *, trusted: bool = False
) -> None:
    """Convert what was downloaded.

    Parameters
    ----------
    base, whisper : Path
        Folders of ``lmsys/vicuna-7b-v1.5`` and ``openai/whisper-large-v2``.
    beats, salmonn : Path
        The files ``BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt`` and ``salmonn_7b_v0.pth``.
    folder : Path
        Where the converted model goes.
    trusted : bool
        Whether the two files may run code of their own while they are read.

    Raises
    ------
    InputError
        A file is missing, or holds anything but what is expected of it.
    """
    cfg, beats_weights = _entries(beats, ("cfg", "model"), trusted)
    (trained,) = _entries(salmonn, ("model",), trusted)
    config = {
        "jasco_model": KIND,
        "llama": _sizes(base / "config.json", LLAMA_SIZES),
        "whisper": _sizes(whisper / "config.json", WHISPER_SIZES),
        "beats": asdict(BeatsConfig.of(cfg)),
        **SETTINGS,
    }
    weights = convert(
        config,
        llama=Published(base, read_base(base)),
        whisper=Published(whisper, read_base(whisper)),
        beats=Published(beats, beats_weights),
        salmonn=Published(salmonn, trained),
    )
    if not (base / TOKENIZER).is_file():
        raise InputError(f"{base / TOKENIZER}: there is no such file; is the download complete?")
    write_folder(folder, config, weights)
    shutil.copyfile(base / TOKENIZER, folder / TOKENIZER)


def _entries(path: Path, names: tuple[str, ...], trusted: bool) -> list[Any]:
    content = read_torch(path, trusted=trusted)
    for name in names:
        if not isinstance(content, dict) or not isinstance(content.get(name), dict):
            raise InputError(f"{path}: has no {name!r} in it; is it the right file?")
    return [content[name] for name in names]


def _sizes(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    try:
        content = read_json(path)
        return {name: content[name] for name in names if name in content}
    except (InputError, TypeError) as error:
        raise InputError(f"{path}: cannot be read; is the download complete?") from error


def convert(
    config: Mapping[str, Any],
    *,
    llama: Published,
    whisper: Published,
    beats: Published,
    salmonn: Published,
) -> Weights:
    """Bring the weights of all parts under the network's names.

    Parameters
    ----------
    config : mapping
        Sizes, as :class:`Salmonn` takes them.
    llama, whisper, beats, salmonn : Published

    Returns
    -------
    dict of str to Tensor
        All that the network has, and no more.

    Raises
    ------
    InputError
        A key is unknown, missing, there twice or of another shape, or a copy differs.
    """
    shapes = network_shapes(config)
    heard = beats_weights(beats, shapes)
    return {
        **llama_weights(llama, shapes),
        **whisper_weights(whisper, shapes),
        **heard,
        **salmonn_weights(salmonn, shapes, heard.get(_SHARED)),
    }


def network_shapes(config: Mapping[str, Any]) -> Shapes:
    """Give the shapes of all weights of a network, without making them."""
    with torch.device("meta"):
        return {key: value.shape for key, value in Salmonn(config).state_dict().items()}


def _part(shapes: Shapes, start: str) -> dict[str, torch.Size]:
    return {key: shape for key, shape in shapes.items() if key.startswith(start)}


def llama_weights(file: Published, shapes: Shapes) -> Weights:
    """Rename Llama's weights; its rotary frequencies are computed, not read."""
    expected = _part(shapes, "llama.")
    expected = {key: shape for key, shape in expected.items() if not key.endswith(_UPDATE)}
    places = {key.removeprefix("llama.").replace(".base.", "."): key for key in expected}
    unused = dict.fromkeys(_frequencies(shapes))
    return rename(file.weights, {**places, **unused}.__getitem__, expected, file.path)


def whisper_weights(file: Published, shapes: Shapes) -> Weights:
    """Rename the weights of Whisper's encoder; its decoder is of no use."""
    expected = _part(shapes, "whisper.")
    places = {f"model.encoder.{key.removeprefix('whisper.')}": key for key in expected}

    def place(key: str) -> str | None:
        return None if key.startswith(("model.decoder.", "proj_out.")) else places[key]

    return rename(file.weights, place, expected, file.path)


_SHARED = f"beats.encoder.{_BIAS}"
_CONVOLUTION = "beats.encoder.pos_conv.conv"
_FACTORS = (  # as torch named them before 2.1, and after
    ("weight_g", "weight_v"),
    ("parametrizations.weight.original0", "parametrizations.weight.original1"),
)


def beats_weights(file: Published, shapes: Shapes) -> Weights:
    """Rename the weights of BEATs.

    The convolution's weight is made whole of its factors, g v / |v| for each of its taps (Salimans
    and Kingma, 2016). All layers hold the shared table of position biases; copies must be equal.
    The classifier is of no use.
    """
    expected = _part(shapes, "beats.")
    whole = expected.pop(f"{_CONVOLUTION}.weight")
    expected[f"{_CONVOLUTION}.g"] = torch.Size([1, 1, whole[2]])
    expected[f"{_CONVOLUTION}.v"] = whole
    places: dict[str, str | None] = {
        key.removeprefix("beats."): key for key in expected if not key.startswith(_CONVOLUTION)
    }
    places["encoder.pos_conv.0.bias"] = f"{_CONVOLUTION}.bias"
    for magnitude, direction in _FACTORS:
        places[f"encoder.pos_conv.0.{magnitude}"] = f"{_CONVOLUTION}.g"
        places[f"encoder.pos_conv.0.{direction}"] = f"{_CONVOLUTION}.v"
    if places.pop(f"encoder.{_BIAS}", None):
        first, *copies = _tables(shapes, "encoder")
        places |= {first: _SHARED, **dict.fromkeys(copies)}
        _check_copies(file, copies, file.weights.get(first))
    places |= dict.fromkeys(("predictor.weight", "predictor.bias"))
    weights = rename(file.weights, places.__getitem__, expected, file.path)
    magnitude, direction = (weights.pop(f"{_CONVOLUTION}.{each}").float() for each in "gv")
    norm = torch.linalg.vector_norm(direction, dim=(0, 1), keepdim=True)
    weights[f"{_CONVOLUTION}.weight"] = magnitude * direction / norm
    return weights


def _tables(shapes: Shapes, encoder: str) -> list[str]:
    """Name each layer's table of position biases, as published."""
    layers = _layers(shapes, r"beats\.encoder\.layers\.(\d+)\.")
    return [f"{encoder}.layers.{layer}.self_attn.{_BIAS}" for layer in layers]


def _check_copies(file: Published, copies: list[str], original: torch.Tensor | None) -> None:
    for key in copies:
        copy = file.weights.get(key)
        if copy is not None and original is not None and not torch.equal(copy, original):
            raise InputError(
                f"{file.path}: {key!r} differs from the first layer's in the file of BEATs, whose "
                "copy it should be; do the files belong together?"
            )


def salmonn_weights(file: Published, shapes: Shapes, table: torch.Tensor | None) -> Weights:
    """Rename what SALMONN trained: the connector, and the updates of the language model.

    Parameters
    ----------
    file : Published
    shapes : mapping of str to Size
        Of the network.
    table : Tensor or None
        The position biases of BEATs, of which this file has copies.
    """
    expected = _part(shapes, "connector.")
    places: dict[str, str | None] = {_connector_key(key): key for key in expected}
    for key, shape in _part(shapes, "llama.").items():
        if key.endswith(_UPDATE):
            name, _, part = key.removeprefix("llama.").rpartition(".")
            expected[key] = shape
            places[f"{_UPDATED}{name}.lora_{_LORA[part]}.default.weight"] = key
    copies = _tables(shapes, "beats.encoder")[1:] if table is not None else []
    _check_copies(file, copies, table)
    places |= dict.fromkeys(
        (
            *copies,
            "speech_Qformer.bert.embeddings.position_ids",
            *(f"{_UPDATED}{key}" for key in _frequencies(shapes)),
        )
    )
    return rename(file.weights, places.__getitem__, expected, file.path)


def _connector_key(key: str) -> str:
    """Give a weight of the connector its name in SALMONN's file, where the Q-Former is a BERT."""
    key = key.removeprefix("connector.")
    if key == "query_tokens":
        return "speech_query_tokens"
    if key.startswith("proj."):
        return f"speech_llama_{key}"
    if not key.startswith("qformer."):
        return key
    key = key.replace("qformer.layernorm.", "qformer.embeddings.LayerNorm.")
    return "speech_Qformer.bert." + key.removeprefix("qformer.").replace(
        "attention.attention.", "attention.self."
    )


def _frequencies(shapes: Shapes) -> list[str]:
    """Name the rotary frequencies that older files of Llama have, one a layer."""
    layers = _layers(shapes, r"llama\.model\.layers\.(\d+)\.")
    return [f"model.layers.{layer}.self_attn.rotary_emb.inv_freq" for layer in layers]


def _layers(shapes: Shapes, pattern: str) -> list[int]:
    return sorted({int(found[1]) for key in shapes if (found := re.match(pattern, key))})
