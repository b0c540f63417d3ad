"""A limit on the total that concurrent tasks hold, of which each may need another amount."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Capacity:
    """A semaphore whose tasks hold amounts: their sum stays within a total.

    A task that needs more than the total waits until it is alone.

    Parameters
    ----------
    total : int
        In any unit.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._held = 0
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def hold(self, amount: int) -> AsyncIterator[None]:
        """Wait until an amount is free, and hold it until the block ends."""
        amount = min(amount, self._total)
        while self._held + amount > self._total:
            released = asyncio.get_running_loop().create_future()
            self._waiting.append(released)
            await released
        self._held += amount
        try:
            yield
        finally:
            self._held -= amount
            waiting, self._waiting = self._waiting, []
            for released in waiting:
                if not released.done():
                    released.set_result(None)
