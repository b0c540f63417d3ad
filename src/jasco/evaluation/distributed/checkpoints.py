"""Checkpoints of a model that is being trained: which exist, and which are completely written."""

import glob
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_INDEX = ("*.safetensors.index.json", "*.bin.index.json")
_LENGTH_BYTES = 8  # of the header of a safetensors file
_LONGEST_HEADER = 100_000_000  # bytes; the format allows no more


def find_checkpoints(folder: Path, pattern: str) -> list[Path]:
    """Return the absolute paths that match a glob pattern, in natural order of their numbers.

    Parameters
    ----------
    folder : pathlib.Path
        The folder to which the pattern is relative.
    pattern : str
        The pattern, such as ``checkpoints/step-*``.
    """
    # Unlike Path.glob, it accepts absolute patterns.
    found = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
    return sorted({absolute(folder, match) for match in found}, key=natural_order)


def absolute(folder: Path, path: str) -> Path:
    """Return the absolute path of a path relative to a folder; symbolic links are kept."""
    return Path(os.path.normpath(folder.absolute() / path))


def natural_order(path: Path) -> list[tuple[int, int, str]]:
    """Return a sort key that compares numbers in names by their values: step-9 before step-10.

    Examples
    --------
    >>> sorted(map(Path, ["step-10", "step-9"]), key=natural_order)[0].name
    'step-9'
    """
    return [
        (0, int(part), part) if part.isdecimal() else (1, 0, part)
        for part in re.split("([0-9]+)", str(path))
        if part
    ]


def step_of(checkpoint: Path) -> int | None:
    """Return the last number in the name of a checkpoint's folder; None if there is none.

    Examples
    --------
    >>> step_of(Path("run7/epoch2-step1500"))
    1500
    """
    numbers = re.findall("[0-9]+", checkpoint.name)
    return int(numbers[-1]) if numbers else None


def unready_reason(checkpoint: Path, settle: float) -> str | None:
    """Return why a checkpoint cannot be evaluated yet; None if it is completely written.

    Parameters
    ----------
    checkpoint : pathlib.Path
        The folder of the checkpoint.
    settle : float
        Seconds without a change of any file, after which the folder counts as written.
    """
    if not checkpoint.is_dir():
        return "not a folder"
    try:
        files = [path for path in checkpoint.rglob("*") if path.is_file()]
        if not files:
            return "empty"
        for path in files:
            if problem := _problem(path):
                return problem
        changed = max(_changed_at(path) for path in (checkpoint, *files))
    except OSError as error:  # a file was renamed or removed meanwhile
        return f"cannot be read ({error.strerror or error})"
    # A time in the future is that of another clock, and not a recent change.
    return f"changed less than {settle:g} s ago" if abs(time.time() - changed) < settle else None


def _changed_at(path: Path) -> float:
    status = path.stat()
    return max(status.st_mtime, status.st_ctime)  # a copy may have the time of its original


def _problem(path: Path) -> str | None:
    """Return what is incomplete about a file of a checkpoint."""
    if any(path.match(pattern) for pattern in _INDEX):
        return _index_problem(path)
    return _safetensors_problem(path) if path.suffix == ".safetensors" else None


def _index_problem(path: Path) -> str | None:
    try:
        names = {str(name) for name in json.loads(path.read_bytes())["weight_map"].values()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return f"{path.name} is incomplete"
    missing = sorted(name for name in names if not (path.parent / name).is_file())
    if not names:
        return f"{path.name} names no files"
    return f"{missing[0]} is missing" if missing else None


def _safetensors_problem(path: Path) -> str | None:
    incomplete = f"{path.name} is incomplete"
    with path.open("rb") as file:
        length = int.from_bytes(start := file.read(_LENGTH_BYTES), "little")
        if len(start) < _LENGTH_BYTES or length > _LONGEST_HEADER:
            return incomplete
        header = file.read(length)
    try:
        tensors: Mapping[str, Any] = json.loads(header)
        ends = [
            int(tensor["data_offsets"][1])
            for name, tensor in tensors.items()
            if name != "__metadata__"
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return incomplete
    is_whole = path.stat().st_size == _LENGTH_BYTES + length + max(ends, default=0)
    return None if is_whole else incomplete


class SeenCheckpoints:
    """The checkpoints of a sweep, remembered because training may delete old ones.

    Parameters
    ----------
    path : pathlib.Path
        The file that lists them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, pattern: str) -> list[Path]:
        """Return the checkpoints that a pattern matched earlier."""
        return [Path(name) for name in self._read().get(pattern, ())]

    def add(self, pattern: str, checkpoint: Path) -> None:
        """Remember a checkpoint."""
        seen = self._read()
        if str(checkpoint) not in seen.setdefault(pattern, []):
            seen[pattern].append(str(checkpoint))
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            draft.write_text(json.dumps({"schema": 1, "checkpoints": seen}, indent=1), "utf-8")
            draft.replace(self._path)

    def _read(self) -> dict[str, list[str]]:
        try:
            content = json.loads(self._path.read_text("utf-8"))["checkpoints"]
            return dict(_lists_of_names(content))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}


def _lists_of_names(content: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for pattern, names in content.items():
        yield str(pattern), [str(name) for name in names]
