"""Run a program and stop it, with all its children, when the starting process ends.

    python supervisor.py LIFELINE PIDFILE PROGRAM ARGUMENT...

The process that starts this one holds the other end of the file descriptor LIFELINE. When that end
is closed, on purpose or because its holder was killed, the program gets SIGTERM; after some
seconds it is killed, with all processes that it has started. A parent-death signal alone would not
be enough: it depends on the thread that started the program, and does not reach grandchildren. The
program's process group is written to PIDFILE, so that the program can be stopped if this process is
killed. If LIFELINE is not 0, standard input is the program's.

This module imports only the standard library, and nothing from this package, to start quickly.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

GRACE = float(os.environ.get("JASCO_GRACE", "20"))
"""Seconds between the first request to stop and the kill."""
_AGAIN = 3.0  # seconds between two requests: vLLM may miss one while it starts
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> int:
    """Run the program and return its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the lifeline ends it
    # Processes that the program leaves behind become children of this one.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    lifeline = int(sys.argv[1])
    program = subprocess.Popen(  # noqa: S603 (the user names it)
        sys.argv[3:],
        stdin=None if lifeline else subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_restored,
    )
    if lifeline:
        os.close(0)  # only the program's: a writer to it must notice that the program ends
    with suppress(OSError):
        Path(sys.argv[2]).write_text(str(program.pid))
    with suppress(ProcessLookupError):
        _watch(program, lifeline)
    _kill_all()
    status = program.wait()
    return status if status >= 0 else 128 - status  # as shells report a signal


def _restored() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # in case this process is killed


def _prctl(option: int, value: int) -> None:
    with suppress(OSError, AttributeError):  # available on Linux only
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _watch(program: "subprocess.Popen[bytes]", lifeline: int) -> None:
    """Wait until the program ends; stop it if the lifeline is closed before."""
    while program.poll() is None:
        if select.select([lifeline], [], [], 0.1)[0] and not os.read(lifeline, 1024):
            break
    end = time.monotonic() + GRACE
    while program.poll() is None and (left := end - time.monotonic()) > 0:
        os.killpg(program.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            program.wait(min(_AGAIN, left))


def _kill_all() -> None:
    """Kill the children of this process, and grandchildren as they become its children."""
    while children := _children():
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def _children() -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(entry.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main())
