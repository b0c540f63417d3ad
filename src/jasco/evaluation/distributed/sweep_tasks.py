"""The work of a sweep as tasks, which run in this process or in the workers of an executor.

A task is about one model, which answers all its data sets while judges without an own server judge;
or about one exclusive judge, which judges all runs.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jasco.backends.budget import PriceList
from jasco.backends.specs import Provider, open_spec
from jasco.data.sources import find_data
from jasco.errors import InputError, count, one_line
from jasco.evaluation.distributed.outcomes import State, kept_in_this_process, outcome_of
from jasco.evaluation.distributed.sweep_plan import Cell
from jasco.evaluation.distributed.sweep_status import FAILURE_FILE, LONGEST_REASON
from jasco.evaluation.distributed.work_left import work_left
from jasco.evaluation.job import Job
from jasco.evaluation.kept_providers import KeptProviders
from jasco.evaluation.run_job import Stop, run_in_store
from jasco.judges.judge import Judge
from jasco.runs.locks import RunBusyError
from jasco.runs.reader import RunReader, is_run
from jasco.runs.summary import summarise_run
from jasco.runs.writer import RunWriter

Notify = Callable[[str], None]
_PLAN_WORDS = {
    "with --no-preflight": "with preflight = false in the plan",
    "use a different --run": "give the model another name in the plan",
}
_PAUSE = 2.0  # seconds between two attempts to open a run that another task is writing to


@dataclass(frozen=True)
class CellResult:
    """How the work on a cell ended.

    Attributes
    ----------
    cell : Cell
        The cell.
    state : str
        As :data:`.State`.
    message : str
        As in :class:`.Outcome`.
    """

    cell: Cell
    state: State
    message: str = ""


@dataclass(frozen=True)
class SweepTask:
    """The task of a model or of an exclusive judge.

    Attributes
    ----------
    cells : tuple of Cell
        The cells, in order.
    judges : tuple of Judge
        The judges.
    answers : bool
        Whether the model answers; otherwise, existing answers are judged.
    patience : float
        Seconds to wait for another task that is writing to a run.
    """

    cells: tuple[Cell, ...]
    judges: tuple[Judge, ...]
    answers: bool = True
    patience: float = 0.0

    def __str__(self) -> str:
        return self.cells[0].model if self.answers else self.judges[0].spec.label


def run_sweep_task(task: SweepTask) -> tuple[CellResult, ...]:
    """Do the work of a task; called in a worker process, which keeps the model or judge loaded.

    Raises
    ------
    KeyboardInterrupt
        The worker was interrupted, by SIGTERM for example; completed work is saved.
    """

    def notify(line: str) -> None:
        sys.stderr.write(f"jasco: {line}\n")

    return tuple(results_of_task(task, kept_in_this_process(), notify))


def results_of_task(
    task: SweepTask,
    kept: KeptProviders,
    notify: Notify,
    begun: Callable[[Stop], None] = lambda _: None,
) -> Iterator[CellResult]:
    """Do the work of a task, and yield the result of each cell.

    A run that another task is writing to is tried again after the others.
    """
    waiting, deadline = list(task.cells), time.monotonic() + task.patience
    while waiting:
        busy: list[Cell] = []
        for cell in waiting:
            try:
                yield _result(task, cell, kept, notify, begun)
            except RunBusyError as error:
                if time.monotonic() < deadline:
                    busy.append(cell)
                else:
                    yield CellResult(cell, "refused", str(error))
            else:
                deadline = time.monotonic() + task.patience
        waiting = busy
        if busy:
            time.sleep(_PAUSE)


def record(result: CellResult) -> None:
    """Write the file that states why a cell failed."""
    content = {
        "state": result.state,
        "reason": one_line(result.message.strip().rpartition("\n")[2], LONGEST_REASON),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with suppress(OSError):  # the result is still reported
        result.cell.folder.mkdir(parents=True, exist_ok=True)
        (result.cell.folder / FAILURE_FILE).write_text(json.dumps(content) + "\n", "utf-8")


def _result(
    task: SweepTask,
    cell: Cell,
    kept: KeptProviders,
    notify: Notify,
    begun: Callable[[Stop], None],
) -> CellResult:
    """Do the work on a cell (``RunBusyError`` if another process is writing to its run)."""

    def notify_of_cell(line: str) -> None:
        notify(f"{cell}: {line}")

    def work() -> bool:
        return _run_cell(task, cell, kept, notify_of_cell, begun)

    outcome = outcome_of(work, but=RunBusyError)
    result = CellResult(cell, outcome.state, _in_words_of_plan(outcome.message))
    if result.message:
        record(result)
    elif task.answers:  # judges that follow may fail
        with suppress(OSError):
            (cell.folder / FAILURE_FILE).unlink(missing_ok=True)
    return result


def _in_words_of_plan(message: str) -> str:
    """Return a message with keys of the plan in place of options of the command line."""
    for option, key in _PLAN_WORDS.items():
        message = message.replace(option, key)
    return message


def _run_cell(
    task: SweepTask,
    cell: Cell,
    kept: KeptProviders,
    notify: Notify,
    begun: Callable[[Stop], None],
) -> bool:
    answers = task.answers and cell.spec is not None
    if answers or (task.judges and _has_answers(cell.folder)):
        job = job_of(cell, task.judges, answers=answers, notify=notify)
        with RunWriter.open(job.run, notify=notify) as store:
            complete = run_in_store(job, store, notify, begun, kept=kept)
            if answers:
                return complete
            if work_left(store, task.judges).verdicts:
                return False
    if task.answers:
        _check_answered(cell)
    return True


def _check_answered(cell: Cell) -> None:
    """Raise ``InputError`` if answers of a checkpoint that no longer exists are missing."""
    with RunReader.open(cell.folder) as store:
        if missing := work_left(store, ()).responses:
            raise InputError(
                f"the checkpoint no longer exists, so {count(missing, 'answer')} cannot be "
                "collected; restore it, or delete the run"
            )


def _has_answers(run: Path) -> bool:
    return is_run(run) and summarise_run(run).answered > 0


def job_of(cell: Cell, judges: Sequence[Judge], *, answers: bool, notify: Notify) -> Job:
    """Return the job of a cell.

    Parameters
    ----------
    cell : Cell
        The cell.
    judges : sequence of Judge
        The judges.
    answers : bool
        Whether the model answers; otherwise, existing answers are judged.
    notify : callable
        Takes lines for the user.

    Raises
    ------
    InputError
        The model's spec or the data set is invalid.
    """
    job = Job(
        run=cell.folder,
        data=find_data(cell.source, notify) if answers else None,
        model=open_spec("model", cell.spec or "") if answers else None,
        judges=list(map(copy, judges)),  # as from a spec: a job closes its judges
        name=cell.name if answers else None,
        tags={} if cell.step is None else {"step": cell.step},
        **cell.settings if answers else _for_judging(cell),
    )
    return replace(job, prices=_prices_of(job.prices, job.providers))


def _for_judging(cell: Cell) -> dict[str, Any]:
    """Return the settings without those of answering, which are those of the run."""
    of_answers = ("instructions", "samples", "limit")
    return {key: value for key, value in cell.settings.items() if key not in of_answers}


def _prices_of(prices: PriceList, providers: Sequence[Provider]) -> PriceList:
    """Return the prices of the models and judges of a job, out of those of the whole sweep."""
    labels = [provider.spec.label for provider in providers]
    names = {"", *labels, *(label.split(",")[0] for label in labels)}
    into, out = (
        {name: price for name, price in each.items() if name in names}
        for each in (prices.into, prices.out)
    )
    return PriceList(into, out)
