"""Conversion of SALMONN's checkpoints to a folder with all weights.

There are four checkpoints: the folders of Vicuna and Whisper, the file of BEATs, and SALMONN's own
file with the trained weights. Each of their keys is either mapped to one weight of the network or
listed as unused; any other key raises an error that names it.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from jasco.errors import CHECK_DOWNLOAD, InputError
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
    # BertConfig's defaults, except for the layers and cross-attention, which models/salmonn.py sets
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
"""Settings with which SALMONN-7B was trained, and which no checkpoint contains."""

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
class Checkpoint:
    """The content of a file or folder.

    Attributes
    ----------
    path : Path
        The file or folder, for messages.
    weights : mapping of str to Tensor
        Weights by their names in the checkpoint.
    """

    path: Path
    weights: Mapping[str, torch.Tensor]


def convert_files(
    base: Path, whisper: Path, beats: Path, salmonn: Path, folder: Path, *, trusted: bool = False
) -> None:
    """Convert the checkpoints, and write a folder.

    Parameters
    ----------
    base, whisper : Path
        Folders of ``lmsys/vicuna-7b-v1.5`` and ``openai/whisper-large-v2``.
    beats, salmonn : Path
        The files ``BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt`` and ``salmonn_7b_v0.pth``.
    folder : Path
        Destination of the converted model.
    trusted : bool
        Whether reading the two files may execute code that they contain.

    Raises
    ------
    InputError
        A file is missing, or its content is not as expected.
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
        llama=Checkpoint(base, read_base(base)),
        whisper=Checkpoint(whisper, read_base(whisper)),
        beats=Checkpoint(beats, beats_weights),
        salmonn=Checkpoint(salmonn, trained),
    )
    if not (base / TOKENIZER).is_file():
        raise InputError(f"{base / TOKENIZER}: file not found; {CHECK_DOWNLOAD}")
    write_folder(folder, config, weights)
    shutil.copyfile(base / TOKENIZER, folder / TOKENIZER)


def _entries(path: Path, names: tuple[str, ...], trusted: bool) -> list[Any]:
    content = read_torch(path, trusted=trusted)
    for name in names:
        if not isinstance(content, dict) or not isinstance(content.get(name), dict):
            raise InputError(f"{path}: no entry {name!r}; check that it is the right file")
    return [content[name] for name in names]


