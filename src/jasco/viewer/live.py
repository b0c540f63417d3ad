"""Runs in progress, read again when their files change, at most every few seconds."""

import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.reports.page.shown import Shown, by_name
from jasco.reports.reliance_report import RelianceReport, reliance_if_measured
from jasco.reports.report import data_difference
from jasco.runs.condition_runs import conditions_in
from jasco.runs.progress import Progress, read_progress
from jasco.runs.read_run import read_run
from jasco.runs.reader import is_run
from jasco.runs.results import Results
from jasco.runs.shards import shards_in
from jasco.viewer.refreshed import Refreshed, stamp_of

_UNREADABLE = (RunConflictError, IncompleteError, sqlite3.DatabaseError)


@dataclass(frozen=True)
class Snapshot:
    """The content of runs at one time, and the responses for the browser.

    Attributes
    ----------
    shown : mapping of str to Shown
        By the name of the run's model; all with the same clips.
    notes : sequence of str
        Runs that are not shown and the reason; one line each.
    page : str
        The page in HTML.
    content : bytes
        The compressed content for its script.
    version : str
        Changes whenever page or content change.
    """

    shown: Mapping[str, Shown]
    notes: Sequence[str]
    page: str
    content: bytes
    version: str


LayOut = Callable[[Mapping[str, Shown], Sequence[str]], tuple[str, bytes]]
"""Returns page and content, given the runs to show and notes about the others."""


class Live:
    """Runs that may be in progress, for any number of threads."""

    def __init__(self, folders: Sequence[Path], lay_out: LayOut, notify: Callable[[str], None]):
        self.folders = folders
        self._runs = [_WatchedRun(folder) for folder in folders]
        self._lay_out = lay_out
        self._stamps: list[str] = []
        self._snapshot = Refreshed(
            self._read, lambda: self._stamps != [run.stamp() for run in self._runs], notify
        )
        self._progress_stamps: list[str] = []
        self._progress = Refreshed(
            self._read_progress, lambda: self._progress_stamps != self._stamps_of_runs(), notify
        )

    def now(self) -> Snapshot:
        """Return the content of the runs, at most a few seconds old."""
        return self._snapshot.now()

    def latest(self) -> Snapshot:
        """Return the content that was read last; read newer content in the background."""
        return self._snapshot.latest()

    def progress(self) -> Sequence[Progress]:
        """Return the progress of the runs that exist; it is read more often than the rest."""
        return self._progress.now()

    def _read(self) -> Snapshot:
        stamps = [run.read() for run in self._runs]
        fitting, notes = _comparable(self._runs)
        shown = by_name(fitting)
        page, content = self._lay_out(shown, notes)
        version = hashlib.sha256(page.encode() + content).hexdigest()[:16]
        self._stamps = stamps
        return Snapshot(shown, notes, page, content, version)

    def _stamps_of_runs(self) -> list[str]:
        return [stamp_of(folder, *shards_in(folder)) for folder in self.folders]

    def _read_progress(self) -> Sequence[Progress]:
        self._progress_stamps = self._stamps_of_runs()
        found = []
        for folder in self.folders:
            with suppress(InputError, *_UNREADABLE):  # the notes name what cannot be read
                found.append(read_progress(folder, datetime.now(UTC)))
        return found


class _WatchedRun:
    """A run and its content when it was last read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: Shown | None = None
        self.note = ""
        self._last_stamp: str | None = None

    def stamp(self) -> str:
        """Return a string that changes when the run or one of its conditions changes."""
        return stamp_of(self.folder, *shards_in(self.folder), *conditions_in(self.folder))

    def read(self) -> str:
        """Read the run again if it has changed, and return its stamp."""
        stamp = self.stamp()
        if stamp == self._last_stamp:
            return stamp
        self._last_stamp, self.note = stamp, ""
        try:
            results, items = read_run(self.folder)
            self.shown = Shown(self.folder, results, items, self._read_reliance(results))
        except InputError:
            problem = "started, no answers yet" if is_run(self.folder) else "no run found yet"
            self.shown, self.note = None, f"{self.folder}: {problem}"
        except _UNREADABLE as error:
            self.note = one_line(error, 400)
        if self.shown and not self.shown.items.answers and not self.shown.items.failures:
            self.shown, self.note = None, f"{self.folder}: started, no answers yet"
        return stamp

    def _read_reliance(self, results: Results) -> RelianceReport | None:
        # Until the conditions have been judged, reading them is an error.
        with suppress(InputError, *_UNREADABLE):
            if results.judges:
                return reliance_if_measured(self.folder)
        return None


def _comparable(runs: Sequence[_WatchedRun]) -> tuple[list[Shown], list[str]]:
    """Return the runs that can be shown with the first one, and notes about the others."""
    notes = [run.note for run in runs if run.note]
    readable = [run.shown for run in runs if run.shown]
    fitting = []
    for run in readable:
        first = readable[0]
        if difference := data_difference(first.results, run.results):
            notes.append(
                f"{run.source}: not shown, because it and {first.source} differ in {difference}"
            )
        else:
            fitting.append(run)
    return fitting, notes
