"""Questions that wait for a model in one thread, which takes several at once."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TypeVar

from jasco.backends.secrets import mask_spec
from jasco.data.audio import Audio
from jasco.errors import one_line
from jasco.models.devices import empty_cache
from jasco.protocol.responses import Failure, Response

T = TypeVar("T")
Question = tuple[Audio, str]
"""What is heard, and the prompt."""
Outcome = Response | Failure
AnswerAll = Callable[[Sequence[Question]], Sequence[Outcome]]
"""Answers a batch; may raise where it cannot."""


class MalformedAnswersError(Exception):
    """A batch has other answers than one for each question."""


class Batches:
    """Puts questions together into batches; the model's thread has one batch at a time.

    What does not fit into the memory is tried in halves, and the smaller batches stay. What fails
    otherwise is tried one by one, so that a bad question fails alone.

    Parameters
    ----------
    size : int
        How many questions the model takes at once.
    alike : callable
        Tells what questions must have in common to go together.
    place_of : callable
        Tells where in the user's code an exception was raised; empty where that is not known.

    Attributes
    ----------
    size : int
        How many questions the model takes at once, as far as is known.
    """

    def __init__(
        self,
        size: int = 1,
        alike: Callable[[Question], Hashable] = lambda _: None,
        place_of: Callable[[BaseException], str] = lambda _: "",
    ):
        self.size, self._alike, self._place_of = size, alike, place_of
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting: list[tuple[Question, asyncio.Future[Outcome]]] = []

    async def answer(self, question: Question, answer_all: AnswerAll) -> Outcome:
        """Queue a question; ``answer_all`` is called in the thread with a batch that holds it."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        await self.in_thread(lambda: None)  # the calls before this one are done
        if self._waiting and not future.done():
            batch, self._waiting = self._waiting[: self.size], self._waiting[self.size :]
            questions = [each for each, _ in batch]
            answers = await self.in_thread(lambda: self._answer_parts(questions, answer_all))
            for (_, waiting), answer in zip(batch, answers, strict=True):
                if not waiting.done():  # a cancelled question wants no answer
                    waiting.set_result(answer)
        return await future

    def _answer_parts(self, questions: Sequence[Question], answer_all: AnswerAll) -> list[Outcome]:
        parts = groupby(questions, self._alike)
        return [answer for _, part in parts for answer in self._answer(list(part), answer_all)]

    def _answer(self, questions: Sequence[Question], answer_all: AnswerAll) -> Sequence[Outcome]:
        """Answer what may go together."""
        try:
            return answer_all(questions)
        except KeyboardInterrupt:
            raise
        except (
            BaseException
        ) as error:  # of any library, sys.exit() too: these questions', no others'
            failure = _failure(error, self._place_of(error))
        # Only here has the error let go of what the failed attempt held in memory.
        if failure.kind == "memory":
            empty_cache()
        if len(questions) == 1:
            return [failure]
        size = (len(questions) + 1) // 2 if failure.kind == "memory" else 1
        answers = [
            answer
            for start in range(0, len(questions), size)
            for answer in self._answer(questions[start : start + size], answer_all)
        ]
        # A clip too long for any batch says nothing about the others.
        if failure.kind == "memory" and any(isinstance(answer, Response) for answer in answers):
            self.size = min(size, self.size)  # larger batches would fail first, every time
        return answers

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do something in the model's thread, after what is waiting for it already."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """End the thread once its call is over."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _failure(error: BaseException, place: str) -> Failure:
    if isinstance(error, MalformedAnswersError):
        return Failure("malformed", str(error))
    what = (
        f"{type(error).__name__}: {one_line(mask_spec(str(error)))}{f' ({place})' if place else ''}"
    )
    short = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
    if short or (isinstance(error, RuntimeError) and "out of memory" in str(error).lower()):
        return Failure("memory", what)
    return Failure("error", what)
