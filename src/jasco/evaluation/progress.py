"""How far a run is: a bar on a terminal, elsewhere a plain line every now and then."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar

from tqdm import tqdm

from jasco.errors import duration, one_line
from jasco.protocol.judgement import Judgement
from jasco.protocol.responses import Failure, Response

T = TypeVar("T")
INTERVAL = 30.0
"""Seconds between two plain lines, where stderr is no terminal."""
_RECENT = 10
"""Intervals over which the rate is averaged."""
_LONGEST = 400


class Progress:
    """Counts calls, and reports the first failure of each kind.

    On a terminal it is a bar. Elsewhere (a notebook, a log file, a pipe) it is a line every
    :data:`INTERVAL` seconds and one at the end; nothing where all is done sooner.

    Parameters
    ----------
    calls : int
        How many calls are expected.
    notify : callable
        Takes each line.
    """

    def __init__(self, calls: int, notify: Callable[[str], None] = lambda _: None) -> None:
        self._notify = notify
        self._done = 0
        self._failed = 0
        self._unreadable = 0
        self._reported = set[tuple[str, str]]()
        self._total = calls
        self._bar = tqdm(total=calls, unit="call", disable=None, smoothing=0.05, dynamic_ncols=True)
        self._lines = (
            _PlainLines("progress", "call", self._counts, notify) if _is_off(self._bar) else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        if self._lines:
            self._lines.close()

    def see_beforehand(self, outcome: Response | Failure) -> None:
        """Count a call that was not among those expected."""
        self._total += 1
        self._bar.total = self._total
        self._count(outcome)

    def see(self, who: str, outcome: Response | Judgement | Failure) -> None:
        """Count a call that has ended, and report a failure of a new kind.

        Parameters
        ----------
        who : str
            The model or judge that was called.
        outcome : Response, Judgement or Failure
            How the call ended.
        """
        if isinstance(outcome, Failure) and (who, outcome.kind) not in self._reported:
            self._reported.add((who, outcome.kind))
            self._notify(f"{who}: {outcome.kind}: {one_line(outcome.message, _LONGEST)}")
        self._count(outcome)

    def _count(self, outcome: Response | Judgement | Failure) -> None:
        self._done += 1
        if isinstance(outcome, Failure):
            self._failed += 1
        elif isinstance(outcome, Judgement) and not outcome.verdict.readable:
            self._unreadable += 1
        if trouble := self._trouble():
            self._bar.set_postfix_str(trouble, refresh=False)
        self._bar.update()

    def _trouble(self) -> str:
        if not self._failed and not self._unreadable:
            return ""
        return f"{self._failed} failed, {self._unreadable} unreadable"

    def _counts(self) -> tuple[int, int, str]:
        return self._done, self._total, self._trouble()


def counted(
    things: Sequence[T], what: str, unit: str, notify: Callable[[str], None]
) -> Iterator[T]:
    """Go through things and show how far that is, in the same two ways as :class:`Progress`."""
    done = 0
    bar = tqdm(things, what, disable=None, leave=False)
    lines = (
        _PlainLines(what, unit, lambda: (done, len(things), ""), notify) if _is_off(bar) else None
    )
    try:
        for thing in bar:
            yield thing
            done += 1
    finally:
        if lines:
            lines.close()


def _is_off(bar: "tqdm[Any]") -> bool:
    """Whether a bar is not shown, since stderr is no terminal."""
    return bool(bar.disable)


class _PlainLines:
    """Writes how far something is, in a thread of its own: whatever keeps the others busy."""

    def __init__(
        self,
        what: str,
        unit: str,
        counts: Callable[[], tuple[int, int, str]],
        notify: Callable[[str], None],
    ) -> None:
        self._what, self._unit, self._counts, self._notify = what, unit, counts, notify
        self._began = time.monotonic()
        self._seen = deque([(self._began, 0)], _RECENT)
        self._ended = threading.Event()
        self._said_any = False
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._said_any = True
            now = time.monotonic()
            done, total, trouble = self._counts()
            before, done_before = self._seen[0]
            self._seen.append((now, done))
            rate = (done - done_before) / (now - before)
            told = [trouble, _rate(rate, self._unit), _left(total - done, rate)]
            with suppress(OSError, ValueError):  # stderr is closed
                self._notify(self._line(done, total, told))

    def close(self) -> None:
        """End the lines with a last one, if there was any."""
        self._ended.set()
        self._thread.join()
        if self._said_any:
            done, total, trouble = self._counts()
            took = f"ended after {duration(time.monotonic() - self._began)}"
            self._notify(self._line(done, total, [trouble, took]))

    def _line(self, done: int, total: int, told: Sequence[str]) -> str:
        units = self._unit if total == 1 else f"{self._unit}s"
        return ", ".join(filter(None, [f"{self._what}: {done} of {total} {units}", *told]))


def _rate(per_second: float, unit: str) -> str:
    if per_second >= 1:
        return f"{per_second:.1f} {unit}s/s"
    return f"{60 * per_second:.1f} {unit}s/min"


def _left(number: int, per_second: float) -> str:
    return f"about {duration(number / per_second)} left" if per_second > 0 and number > 0 else ""
