"""Standard streams that are closed, full, or whose reader has closed the pipe."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


def prepare_streams() -> None:
    """Prepare the standard streams, so that a failed write does not end a command.

    Closed streams are redirected to ``/dev/null``, before another file gets their descriptor.
    Characters that the encoding of stdout does not support are replaced, and messages that cannot
    be written to stderr are dropped.
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
    """Return whether a stream supports every character."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


def is_broken(stream: TextIO) -> bool:
    """Return whether the reader of a stream has closed the pipe."""
    with suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    return False


def discard(number: int) -> None:
    """Redirect further output to a file descriptor to ``/dev/null``."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect stdout to stderr, including output of native code: stdout is for results."""
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
    """A wrapper of stderr for which a failed write does not end a command."""

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
