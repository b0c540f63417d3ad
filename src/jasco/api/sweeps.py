"""Sweeps: several models or checkpoints on several data sets, according to a plan."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jasco.api import arguments
from jasco.api.messages import Notify, log_message, named_as_in_python
from jasco.api.reports import check_output
from jasco.api.scores import Scores, scores_of
from jasco.api.threads import run_in_thread
from jasco.backends.optional_imports import import_optional
from jasco.data.csv_files import whole_file
from jasco.errors import InputError
from jasco.evaluation.distributed.executors import open_executor
from jasco.evaluation.distributed.sweep_plan import SweepPlan, read_plan
from jasco.evaluation.distributed.sweep_run import (
    SweepOutcome,
    SweepRunner,
    planned_models,
    unmatched_patterns,
)
from jasco.evaluation.distributed.sweep_status import CellStatus, status_of
from jasco.evaluation.run_job import Stop
from jasco.reports.exports import data_frame, to_json
from jasco.reports.report import SCHEMA
from jasco.reports.sweep import (
    SweepResults,
    cells_json,
    curves_json,
    folders_with_results,
    render_status,
    render_sweep,
    sweep_html,
)

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, repr=False, eq=False)
class Sweep:
    """The results of a sweep, with the state of its runs at the time when it was opened.

    ``print(sweep)`` prints the tables of ``jasco sweep``; a notebook shows the table over models
    and data sets as HTML.

    Attributes
    ----------
    plan : pathlib.Path
        The file of the plan.
    run_root : pathlib.Path
        The folder of all runs.
    """

    plan: Path
    run_root: Path
    _statuses: tuple[CellStatus, ...]

    @classmethod
    def open(cls, plan: SweepPlan, notify: Notify) -> Self:
        """Return the results so far of a plan; nothing is started."""
        models = planned_models(plan, notify)
        for pattern in unmatched_patterns(plan, models):
            notify(f"{plan.path}: no checkpoint matches {pattern}")
        cells = [cell for model in models for cell in model.cells]
        return cls(plan.path, plan.root, tuple(status_of(cell, plan.judges) for cell in cells))

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The state of each run, one per model and data set.

        Each is a dict with ``model``, ``data``, ``run`` (its folder), ``step``, ``series`` (the
        curve of a checkpoint), ``state`` (``complete``, ``running``, ``incomplete``, ``failed`` or
        ``not started``), ``reason`` (why it failed), ``items``, ``answered``, ``coverage`` and
        ``updated``.
        """
        return cells_json(self._statuses)

    @property
    def complete(self) -> bool:
        """Whether nothing is left that the same plan could finish."""
        return all(status.state == "complete" for status in self._statuses)

    @cached_property
    def scores(self) -> Scores:
        """The scores of all runs that have answers.

        Raises
        ------
        InputError
            No run has an answer yet.
        """
        if not self._folders:
            raise InputError(f"{self.plan}: no results yet; run: jasco sweep {self.plan}")
        return scores_of(self._folders)

    @property
    def _folders(self) -> list[Path]:
        return folders_with_results(self._statuses)

    @cached_property
    def _results(self) -> SweepResults:
        return SweepResults(self._statuses, self.scores.reports if self._folders else ())

    def to_pandas(self) -> "DataFrame":
        """Return the figures as a data frame, with one row per run and one per judge of a run.

        The columns are those of :meth:`Scores.to_pandas`, with the names of models and data sets
        in the plan, and ``step`` (of a checkpoint, else None) and ``state`` (of the run).

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame(list(self._results.rows()))

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``jasco sweep --json`` prints, in its documented schema."""
        return {
            **self.status_json(),
            "curves": curves_json(self._results.curves),
            "scores": to_json(self.scores.reports) if self._folders else None,
        }

    def status_json(self) -> dict[str, Any]:
        """Return the object that ``jasco sweep --status --json`` prints."""
        return {
            "schema": SCHEMA,
            "plan": str(self.plan),
            "run_root": str(self.run_root),
            "complete": self.complete,
            "cells": self.cells,
        }

    def status(self) -> str:
        """Return the table of ``jasco sweep --status``."""
        return render_status(self._statuses)

    @named_as_in_python()
    def write_page(self, output: str | Path) -> None:
        """Write a page with the tables and curves, which opens without a network.

        Parameters
        ----------
        output : str or Path
            The file to write.

        Raises
        ------
        InputError
            The file cannot be written, or the extra ``viewer`` is not installed.
        """
        path = Path(output)
        check_output(path)
        page = import_optional("jasco.reports.page.sweep", "the page", "viewer")
        text: str = page.render_sweep_page(self._results, self.plan.stem)
        with whole_file(Path(os.path.realpath(path))) as file:  # a symbolic link is kept
            file.write(text)

    def __str__(self) -> str:
        """Return the tables of ``jasco sweep``."""
        return render_sweep(self._results)

    def __repr__(self) -> str:
        complete = sum(status.state == "complete" for status in self._statuses)
        return f"Sweep({str(self.plan)!r}, complete={complete} of {len(self._statuses)})"

    def _repr_html_(self) -> str:
        return sweep_html(self._results)


