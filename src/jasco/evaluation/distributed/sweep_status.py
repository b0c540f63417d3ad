"""The state of the cells of a sweep, read from their runs without starting anything."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jasco.errors import one_line
from jasco.evaluation.distributed.sweep_plan import Cell
from jasco.evaluation.distributed.work_left import work_left
from jasco.judges.judge import Judge
from jasco.runs.reader import RunReader, is_run
from jasco.runs.summary import RunSummary, summarise_run

CellState = Literal["complete", "running", "incomplete", "failed", "not started"]
FAILURE_FILE = "failure.json"
"""The file in a cell's folder that states why it failed."""
LONGEST_REASON = 1000
"""Characters of a reason that are stored and shown."""


@dataclass(frozen=True)
class CellStatus:
    """The state of a cell.

    Attributes
    ----------
    cell : Cell
        The cell.
    state : str
        ``complete``: nothing is left that the same plan could finish; ``running``: a process is
        writing to its run; ``incomplete``; ``failed``: see ``reason``; ``not started``.
    reason : str
        Why it failed; else empty.
    items, answered : int
        Items expected, and items with an answer; 0 before the start.
    coverage : float or None
        Readable verdicts / expected verdicts; None without a verdict.
    updated : str or None
        Time of the latest answer or verdict, in UTC (ISO 8601).
    """

    cell: Cell
    state: CellState
    reason: str = ""
    items: int = 0
    answered: int = 0
    coverage: float | None = None
    updated: str | None = None


def status_of(cell: Cell, judges: Sequence[Judge]) -> CellStatus:
    """Return the state of a cell of a plan with these judges."""
    failure = _failure_of(cell)
    if not is_run(cell.folder):
        return CellStatus(cell, "failed" if failure else "not started", failure)
    run = summarise_run(cell.folder)
    state: CellState
    if run.state == "running":
        state, failure = "running", ""
    elif failure or run.state == "unreadable":
        state, failure = "failed", failure or run.problem
    elif run.items and _is_complete(cell, run, judges):
        state = "complete"
    else:
        state = "incomplete" if run.answered else "not started"
    return CellStatus(cell, state, failure, run.items, run.answered, run.coverage, run.updated)


def _is_complete(cell: Cell, run: RunSummary, judges: Sequence[Judge]) -> bool:
    if run.shards:
        return run.state == "complete"
    settings = cell.settings
    with RunReader.open(cell.folder) as store:
        clips = min(settings.get("limit") or store.clip_count, store.clip_count)
        is_wide = store.covered >= clips and store.samples >= settings.get("samples", 1)
        return is_wide and not any(work_left(store, judges))


def _failure_of(cell: Cell) -> str:
    """Return why a cell failed; empty if it did not."""
    try:
        content: Any = json.loads((cell.folder / FAILURE_FILE).read_text("utf-8"))
        return one_line(content["reason"], LONGEST_REASON) or "unknown reason"
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError, LookupError, TypeError):
        return "unknown reason"
