"""Content that is read again when it has changed, at most every few seconds.

Changes of a run are detected from the sizes and times of files only: opening and closing ``run.db``
other than through SQLite would release the locks that this process holds on it.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from jasco.errors import one_line

_PAUSE = 2.0  # minimum seconds between two reads
_SHARE = 3.0  # minimum pause between reads, in durations of the last read
_SETTLED = 1.0  # seconds after which any later change alters the file's time
T = TypeVar("T")


class Refreshed(Generic[T]):
    """Content that may change, for any number of threads.

    Parameters
    ----------
    read : callable
        Returns the content.
    has_changed : callable
        Returns whether the content may differ from that read last; called often.
    notify : callable
        Called with one line if reading in the background fails.
    """

    def __init__(
        self,
        read: Callable[[], T],
        has_changed: Callable[[], bool],
        notify: Callable[[str], None],
    ) -> None:
        self._read = read
        self._has_changed = has_changed
        self._notify = notify
        self._content: T | None = None
        self._next = 0.0
        self._working = threading.Lock()

    def now(self) -> T:
        """Return the content, at most a few seconds old."""
        if self._is_due():
            with self._working:
                if self._is_due():
                    self._renew()
        assert self._content is not None
        return self._content

    def latest(self) -> T:
        """Return the content that was read last; read newer content in the background."""
        if self._content is None:
            return self.now()
        if self._is_due() and not self._working.locked():
            threading.Thread(target=self._renew_in_background, daemon=True).start()
        return self._content

    def _is_due(self) -> bool:
        if self._content is None:
            return True
        return time.monotonic() >= self._next and self._has_changed()

    def _renew(self) -> None:
        start = time.monotonic()
        try:
            self._content = self._read()
        finally:
            end = time.monotonic()
            self._next = end + max(_PAUSE, _SHARE * (end - start))

    def _renew_in_background(self) -> None:
        try:
            self.now()
        except Exception as error:  # the server continues
            self._notify(f"cannot show the runs: {one_line(error)}")


def stamp_of(*folders: Path) -> str:
    """Return a string that changes when the run in one of the folders changes."""
    return " ".join(map(_stamp_of, folders))


def _stamp_of(folder: Path) -> str:
    try:
        file = (folder / "run.db").stat()
    except OSError:
        return ""
    # Two changes within one tick of the file system's clock have the same time. Until a later
    # change is certain to have a different time, the file counts as still changing.
    settled = time.time() - file.st_mtime > _SETTLED
    return f"{file.st_ino} {file.st_size} {file.st_mtime_ns} {settled}"
