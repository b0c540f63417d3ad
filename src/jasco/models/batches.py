"""Questions that wait for a model in one thread, which takes several at once."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from jasco.benchmark.responses import Failure, Response
from jasco.providers.audio import Audio

T = TypeVar("T")
Question = tuple[Audio, str]
"""What is heard, and the prompt."""


class Batches:
    """Puts questions together into batches; the model's thread has one batch at a time.

    Attributes
    ----------
    size : int
        How many questions the model takes at once.
    """

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting: list[tuple[Question, asyncio.Future[Response | Failure]]] = []

    async def answer(
        self,
        question: Question,
        answer_all: Callable[[Sequence[Question]], Sequence[Response | Failure]],
    ) -> Response | Failure:
        """Queue a question; ``answer_all`` is called in the thread with a batch that holds it."""
        future: asyncio.Future[Response | Failure] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        await self.in_thread(lambda: None)  # the calls before this one are done
        if self._waiting and not future.done():
            batch, self._waiting = self._waiting[: self.size], self._waiting[self.size :]
            answers = await self.in_thread(lambda: answer_all([each for each, _ in batch]))
            for (_, waiting), answer in zip(batch, answers, strict=True):
                if not waiting.done():  # a cancelled question wants no answer
                    waiting.set_result(answer)
        return await future

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do something in the model's thread, after what is waiting for it already."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """End the thread once its call is over."""
        self._thread.shutdown(wait=False, cancel_futures=True)
