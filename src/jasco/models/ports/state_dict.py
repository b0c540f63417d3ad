"""Weights of checkpoints: read without executing code, and renamed with none missing or unused."""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from jasco.errors import CHECK_DOWNLOAD, InputError, one_line

Weights = dict[str, torch.Tensor]
KeyTable = Sequence[tuple[str, str | None]]
"""Patterns of a checkpoint's keys, each with the name in the port.

Names are templates of :meth:`re.Match.expand`; None: the weight is known, but not used. The first
pattern that matches a whole key applies.
"""
SAME_KEYS: KeyTable = ((r".+", r"\g<0>"),)
"""The table of converted folders, whose keys are the names in the port."""


_LARGEST_JSON = 32 << 20  # bytes; the index of the largest model has a few hundred thousand
_LARGEST_HEADER = 32 << 20  # bytes
_CHECK_FILE = "check that it is the published file"


def read_json(path: Path) -> Any:
    """Read a model's JSON file (``InputError`` if it is missing, broken or far too large)."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_JSON + 1)
        if len(content) > _LARGEST_JSON:
            raise InputError(
                f"{path}: larger than {_LARGEST_JSON >> 20} MiB; check that it is the right file"
            )
        return json.loads(content)
    except FileNotFoundError:
        raise InputError(f"{path}: file not found; {CHECK_DOWNLOAD}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: invalid JSON ({one_line(error)}); {CHECK_DOWNLOAD}") from None


def read_torch(path: Path, *, trusted: bool = False) -> Any:
    """Read a file that ``torch.save`` wrote.

    Objects other than tensors and plain values are refused unless the file is trusted.

    Parameters
    ----------
    path : Path
        A ``.pt``, ``.pth`` or ``.bin`` file.
    trusted : bool
        Whether the file may execute code while it is unpickled.

    Raises
    ------
    InputError
        The file cannot be read, or only by executing code that it contains.
    """
    try:
        # Zip archives are memory-mapped, so that tensors are read when they are needed.
        mapped = zipfile.is_zipfile(path)
        if mapped:
            _check_entries(path)
        return torch.load(path, map_location="cpu", weights_only=not trusted, mmap=mapped)
    except FileNotFoundError:
        raise InputError(f"{path}: file not found; {CHECK_DOWNLOAD}") from None
    except InputError:
        raise
    except Exception as error:  # from zipfile, pickle or torch
        reason = one_line(error, 200) or type(error).__name__
        if not trusted and "weights_only" in str(error).lower().replace(" ", "_"):
            raise InputError(
                f"{path}: contains objects that can only be read by running its code ({reason}); "
                "if you trust its source, use --trust-pickle"
            ) from error
        raise InputError(f"{path}: cannot be read ({reason}); {CHECK_DOWNLOAD}") from error


def _check_entries(path: Path) -> None:
    """Raise ``InputError`` if an entry is compressed, which torch never writes.

    A compressed entry can be of any size once unpacked, and memory-mapping would read its packed
    bytes as numbers.
    """
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
    size = sum(entry.file_size for entry in entries)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise InputError(f"{path}: its entries are compressed, which torch cannot read; repack it")
    if size > path.stat().st_size:
        raise InputError(f"{path}: states {size:,} bytes, more than the file has; {CHECK_DOWNLOAD}")


def read_safetensors(path: Path) -> Weights:
    """Read a safetensors file (``InputError`` if it is not one)."""
    with _open_safetensors(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)


@contextmanager
def _open_safetensors(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as header:
            size = int.from_bytes(header.read(8), "little")
        if size > _LARGEST_HEADER:
            raise InputError(
                f"{path}: states a header of {size:,} bytes, more than {_LARGEST_HEADER:,}; check "
                "that it is a complete safetensors file"
            )
        with safe_open(path, "pt") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: file not found; {CHECK_DOWNLOAD}") from None
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: not a complete safetensors file ({one_line(error)}); {CHECK_DOWNLOAD}"
        ) from error


def read_base(folder: Path) -> Weights:
    """Read the weights in a base model's folder, from one file or several.

    Raises
    ------
    InputError
        There are no weights, or one of the files is missing.
    """
    for name, read in (("model.safetensors", read_safetensors), ("pytorch_model.bin", read_torch)):
        index = folder / f"{name}.index.json"
        if index.is_file():
            files = _files_of(index)
            return {key: value for file in files for key, value in read(folder / file).items()}
        if (folder / name).is_file():
            weights: Weights = read(folder / name)
            return weights
    raise InputError(
        f"{folder}: no weights found (model.safetensors or pytorch_model.bin); {CHECK_DOWNLOAD}"
    )


def _files_of(index: Path) -> list[str]:
    """Return the names of the files that an index lists, sorted."""
    content = read_json(index)
    weight_map = content.get("weight_map") if isinstance(content, Mapping) else None
    names = list(weight_map.values()) if isinstance(weight_map, Mapping) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{index}: does not list the file of each weight (weight_map); {CHECK_DOWNLOAD}"
        )
    if outside := [name for name in names if Path(name).name != name or name in ("", ".", "..")]:
        raise InputError(f"{index}: lists a file outside its folder: {one_line(outside[0], 80)!r}")
    files = sorted(set(names))
    if missing := [name for name in files if not (index.parent / name).is_file()]:
        raise InputError(
            f"{index.parent / missing[0]}: file not found, but listed in {index.name}; "
            f"{CHECK_DOWNLOAD}"
        )
    return files


def rename_key(key: str, table: KeyTable) -> str | None:
    """Return a key's name in the port; None if the weight is not used.

    Raises
    ------
    KeyError
        No pattern of the table matches the key.
    """
    for pattern, name in table:
        if match := re.fullmatch(pattern, key):
            return None if name is None else match.expand(name)
    raise KeyError(key)


def llama_keys(projections: Sequence[str], layers: str = r"\d+") -> KeyTable:
    """Return the key table of a base Llama.

    Parameters
    ----------
    projections : sequence of str
        The attention projections that have LoRA in the port (``q_proj``, ...).
    layers : str
        Pattern of the numbers of layers whose rotary frequencies may be in the checkpoint, as in
        older ones. They are not used, but computed.
    """
    attention = r"model\.layers\.\d+\.self_attn\."
    return (
        (rf"model\.layers\.(?:{layers})\.self_attn\.rotary_emb\.inv_freq", None),
        (rf"({attention}(?:{'|'.join(projections)}))\.weight", r"llama.\1.base.weight"),
        (r"(.+)", r"llama.\1"),
    )


def rename(
    weights: Mapping[str, torch.Tensor],
    table: KeyTable,
    expected: Mapping[str, torch.Size],
    path: Path,
) -> Weights:
    """Rename the weights of a checkpoint to their names in the port.

    The checkpoint must hold exactly the expected weights.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The weights, by their keys in the checkpoint.
    table : sequence of (str, str or None)
        See :data:`KeyTable`.
    expected : mapping of str to Size
        Shapes of the weights that the checkpoint must hold, by name in the port.
    path : Path
        The checkpoint, for messages.

    Raises
    ------
    InputError
        A weight is unknown, missing, duplicated or of another shape.
    """
    renamed: Weights = {}
    keys: dict[str, str] = {}
    for key, value in weights.items():
        try:
            name = rename_key(key, table)
        except KeyError:
            raise InputError(f"{path}: unexpected weight {key!r}; {_CHECK_FILE}") from None
        if name is None:
            continue
        if name in renamed:
            raise InputError(f"{path}: duplicate weight {key!r} ({name}); {_CHECK_FILE}")
        if name not in expected:
            raise InputError(f"{path}: unexpected weight {key!r} ({name}); {_CHECK_FILE}")
        if value.shape != expected[name]:
            raise InputError(
                f"{path}: {key!r} has shape {tuple(value.shape)}, expected "
                f"{tuple(expected[name])}; {_CHECK_FILE}"
            )
        renamed[name], keys[name] = value, key
    if missing := sorted(expected.keys() - renamed.keys()):
        raise InputError(
            f"{path}: lacks {len(missing)} of {len(expected)} weights, such as "
            f"{_name_in_checkpoint(missing[0], keys)}; {CHECK_DOWNLOAD}"
        )
    return renamed


_LAYER_NUMBER, _WEIGHT_OR_BIAS = re.compile(r"(?<=\.)[0-9]+(?=\.)"), re.compile(r"weight$|bias$")


def _name_in_checkpoint(missing: str, keys: Mapping[str, str]) -> str:
    """Return a missing weight's key, derived from those of other layers or of its own layer.

    Parameters
    ----------
    missing : str
        The weight's name in the port.
    keys : mapping of str to str
        The keys of the weights that the checkpoint holds, by their names in the port.
    """
    for part in (_LAYER_NUMBER, _WEIGHT_OR_BIAS):
        for name, key in keys.items():
            if part.sub("*", name) == part.sub("*", missing):
                old, new = part.search(name), part.search(missing)
                if old and new:
                    pattern = re.compile(part.pattern.replace("[0-9]+", old[0]))
                    return f"{pattern.sub(new[0], key, count=1)!r} (here {missing!r})"
    return repr(missing)


CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.model"
"""The files in a converted folder."""


def write_folder(folder: Path, config: Mapping[str, Any], weights: Weights) -> None:
    """Write a converted model's configuration and weights."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in weights.items()}, folder / WEIGHTS)
    text = json.dumps(dict(config), indent=2, ensure_ascii=False)
    (folder / CONFIG).write_text(text, "utf-8")


