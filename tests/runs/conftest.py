"""Folders and runs of the tests of runs, and shorter waiting times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jasco.runs import database
from jasco.runs.writer import RunWriter
from judged_files import write_judged_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the path of a run that does not exist yet."""
    return tmp_path / "runs" / "run"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Write a run with one fact and nothing else; return its folder."""
    with RunWriter.open(tmp_path / "run") as store:
        store.set_facts({"a": "fact"})
    return tmp_path / "run"


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time that a writer waits for other programs."""
    for name, seconds in (("ATTEMPT", 0.1), ("ANNOUNCED", 0.3), ("PATIENCE", 1.5), ("HURRY", 0.2)):
        monkeypatch.setattr(database, name, seconds)


@pytest.fixture
def write_judged(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a judged CSV: ``write_judged("a.csv", text)``."""

    def write(name: str, *arguments: Any, **options: Any) -> Path:
        return write_judged_file(tmp_path / name, *arguments, **options)

    return write
