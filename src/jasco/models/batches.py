"""Models that run in this process: one thread answers a batch of questions at a time."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

from jasco.backends.options import Option, at_least, true_or_false
from jasco.backends.secrets import mask_spec
from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.errors import one_line
from jasco.models.devices import empty_cache
from jasco.models.model import Model
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response

T = TypeVar("T")


class Question(NamedTuple):
    """A clip's audio (None: none), the prompt, and which of several answers it asks for, from 0."""

    audio: Audio | None
    prompt: str
    sample: int = 0


Outcome = Response | Failure


BATCH = Option("batch", "number of questions per batch", at_least(1, int), 8)
"""For models that accept batches of any size; not part of the identity."""
PREFIX_CACHE = Option(
    "prefix_cache",
    "true: process what the prompts about a clip have in common once per batch",
    true_or_false,
    True,
)
"""For models that can share the common prefix of several prompts; not part of the identity."""


def prefix_cache_disabled(options: Mapping[str, Any]) -> str:
    """Return which of a spec's options disables prefix caching; empty if none does."""
    if not options["prefix_cache"]:
        return "prefix_cache=false"
    return "batch=1" if options["batch"] == 1 else ""


class MalformedAnswersError(Exception):
    """A batch does not have exactly one answer per question."""


class BatchedModel(Model):
    """A model that runs in this process: its thread answers one batch of questions at a time.

    A batch that does not fit into memory is split in half, and the smaller size is used from then
    on. After any other failure, questions are answered one by one, so that a bad question fails
    alone.

    Parameters
    ----------
    spec : Spec
    size : int
        Maximum number of questions per batch.

    Attributes
    ----------
    batch_size : int
        Maximum number of questions per batch that is known to fit.
    """

    def __init__(self, spec: Spec, size: int = 1) -> None:
        super().__init__(spec)
        self.batch_size = size
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting: dict[asyncio.Future[Outcome], Question] = {}  # the oldest first
        self._answering: asyncio.Task[None] | None = None
        self._reported: set[str] = set()  # kinds of failures of batches

    @abstractmethod
    def load(self) -> None:
        """Load everything that is needed for answering; called in the thread."""

    @abstractmethod
    def answer_batch(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Answer each question of a batch; called in the thread. May raise an exception."""

    def group_of(self, question: Question) -> Hashable:  # noqa: ARG002
        """Return a key that questions of one batch must share; by default none.

        Questions with and without audio never share a batch.
        """
        return None

    def place_of(self, error: BaseException) -> str:  # noqa: ARG002
        """Return where in the user's code an error was raised; empty if unknown."""
        return ""

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (the data makes no difference)
        """Load the model in its thread."""
        await self._in_thread(self.load)

    async def answer(self, item: Item, audio: Audio | None) -> Outcome:
        """Queue the question, and return its answer when its batch has been answered."""
        assert audio is not None or self.accepts_no_audio
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[future] = Question(audio, item.instruction, item.sample)
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer_waiting())
        try:
            return await future
        finally:
            self._waiting.pop(future, None)  # if this call was cancelled

    async def _answer_waiting(self) -> None:
        """Answer the waiting questions, one batch after the other."""
        while self._waiting:
            futures: list[asyncio.Future[Outcome]] = []
            try:
                await self._in_thread(lambda: None)  # until it is idle; further questions arrive
                if not self._waiting:  # all calls were cancelled
                    return
                batch = choose_batch(
                    [*self._waiting.values()],
                    self.batch_size,
                    lambda one: (one.audio is None, self.group_of(one)),
                )
                waiting = [*self._waiting]
                futures = [waiting[place] for place in batch]
                questions = [self._waiting.pop(future) for future in futures]
                answers = await self._in_thread(partial(self._answer, questions))
                for future, answer in zip(futures, answers, strict=True):
                    if not future.done():  # its call may have been cancelled
                        future.set_result(answer)
            except BaseException as error:  # no call may wait forever
                for future in [*futures, *self._waiting]:
                    if not future.done():
                        future.set_exception(error)
                return

    async def close(self) -> None:
        """Stop the thread after its current call."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Call a function in the model's thread, after all earlier calls."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _answer(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Answer questions that may share a batch."""
        try:
            return self.answer_batch(questions)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # from any library, or sys.exit()
            failure = _failure(error, self.place_of(error))
        # Only after the except block is the memory of the failed attempt released.
        if failure.kind == "memory":
            empty_cache()
        if len(questions) == 1:
            return [failure]
        size = (len(questions) + 1) // 2 if failure.kind == "memory" else 1
        if failure.kind not in self._reported:
            self._reported.add(failure.kind)
            how = "in smaller batches" if failure.kind == "memory" else "one by one"
            self.notify(
                f"{self.spec.label}: a batch of {len(questions)} failed ({failure.kind}: "
                f"{failure.message}); its questions are repeated {how}"
            )
        answers = [
            answer
            for start in range(0, len(questions), size)
            for answer in self._answer(questions[start : start + size])
        ]
        # One clip may be too long for any batch.
        if failure.kind == "memory" and any(isinstance(answer, Response) for answer in answers):
            self.batch_size = min(size, self.batch_size)  # larger batches would always fail first
        return answers


def choose_batch(
    questions: Sequence[Question], size: int, group_of: Callable[[Question], Hashable]
) -> list[int]:
    """Choose the next batch: the questions of whole clips where possible, of similar lengths.

    Parameters
    ----------
    questions : sequence of Question
        The waiting questions, the oldest first. Those about one clip share the ``Audio`` object.
    size : int
        Maximum number of questions.
    group_of : callable
        Returns a key that the questions of a batch must share.

    Returns
    -------
    list of int
        Positions of the chosen questions. Those about the clip of the oldest question come first,
        then those about other clips, the most similar length first. The remaining places are filled
        with some of the questions about a clip.
    """
    group = group_of(questions[0])
    clips: dict[int, list[int]] = {}
    for place, question in enumerate(questions):
        if group_of(question) == group:
            clips.setdefault(id(question.audio), []).append(place)

    def samples(places: list[int]) -> int:
        audio = questions[places[0]].audio
        return len(audio.samples) if audio else 0

    oldest, *others = clips.values()
    others.sort(key=lambda places: abs(samples(places) - samples(oldest)))
    batch = oldest[:size]
    for places in others:
        if len(batch) + len(places) <= size:
            batch += places
    rest = [place for places in others for place in places if place not in batch]
    return batch + rest[: size - len(batch)]


def _failure(error: BaseException, place: str) -> Failure:
    if isinstance(error, MalformedAnswersError):
        return Failure("no text", str(error))
    name, text = type(error).__name__, str(error)
    message = f"{name}: {one_line(mask_spec(text))}" + (f" ({place})" if place else "")
    lacks_memory = (
        isinstance(error, MemoryError)
        or name == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "out of memory" in text.lower())
    )
    return Failure("memory" if lacks_memory else "error", message)
