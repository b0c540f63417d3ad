"""SALMONN's weights, from the files that were published to one of our own.

Four parts are downloaded: the folder of Vicuna, the folder of Whisper, the file of BEATs, and
SALMONN's own with what was trained. Of each, every key has one place in the network, or is on a
list of what is of no use; anything else is refused by name.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from jasco.errors import InputError
from jasco.models.ports.lora import LORA_KEYS
from jasco.models.ports.salmonn.beats import BeatsConfig
from jasco.models.ports.salmonn.inference import KIND
from jasco.models.ports.salmonn.model import Salmonn
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
        **llama_weights(llama, shapes, config["lora"]["targets"]),
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


def llama_weights(file: Published, shapes: Shapes, projections: Sequence[str]) -> Weights:
    """Rename Llama's weights, in whose attention some projections have LoRA."""
    expected = _part(shapes, "llama.")
    expected = {key: shape for key, shape in expected.items() if not key.endswith(LORA_KEYS)}
    keys = llama_keys(projections, _llama_layers(shapes))
    return rename(file.weights, keys, expected, file.path)


_WHISPER_KEYS: KeyTable = (
    (r"(?:model\.decoder|proj_out)\..+", None),
    (r"model\.encoder\.(.+)", r"whisper.\1"),
)


def whisper_weights(file: Published, shapes: Shapes) -> Weights:
    """Rename the weights of Whisper's encoder; its decoder is not used."""
    return rename(file.weights, _WHISPER_KEYS, _part(shapes, "whisper."), file.path)


_SHARED = f"beats.encoder.{_BIAS}"
_CONVOLUTION = "beats.encoder.pos_conv.conv"
_POSITIONS = r"encoder\.pos_conv\.0\."
_BEATS_KEYS: KeyTable = (
    (r"predictor\.(?:weight|bias)", None),
    (_POSITIONS + "bias", f"{_CONVOLUTION}.bias"),
    # The convolution's factors, as torch named them before 2.1, and after.
    (
        _POSITIONS + r"(?:weight_g|parametrizations\.weight\.original0)",
        f"{_CONVOLUTION}.g",
    ),
    (
        _POSITIONS + r"(?:weight_v|parametrizations\.weight\.original1)",
        f"{_CONVOLUTION}.v",
    ),
    (rf"encoder\.layers\.0\.self_attn\.{re.escape(_BIAS)}", _SHARED),
    (r"(.+)", r"beats.\1"),
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
    copies: list[str] = []
    if _SHARED in expected:
        first, *copies = _tables(shapes, "encoder")
        _check_copies(file, copies, file.weights.get(first))
    weights = rename(file.weights, (*_unused(copies), *_BEATS_KEYS), expected, file.path)
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


_LLAMA = r"llama_model\.base_model\.model\."  # what peft calls a Llama with LoRA
_SALMONN_KEYS: KeyTable = (
    ("speech_query_tokens", "connector.query_tokens"),
    (r"speech_llama_(proj\..+)", r"connector.\1"),
    (r"(ln_(?:speech|audio)\..+)", r"connector.\1"),
    # The Q-Former is a BERT.
    (r"speech_Qformer\.bert\.embeddings\.position_ids", None),
    (r"speech_Qformer\.bert\.embeddings\.LayerNorm\.(.+)", r"connector.qformer.layernorm.\1"),
    (r"speech_Qformer\.bert\.(.+attention)\.self\.(.+)", r"connector.qformer.\1.attention.\2"),
    (r"speech_Qformer\.bert\.(.+)", r"connector.qformer.\1"),
    (
        _LLAMA + r"(model\..+)\.lora_([AB])\.default\.weight",
        r"llama.\1.lora_\2",
    ),
)


def salmonn_weights(file: Published, shapes: Shapes, table: torch.Tensor | None) -> Weights:
    """Rename what SALMONN trained: the connector, and LoRA of the language model.

    Parameters
    ----------
    file : Published
    shapes : mapping of str to Size
        Of the network.
    table : Tensor or None
        The position biases of BEATs, of which this file has copies.
    """
    expected = _part(shapes, "connector.")
    expected |= {key: shape for key, shape in shapes.items() if key.endswith(LORA_KEYS)}
    copies = _tables(shapes, "beats.encoder")[1:] if table is not None else []
    _check_copies(file, copies, table)
    frequencies = (
        rf"{_LLAMA}model\.layers\.(?:{_llama_layers(shapes)})\.self_attn\.rotary_emb\.inv_freq"
    )
    keys = (*_unused(copies), (frequencies, None), *_SALMONN_KEYS)
    return rename(file.weights, keys, expected, file.path)


def _unused(keys: Sequence[str]) -> KeyTable:
    return [(re.escape(key), None) for key in keys]


def _llama_layers(shapes: Shapes) -> str:
    """Return a pattern of the numbers of the language model's layers."""
    return "|".join(map(str, _layers(shapes, r"llama\.model\.layers\.(\d+)\.")))


def _layers(shapes: Shapes, pattern: str) -> list[int]:
    return sorted({int(found[1]) for key in shapes if (found := re.match(pattern, key))})
