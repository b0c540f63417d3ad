"""Programs run by the supervisor, which stop together with jasco, and their logs."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jasco.backends.secrets import mask, mask_spec
from jasco.errors import InputError, one_line

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_ERROR = re.compile(r"\w(?:Error|Exception):")
_HARMLESS = re.compile(r"\b(?:DEBUG|INFO|WARNING)\b")
_TAIL = 200_000


def check_platform(name: str, instead: str) -> None:
    """Raise ``InputError`` where programs cannot be supervised: that needs Linux.

    Parameters
    ----------
    name : str
        What would start a program.
    instead : str
        What to do instead.
    """
    if sys.platform != "linux":
        raise InputError(f"{name}: programs can be started on Linux only; {instead}")


class SupervisedProgram:
    """A program that stops together with jasco, and its log.

    Parameters
    ----------
    pid_file : Path
        The file to which the supervisor writes the program's process group.
    log : Path or None
        The file to which its standard error is appended; None: the standard error of jasco. The
        file gets mode 600 and its folder 700, even if they exist already: it may contain secrets.
    secrets : sequence of str
        Texts to hide in its command and its output.
    """

    def __init__(self, pid_file: Path, log: Path | None, secrets: Sequence[str] = ()) -> None:
        self._pid_file, self.log, self._secrets = pid_file, log, secrets
        self._log_start = 0

    async def start(
        self, command: Sequence[str], *, lifeline: int = 0, **settings: Any
    ) -> asyncio.subprocess.Process:
        """Start the supervisor with the program.

        Parameters
        ----------
        command : sequence of str
            The program and its arguments.
        lifeline : int
            The file descriptor whose other end jasco holds. With 0, standard input, the program
            has no standard input; with any other, standard input is the program's.
        **settings
            Arguments of :func:`asyncio.create_subprocess_exec`. By default, standard output goes
            to the log.
        """
        self._pid_file.unlink(missing_ok=True)
        log = self._open_log()
        try:
            if log is not None:
                line = mask(mask_spec(" ".join(command)), self._secrets)
                os.write(log, f"--- {line}\n".encode(errors="replace"))
                self._log_start = os.fstat(log).st_size
            return await asyncio.create_subprocess_exec(
                *supervised_command(command, self._pid_file, lifeline),
                **{"stdin": asyncio.subprocess.PIPE, "stdout": log, "stderr": log} | settings,
                start_new_session=True,  # Ctrl-C is for jasco, which stops the program
            )
        finally:
            if log is not None:
                os.close(log)

    def _open_log(self) -> int | None:
        """Open the log for appending and return its file descriptor."""
        if not self.log:
            return None
        folder = self.log.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(OSError):  # another owner, or a file system without modes
            folder.chmod(0o700)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with suppress(OSError):
            os.fchmod(log, 0o600)
        return log

    def output(self) -> str:
        """Return the end of its output in the log since it was started."""
        assert self.log
        try:
            with self.log.open("rb") as file:
                file.seek(max(self._log_start, self.log.stat().st_size - _TAIL))
                return mask(file.read().decode(errors="replace"), self._secrets)
        except OSError:
            return ""

    def last_words(self) -> str:
        """Format the error in its output, or its last lines."""
        return f"last output: {last_words(self.output())}"

    def clear_up(self, status: int) -> None:
        """Kill the program's process group if the supervisor was killed, by its exit status."""
        if status < 0:
            with suppress(OSError, ValueError):
                os.killpg(int(self._pid_file.read_text()), signal.SIGKILL)
        self._pid_file.unlink(missing_ok=True)


def supervised_command(command: Sequence[str], pid_file: Path, lifeline: int = 0) -> list[str]:
    """Return the command that runs a program through the supervisor."""
    return [sys.executable, "-I", "-S", str(_SUPERVISOR), str(lifeline), str(pid_file), *command]


def how_it_ended(status: int) -> str:
    """Format a supervisor's exit status, which is that of its program."""
    signalled = -status if status < 0 else status - 128
    return f"by signal {signalled}" if signalled > 0 else f"with status {status}"


def last_words(output: str) -> str:
    """Format a program's output in one line: the first line with an error, else the last lines."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    # A warning may name an error.
    errors = [line for line in lines if _ERROR.search(line) and not _HARMLESS.search(line)]
    return one_line(" / ".join(errors[:1] or lines[-3:]), 300) or "nothing"
