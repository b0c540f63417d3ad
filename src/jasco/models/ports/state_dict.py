"""Weights of published files: read without running what is in them, and every one accounted for."""

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

from jasco.errors import InputError, one_line

Weights = dict[str, torch.Tensor]
KeyTable = Sequence[tuple[str, str | None]]
"""Patterns of a file's keys, and the names in the port, as :meth:`re.Match.expand` takes them.

The first pattern that matches a whole key counts. None: known, and not used.
"""
SAME_KEYS: KeyTable = ((r".+", r"\g<0>"),)
"""Of files that the port has written itself."""


_LARGEST_JSON = 32 << 20  # bytes; the index of the largest model has some hundred thousand
_LARGEST_HEADER = 32 << 20


def read_json(path: Path) -> Any:
    """Read a JSON file of a model (``InputError`` where it is missing, broken or far too large)."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_JSON + 1)
        if len(content) > _LARGEST_JSON:
            raise InputError(
                f"{path}: larger than {_LARGEST_JSON >> 20} MiB; is it the right file?"
            )
        return json.loads(content)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; is the download complete?") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: no JSON ({one_line(error)}); is the download complete?"
        ) from None


def read_torch(path: Path, *, trusted: bool = False) -> Any:
    """Read a file of torch. What it holds beside tensors and plain values is refused.

    Parameters
    ----------
    path : Path
        A ``.pt``, ``.pth`` or ``.bin`` file.
    trusted : bool
        Whether it may run code of its own while it is read, as pickled files can.

    Raises
    ------
    InputError
        It cannot be read, or only by running code of its own.
    """
    try:
        # Left on the disk until it is needed, where the file's format allows that.
        mapped = zipfile.is_zipfile(path)
        if mapped:
            _check_entries(path)
        return torch.load(path, map_location="cpu", weights_only=not trusted, mmap=mapped)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except InputError:
        raise
    except Exception as error:  # of zip files, pickles, torch
        reason = one_line(error, 200) or type(error).__name__
        if not trusted and "weights_only" in str(error).lower().replace(" ", "_"):
            raise InputError(
                f"{path}: holds objects that only code of its own can read ({reason}); if you "
                "trust its source, say so with --trust-pickle"
            ) from error
        raise InputError(f"{path}: cannot be read ({reason}); is the download complete?") from error


def _check_entries(path: Path) -> None:
    """Refuse what torch never writes: a packed entry may be of any size, and is mapped wrongly."""
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
    size = sum(entry.file_size for entry in entries)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise InputError(f"{path}: its entries are compressed, which torch does not read")
    if size > path.stat().st_size:
        raise InputError(f"{path}: announces {size:,} bytes, more than the file has; is it whole?")


def read_safetensors(path: Path) -> Weights:
    """Read a file of safetensors (``InputError`` where it is none)."""
    with _open_safetensors(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)


@contextmanager
def _open_safetensors(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as header:
            size = int.from_bytes(header.read(8), "little")
        if size > _LARGEST_HEADER:
            raise InputError(
                f"{path}: announces a header of {size:,} bytes, more than {_LARGEST_HEADER:,}; is "
                "this safetensors, and whole?"
            )
        with safe_open(path, "pt") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: no whole file of safetensors ({one_line(error)})") from error


def read_base(folder: Path) -> Weights:
    """Read the weights of a base model's folder, in one file or several.

    Raises
    ------
    InputError
        There are none, or a part is missing.
    """
    for kind, read in (("model.safetensors", read_safetensors), ("pytorch_model.bin", read_torch)):
        index = folder / f"{kind}.index.json"
        if index.is_file():
            names = _files_of(index)
            return {key: value for name in names for key, value in read(folder / name).items()}
        if (folder / kind).is_file():
            weights: Weights = read(folder / kind)
            return weights
    raise InputError(f"{folder}: no weights there (model.safetensors or pytorch_model.bin)")


def _files_of(index: Path) -> list[str]:
    """List the files of a checkpoint in several parts."""
    content = read_json(index)
    found = content.get("weight_map") if isinstance(content, Mapping) else None
    names = list(found.values()) if isinstance(found, Mapping) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{index}: does not say in which file each weight is (weight_map); is the download "
            "complete?"
        )
    if other := [name for name in names if Path(name).name != name or name in ("", ".", "..")]:
        raise InputError(f"{index}: names a file outside its folder: {one_line(other[0], 80)!r}")
    files = sorted(set(names))
    if missing := [name for name in files if not (index.parent / name).is_file()]:
        raise InputError(
            f"{index.parent / missing[0]}: there is no such file, which {index.name} names; is the "
            "download complete?"
        )
    return files


def rename_key(key: str, table: KeyTable) -> str | None:
    """Return the name of a file's key in the port; None if it is not used.

    Raises
    ------
    KeyError
        No pattern of the table matches it.
    """
    for pattern, name in table:
        if found := re.fullmatch(pattern, key):
            return None if name is None else found.expand(name)
    raise KeyError(key)


def llama_keys(projections: Sequence[str], layers: str = r"\d+") -> KeyTable:
    """Return the table of a base Llama's keys, in whose attention some projections have LoRA.

    Rotary frequencies, which older files hold, are computed anew; ``layers`` is the pattern of the
    layers' numbers for which they may be there.
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
    """Rename a published file's weights; all that the port expects must be there, and no more.

    Parameters
    ----------
    weights : mapping of str to Tensor
        Under the file's own names.
    table : sequence of (str, str or None)
        How each is named in the port.
    expected : mapping of str to Size
        The shapes of what the file must bring, by name in the port.
    path : Path
        The file, for messages.

    Raises
    ------
    InputError
        A key is unknown, missing, there twice or of another shape.
    """
    renamed: Weights = {}
    published: dict[str, str] = {}
    for key, value in weights.items():
        try:
            new = rename_key(key, table)
        except KeyError:
            raise InputError(f"{path}: holds {key!r}, which the model has no place for") from None
        if new is None:
            continue
        if new in renamed:
            raise InputError(f"{path}: {key!r} is there twice, as {new}")
        if new not in expected:
            raise InputError(f"{path}: holds {key!r}, which the model has no place for ({new})")
        if value.shape != expected[new]:
            raise InputError(
                f"{path}: {key!r} has the shape {tuple(value.shape)}, not {tuple(expected[new])}"
            )
        renamed[new], published[new] = value, key
    if missing := sorted(expected.keys() - renamed.keys()):
        raise InputError(
            f"{path}: lacks {len(missing)} of {len(expected)} weights, such as "
            f"{_as_published(missing[0], published)}; is the download complete?"
        )
    return renamed


