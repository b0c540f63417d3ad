"""Shards as tasks of an executor: what a worker does, and the files that report its progress."""

import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jasco.errors import one_line
from jasco.evaluation.distributed.outcomes import State, kept_in_this_process, outcome_of
from jasco.evaluation.distributed.shard_job import run_shard
from jasco.evaluation.job import Job
from jasco.evaluation.progress import Counts
from jasco.runs.shards import Shard

PROGRESS_FILE = "progress.json"
_INTERVAL = 1.0  # seconds between two reports of progress
_MOST_MESSAGES = 50


@dataclass(frozen=True)
class ShardTask:
    """The task to do what is missing in a shard."""

    job: Job
    shard: Shard

    @property
    def folder(self) -> Path:
        """The folder of the shard."""
        return self.shard.folder(self.job.run)

    def __str__(self) -> str:
        title = self.job.title
        return f"{title}, shard {self.shard}" if title else f"shard {self.shard}"


@dataclass(frozen=True)
class ShardResult:
    """How the job of a shard ended.

    Attributes
    ----------
    shard : Shard
        The shard.
    state : str
        As :data:`.State`; other shards would end as ``invalid`` or ``refused`` as well.
    message : str
        As in :class:`.Outcome`.
    """

    shard: Shard
    state: State
    message: str = ""


def run_shard_task(task: ShardTask) -> ShardResult:
    """Do what is missing in a shard; called in a worker process.

    The model or the judge with its own server that the shard needs stays loaded for later tasks of
    this process.

    Raises
    ------
    KeyboardInterrupt
        The worker was interrupted, by SIGTERM for example; completed work is saved.
    """
    progress = ProgressFile(task.folder)

    def work() -> bool:
        kept = kept_in_this_process()
        return run_shard(task.job, task.shard, progress.notify, watch=progress.watch, kept=kept)

    try:
        return ShardResult(task.shard, *outcome_of(work))
    finally:
        progress.end()


_NOTHING = Counts(0, 0)


@dataclass
class ShardProgress:
    """The progress of a shard, as its worker reported it last."""

    counts: Counts = _NOTHING
    messages: list[str] = field(default_factory=list)


class ProgressFile:
    """A file in the folder of a shard that reports its progress to the process that waits for it.

    Parameters
    ----------
    folder : pathlib.Path
        The shard's folder, which may not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROGRESS_FILE
        self._progress = ShardProgress()
        self._written = 0.0

    def notify(self, line: str) -> None:
        """Report a line for the user; write it to stderr, the worker's log, as well."""
        sys.stderr.write(f"jasco: {line}\n")
        if len(self._progress.messages) < _MOST_MESSAGES:
            self._progress.messages.append(line)
            self._write()

    def watch(self, counts: Counts) -> None:
        """Report the counts, at most once per second."""
        self._progress.counts = counts
        if time.monotonic() - self._written >= _INTERVAL:
            self._write()

    def end(self) -> None:
        """Report the final counts."""
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        draft = self._path.with_suffix(".draft")
        content = {"counts": self._progress.counts, "messages": self._progress.messages}
        with suppress(OSError):  # the progress is optional
            draft.write_text(json.dumps(content), "utf-8")
            draft.replace(self._path)


def read_progress(folder: Path) -> ShardProgress:
    """Read the progress of a shard; nothing yet if there is no report."""
    try:
        content = json.loads((folder / PROGRESS_FILE).read_text("utf-8"))
        messages = [one_line(line, 1000) for line in content["messages"]]
        return ShardProgress(Counts(*map(int, content["counts"])), messages)
    except (OSError, ValueError, KeyError, TypeError):
        return ShardProgress()
