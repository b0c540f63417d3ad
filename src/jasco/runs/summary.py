"""A summary of a run: its contents and progress, without its scores."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.runs.condition_runs import CONDITIONS_FOLDER
from jasco.runs.locks import is_locked
from jasco.runs.reader import RunReader
from jasco.runs.shards import SHARDS_FOLDER

State = Literal["complete", "incomplete", "running", "empty", "unreadable"]


@dataclass(frozen=True)
class RunSummary:
    """The contents and the progress of a run.

    Attributes
    ----------
    folder : pathlib.Path
        The run's folder.
    state : str
        ``complete``: every item has an answer, and every answer a readable verdict of each judge;
        ``incomplete``; ``running``: a process is writing to it; ``empty``: it has no answers yet;
        ``unreadable``: see ``problem``.
    name : str
        The name of the model in tables.
    model : str
        The model as ``provider/name``, with the options that distinguish it.
    data : str
        The name of the data set.
    annotations_sha256 : str
        The hash of its annotations.
    clips : int
        Number of clips that the run covers.
    protocol : str
        The judging protocol; empty before the first verdict.
    judges : tuple of str
        The judges with at least one verdict.
    items, answered : int
        Items expected, and items with an answer.
    coverage : float or None
        Readable verdicts / expected verdicts, over all judges; None without a judge.
    tags : mapping of str to str, int or float
        Tags given by the user.
    updated : str or None
        Time of the latest answer or verdict, in UTC (ISO 8601).
    shards : int
        Number of shards into which the run is divided; 0 if it is not divided.
    problem : str
        Why an unreadable run cannot be read.
    """

    folder: Path
    state: State
    name: str = ""
    model: str = ""
    data: str = ""
    annotations_sha256: str = ""
    clips: int = 0
    protocol: str = ""
    judges: tuple[str, ...] = ()
    items: int = 0
    answered: int = 0
    coverage: float | None = None
    tags: Mapping[str, str | int | float] = field(default_factory=dict)
    updated: str | None = None
    shards: int = 0
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the summary with values that JSON can hold."""
        return {**vars(self), "folder": str(self.folder), "judges": list(self.judges)}


def find_runs(folder: Path) -> Iterator[Path]:
    """Yield the folders of all runs in a folder, including itself, sorted by path.

    The shards and conditions of a run are parts of it. Hidden folders are skipped, and symbolic
    links to folders are not followed.

    Raises
    ------
    InputError
        The folder does not exist.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one that contains runs")
    for path, folders, files in os.walk(folder):
        if "run.db" in files:
            yield Path(path)
            parts = (SHARDS_FOLDER, CONDITIONS_FOLDER)
            folders[:] = [name for name in folders if name not in parts]
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def summarise_run(folder: Path) -> RunSummary:
    """Summarise a run; one that cannot be read has the state ``unreadable``."""
    try:
        with RunReader.open(folder) as run:
            return _summary(run)
    except (InputError, RunConflictError, IncompleteError, sqlite3.Error, OSError) as error:
        return RunSummary(folder, "unreadable", problem=one_line(error, 400))


def _summary(run: RunReader) -> RunSummary:
    models = run.models()
    running = _is_running(run)
    if not models:
        return RunSummary(run.folder, "running" if running else "empty", tags=run.tags)
    model, label, _ = models[0]
    expected, answered, updated = run.count_expected(model), 0, ""
    readable: dict[str, int] = {}
    for part in run.parts():
        running = running or _is_running(part)
        answered += part.count_responses(model)[0]
        updated = max(updated, part.updated_at() or "")
        for judge, name, _ in part.judges_of(model):
            readable[name] = readable.get(name, 0) + part.count_readable(model, judge)
    is_complete = bool(readable) and answered == expected and {*readable.values()} == {expected}
    state: State = "complete" if is_complete else "incomplete" if answered else "empty"
    return RunSummary(
        folder=run.folder,
        state="running" if running else state,
        name=run.name_of(model) or label,
        model=label,
        data=run.data_name,
        annotations_sha256=run.fact("annotations_sha256") or "",
        clips=len(run.places),
        protocol=run.fact("protocol") or "" if readable else "",
        judges=tuple(readable),
        items=expected,
        answered=answered,
        coverage=sum(readable.values()) / (len(readable) * expected)
        if readable and expected
        else None,
        tags=run.tags,
        updated=updated or None,
        shards=run.shards,
    )


def _is_running(run: RunReader) -> bool:
    # A killed process leaves the fact behind, but not the lock.
    return run.fact("holder") is not None and is_locked(run.folder)
