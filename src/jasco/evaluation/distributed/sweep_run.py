"""Running a sweep: models one after the other, then each exclusive judge over all runs."""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from jasco.data.sources import find_data
from jasco.errors import IncompleteError, InputError, RunConflictError, count, one_line
from jasco.evaluation.distributed.checkpoints import (
    find_checkpoints,
    natural_order,
    unready_reason,
)
from jasco.evaluation.distributed.executors import Executor, Lost
from jasco.evaluation.distributed.sweep_plan import (
    Cell,
    ModelEntry,
    PlannedModel,
    SweepPlan,
    check_distinct,
)
from jasco.evaluation.distributed.sweep_status import status_of
from jasco.evaluation.distributed.sweep_tasks import (
    CellResult,
    SweepTask,
    record,
    results_of_task,
    run_sweep_task,
)
from jasco.evaluation.kept_providers import KeptProviders
from jasco.evaluation.progress import Progress
from jasco.evaluation.run_job import Stop
from jasco.evaluation.signals import sigterm_interrupts
from jasco.evaluation.stops import Stops
from jasco.runs.reader import is_run

Notify = Callable[[str], None]

EXECUTOR_FOLDER = ".workers"
"""The folder in the root of a sweep for the logs and files of an executor."""
_PATIENCE = 600.0
"""Seconds to wait for another judge that is judging the same run in another worker."""
_POLLS = 4  # looks at the checkpoints per time to settle
_POLL_BOUNDS = 0.2, 15.0  # seconds


@dataclass(frozen=True)
class SweepOutcome:
    """How a sweep ended.

    Attributes
    ----------
    results : sequence of CellResult
        The results, several of a cell if an exclusive judge has judged it.
    unready : int
        Number of checkpoints that were skipped because they are not completely written.
    """

    results: Sequence[CellResult]
    unready: int = 0

    def error(self) -> Exception | None:
        """Return the error that corresponds to the exit status; None if all is complete.

        It is an ``IncompleteError`` if the same command may finish something, otherwise a
        ``RunConflictError`` or an ``InputError``; a bug is a ``RuntimeError``.
        """
        by_state: dict[str, list[CellResult]] = {}
        for result in self.results:
            by_state.setdefault(result.state, []).append(result)
        if bugs := by_state.get("error"):
            return RuntimeError(f"{bugs[0].cell}: {bugs[0].message}")
        text = _summary(self.results, self.unready)
        if "incomplete" in by_state or self.unready:
            return IncompleteError(
                f"{text}; completed work is saved; run the same command again to resume"
            )
        if "refused" in by_state:
            return RunConflictError(text)
        return InputError(text) if "invalid" in by_state else None


def _summary(results: Sequence[CellResult], unready: int) -> str:
    cells = count(len({result.cell.folder for result in results}), "cell")
    failed = {result.cell.folder for result in results if result.message}
    left = {result.cell.folder for result in results if result.state == "incomplete"} - failed
    parts = []
    if failed:
        reasons = {one_line(result.message, 300) for result in results if result.message}
        why = f": {reasons.pop()}" if len(reasons) == 1 else ", for the reasons given above"
        parts.append(f"{len(failed)} of {cells} failed{why}")
    if left:
        parts.append(f"{len(left)} of {cells} incomplete")
    if unready:
        parts.append(f"{count(unready, 'checkpoint')} not completely written")
    return "; ".join(parts)


def planned_models(plan: SweepPlan, notify: Notify = lambda _: None) -> list[PlannedModel]:
    """Return the models of a sweep, including checkpoints that were evaluated and deleted.

    Raises
    ------
    InputError
        Two models have the same folder.
    """
    models: list[PlannedModel] = []
    for entry in plan.models:
        models += _checkpoints_of(plan, entry, notify) if entry.checkpoints else [plan.model(entry)]
    check_distinct(models)
    return models


def unmatched_patterns(plan: SweepPlan, models: Sequence[PlannedModel]) -> list[str]:
    """Return the patterns of checkpoints of a plan that none of its models matches."""
    matched = {model.pattern for model in models}
    return [
        entry.checkpoints
        for entry in plan.models
        if entry.checkpoints and entry.checkpoints not in matched
    ]


def _checkpoints_of(plan: SweepPlan, entry: ModelEntry, notify: Notify) -> list[PlannedModel]:
    """Return the checkpoints of an entry in natural order, including those that were deleted."""
    pattern = entry.checkpoints or ""
    found = find_checkpoints(plan.folder, pattern)
    deleted = [path for path in plan.seen.of(pattern) if path not in found]
    models: list[PlannedModel] = []
    for path in (*found, *deleted):
        exists = path in found
        if exists and not path.is_dir():
            notify(f"skipped: {path}: not a folder")
            continue
        try:
            model = plan.model(entry, path, exists=exists)
        except InputError as error:
            notify(f"skipped: {error}")
            continue
        if exists or (
            any(is_run(cell.folder) for cell in model.cells)
            and all(model.folder != other.folder for other in models)  # it has not moved
        ):
            models.append(model)
    return sorted(models, key=lambda model: natural_order(model.checkpoint or Path()))