@contextmanager
def config_checked(folder: Path) -> Iterator[None]:
    """Raise ``InputError`` if the block fails to create a model from a folder's configuration."""
    try:
        yield
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        reason = one_line(f"{type(error).__name__}: {error}", 120)
        raise InputError(
            f"{folder / CONFIG}: invalid model configuration ({reason}); convert the model again"
        ) from error


def kind_of(folder: Path) -> str:
    """Return the port that a folder was converted for (``InputError`` if there is none)."""
    return str(_config(folder)["jasco_model"])


def shapes_in(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a converted folder's weights, without reading the weights."""
    with _open_safetensors(folder / WEIGHTS) as file:
        return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


def read_folder(folder: Path, kind: str) -> tuple[dict[str, Any], Weights]:
    """Read a folder converted for the port ``kind``: its configuration and its weights.

    Raises
    ------
    InputError
        The folder holds no converted model, or that of another port.
    """
    config = _config(folder)
    if config["jasco_model"] != kind:
        raise InputError(f"{folder}: contains {one_line(config['jasco_model'])}, not {kind}")
    return config, read_safetensors(folder / WEIGHTS)


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = read_json(folder / CONFIG)
        config["jasco_model"]
    except (InputError, KeyError, TypeError, IndexError):
        raise InputError(f"{folder}: no converted model found; see: jasco convert --help") from None
    return config
