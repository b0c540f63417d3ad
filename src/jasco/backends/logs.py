"""Logs of programs that we start, readable by their owner only: they may hold secrets."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jasco.backends.secrets import mask, mask_spec


def open_log(path: Path) -> int:
    """Open a log to append to, and give the file descriptor.

    The file has mode 600 and its folder 700, also where they were there before.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(OSError):  # of another owner, or on a file system without modes
        path.parent.chmod(0o700)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with suppress(OSError):
        os.fchmod(file, 0o600)
    return file


def command_line(command: Sequence[str], secrets: Sequence[str] = ()) -> bytes:
    """Format the line of a log that says what was started, with secrets hidden."""
    line = mask(mask_spec(" ".join(command)), secrets)
    return f"--- {line}\n".encode(errors="replace")
