"""Committing rows from many tasks: each waits until its own row is on disk."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from jasco.protocol.responses import Failure, Response
from jasco.runs.schema import Row
from jasco.runs.writer import RunWriter

T = TypeVar("T")


class CommitQueue:
    """The one thread that uses a run's file while its calls are in progress.

    Rows that arrive while a commit is under way share the next one: no row waits for others,
    and a fast server does not mean a commit a row.

    Parameters
    ----------
    run : RunWriter
        The run, open.
    extra_rows : callable
        Returns rows that every transaction is to hold as well: what was spent so far.
    """

    def __init__(self, run: RunWriter, extra_rows: Callable[[], Sequence[Row]] = tuple) -> None:
        self._run = run
        self._extra_rows = extra_rows
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="run")
        self._waiting: list[tuple[Sequence[Row], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, row: Row) -> None:
        """Commit a row (``RunUnwritableError`` where that cannot be done)."""
        await self._enqueue(row)

    def write_soon(self) -> None:
        """Commit the extra rows alone, without waiting for it."""
        self._enqueue().add_done_callback(lambda done: done.cancelled() or done.exception())

    async def responses(self, model: int, clip: int) -> dict[int, Response | Failure]:
        """Return the responses to a clip that the run holds: see :meth:`.RunReader.responses`."""
        return await self._in_thread(self._run.responses, model, clip)

    async def judged(
        self, model: int, protocol: str, clip: int, *, retry_final: bool
    ) -> set[tuple[int, int, int]]:
        """List what is not to be judged again: see :meth:`.RunReader.judged`."""
        judged = partial(self._run.judged, retry_final=retry_final)
        return await self._in_thread(judged, model, protocol, clip)

    async def finish(self) -> None:
        """Commit what still waits."""
        if self._writing is not None:
            await self._writing

    async def close(self) -> None:
        """Commit what still waits, also for tasks that were cancelled meanwhile."""
        if self._writing is not None:
            self._run.hurry()
        await self.finish()
        self._thread.shutdown()

    def _enqueue(self, *rows: Row) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())
        return done

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            error: Exception | None = None
            try:
                rows = [*(row for rows, _ in batch for row in rows), *self._extra_rows()]
                await self._in_thread(self._run.commit, rows)
            except Exception as raised:
                error = raised
            for _, done in batch:
                if done.done():
                    continue
                if error:
                    done.set_exception(error)
                else:
                    done.set_result(None)
        self._writing = None
