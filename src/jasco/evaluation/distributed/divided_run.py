"""Runs that are divided into shards: processed one after the other here, or by an executor."""

import pickle
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from jasco.errors import IncompleteError, InputError, RunConflictError, count, one_line
from jasco.evaluation.distributed.executors import Executor, Lost
from jasco.evaluation.distributed.shard_job import Source, index_run, run_shard
from jasco.evaluation.distributed.shard_tasks import (
    PROGRESS_FILE,
    ShardResult,
    ShardTask,
    read_progress,
    run_shard_task,
)
from jasco.evaluation.distributed.work_left import work_left
from jasco.evaluation.job import Job
from jasco.evaluation.kept_providers import KeptProviders
from jasco.evaluation.progress import Counts, Progress
from jasco.evaluation.run_job import Stop
from jasco.evaluation.stops import Stops
from jasco.runs.reader import RunReader, is_run
from jasco.runs.shards import Shard, all_shards

Notify = Callable[[str], None]

EXECUTOR_FOLDER = "workers"
"""The folder in that of a run for the logs and files of an executor."""
_POLL = 1.0  # seconds between two looks at the progress of the workers
_MOST_REASONS = 3


@dataclass(frozen=True)
class Division:
    """How a run is divided into shards, and what processes them.

    Attributes
    ----------
    shards : int
        Number of shards; 0 for that of the run.
    shard : Shard or None
        The only shard to process; None for all.
    executor : Executor or None
        Processes the shards; None processes them one after the other in this process.
    """

    shards: int = 0
    shard: Shard | None = None
    executor: Executor | None = None

    @property
    def count(self) -> int:
        """Number of shards; 0 for that of the run."""
        return self.shard.count if self.shard else self.shards

    def folder(self, run: Path) -> Path:
        """Return the folder of what is processed: that of the run, or of its only shard."""
        return self.shard.folder(run) if self.shard else run


def run_divided(
    job: Job,
    source: Source,
    division: Division,
    notify: Notify,
    begun: Callable[[Stop], None] = lambda _: None,
    *,
    kept: KeptProviders | None = None,
) -> bool:
    """Do what is missing in a run that is divided into shards.

    Parameters
    ----------
    job : Job
        The job of the whole run, without data.
    source : DataSet, Path or None
        The data set; None for that of the run.
    division : Division
        How it is divided.
    notify, begun
        As in :func:`.run_job`.
    kept : KeptProviders or None
        The model or judge that stays loaded for the next job in this process.

    Returns
    -------
    bool
        Whether nothing is left that the same job could finish.

    Raises
    ------
    InputError, RunConflictError, IncompleteError
        As :func:`.run_job`, or as the executor.
    """
    shard = division.shard
    if not division.count and not is_divided(job.run) and (source is not None or is_run(job.run)):
        raise not_divided(job.run)
    shards = index_run(job, division.count, source, notify)
    if shard:
        return run_shard(job, shard, notify, begun, kept=kept)
    if division.executor:
        return run_on(division.executor, [(job, shards)], notify)
    stops, complete = Stops(), True
    begun(stops.stop)
    with closing(KeptProviders()) if kept is None else nullcontext(kept) as keeping:
        for each in all_shards(shards):
            complete = run_shard(job, each, notify, stops.begun, kept=keeping) and complete
            stops.check()
    return complete


def not_divided(run: Path) -> InputError:
    """Return the error about a run that is not divided, which an executor requires."""
    return InputError(
        f"{run}: not divided into shards, which --on requires; divide a new run with --shards N, "
        "or omit --on"
    )


def is_divided(run: Path) -> bool:
    """Return whether a run exists, can be read, and is divided into shards."""
    if not is_run(run):
        return False
    # An error is raised when the run is opened for writing, with a remedy that fits.
    with (
        suppress(InputError, RunConflictError, IncompleteError, sqlite3.Error),
        RunReader.open(run) as store,
    ):
        return bool(store.shards)
    return False


