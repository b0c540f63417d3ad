"""Programs under the guard, of which nothing outlives us, and their words."""

import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jasco.errors import one_line

_GUARD = Path(__file__).with_name("supervisor.py")
_ERROR = re.compile(r"\w(?:Error|Exception):")
_HARMLESS = re.compile(r"\b(?:DEBUG|INFO|WARNING)\b")
_TAIL = 200_000


def guarded(command: Sequence[str], pid_file: Path, lifeline: int = 0) -> list[str]:
    """Put the command together that runs a program under the guard.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    pid_file : Path
        Is told the program's process group.
    lifeline : int
        The file descriptor whose other end we hold. With 0, standard input, the program gets
        none; with another, to be handed on, standard input is the program's.
    """
    return [sys.executable, "-I", "-S", str(_GUARD), str(lifeline), str(pid_file), *command]


def clear_up(status: int, pid_file: Path) -> None:
    """Do the guard's work where it was killed itself, as its exit status tells."""
    if status < 0:
        with suppress(OSError, ValueError):
            os.killpg(int(pid_file.read_text()), signal.SIGKILL)


def how_it_ended(status: int) -> str:
    """Put a guard's exit status, which is its program's, into words."""
    signalled = -status if status < 0 else status - 128
    return f"by signal {signalled}" if signalled > 0 else f"with status {status}"


def tail(log: Path, beginning: int) -> str:
    """Read the end of a log, not further back than a certain place."""
    try:
        with log.open("rb") as file:
            file.seek(max(beginning, log.stat().st_size - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def last_words(said: str) -> str:
    """Quote what went wrong: the first error that it told of, or what it said last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # A warning may name the error that it warns of.
    errors = [line for line in lines if _ERROR.search(line) and not _HARMLESS.search(line)]
    return one_line(" / ".join(errors[:1] or lines[-3:]), 300) or "nothing"
