"""The main figures of runs, computed one after the other in the background."""

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.metrics.bootstrap import Estimate
from jasco.runs.read_run import results_of_run

_PAUSE = 10.0  # seconds between two scores of a run in progress
_UNREADABLE = (InputError, RunConflictError, IncompleteError, sqlite3.Error, OSError)


@dataclass(frozen=True)
class RunScore:
    """The main figure of a run.

    Attributes
    ----------
    figure : str
        ``best-mean``, or ``mean`` for a run with one instruction per clip; empty without a verdict.
    estimate : Estimate or None
        Its value; None without a verdict, and for judges that are not averaged.
    proxy : bool
        Whether a judge is a proxy for a language model.
    """

    figure: str
    estimate: Estimate | None
    proxy: bool


_NO_SCORE = RunScore("", None, proxy=False)


class RunScores:
    """The scores of the runs in a list.

    Parameters
    ----------
    notify : callable
        Called with one line for each error.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._known: dict[Path, tuple[str, float, RunScore]] = {}
        self._waiting: dict[Path, str] = {}
        self._lock = threading.Lock()
        self._is_working = False

    def of(self, folder: Path) -> RunScore | None:
        """Return the score of a run, or None if it has not been computed yet."""
        with self._lock:
            return self._known[folder][2] if folder in self._known else None

    def renew(self, stamps: Mapping[Path, str]) -> None:
        """Compute the scores of runs that have changed, given the runs and their stamps."""
        with self._lock:
            for folder in self._known.keys() - stamps.keys():
                del self._known[folder]
            self._waiting = {
                folder: stamp for folder, stamp in stamps.items() if self._is_due(folder, stamp)
            }
            if not self._waiting or self._is_working:
                return
            self._is_working = True
        threading.Thread(target=self._work, daemon=True).start()

    def _is_due(self, folder: Path, stamp: str) -> bool:
        known_stamp, computed, _ = self._known.get(folder, ("", 0.0, None))
        return stamp != known_stamp and (not known_stamp or time.monotonic() - computed > _PAUSE)

    def _work(self) -> None:
        while next_run := self._next():
            folder, stamp = next_run
            score = self._score_of(folder)
            with self._lock:
                self._known[folder] = stamp, time.monotonic(), score

    def _next(self) -> tuple[Path, str] | None:
        """Return a run to score and its stamp; None if all are done, which ends the thread."""
        with self._lock:
            while self._waiting:
                folder = next(iter(self._waiting))
                stamp = self._waiting.pop(folder)
                if self._is_due(folder, stamp):  # not computed since it was added
                    return folder, stamp
            self._is_working = False
            return None

    def _score_of(self, folder: Path) -> RunScore:
        try:
            return score_of(folder)
        except Exception as error:  # the others are scored nevertheless
            self._notify(f"{folder}: cannot compute its score: {one_line(error)}")
            return _NO_SCORE


def score_of(folder: Path) -> RunScore:
    """Compute the main figure of a run; one that cannot be read has none."""
    try:
        results = results_of_run(folder)
    except _UNREADABLE:
        return _NO_SCORE
    if not results.figures:
        return _NO_SCORE
    panel, proxy = results.figures.panel, any(judge.proxy for judge in results.judges.values())
    if results.single_prompt:
        return RunScore("mean", panel.mean, proxy)
    return RunScore("best-mean", panel.best_mean, proxy)
