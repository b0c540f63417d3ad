"""The standard streams: closed ones, full ones, and those whose reader has gone."""

import os
import sys
from typing import TextIO


def prepare_streams() -> None:
    """Make the standard streams fit to be written to.

    Closed ones become ``/dev/null``, before a file of ours takes their number. Characters that the
    output's encoding lacks are replaced. Messages that cannot be written are dropped.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (as long as we run)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure:
        reconfigure(errors="backslashreplace" if is_utf8(sys.stdout) else "replace")
    sys.stderr = _Messages(sys.stderr)


def is_utf8(stream: TextIO) -> bool:
    """Return whether a stream takes every character."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


class _Messages:
    """Standard error; a failed write to it does not end a command."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            discard(2)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            discard(2)


def discard(number: int) -> None:
    """Let all that is still written to a file descriptor go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
