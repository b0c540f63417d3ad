"""Shards as tasks of an executor: what a worker does, and the files that report its progress."""

import json
import sqlite3
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.evaluation.distributed.shard_job import run_shard
from jasco.evaluation.job import Job
from jasco.evaluation.kept_providers import KeptProviders
from jasco.evaluation.progress import Counts
from jasco.evaluation.signals import sigterm_interrupts
from jasco.runs.shards import Shard

State = Literal["complete", "incomplete", "invalid", "refused", "error"]
"""How the job of a shard ended: like a command with the exit status 0, 4, 2, 3 or 1."""
PROGRESS_FILE = "progress.json"
_INTERVAL = 1.0  # seconds between two reports of progress
_MOST_MESSAGES = 50
_KEPT: list[KeptProviders] = []  # of this process


@dataclass(frozen=True)
class ShardTask:
    """The task to do what is missing in a shard."""

    job: Job
    shard: Shard


@dataclass(frozen=True)
class ShardResult:
    """How the job of a shard ended.

    Attributes
    ----------
    shard : Shard
        The shard.
    state : str
        ``complete``: nothing is left that the same job could finish; ``incomplete``; ``invalid``
        (the user's input) or ``refused``, which other shards would be as well; or ``error``: a bug,
        with its traceback as the message.
    message : str
        The reason, unless it is complete.
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
    if not _KEPT:
        _KEPT.append(KeptProviders())
    progress = ProgressFile(task.shard.folder(task.job.run))
    state: State
    try:
        with sigterm_interrupts():
            complete = run_shard(
                task.job, task.shard, progress.notify, watch=progress.watch, kept=_KEPT[0]
            )
        state, message = ("complete" if complete else "incomplete"), ""
    except InputError as error:
        state, message = "invalid", str(error)
    except (RunConflictError, sqlite3.DatabaseError) as error:
        state, message = "refused", str(error)
    except (IncompleteError, OSError) as error:
        state, message = "incomplete", str(error)
    except Exception:
        state, message = "error", traceback.format_exc()
    finally:
        progress.end()
    return ShardResult(task.shard, state, message)


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
