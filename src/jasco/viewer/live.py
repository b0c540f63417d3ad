"""Runs in progress: read again when their files change, at most every few seconds.

Changes are found by the files' sizes and times alone: to open ``run.db`` beside SQLite, and to
close it again, would drop the locks that this process holds on it.
"""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.reports.page.content import Shown, by_name
from jasco.reports.report import data_difference
from jasco.runs.read_run import read_run

_PAUSE = 2.0  # seconds at least between two readings
_SHARE = 3.0  # of a reading's time to wait before the next one
_SETTLED = 1.0  # seconds after which every later change alters a file's time


@dataclass(frozen=True)
class Snapshot:
    """The content of runs at a moment, and what the browser receives of it.

    Attributes
    ----------
    shown : mapping of str to Shown
        By the name of the run's model; all about the same clips.
    notes : sequence of str
        The runs that are not shown, with the reason; one line each.
    page : str
        A page in HTML.
    content : bytes
        The content for its script, packed.
    version : str
        Changes whenever page or content change.
    """

    shown: Mapping[str, Shown]
    notes: Sequence[str]
    page: str
    content: bytes
    version: str


LayOut = Callable[[Mapping[str, Shown], Sequence[str]], tuple[str, bytes]]
"""Returns page and content of the runs to show, and of notes about others."""


class Live:
    """Runs that may be growing, for any number of threads."""

    def __init__(self, folders: Sequence[Path], lay_out: LayOut, notify: Callable[[str], None]):
        self._runs = [_WatchedRun(folder) for folder in folders]
        self._lay_out = lay_out
        self._notify = notify
        self._latest: Snapshot | None = None
        self._stamps: list[str] = []
        self._next = 0.0
        self._working = threading.Lock()

    def now(self) -> Snapshot:
        """Return what the runs hold now, or held a few seconds ago."""
        if self._is_due():
            with self._working:
                if self._is_due():
                    self._renew()
        assert self._latest
        return self._latest

    def latest(self) -> Snapshot:
        """Return what was read last; something newer is read in the background."""
        if self._latest is None:
            return self.now()
        if self._is_due() and not self._working.locked():
            threading.Thread(target=self._renew_in_background, daemon=True).start()
        return self._latest

    def _is_due(self) -> bool:
        if self._latest is None:
            return True
        return time.monotonic() >= self._next and self._stamps != [r.stamp() for r in self._runs]

    def _renew_in_background(self) -> None:
        try:
            self.now()
        except Exception as error:  # the server continues
            self._notify(f"the runs cannot be shown: {one_line(error)}")

    def _renew(self) -> None:
        start = time.monotonic()
        try:
            stamps = [run.read() for run in self._runs]
            fitting, notes = _comparable(self._runs)
            shown = by_name(fitting)
            page, content = self._lay_out(shown, notes)
            version = hashlib.sha256(page.encode() + content).hexdigest()[:16]
            self._latest = Snapshot(shown, notes, page, content, version)
            self._stamps = stamps
        finally:
            end = time.monotonic()
            self._next = end + max(_PAUSE, _SHARE * (end - start))


class _WatchedRun:
    """A run, and what was last read of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: Shown | None = None
        self.note = ""
        self._last_stamp: str | None = None

    def stamp(self) -> str:
        """Return a text that changes when the run changes."""
        try:
            file = (self.folder / "run.db").stat()
        except OSError:
            return ""
        # Two changes in one tick of the file system's clock have the same time: until a later
        # change is certain to have another one, the file counts as still changing.
        settled = time.time() - file.st_mtime > _SETTLED
        return f"{file.st_ino} {file.st_size} {file.st_mtime_ns} {settled}"

    def read(self) -> str:
        """Read the run again if it has changed, and return its stamp."""
        stamp = self.stamp()
        if stamp == self._last_stamp:
            return stamp
        self._last_stamp, self.note = stamp, ""
        try:
            self.shown = Shown(self.folder, *read_run(self.folder))
        except InputError:
            self.shown, self.note = None, f"{self.folder}: nothing there yet"
        except (RunConflictError, IncompleteError, sqlite3.DatabaseError) as error:
            self.note = one_line(error, 400)
        if self.shown and not self.shown.items.answers and not self.shown.items.failures:
            self.shown, self.note = None, f"{self.folder}: begun, and nothing answered yet"
        return stamp


def _comparable(runs: Sequence[_WatchedRun]) -> tuple[list[Shown], list[str]]:
    """Return the runs that are about the same as the first of them, and notes about the others."""
    notes = [run.note for run in runs if run.note]
    readable = [run.shown for run in runs if run.shown]
    fitting = []
    for run in readable:
        first = readable[0]
        if difference := data_difference(first.results, run.results):
            notes.append(
                f"{run.source}: not shown, since it and {first.source} differ in {difference}"
            )
        else:
            fitting.append(run)
    return fitting, notes