@dataclass
class SweepRunner:
    """Runs the models of a plan.

    Parameters
    ----------
    plan : SweepPlan
        The plan.
    executor : Executor or None
        Runs the tasks; None runs them one after the other in this process.
    notify : callable
        Takes each line that the user should read.
    begun : callable
        Takes the function that stops the sweep; called before the first task starts.
    """

    plan: SweepPlan
    executor: Executor | None = None
    notify: Notify = lambda _: None
    begun: Callable[[Stop], None] = lambda _: None
    _reported: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._stops = Stops()

    def run(self) -> SweepOutcome:
        """Do what is missing, except for checkpoints that are not completely written.

        Raises
        ------
        InputError
            A data set cannot be read, or there is nothing to evaluate.
        IncompleteError
            A data set cannot be downloaded, or the executor is not available.
        KeyboardInterrupt
            The sweep was stopped; completed work is saved.
        """
        self._begin()
        found = planned_models(self.plan, self.notify)
        if unmatched := unmatched_patterns(self.plan, found):
            raise InputError(f"{self.plan.path}: no checkpoint matches {', '.join(unmatched)}")
        models, unready = self._ready(found)
        return SweepOutcome(self._round(models), unready)

    def watch(self, after_round: Callable[[], None] = lambda: None) -> None:
        """Evaluate each new checkpoint once it is written, until the sweep is interrupted.

        A model that was left incomplete is tried again together with the next new checkpoint.

        Parameters
        ----------
        after_round : callable
            Called when the present checkpoints are evaluated.

        Raises
        ------
        InputError, IncompleteError, KeyboardInterrupt
            As in :meth:`run`.
        """
        self._begin()
        shortest, longest = _POLL_BOUNDS
        pause = min(max(self.plan.settle / _POLLS, shortest), longest)
        done, again = set[Path](), set[Path]()
        while True:
            models = planned_models(self.plan, self._once)
            new, _ = self._ready([model for model in models if model.folder not in done])
            if not new:
                self._once("waiting for new checkpoints; to stop: Ctrl-C")
                self._stops.wait(pause)
                continue
            evaluated = [*new, *(model for model in models if model.folder in again)]
            results = self._round(evaluated)
            again = {each.cell.folder.parent for each in results if each.state == "incomplete"}
            done |= {model.folder for model in new}
            for error in (each.message for each in results if each.state == "error"):
                raise RuntimeError(error)
            self.notify(f"evaluated: {', '.join(model.name for model in evaluated)}")
            after_round()

    def _begin(self) -> None:
        self.begun(self._stops.stop)
        for data in self.plan.data:
            find_data(data.source, self.notify)

    def _once(self, line: str) -> None:
        """Write a line, unless it was written already."""
        if line not in self._reported:
            self._reported.add(line)
            self.notify(line)

    def _ready(self, models: Sequence[PlannedModel]) -> tuple[list[PlannedModel], int]:
        """Return the models that can be evaluated, and the number of others."""
        ready = []
        for model in models:
            exists = any(cell.spec for cell in model.cells)
            path = model.checkpoint
            if path and exists and (reason := unready_reason(path, self.plan.settle)):
                self._once(f"not evaluated yet: {path}: {reason}")
            else:
                ready.append(model)
        return ready, len(models) - len(ready)

    def _round(self, models: Sequence[PlannedModel]) -> list[CellResult]:
        for model in models:
            if model.pattern and model.checkpoint:
                self.plan.seen.add(model.pattern, model.checkpoint)
        cells = tuple(cell for model in models for cell in model.cells)
        judges = tuple(judge for judge in self.plan.judges if not judge.exclusive)
        exclusive = [judge for judge in self.plan.judges if judge.exclusive]
        patience = _PATIENCE if self.executor and len(exclusive) > 1 else 0.0
        results: list[CellResult] = []
        passes: Counter[Path] = Counter()
        with (
            sigterm_interrupts(),
            closing(KeptProviders()) as kept,
            Progress(len(cells), self.notify, "sweep", "cell") as progress,
        ):
            answering = [SweepTask(model.cells, judges) for model in models]
            judging = [
                SweepTask(_rotated(cells, place, len(exclusive)), (judge,), False, patience)
                for place, judge in enumerate(exclusive)
            ]
            for tasks in (answering, judging):
                for result in self._results(tasks, kept):
                    results.append(result)
                    passes[result.cell.folder] += 1
                    if passes[result.cell.folder] == 1 + len(exclusive):
                        progress.advance()
        return results

    def _results(
        self, tasks: Sequence[SweepTask], kept: KeptProviders
    ) -> Generator[CellResult, None, None]:
        """Run tasks, and yield the result of each cell."""
        run = self._results_on(self.executor, tasks) if self.executor else self._here(tasks, kept)
        with closing(run):
            for result in run:
                if result.message and result.state != "error":
                    self.notify(f"{result.cell}: {one_line(result.message, 1000)}")
                yield result

    def _here(
        self, tasks: Sequence[SweepTask], kept: KeptProviders
    ) -> Generator[CellResult, None, None]:
        for task in tasks:
            for result in results_of_task(task, kept, self.notify, self._stops.begun):
                yield result
                self._stops.check()

    def _results_on(
        self, executor: Executor, tasks: Sequence[SweepTask]
    ) -> Generator[CellResult, None, None]:
        waiting = []
        for task in tasks:  # start no worker without need
            if all(self._is_complete(cell) for cell in task.cells):
                yield from (CellResult(cell, "complete") for cell in task.cells)
            else:
                waiting.append(task)
        if not waiting:
            return
        folder = self.plan.root / EXECUTOR_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = executor.run(run_sweep_task, waiting, folder, self.notify)
        with closing(outcomes):
            for index, outcome in outcomes:
                if isinstance(outcome, Lost):
                    for cell in waiting[index].cells:
                        result = CellResult(cell, "incomplete", outcome.reason)
                        record(result)
                        yield result
                else:
                    yield from outcome

    def _is_complete(self, cell: Cell) -> bool:
        is_final = not cell.settings.get("retry_final")
        return is_final and status_of(cell, self.plan.judges).state == "complete"


def _rotated(cells: tuple[Cell, ...], place: int, places: int) -> tuple[Cell, ...]:
    """Return the cells in another order for each judge, so that few meet at the same run."""
    start = len(cells) * place // places
    return cells[start:] + cells[:start]
