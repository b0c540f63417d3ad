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
from jasco.protocol.verdicts import Verdict
from jasco.reports.page.content import Shown
from jasco.reports.summary import distinct_names, unlike
from jasco.runs.results import JudgedItems, read_run

_PAUSE = 2.0  # seconds at least between two readings
_SHARE = 3.0  # of a reading's time to wait before the next one
_SETTLED = 1.0  # seconds after which every later change alters a file's time


@dataclass(frozen=True)
class Runs:
    """The content of runs at a moment.

    Attributes
    ----------
    shown : mapping of str to Shown
        By the name of the run's model; all about the same clips.
    folders : mapping of str to pathlib.Path
        Folder of each run, by the same name.
    notes : tuple of str
        The runs that are not shown, with the reason; one line each.
    """

    shown: Mapping[str, Shown]
    folders: Mapping[str, Path]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Snapshot:
    """Runs, and what the browser receives of them.

    Attributes
    ----------
    runs : Runs
    page : str
        A page in HTML.
    content : bytes
        The content for its script, packed.
    version : str
        Changes whenever page or content change.
    """

    runs: Runs
    page: str
    content: bytes
    version: str


LayOut = Callable[[Runs], tuple[str, bytes]]
"""Returns page and content."""


class Live:
    """Runs that may be growing, for any number of threads."""

    def __init__(self, folders: Sequence[Path], lay_out: LayOut, notify: Callable[[str], None]):
        self._watched = [_WatchedRun(folder) for folder in folders]
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
        if self._is_due() and self._working.acquire(blocking=False):
            threading.Thread(target=self._renew_in_background, daemon=True).start()
        return self._latest

    def _is_due(self) -> bool:
        return self._latest is None or (
            time.monotonic() >= self._next and self._stamps != self._current_stamps()
        )

    def _current_stamps(self) -> list[str]:
        return [_stamp(run.folder) for run in self._watched]

    def _renew_in_background(self) -> None:
        try:
            self._renew()
        except Exception as error:  # the server continues
            self._notify(f"the runs cannot be shown: {one_line(error)}")
        finally:
            self._working.release()

    def _renew(self) -> None:
        start, stamps = time.monotonic(), self._current_stamps()
        try:
            for run, stamp in zip(self._watched, stamps, strict=True):
                run.read(stamp)
            runs = _comparable(self._watched)
            page, content = self._lay_out(runs)
            version = hashlib.sha256(page.encode() + content).hexdigest()[:16]
            self._latest = Snapshot(runs, page, content, version)
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
        self._stamp: str | None = None

    def read(self, stamp: str) -> None:
        """Read the run again, if its stamp has changed."""
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


def verdicts_on(items: JudgedItems, key: tuple[str, int]) -> dict[str, tuple[list[str], Verdict]]:
    """Return what each judge wrote of an answer, and the verdict, by the judge's name."""
    return {judge: texts[key] for judge, texts in items.judges.items() if key in texts}


def _comparable(watched: Sequence[_WatchedRun]) -> Runs:
    """Return the runs that are about the same as the first of them."""
    notes = [run.note for run in watched if run.note]
    folders: list[Path] = []
    shown: list[Shown] = []
    for run in watched:
        if not run.shown:
            continue
        if shown and (difference := unlike(shown[0].results, run.shown.results)):
            notes.append(
                f"{run.folder}: not shown, since it and {folders[0]} differ in {difference}"
            )
        else:
            folders.append(run.folder)
            shown.append(run.shown)
    names = distinct_names([each.results for each in shown])
    return Runs(
        dict(zip(names, shown, strict=True)), dict(zip(names, folders, strict=True)), tuple(notes)
    )


def _stamp(folder: Path) -> str:
    try:
        file = (folder / "run.db").stat()
    except OSError:
        return ""
    # Two changes in one tick of the file system's clock have the same time: until a later change
    # is certain to have another one, the file counts as still changing.
    settled = time.time() - file.st_mtime > _SETTLED
    return f"{file.st_ino} {file.st_size} {file.st_mtime_ns} {settled}"
