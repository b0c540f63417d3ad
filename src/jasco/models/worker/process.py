"""One life of a worker: from its start to its end, which it may bring about itself."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from jasco.backends.secrets import mask
from jasco.backends.supervised import (
    clear_up,
    command_line,
    how_it_ended,
    last_words,
    open_log,
    supervised_command,
    tail,
)
from jasco.errors import one_line
from jasco.models.worker.lines import LONGEST, STOP, LineSplitter, LineTooLong

_PIECE = 65_536
_LOOK = 0.05
"""Seconds between two looks at whether the guard has ended: its pipes may outlive it."""


class Broken(Exception):  # noqa: N818 - no error of ours
    """A worker is of no use any more.

    Attributes
    ----------
    kind, message : str
        As in a :class:`~jasco.protocol.responses.Failure`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Process:
    """A worker under the guard: requests go to its standard input, lines come from its output."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        lifeline: int,
        pid_file: Path,
        log: Path | None,
        beginning: int,
        secrets: Sequence[str] = (),
    ) -> None:
        self._process = process
        self._lifeline: int | None = lifeline
        self._pid_file = pid_file
        self._log = log
        self._beginning = beginning  # where its part of the log begins
        self._secrets = secrets
        self._lines = LineSplitter()
        self.ignored = 0
        """Lines on its output that were no messages."""
        self._last_ignored = ""

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        folder: Path,
        log: Path | None,
        environment: Mapping[str, str],
        secrets: Sequence[str] = (),
    ) -> Self:
        """Start a worker.

        Parameters
        ----------
        command : sequence of str
            The program and its arguments.
        folder : Path
            A place for files of ours.
        log : Path or None
            Where its standard error goes; None is where ours goes.
        environment : mapping of str to str
            Its environment variables.
        secrets : sequence of str
            What messages hide of its words.
        """
        pid_file = folder / "worker.pid"
        pid_file.unlink(missing_ok=True)
        beginning, error = _open_log(log, command, secrets)
        theirs, ours = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *supervised_command(command, pid_file, theirs),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=error,
                pass_fds=(theirs,),
                start_new_session=True,  # Ctrl-C is for us: we end it in good order
                # An answer must not wait for the next.
                env={**environment, "PYTHONUNBUFFERED": "1"},
            )
        except BaseException:
            os.close(ours)  # what may have been started ends
            raise
        finally:
            os.close(theirs)
            if error is not None:
                os.close(error)
        return cls(process, ours, pid_file, log, beginning, secrets)

    def send(self, line: bytes) -> None:
        """Hand a line on. It never waits: what is outstanding is little."""
        assert self._process.stdin
        self._process.stdin.write(line)

    async def read(self) -> list[bytes]:
        """Give the next lines (``Broken`` where there will be none)."""
        assert self._process.stdout
        try:
            while True:
                piece = await self._process.stdout.read(_PIECE)
                if not piece:
                    raise Broken("crash", "its output has ended")
                if lines := self._lines.feed(piece):
                    return lines
        except LineTooLong:
            raise Broken("malformed", f"a line of more than {LONGEST} bytes") from None

    @property
    def has_ended(self) -> bool:
        """Whether its guard has ended, and it with it."""
        return self._process.returncode is not None

    def ignore(self, line: bytes) -> None:
        """Keep in mind that there was a line that is no message."""
        self.ignored += 1
        said = mask(line[:_PIECE].decode("utf-8", "replace"), self._secrets)
        self._last_ignored = one_line(said, 100)

    def last_words(self) -> str:
        """Quote what it said last."""
        words = []
        if self._log:
            words.append(f"it said: {last_words(self._said())}")
        if self.ignored:
            words.append(
                f"{self.ignored} lines on its stdout were no messages, the last: "
                f"{self._last_ignored!r}"
            )
        return "; ".join(words or ["it said nothing on its stdout"])

    def _said(self) -> str:
        return mask(tail(self._log, self._beginning), self._secrets) if self._log else ""

    async def end(self, grace: float = 0.0) -> str:
        """End the worker and all that it has started; say how it ended.

        Parameters
        ----------
        grace : float
            Seconds in which it may end by itself, before it is told to by signal.
        """
        assert self._process.stdin
        # A worker that still talks must not be stuck because nobody listens.
        draining = asyncio.ensure_future(self._drain())
        try:
            if self._lifeline is not None and not self._process.stdin.is_closing():
                self._process.stdin.write(STOP)
            self._process.stdin.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._wait()
            self._cut()
            await self._wait()
            assert self._process.returncode is not None
            clear_up(self._process.returncode, self._pid_file)
            await asyncio.wait([draining], timeout=1)
            return how_it_ended(self._process.returncode)
        finally:
            self._cut()  # a second Ctrl-C must not leave it running
            draining.cancel()

    def _cut(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)  # the guard takes this for our end
            self._lifeline = None

    async def _wait(self) -> None:
        while not self.has_ended:  # noqa: ASYNC110 (Process.wait waits for the pipes as well)
            await asyncio.sleep(_LOOK)

    async def _drain(self) -> None:
        assert self._process.stdout
        with suppress(OSError):
            while await self._process.stdout.read(_PIECE):
                pass


def _open_log(
    log: Path | None, command: Sequence[str], secrets: Sequence[str]
) -> tuple[int, int | None]:
    """Open a log at its end; give where that is, and the file descriptor."""
    if log is None:
        return 0, None
    file = open_log(log)
    os.write(file, command_line(command, secrets))
    return os.fstat(file).st_size, file
