"""A limit on what many tasks hold at once, whatever each of them needs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Capacity:
    """Let tasks in while what they hold together stays within a total.

    A task that needs more than the total is let in alone.

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
        """Wait until there is room, and hold so much until the block ends."""
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
            for each in waiting:
                if not each.done():
                    each.set_result(None)
