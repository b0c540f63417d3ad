"""Programs under the supervisor, which all end with jasco, and their logs."""

import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jasco.backends.secrets import mask, mask_spec
from jasco.errors import one_line

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_ERROR = re.compile(r"\w(?:Error|Exception):")
_HARMLESS = re.compile(r"\b(?:DEBUG|INFO|WARNING)\b")
_TAIL = 200_000


def supervised_command(command: Sequence[str], pid_file: Path, lifeline: int = 0) -> list[str]:
    """Return the command that runs a program under the supervisor.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    pid_file : Path
        Where the supervisor writes the program's process group.
    lifeline : int
        The file descriptor whose other end jasco holds. With 0, standard input, the program gets
        none; with another, to be handed on, standard input is the program's.
    """
    return [sys.executable, "-I", "-S", str(_SUPERVISOR), str(lifeline), str(pid_file), *command]


def clear_up(status: int, pid_file: Path) -> None:
    """Kill what the supervisor would have, if its exit status is that it was killed itself."""
    if status < 0:
        with suppress(OSError, ValueError):
            os.killpg(int(pid_file.read_text()), signal.SIGKILL)


def how_it_ended(status: int) -> str:
    """Format a supervisor's exit status, which is its program's."""
    signalled = -status if status < 0 else status - 128
    return f"by signal {signalled}" if signalled > 0 else f"with status {status}"


def open_log(path: Path) -> int:
    """Open a log to append to, and return the file descriptor.

    The file has mode 600 and its folder 700, also where they were there before: it may hold
    secrets.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(OSError):  # of another owner, or on a file system without modes
        path.parent.chmod(0o700)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with suppress(OSError):
        os.fchmod(file, 0o600)
    return file


def command_line(command: Sequence[str], secrets: Sequence[str] = ()) -> bytes:
    """Format a command as a line of a log, with secrets hidden."""
    line = mask(mask_spec(" ".join(command)), secrets)
    return f"--- {line}\n".encode(errors="replace")


def tail(log: Path, beginning: int) -> str:
    """Read the end of a log, not further back than a certain place."""
    try:
        with log.open("rb") as file:
            file.seek(max(beginning, log.stat().st_size - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def last_words(output: str) -> str:
    """Format the error of a program in one line: its first line with one, else its last lines."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    # A warning may name the error that it warns of.
    errors = [line for line in lines if _ERROR.search(line) and not _HARMLESS.search(line)]
    return one_line(" / ".join(errors[:1] or lines[-3:]), 300) or "nothing"
