"""Runs in progress, read again when their files change, at most every few seconds.

Changes are detected from the sizes and times of files only: opening and closing ``run.db`` other
than through SQLite would release the locks that this process holds on it.
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
from jasco.runs.shards import shards_in

_PAUSE = 2.0  # minimum seconds between two reads
_SHARE = 3.0  # minimum pause between reads, in durations of the last read
_SETTLED = 1.0  # seconds after which any later change alters the file's time


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
        self._runs = [_WatchedRun(folder) for folder in folders]
        self._lay_out = lay_out
        self._notify = notify
        self._latest: Snapshot | None = None
        self._stamps: list[str] = []
        self._next = 0.0
        self._working = threading.Lock()

    def now(self) -> Snapshot:
        """Return the content of the runs, at most a few seconds old."""
        if self._is_due():
            with self._working:
                if self._is_due():
                    self._renew()
        assert self._latest
        return self._latest

    def latest(self) -> Snapshot:
        """Return the content that was read last; read newer content in the background."""
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
            self._notify(f"cannot show the runs: {one_line(error)}")

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
    """A run and its content when it was last read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: Shown | None = None
        self.note = ""
        self._last_stamp: str | None = None

    def stamp(self) -> str:
        """Return a string that changes when the run changes."""
        return " ".join(map(self._stamp_of, [self.folder, *shards_in(self.folder)]))

    def _stamp_of(self, folder: Path) -> str:
        try:
            file = (folder / "run.db").stat()
        except OSError:
            return ""
        # Two changes within one tick of the file system's clock have the same time. Until a later
        # change is certain to have a different time, the file counts as still changing.
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
            self.shown, self.note = None, f"{self.folder}: no run found yet"
        except (RunConflictError, IncompleteError, sqlite3.DatabaseError) as error:
            self.note = one_line(error, 400)
        if self.shown and not self.shown.items.answers and not self.shown.items.failures:
            self.shown, self.note = None, f"{self.folder}: started, no answers yet"
        return stamp


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
