"""Progress of a command: a bar on a terminal, otherwise a plain line at intervals."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import NamedTuple, Self, TypeVar

from jasco.errors import duration, one_line
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Judgement
from jasco.terminal import is_terminal, progress_bar

T = TypeVar("T")
INTERVAL = 30.0
"""Seconds between two plain lines, if stderr is not a terminal."""
_RECENT = 10
"""Intervals over which the rate is averaged."""
_LONGEST = 400


class Counts(NamedTuple):
    """Counts of calls: those that have ended, all, failed ones, and unreadable verdicts."""

    done: int
    total: int
    failed: int = 0
    unreadable: int = 0


class Progress:
    """A counter of calls, which also reports the first failure of each kind.

    On a terminal, it shows a bar. Otherwise (in a notebook, a log file, a pipe), a separate thread
    writes a line every :data:`INTERVAL` seconds, however busy the others are, and one at the end;
    nothing is written if everything is done sooner.

    Parameters
    ----------
    total : int
        Expected number of calls.
    notify : callable
        Takes each line.
    task : str
        What is in progress, if not the calls of a run; its bar disappears at the end.
    unit : str
        What is counted, in the singular.
    watch : callable or None
        Takes the counts, first those at the beginning and then those after each call.
    """

    def __init__(
        self,
        total: int,
        notify: Callable[[str], None] = lambda _: None,
        task: str = "",
        unit: str = "call",
        watch: Callable[[Counts], None] | None = None,
    ) -> None:
        self._notify, self._task, self._unit = notify, task or "progress", unit
        self._total, self._done, self._failed, self._unreadable = total, 0, 0, 0
        self._watch = watch
        self._reported = set[tuple[str, str]]()
        self._stays = not task
        self._exit = ExitStack()
        self._began = time.monotonic()
        self._counts = deque([(self._began, 0)], _RECENT)
        self._ended = threading.Event()
        self._lines = threading.Thread(target=self._write_lines, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._bar = self._exit.enter_context(
            progress_bar(self._task, self._total or None, f"{self._unit}s", stays=self._stays)
        )
        if not is_terminal():
            self._lines.start()
        if self._watch:
            self._watch(self.counts)
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()
        self._ended.set()
        if self._lines.is_alive():
            self._lines.join()
        if len(self._counts) > 1:
            self._write(f"ended after {duration(time.monotonic() - self._began)}")

    @property
    def counts(self) -> Counts:
        """The counts so far."""
        return Counts(self._done, self._total, self._failed, self._unreadable)

    def count(self, label: str, outcome: Response | Judgement | Failure) -> None:
        """Count a call that has ended, and report a failure of a new kind.

        Parameters
        ----------
        label : str
            The model or judge that was called.
        outcome : Response, Judgement or Failure
            How the call ended.
        """
        if isinstance(outcome, Failure) and (label, outcome.kind) not in self._reported:
            self._reported.add((label, outcome.kind))
            self._notify(f"{label}: {outcome.kind}: {one_line(outcome.message, _LONGEST)}")
        self.advance(outcome)

    def advance(self, outcome: object = None, *, expected: bool = True) -> None:
        """Count a call that has ended, and add it to the total if it was not expected."""
        self._total += not expected
        self._done += 1
        self._failed += isinstance(outcome, Failure)
        self._unreadable += isinstance(outcome, Judgement) and not outcome.verdict.readable
        self._bar.update(self._done, total=self._total, detail=self._trouble())
        if self._watch:
            self._watch(self.counts)

    def show(self, counts: Counts, task: str) -> None:
        """Replace the counts and the name of the task, for work that is counted elsewhere."""
        self._done, self._total, self._failed, self._unreadable = counts
        self._task = task
        self._bar.update(self._done, total=self._total, title=task, detail=self._trouble())

    def _trouble(self) -> str:
        if not self._failed and not self._unreadable:
            return ""
        return f"{self._failed} failed, {self._unreadable} unreadable"

    def _write_lines(self) -> None:
        while not self._ended.wait(INTERVAL):
            now, done = time.monotonic(), self._done
            then, done_then = self._counts[0]
            self._counts.append((now, done))
            rate = (done - done_then) / (now - then)
            pace = f"{rate:.1f} {self._unit}s/s"
            if rate < 1:
                pace = f"{60 * rate:.1f} {self._unit}s/min"
            if rate > 0 and self._total > done:
                pace += f", about {duration((self._total - done) / rate)} left"
            with suppress(OSError, ValueError):  # stderr is closed
                self._write(pace)

    def _write(self, pace: str) -> None:
        units = self._unit if self._total == 1 else f"{self._unit}s"
        count = f"{self._task}: {self._done} of {self._total} {units}"
        self._notify(", ".join(filter(None, [count, self._trouble(), pace])))


def counted(
    elements: Sequence[T], task: str, unit: str, notify: Callable[[str], None]
) -> Iterator[T]:
    """Iterate over a sequence, and show the progress as :class:`Progress` does."""
    with Progress(len(elements), notify, task, unit) as progress:
        for element in elements:
            yield element
            progress.advance()
