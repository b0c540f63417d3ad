"""Folders and runs of the tests of runs, and shorter waiting times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jasco.data.csv_files import write_table
from jasco.data.dataset import DataSet
from jasco.data.responses_csv import template_rows
from jasco.protocol.clips import Clip
from jasco.runs import database
from jasco.runs.writer import RunWriter

CLIPS = tuple(Clip(id_, "rain", "run", "a", "b", "they flee", "flee") for id_ in ("9", "10"))


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
    """Return a function that writes a judged CSV about two clips."""

    def write(
        name: str,
        text: str = "Rating: 2\nOrientation: Both",
        clips: tuple[Clip, ...] = CLIPS,
        **cells: Any,
    ) -> Path:
        rows = template_rows(DataSet("x", clips), {clip.id: 1 for clip in clips})
        changes = {"allm_output": "an answer", "judge_output": text} | cells
        judged_rows = [row | changes for row in rows]
        write_table(tmp_path / name, list(judged_rows[0]), judged_rows)
        return tmp_path / name

    return write
