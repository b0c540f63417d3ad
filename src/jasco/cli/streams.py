"""The standard streams: closed ones, full ones, and those whose reader has gone."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


def prepare_streams() -> None:
    """Prepare the standard streams, so that writing to them ends no command.

    Closed ones become ``/dev/null``, before a file of ours takes their number. Characters that the
    output's encoding lacks are replaced. Messages that cannot be written are dropped.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="backslashreplace" if is_utf8(sys.stdout) else "replace")
    sys.stderr = _Messages(sys.stderr)


def is_utf8(stream: TextIO) -> bool:
    """Return whether a stream takes every character."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


def is_broken(stream: TextIO) -> bool:
    """Return whether the reader of a stream has gone."""
    with suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    return False


def discard(number: int) -> None:
    """Send to ``/dev/null`` all that is still written to a file descriptor."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send to stderr what a model prints, in Python or below: stdout is for results."""
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)


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