@named_as_in_python()
def sweep(
    plan: str | Path,
    *,
    on: str | None = None,
    watch: bool = False,
    status: bool = False,
) -> Sweep:
    """Evaluate the models of a plan on its data sets, and return the results.

    Each model and data set has its own run, which the same call resumes. A model that fails does
    not stop the others: :attr:`Sweep.cells` states why it failed.

    Parameters
    ----------
    plan : str or Path
        The plan, a TOML file.
    on : str or None
        What runs the models: ``"local,workers=2"``, ``"ray,address=..."`` or ``"slurm"``, with
        options as on the command line. None runs them one after the other in this process.
    watch : bool
        Whether to wait for new checkpoints until the call is interrupted.
    status : bool
        Whether to return the results so far without starting anything.

    Returns
    -------
    Sweep
        The results. They may be incomplete: see :attr:`Sweep.complete`.

    Raises
    ------
    InputError
        The plan is invalid, or a data set cannot be read.
    IncompleteError
        A data set cannot be downloaded, or the executor is not available.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jasco
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     function = Path(folder) / "castle.py"
    ...     _ = function.write_text('def answer(audio, sampling_rate, prompt): return "A castle."')
    ...     plan = Path(folder) / "plan.toml"
    ...     _ = plan.write_text(f'''
    ... run_root = "runs"
    ... judges = ["offline"]
    ... data = [{{data = "mini", limit = 2}}]
    ... models = [{{spec = "python/{function}:answer", name = "castle"}}]
    ... options = {{preflight = false}}
    ... ''')
    ...     sweep = jasco.sweep(plan)
    ...     scores = sweep.scores
    >>> sweep.complete, scores.models
    (True, ('castle',))
    """
    arguments.check("plan", plan, arguments.is_path(plan), "the path of a TOML file")
    arguments.check("on", on, on is None or isinstance(on, str), "the name of an executor or None")
    arguments.as_boolean("watch", watch)
    arguments.as_boolean("status", status)
    opened = read_plan(Path(plan))
    if status:
        if watch or on is not None:
            raise InputError("status=True starts nothing; omit on and watch")
        return Sweep.open(opened, log_message)
    if on is None:
        outcome = run_in_thread(
            lambda begun: run_sweep(opened, None, watch=watch, notify=log_message, begun=begun)
        )
    else:
        outcome = run_sweep(opened, on, watch=watch, notify=log_message)
    error = outcome.error()
    if isinstance(error, RuntimeError):
        raise error
    return Sweep.open(opened, lambda _: None)


def run_sweep(
    plan: SweepPlan,
    on: str | None,
    *,
    watch: bool,
    notify: Notify,
    begun: Callable[[Stop], None] = lambda _: None,
    after_round: Callable[[], None] = lambda: None,
) -> SweepOutcome:
    """Do what is missing in a sweep.

    Parameters
    ----------
    plan : SweepPlan
        The plan.
    on : str or None
        The executor, as on the command line.
    watch : bool
        Whether to wait for new checkpoints until it is interrupted.
    notify : callable
        Called with each message to the user.
    begun : callable
        Called with the function that stops the sweep.
    after_round : callable
        With ``watch``, called when the present checkpoints are evaluated.

    Raises
    ------
    InputError, IncompleteError, KeyboardInterrupt
        As in :meth:`.SweepRunner.run`.
    """
    executor = None if on is None else open_executor(on)
    runner = SweepRunner(plan, executor, notify, begun)
    if watch:
        runner.watch(after_round)
    return runner.run()
