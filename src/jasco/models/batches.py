"""Models that run in this process: one thread answers a batch of questions at a time."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

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
        self._is_answering = False
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

    def prefix_cache_disabled(self) -> str:
        """Return the option that disables prefix caching; empty if none does."""
        if not self.spec.options["prefix_cache"]:
            return "prefix_cache=false"
        return "batch=1" if self.batch_size == 1 else ""

    def place_of(self, error: BaseException) -> str:  # noqa: ARG002
        """Return where in the user's code an error was raised; empty if unknown."""
        return ""

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (the data makes no difference)
        """Load the model in its thread."""
        await self._in_thread(self.load)

    async def answer(self, item: Item, audio: Audio | None) -> Outcome:
        """Queue the question; the model's thread answers a batch at a time.

        A batch is chosen when the thread is idle. If the oldest question is not in a batch yet, its
        call chooses the next one.
        """
        assert audio is not None or self.accepts_no_audio
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[future] = Question(audio, item.instruction, item.sample)
        while future in self._waiting:
            await self._in_thread(lambda: None)  # the calls before this one are done
            if future in self._waiting and not self._is_answering:
                await self._answer_next()
        return await future

    async def _answer_next(self) -> None:
        """Answer the next batch of the waiting questions."""
        futures, questions = [*self._waiting], [*self._waiting.values()]
        batch = choose_batch(
            questions, self.batch_size, lambda one: (one.audio is None, self.group_of(one))
        )
        for place in batch:
            del self._waiting[futures[place]]
        chosen = [questions[place] for place in batch]
        self._is_answering = True
        try:
            answers = await self._in_thread(lambda: self._answer(chosen))
        finally:
            self._is_answering = False
        for place, answer in zip(batch, answers, strict=True):
            if not futures[place].done():  # it may have been cancelled
                futures[place].set_result(answer)

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
