"""Bundles of made-up runs, and bundles that were changed afterwards."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jasco.api.bundles import write_bundle
from jasco.data.dataset import DataSet, read_data_set
from jasco.protocol.responses import Failure
from jasco.runs.bundles.archive import MEMBERS, write_bundle_file
from runs import verdict, write_run
from synthetic import make_data

Rows = list[dict[str, Any]]


def small_data(folder: Path, clips: int = 3) -> DataSet:
    """Write a data set with short clips."""
    return read_data_set(make_data(folder, clips, seconds=0.02))


def small_run(folder: Path, data: DataSet, model: str = "model", rating: int = 1) -> Path:
    """Write a run with two judges; one answer and one verdict failed, one is unreadable."""

    def answer(clip: int, number: int) -> str | Failure:
        return Failure("timeout", "too late") if (clip, number) == (0, 8) else f"{clip} {number}"

    def judge(clip: int, number: int) -> str | Failure:
        if (clip, number) == (1, 1):
            return "Orientation: Both"
        if (clip, number) == (1, 2):
            return Failure("server", "http://10.0.0.7:8000/v1: 500")
        return verdict((clip + number + rating) % 3, "Both" if number % 2 else "Audio-Oriented")

    return write_run(folder, data, answer, {"j": judge, "k": judge}, model)


def small_bundle(folder: Path, **settings: Any) -> Path:
    """Write a bundle of :func:`small_run`."""
    run = small_run(folder / "run", small_data(folder / "data"), **settings)
    return write_bundle(run, folder / "bundle.zip", lambda _: None).path


def members_of(path: Path) -> dict[str, bytes]:
    """Return the members of a bundle."""
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in MEMBERS}


def rewritten(path: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """Change a member, with all hashes computed again; return the new bundle."""
    members = members_of(path)
    members[member] = change(members[member])
    forged = path.with_name("forged.zip")
    write_bundle_file(forged, members)
    return forged


def with_rows(path: Path, member: str, change: Callable[[Rows], Any]) -> Path:
    """Change the list of a member's rows in place, with all hashes computed again."""

    def apply(content: bytes) -> bytes:
        rows = [json.loads(line) for line in content.splitlines()]
        change(rows)
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    return rewritten(path, member, apply)


def with_object(path: Path, member: str, change: Callable[[Any], Any]) -> Path:
    """Change the object of a member in place, with all hashes computed again."""

    def apply(content: bytes) -> bytes:
        value = json.loads(content)
        change(value)
        return json.dumps(value).encode()

    return rewritten(path, member, apply)