def run_on(executor: Executor, jobs: Sequence[tuple[Job, int]], notify: Notify) -> bool:
    """Process the shards of indexed runs on an executor.

    Parameters
    ----------
    executor : Executor
        The executor.
    jobs : sequence of (Job, int)
        The job of each run, and the number of its shards.
    notify : callable
        Takes lines for the user.

    Returns
    -------
    bool
        Whether nothing is left that the same jobs could finish.

    Raises
    ------
    InputError, RunConflictError, IncompleteError
        As :func:`run_divided`.
    """
    tasks = [
        ShardTask(job, shard)
        for job, shards in jobs
        for shard in all_shards(shards)
        if not _is_complete(job, shard)
    ]
    if not tasks:
        return True
    _check_portable(tasks[0])
    folder = jobs[0][0].run / EXECUTOR_FOLDER
    folder.mkdir(exist_ok=True)
    for task in tasks:
        (task.folder / PROGRESS_FILE).unlink(missing_ok=True)
    results: list[ShardResult] = []
    lost: list[Lost] = []
    with _shown_progress(tasks, results, notify):
        outcomes = executor.run(run_shard_task, tasks, folder, notify)
        with closing(outcomes):
            for index, outcome in outcomes:
                if isinstance(outcome, Lost):
                    lost.append(outcome)
                    notify(f"{tasks[index]}: {outcome.reason}")
                    continue
                results.append(outcome)
                _check_common(tasks[index], outcome)
    incomplete = [result for result in results if result.state != "complete"]
    if lost or any(result.message for result in incomplete):
        reasons = [each.reason for each in lost]
        reasons += [result.message for result in incomplete if result.message]
        raise IncompleteError(_summary(reasons, sum(shards for _, shards in jobs)))
    return not incomplete


def _is_complete(job: Job, shard: Shard) -> bool:
    """Return whether nothing is left to do in a shard, so that it need not wait for a worker."""
    folder = shard.folder(job.run)
    if job.retry_final or not is_run(folder):
        return False
    with RunReader.open(job.run) as whole, RunReader.open(folder) as store:
        is_wide = (store.covered, store.samples) == (whole.covered, whole.samples)
        return is_wide and bool(store.models()) and not any(work_left(store, job.judges))


def _check_portable(task: ShardTask) -> None:
    """Raise ``InputError`` if a task cannot be sent to another process."""
    try:
        pickle.dumps(task)
    except Exception as error:
        raise InputError(
            f"--on: the model or a judge cannot be sent to workers ({one_line(error)}); define it "
            "in a module, and give it as python/module:function"
        ) from None


def _check_common(task: ShardTask, result: ShardResult) -> None:
    """Raise the error of a shard that ends all: other shards would fail in the same way."""
    where = f"{task}: {result.message}"
    if result.state == "invalid":
        raise InputError(where)
    if result.state == "refused":
        raise RunConflictError(where)
    if result.state == "error":
        raise RuntimeError(where)


def _summary(reasons: Sequence[str], shards: int) -> str:
    counted = Counter(one_line(reason, 300) for reason in reasons).most_common(_MOST_REASONS)
    texts = [f"{reason} ({count(number, 'shard')})" for reason, number in counted]
    return (
        f"{len(reasons)} of {count(shards, 'shard')} not finished: {'; '.join(texts)}; "
        "completed work is saved; run the same command again to resume"
    )


@contextmanager
def _shown_progress(
    tasks: Sequence[ShardTask], results: Sequence[ShardResult], notify: Notify
) -> Iterator[None]:
    """Show the progress of all workers as one, and their messages, each of them once."""
    is_over = threading.Event()
    shown: set[str] = set()
    with Progress(0, notify) as progress:

        def look() -> None:
            found = [read_progress(task.folder) for task in tasks]
            started = [each.counts for each in found if each.counts.total]
            if started:
                total = sum(counts.total for counts in started)
                expected = round(total * len(tasks) / len(started))
                done, _, failed, unreadable = map(sum, zip(*started, strict=True))
                ended = f"{len(results)} of {count(len(tasks), 'shard')}"
                progress.show(Counts(done, max(expected, done), failed, unreadable), ended)
            for task, each in zip(tasks, found, strict=True):
                for line in each.messages:
                    if line not in shown:
                        shown.add(line)
                        notify(f"{task}: {line}")

        def watch() -> None:
            while not is_over.wait(_POLL):
                look()

        thread = threading.Thread(target=watch, name="progress of workers", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            look()
