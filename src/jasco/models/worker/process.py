"""The process of a worker, from its start until it ends."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from jasco.backends.secrets import mask
from jasco.backends.supervised_program import SupervisedProgram, how_it_ended
from jasco.errors import one_line
from jasco.models.worker.messages import STOP

LONGEST_LINE = 10_000_000
"""Bytes; a longer line is probably a mistake, and would exhaust the memory."""
_PIECE = 65_536
_READ_TIMEOUT = 0.25
_WAIT_INTERVAL = 0.05
"""Seconds between two checks whether the supervisor has ended; its pipes may outlive it."""


class BrokenWorkerError(Exception):
    """A worker cannot be used any more; the arguments are those of a ``Failure``."""


class WorkerProcess:
    """A worker run by the supervisor: requests go to its stdin, lines come from its stdout.

    Parameters
    ----------
    folder : Path
        The folder for a file with its process group.
    log : Path or None
        The file for its standard error; None: the standard error of jasco.
    secrets : sequence of str
        Texts to hide in its output.
    """

    def __init__(self, folder: Path, log: Path | None, secrets: Sequence[str] = ()) -> None:
        self._program = SupervisedProgram(folder / "worker.pid", log, secrets)
        self._secrets = secrets
        self.ignored = 0
        """Number of lines of its output that were not messages."""
        self._last_ignored = ""

    async def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program with its arguments and its environment variables."""
        its_end, our_end = os.pipe()
        # The supervisor stops the program if this is closed, or jasco ends.
        self._lifeline = os.fdopen(our_end, "wb")
        try:
            process = await self._program.start(
                command,
                lifeline=its_end,
                stdout=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE,
                pass_fds=(its_end,),
                # Unbuffered, so that answers arrive at once.
                env={**environment, "PYTHONUNBUFFERED": "1"},
            )
        except BaseException:
            self._lifeline.close()
            raise
        finally:
            os.close(its_end)
        assert process.stdin
        assert process.stdout
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout

    def send(self, line: bytes) -> None:
        """Write a line. This does not block, because few requests are outstanding."""
        self._stdin.write(line)

    async def read(self) -> bytes | None:
        """Return the next line without its line break; None if there is none for a while.

        Raises
        ------
        BrokenWorkerError
            There will be no more lines, or the line is too long.
        """
        had_ended = self._has_ended
        try:
            async with asyncio.timeout(_READ_TIMEOUT):
                line = await self._stdout.readline()
        except ValueError:
            message = f"a line of more than {LONGEST_LINE} bytes"
            raise BrokenWorkerError("malformed", message) from None
        except TimeoutError:
            if had_ended:  # another process holds its output open
                raise BrokenWorkerError("crash", "it has ended") from None
            return None
        if not line.endswith(b"\n"):
            raise BrokenWorkerError("crash", "its output has ended")
        return line[:-1]

    @property
    def _has_ended(self) -> bool:
        """Whether its supervisor, and with it the worker, has ended."""
        return self._process.returncode is not None

    def ignore(self, line: bytes) -> None:
        """Count a line that is not a message."""
        self.ignored += 1
        text = mask(line[:_PIECE].decode("utf-8", "replace"), self._secrets)
        self._last_ignored = one_line(text, 100)

    def last_words(self) -> str:
        """Format its last output."""
        quotes = []
        if self._program.log:
            quotes.append(self._program.last_words())
        if self.ignored:
            quotes.append(
                f"{self.ignored} lines on its stdout were not messages, the last: "
                f"{self._last_ignored!r}"
            )
        return "; ".join(quotes or ["no output on its stdout"])

    async def end(self, grace: float = 0.0) -> str:
        """Stop the worker and all its children; return how it ended.

        Parameters
        ----------
        grace : float
            Seconds in which it may exit before it gets a signal.
        """
        # A worker that is still writing must not block on a full pipe.
        draining = asyncio.ensure_future(self._drain())
        try:
            if not self._stdin.is_closing():
                self._stdin.write(STOP)
            self._stdin.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._wait()
            self._lifeline.close()
            await self._wait()
            assert self._process.returncode is not None
            self._program.clear_up(self._process.returncode)
            await asyncio.wait([draining], timeout=1)
            return how_it_ended(self._process.returncode)
        finally:
            self._lifeline.close()  # a second Ctrl-C must not leave the worker running
            draining.cancel()

    async def _wait(self) -> None:
        while not self._has_ended:  # noqa: ASYNC110 (Process.wait waits for the pipes as well)
            await asyncio.sleep(_WAIT_INTERVAL)

    async def _drain(self) -> None:
        with suppress(OSError):
            while await self._stdout.read(_PIECE):
                pass
