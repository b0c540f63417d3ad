"""Runs as they grow: read again when their files change, at most every few seconds.

What changed is told by the files' sizes and times alone: to open ``run.db`` beside SQLite, and to
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
from jasco.reports.page.content import Shown
from jasco.reports.report import data_difference, distinct_names
from jasco.runs.run_results import read_run

_PAUSE = 2.0  # seconds at least between two readings
_SHARE = 3.0  # of a reading's time to wait before the next one
_SETTLED = 1.0  # seconds after which a file's time tells of every later change


@dataclass(frozen=True)
class Runs:
    """What runs hold at a moment.

    Attributes
    ----------
    shown : mapping of str to Shown
        By the name that the run's model is to have; all about the same clips.
    folders : mapping of str to pathlib.Path
        Where each of them lies, by the same name.
    notes : tuple of str
        Which runs are not shown, and why; one line each.
    """

    shown: Mapping[str, Shown]
    folders: Mapping[str, Path]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Snapshot:
    """Runs, and what the browser is given of them.

    Attributes
    ----------
    runs : Runs
    page : str
        A page in HTML.
    content : bytes
        What its script shows, packed.
    version : str
        Another one whenever page or content are others.
    """

    runs: Runs
    page: str
    content: bytes
    version: str


LayOut = Callable[[Runs], tuple[str, bytes]]
"""Makes page and content."""


class Live:
    """Runs that may be growing. Any number of threads may ask."""

    def __init__(self, folders: Sequence[Path], lay_out: LayOut, notify: Callable[[str], None]):
        self._watched = [_Watched(folder) for folder in folders]
        self._lay_out = lay_out
        self._notify = notify
        self._latest: Snapshot | None = None
        self._stamps: list[str] = []
        self._next = 0.0
        self._working = threading.Lock()

    def now(self) -> Snapshot:
        """Give what the runs hold now, or held a few seconds ago."""
        if self._latest is None or self._is_due():
            with self._working:
                if self._latest is None or self._is_due():
                    self._renew()
        return self._latest_known()

    def latest(self) -> Snapshot:
        """Give what was read last, and see to something newer behind the scenes."""
        if self._latest is None:
            return self.now()
        if self._is_due() and self._working.acquire(blocking=False):
            threading.Thread(target=self._renew_behind, daemon=True).start()
        return self._latest

    def _latest_known(self) -> Snapshot:
        assert self._latest is not None
        return self._latest

    def _is_due(self) -> bool:
        return time.monotonic() >= self._next and self._stamps != self._stamp()

    def _stamp(self) -> list[str]:
        return [_stamp(each.folder) for each in self._watched]

    def _renew_behind(self) -> None:
        try:
            self._renew()
        except Exception as error:  # the server goes on; whoever asks is told
            self._notify(f"the runs cannot be shown: {one_line(error)}")
        finally:
            self._working.release()

    def _renew(self) -> None:
        began, stamps = time.monotonic(), self._stamp()
        try:
            for each, stamp in zip(self._watched, stamps, strict=True):
                each.look(stamp)
            runs = _together(self._watched)
            page, content = self._lay_out(runs)
            version = hashlib.sha256(page.encode() + content).hexdigest()[:16]
            self._latest = Snapshot(runs, page, content, version)
            self._stamps = stamps
        finally:
            took = time.monotonic() - began
            self._next = time.monotonic() + max(_PAUSE, _SHARE * took)


class _Watched:
    """A run, and what was last read of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: Shown | None = None
        self.note = ""
        self._stamp: str | None = None

    def look(self, stamp: str) -> None:
        """Read it again, if it is another one than it was."""
        if stamp == self._stamp:
            return
        self._stamp, self.note = stamp, ""
        try:
            self.shown = Shown(*read_run(self.folder))
        except InputError:
            self.shown, self.note = None, f"{self.folder}: nothing there yet"
        except (RunConflictError, IncompleteError, sqlite3.DatabaseError) as error:
            self.note = one_line(error, 400)
        if self.shown and not self.shown.items.answers and not self.shown.items.failures:
            self.shown, self.note = None, f"{self.folder}: begun, and nothing answered yet"


def _together(watched: Sequence[_Watched]) -> Runs:
    """Put those side by side that are about the same as the first of them."""
    there = [(each.shown, each.folder) for each in watched if each.shown]
    notes = [each.note for each in watched if each.note]
    fitting: list[tuple[Shown, Path]] = []
    for shown, folder in there:
        first = fitting[0][0].results if fitting else shown.results
        if difference := data_difference(first, shown.results):
            notes.append(
                f"{folder}: not shown, since it and {fitting[0][1]} differ in {difference}"
            )
        else:
            fitting.append((shown, folder))
    names = distinct_names([shown.results for shown, _ in fitting])
    return Runs(
        dict(zip(names, (shown for shown, _ in fitting), strict=True)),
        dict(zip(names, (folder for _, folder in fitting), strict=True)),
        tuple(notes),
    )


def _stamp(folder: Path) -> str:
    try:
        file = (folder / "run.db").stat()
    except OSError:
        return ""
    # Two changes in one tick of the file system's clock look like one: until the clock has
    # certainly gone on, what was read counts as if there were more to come.
    settled = time.time() - file.st_mtime > _SETTLED
    return f"{file.st_ino} {file.st_size} {file.st_mtime_ns} {settled}"