_NUMBER, _KIND = re.compile(r"(?<=\.)[0-9]+(?=\.)"), re.compile(r"weight$|bias$")


def _as_published(missing: str, published: Mapping[str, str]) -> str:
    """Return a missing weight's name in the file, by those of its layer or of other layers.

    Parameters
    ----------
    missing : str
        Its name in the port.
    published : mapping of str to str
        The names in the file of the weights that are there, by their names in the port.
    """
    for kind in (_NUMBER, _KIND):
        for ours, theirs in published.items():
            if kind.sub("*", ours) == kind.sub("*", missing):
                found, wanted = kind.search(ours), kind.search(missing)
                if found and wanted:
                    place = re.compile(kind.pattern.replace("[0-9]+", found[0]))
                    return f"{place.sub(wanted[0], theirs, count=1)!r} (here {missing!r})"
    return repr(missing)


CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.model"
"""The files of a converted model's folder."""


def write_folder(folder: Path, config: Mapping[str, Any], weights: Weights) -> None:
    """Write a converted model: its sizes and settings, and its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in weights.items()}, folder / WEIGHTS)
    text = json.dumps(dict(config), indent=2, ensure_ascii=False)
    (folder / CONFIG).write_text(text, "utf-8")


@contextmanager
def config_checked(folder: Path) -> Iterator[None]:
    """Raise ``InputError`` where a converted model's configuration makes no model in the block."""
    try:
        yield
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        reason = one_line(f"{type(error).__name__}: {error}", 120)
        raise InputError(
            f"{folder / CONFIG}: sizes that make no model ({reason}); convert it again"
        ) from error


def kind_of(folder: Path) -> str:
    """Return which model a converted folder holds (``InputError`` where it is none)."""
    return str(_config(folder)["jasco_model"])


def shapes_in(folder: Path) -> dict[str, tuple[int, ...]]:
    """List the shapes of a converted folder's weights, without reading them."""
    with _open_safetensors(folder / WEIGHTS) as file:
        return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


def read_folder(folder: Path, kind: str) -> tuple[dict[str, Any], Weights]:
    """Read a converted model of a kind (``InputError`` where there is none)."""
    config = _config(folder)
    if config["jasco_model"] != kind:
        raise InputError(f"{folder}: holds {one_line(config['jasco_model'])}, not {kind}")
    return config, read_safetensors(folder / WEIGHTS)


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = read_json(folder / CONFIG)
        config["jasco_model"]
    except (InputError, KeyError, TypeError, IndexError):
        raise InputError(f"{folder}: no converted model there; see: jasco convert --help") from None
    return config
