"""Asking the model and the judges, many calls at a time, and keeping each result at once.

A few workers go through the clips in order. For each clip they put its eight items out together,
and an answer goes to the judges as soon as it is kept; what the run holds already is left alone.
So memory does not grow with the number of clips, and a run can stop anywhere.
"""

import asyncio
import math
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jasco.data.audio import Audio
from jasco.evaluation.capacity import Capacity
from jasco.judges.judge import Judge
from jasco.models.model import Model
from jasco.protocol.clips import Clip, Item, items_of
from jasco.protocol.judgement import Judgement
from jasco.protocol.protocols import Protocol
from jasco.protocol.reasoning import without_reasoning
from jasco.protocol.responses import Failure, Response
from jasco.runs.commit_queue import CommitQueue
from jasco.runs.schema import Row, response_row, verdict_row

Outcome = TypeVar("Outcome", Response | Failure, Judgement | Failure)


@dataclass(frozen=True)
class Work:
    """What there is to do, and with whom.

    Attributes
    ----------
    clips : sequence of Clip
        Those the run is about, in the run's order.
    model_number : int
        The model whose answers they are, by its number in the run.
    model : Model or None
        Who answers what is unanswered; None leaves it so.
    judges : mapping of int to Judge
        Who marks what is unmarked, by number in the run.
    protocol : Protocol
        How the judges are asked.
    read_audio : callable
        Gives a clip's audio, for models that hear.
    concurrency : int
        Calls in flight at once, answers and verdicts together.
    watch : callable
        Is given each call that has ended: the model's or judge's label, and the outcome.
    retry_final : bool
        Whether to ask again what a repeat is not expected to mend.
    seconds : mapping of str to float
        How long the audio of a clip is, by id, as far as it is known.
    """

    clips: Sequence[Clip]
    model_number: int
    model: Model | None
    judges: Mapping[int, Judge]
    protocol: Protocol
    read_audio: Callable[[Clip], Audio]
    concurrency: int
    watch: Callable[[str, Response | Judgement | Failure], None]
    retry_final: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)


async def run(work: Work, writer: CommitQueue) -> None:
    """Do what is missing or failed.

    Raises
    ------
    InputError, ServerGoneError, RunUnwritableError
        Going on is pointless; what was done is kept.
    """
    runner = _Runner(work, writer)
    places = iter(range(len(work.clips)))
    # Twice as many items open as calls allowed: the slots stay full, and no more is in memory.
    workers = min(max(2, work.concurrency // 4), len(work.clips))
    await all_at_once(runner.go_through(places) for _ in range(workers))


# What is in memory of one second of audio, with the request that carries it, is some 0.2 MB.
_SECONDS, _SECONDS_A_CALL = 1_800, 30

SAMPLED = 5
"""One clip in so many is judged repeatedly, where a judge is asked to."""


def repeats_of(judge: Judge, place: int) -> int:
    """Say how often a judge marks the answers to a clip, by its place in the run."""
    return int(judge.spec.options.get("repeats", 1)) if place % SAMPLED == 0 else 1


class _Runner:
    def __init__(self, work: Work, writer: CommitQueue) -> None:
        self._work = work
        self._writer = writer
        self._slots = asyncio.Semaphore(work.concurrency)
        # Clips of usual lengths never wait for these; of very long ones, fewer are in memory.
        seconds = max(_SECONDS, _SECONDS_A_CALL * work.concurrency)
        self._clips, self._requests = Capacity(seconds), Capacity(seconds)

    async def go_through(self, places: Iterator[int]) -> None:
        for place in places:
            await self._do_clip(place)

    async def _do_clip(self, place: int) -> None:
        work = self._work
        items = items_of(work.clips[place])
        held = await self._writer.responses(work.model_number, place)
        judged = await self._writer.judged(
            work.model_number, work.protocol.name, place, retry_final=work.retry_final
        )
        missing = [item for item in items if self._is_missing(held.get(item.number))]
        heard = bool(work.model and work.model.uses_audio and missing)
        seconds = work.seconds.get(work.clips[place].id, 0) if heard else 0
        async with self._clips.hold(math.ceil(seconds)):
            audio = None
            if heard:
                audio = await asyncio.to_thread(work.read_audio, work.clips[place])
            await all_at_once(
                self._do_item(place, item, audio, held.get(item.number), judged) for item in items
            )

    async def _do_item(
        self,
        place: int,
        item: Item,
        audio: Audio | None,
        answer: Response | Failure | None,
        judged: set[tuple[int, int, int]],
    ) -> None:
        if self._work.model and self._is_missing(answer):
            answer = await self._answer(self._work.model, place, item, audio)
        if isinstance(answer, Response):
            await all_at_once(
                self._judge(number, judge, repeat, place, item, answer.text)
                for number, judge in self._work.judges.items()
                for repeat in range(repeats_of(judge, place))
                if (number, item.number, repeat) not in judged
            )

    def _is_missing(self, answer: Response | Failure | None) -> bool:
        if isinstance(answer, Failure):
            return self._work.retry_final or not answer.final
        return answer is None

    async def _answer(
        self, model: Model, place: int, item: Item, audio: Audio | None
    ) -> Response | Failure:
        def row(answer: Response | Failure, seconds: float) -> Row:
            return response_row(self._work.model_number, place, item.number, answer, seconds)

        async with self._requests.hold(math.ceil(audio.seconds) if audio else 0):
            return await self._call(model.spec.label, lambda: answer_of(model, item, audio), row)

    async def _judge(
        self, number: int, judge: Judge, repeat: int, place: int, item: Item, prediction: str
    ) -> None:
        work = self._work

        def row(outcome: Judgement | Failure, seconds: float) -> Row:
            key = work.model_number, number, work.protocol.name, repeat, place, item.number
            return verdict_row(*key, outcome, seconds, again=work.retry_final)

        await self._call(
            judge.spec.label, lambda: judge.judge(item, prediction, work.protocol), row
        )

    async def _call(
        self,
        who: str,
        call: Callable[[], Awaitable[Outcome]],
        row: Callable[[Outcome, float], Row],
    ) -> Outcome:
        # The slot is held until the row is on disk: after a kill, what has to be asked again is
        # at most what was in flight.
        async with self._slots:
            began = time.monotonic()
            outcome = await call()
            await self._writer.write(row(outcome, time.monotonic() - began))
        self._work.watch(who, outcome)
        return outcome


async def answer_of(model: Model, item: Item, audio: Audio | None) -> Response | Failure:
    """Ask a model; what it reasons before its answer is kept apart from the answer's text."""
    answer = await model.answer(item, audio)
    if isinstance(answer, Failure):
        return answer
    return without_reasoning(answer, model.spec.identity)


async def all_at_once(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all at once. The first exception ends the others and comes out as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as trouble:
        raise trouble.exceptions[0] from None


def stop_on_sigterm() -> None:
    """Treat what a cluster sends before it takes the machine away as Ctrl-C.

    Off the main thread nothing is done: there, signals are the business of whoever called us.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
