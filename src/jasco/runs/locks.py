"""The lock that allows a run only one writer, also on file systems without locks."""

import errno
import fcntl
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock

from jasco.errors import RunConflictError, one_line

_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
MARKER = "run.lock.holder"
"""The file that replaces the lock if the file system does not support locks."""


class RunBusyError(RunConflictError):
    """Another process is writing to the run."""


def lock_of(folder: Path) -> BaseFileLock:
    """Return the lock of a run, not acquired yet.

    If the file system does not support locks, the lock is a file that names the process that holds
    it and its machine. A file left by a killed process of this machine is ignored.

    Raises
    ------
    OSError
        The folder is not writable.
    """
    path = folder / "run.lock"
    # It may be released in another thread than it was acquired in.
    return (
        FileLock(path, thread_local=False)
        if _can_be_locked(path)
        else SoftFileLock(folder / MARKER, thread_local=False)
    )


def remedy_if_killed(lock: BaseFileLock) -> str:
    """Return what to do if the holder of a lock was killed, as the end of a message."""
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


def is_locked(folder: Path) -> bool:
    """Return whether a process holds the lock of a run, as far as this machine can tell."""
    if (folder / MARKER).exists():
        return True
    try:
        with (folder / "run.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
