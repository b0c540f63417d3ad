"""Committing rows from many tasks, each of which waits until its row is on disk."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from jasco.runs.schema import Row
from jasco.runs.writer import RunWriter

P = ParamSpec("P")
T = TypeVar("T")


class AsyncWriter:
    """The only thread that uses a run's file while its calls are in progress.

    Rows that arrive during a commit are written together in the next one: no row waits for a
    batch to fill, and a fast server does not cause one commit per row.

    Parameters
    ----------
    run : RunWriter
        The run, open.
    extra_rows : callable
        Returns rows that are added to every transaction, such as what was spent so far.
    """

    def __init__(self, run: RunWriter, extra_rows: Callable[[], Sequence[Row]] = tuple) -> None:
        self._run = run
        self._extra_rows = extra_rows
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="run")
        self._waiting: list[Row] = []
        self._last: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        """The commit of the waiting rows; it begins when the previous one has ended."""

    async def write(self, row: Row) -> None:
        """Commit a row (``RunUnwritableError`` if that fails)."""
        await asyncio.shield(self._enqueue(row))

    def write_soon(self) -> None:
        """Commit the extra rows alone, without waiting for the commit."""
        self._enqueue()

    async def read(self, query: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Return the result of one of the run's methods, called in the writer thread."""
        work = partial(query, *arguments, **options)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def finish(self) -> None:
        """Commit the waiting rows."""
        if self._last is not None:
            await asyncio.wait([self._last])

    async def close(self) -> None:
        """Commit the waiting rows, including those of cancelled tasks, and stop the thread."""
        if self._last is not None and not self._last.done():
            self._run.hurry()
        await self.finish()
        self._thread.shutdown()

    def _enqueue(self, *rows: Row) -> asyncio.Task[None]:
        self._waiting += rows
        if self._next is None:
            self._next = self._last = asyncio.create_task(self._commit(self._last))
            # All tasks that wait for it may be cancelled: asyncio must not print its error then.
            self._next.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._next

    async def _commit(self, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.wait([previous])
        rows, self._waiting, self._next = self._waiting, [], None
        await self.read(self._run.commit, [*rows, *self._extra_rows()])
