"""The lock of a run's one writer, on file systems without locks too."""

import errno
import fcntl
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock

from jasco.errors import one_line

_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
MARKER = "run.lock.holder"
"""The file that takes the lock's place where the file system knows no locks."""


def lock_of(folder: Path) -> BaseFileLock:
    """Give the lock of a run, which is not held yet.

    Where the file system knows no locks, it is a file that names the process that holds it and its
    machine. One that a process of this machine left behind when it was killed does not count.

    Raises
    ------
    OSError
        Nothing can be written there.
    """
    path = folder / "run.lock"
    return FileLock(path) if _can_be_locked(path) else SoftFileLock(folder / MARKER)


def if_it_is_dead(lock: BaseFileLock) -> str:
    """Tell what to do about a lock whose holder may have died without a trace, as words to add."""
    if not isinstance(lock, SoftFileLock):
        return ""
    path = Path(lock.lock_file)
    try:
        process, host = path.read_text("utf-8", "replace").split("\n")[:2]
        holder = f" (process {one_line(process, 20)} on {one_line(host.split('?')[0], 80)})"
    except (OSError, ValueError):
        holder = ""
    return f"; if that process{holder} has ended, delete {path}"


def _can_be_locked(path: Path) -> bool:
    with path.open("a+b") as file:  # a shared lock may need a file that can be read
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in _NO_LOCKS
    return True