def _sizes(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    try:
        content = read_json(path)
        return {name: content[name] for name in names if name in content}
    except (InputError, TypeError) as error:
        raise InputError(f"{path}: cannot be read; {CHECK_DOWNLOAD}") from error


def convert(
    config: Mapping[str, Any],
    *,
    llama: Checkpoint,
    whisper: Checkpoint,
    beats: Checkpoint,
    salmonn: Checkpoint,
) -> Weights:
    """Rename the weights of all checkpoints to the network's names.

    Parameters
    ----------
    config : mapping
        Sizes, as for :class:`Salmonn`.
    llama, whisper, beats, salmonn : Checkpoint

    Returns
    -------
    dict of str to Tensor
        Exactly the weights of the network.

    Raises
    ------
    InputError
        A key is unknown, missing, duplicate or of another shape, or a copy differs.
    """
    shapes = network_shapes(config)
    renamed_beats = beats_weights(beats, shapes)
    return {
        **llama_weights(llama, shapes, config["lora"]["targets"]),
        **whisper_weights(whisper, shapes),
        **renamed_beats,
        **salmonn_weights(salmonn, shapes, renamed_beats.get(_SHARED)),
    }


def network_shapes(config: Mapping[str, Any]) -> Shapes:
    """Return the shapes of all weights of a network, without allocating them."""
    with torch.device("meta"):
        return {key: value.shape for key, value in Salmonn(config).state_dict().items()}


def _part(shapes: Shapes, prefix: str) -> dict[str, torch.Size]:
    return {key: shape for key, shape in shapes.items() if key.startswith(prefix)}


def llama_weights(file: Checkpoint, shapes: Shapes, projections: Sequence[str]) -> Weights:
    """Rename Llama's weights; ``projections`` are those of its attention that have LoRA."""
    expected = _part(shapes, "llama.")
    expected = {key: shape for key, shape in expected.items() if not key.endswith(LORA_KEYS)}
    keys = llama_keys(projections, _llama_layers(shapes))
    return rename(file.weights, keys, expected, file.path)


_WHISPER_KEYS: KeyTable = (
    (r"(?:model\.decoder|proj_out)\..+", None),
    (r"model\.encoder\.(.+)", r"whisper.\1"),
)


def whisper_weights(file: Checkpoint, shapes: Shapes) -> Weights:
    """Rename the weights of Whisper's encoder; its decoder is not used."""
    return rename(file.weights, _WHISPER_KEYS, _part(shapes, "whisper."), file.path)


_SHARED = f"beats.encoder.{_BIAS}"
_CONVOLUTION = "beats.encoder.pos_conv.conv"
_POSITIONS = r"encoder\.pos_conv\.0\."
_BEATS_KEYS: KeyTable = (
    (r"predictor\.(?:weight|bias)", None),
    (_POSITIONS + "bias", f"{_CONVOLUTION}.bias"),
    # The factors of the convolution's weight, by their names in torch before 2.1 and since.
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


def beats_weights(file: Checkpoint, shapes: Shapes) -> Weights:
    """Rename the weights of BEATs.

    The convolution's weight is computed from its factors, as g v / |v| for each position in the
    kernel (Salimans and Kingma, 2016). All layers of the checkpoint hold the shared table of
    position biases; these copies must be equal. The classifier is not used.
    """
    expected = _part(shapes, "beats.")
    shape = expected.pop(f"{_CONVOLUTION}.weight")
    expected[f"{_CONVOLUTION}.g"] = torch.Size([1, 1, shape[2]])
    expected[f"{_CONVOLUTION}.v"] = shape
    copies: list[str] = []
    if _SHARED in expected:
        first, *copies = _tables(shapes, "encoder")
        _check_copies(file, copies, file.weights.get(first))
    weights = rename(file.weights, (*_unused(copies), *_BEATS_KEYS), expected, file.path)
    magnitude, direction = (weights.pop(f"{_CONVOLUTION}.{factor}").float() for factor in "gv")
    norm = torch.linalg.vector_norm(direction, dim=(0, 1), keepdim=True)
    weights[f"{_CONVOLUTION}.weight"] = magnitude * direction / norm
    return weights


def _tables(shapes: Shapes, encoder: str) -> list[str]:
    """Return the checkpoint's names of each layer's table of position biases."""
    layers = _layers(shapes, r"beats\.encoder\.layers\.(\d+)\.")
    return [f"{encoder}.layers.{layer}.self_attn.{_BIAS}" for layer in layers]


def _check_copies(file: Checkpoint, copies: list[str], original: torch.Tensor | None) -> None:
    """Raise ``InputError`` if one of the copies that the checkpoint holds is not the original."""
    for key in copies:
        copy = file.weights.get(key)
        if copy is not None and original is not None and not torch.equal(copy, original):
            raise InputError(
                f"{file.path}: {key!r} should equal that of the first layer in the BEATs file; "
                "check that the files belong together"
            )


_LLAMA = r"llama_model\.base_model\.model\."  # peft's prefix for a Llama with LoRA
_SALMONN_KEYS: KeyTable = (
    ("speech_query_tokens", "connector.query_tokens"),
    (r"speech_llama_(proj\..+)", r"connector.\1"),
    (r"(ln_(?:speech|audio)\..+)", r"connector.\1"),
    # The Q-Former has BERT's architecture.
    (r"speech_Qformer\.bert\.embeddings\.position_ids", None),
    (r"speech_Qformer\.bert\.embeddings\.LayerNorm\.(.+)", r"connector.qformer.layernorm.\1"),
    (r"speech_Qformer\.bert\.(.+attention)\.self\.(.+)", r"connector.qformer.\1.attention.\2"),
    (r"speech_Qformer\.bert\.(.+)", r"connector.qformer.\1"),
    (
        _LLAMA + r"(model\..+)\.lora_([AB])\.default\.weight",
        r"llama.\1.lora_\2",
    ),
)


def salmonn_weights(file: Checkpoint, shapes: Shapes, table: torch.Tensor | None) -> Weights:
    """Rename SALMONN's trained weights: the connector, and the language model's LoRA.

    Parameters
    ----------
    file : Checkpoint
    shapes : mapping of str to Size
        Shapes of the network's weights.
    table : Tensor or None
        The position biases of BEATs, of which this checkpoint holds copies.
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
    """Return a pattern that matches the numbers of the language model's layers."""
    return "|".join(map(str, _layers(shapes, r"llama\.model\.layers\.(\d+)\.")))


def _layers(shapes: Shapes, pattern: str) -> list[int]:
    return sorted({int(match[1]) for key in shapes if (match := re.match(pattern, key))})
