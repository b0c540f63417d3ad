"""Committing rows from many tasks: each waits until its own row is on disk."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from jasco.protocol.responses import Failure, Response
from jasco.runs.schema import Row
from jasco.runs.store import Store

T = TypeVar("T")


class Writer:
    """The one thread that touches the store while a run is going on.

    Rows that arrive while a commit is under way share the next one: no row waits for company,
    and a fast server does not mean a commit a row.

    Parameters
    ----------
    store : Store
        The run, open.
    beside : callable
        Gives rows that every transaction is to hold as well: what was spent so far.
    """

    def __init__(self, store: Store, beside: Callable[[], Sequence[Row]] = tuple) -> None:
        self._store = store
        self._beside = beside
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._waiting: list[tuple[Sequence[Row], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, row: Row) -> None:
        """Commit a row (``RunUnwritableError`` where that cannot be done)."""
        await self._queue(row)

    def write_soon(self) -> None:
        """Commit what is beside all rows, without a row and without waiting for it."""
        self._queue().add_done_callback(lambda done: done.cancelled() or done.exception())

    def _queue(self, *rows: Row) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())
        return done

    async def responses(self, model: int, clip: int) -> dict[int, Response | Failure]:
        """Give what the store holds for a clip, by number of the instruction."""
        return await self._in_thread(self._store.responses, model, clip)

    async def judged(
        self, model: int, protocol: str, clip: int, *, retry_final: bool
    ) -> set[tuple[int, int, int]]:
        """List (judge, instruction, repeat) of a clip that are not to be judged again."""
        judged = partial(self._store.judged, retry_final=retry_final)
        return await self._in_thread(judged, model, protocol, clip)

    async def finish(self) -> None:
        """Commit what still waits."""
        if self._writing is not None:
            await self._writing

    async def close(self) -> None:
        """Commit what still waits, also for tasks that were cancelled meanwhile."""
        if self._writing is not None:
            self._store.hurry()
        await self.finish()
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                rows = [*(row for rows, _ in batch for row in rows), *self._beside()]
                await self._in_thread(self._store.commit, rows)
            except Exception as error:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
            else:
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)
        self._writing = None
