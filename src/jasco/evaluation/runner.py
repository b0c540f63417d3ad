"""Calls to the model and the judges: many at a time, each outcome committed immediately.

A few workers process the clips in order. For each clip, they ask its items together, and a response
goes to the judges once it is committed; what the run already holds is not requested again.
Memory therefore does not grow with the number of clips, and a run can stop at any point.
"""

import asyncio
import math
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from jasco.data.audio import Audio
from jasco.evaluation.progress import Progress
from jasco.evaluation.session import Judges, Session, repeats_of
from jasco.judges.judge import Judge
from jasco.models.model import Model
from jasco.protocol.clips import Clip, Item
from jasco.protocol.reasoning import without_reasoning
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Judgement
from jasco.runs.schema import Row, response_row, verdict_row

Outcome = TypeVar("Outcome", Response | Failure, Judgement | Failure)


async def run(session: Session, progress: Progress, model: Model | None, judges: Judges) -> None:
    """Request the responses and verdicts that are missing or failed.

    Parameters
    ----------
    session : Session
        The job and its run.
    progress : Progress
        Counts the calls.
    model : Model or None
        Responds to the items without a response; None skips them.
    judges : mapping of int to Judge
        By number in the run; they judge the responses without a verdict.

    Raises
    ------
    InputError, ServerGoneError, RunUnwritableError
        The job cannot continue; completed work is saved.
    """
    runner = _Runner(session, progress, model, judges)
    clips = iter(zip(session.places, session.clips, strict=True))
    # Twice as many open items as allowed calls keep the slots full and limit the memory.
    workers = min(max(2, session.job.concurrency // 4), len(session.clips))
    await all_at_once(runner.go_through(clips) for _ in range(workers))


class Capacity:
    """A semaphore for amounts: the sum of what tasks hold stays within a total.

    A task that needs more than the total waits until no other task holds anything.

    Parameters
    ----------
    total : int
        The largest sum, in any unit.
    """

    def __init__(self, total: int) -> None:
        self._free = self._total = total
        self._released = asyncio.Event()

    @asynccontextmanager
    async def hold(self, amount: int) -> AsyncIterator[None]:
        """Wait until an amount is free, and hold it until the block ends."""
        amount = min(amount, self._total)
        while amount > self._free:
            await self._released.wait()
        self._free -= amount
        try:
            yield
        finally:
            self._free += amount
            self._released.set()
            self._released = asyncio.Event()


# One second of audio, with the request that carries it, takes about 0.2 MB of memory.
_SECONDS, _SECONDS_PER_CALL = 1_800, 30


class _Runner:
    def __init__(
        self, session: Session, progress: Progress, model: Model | None, judges: Judges
    ) -> None:
        self._session, self._progress = session, progress
        self._model, self._judges = model, judges
        self._retry_final = session.job.retry_final
        self._slots = asyncio.Semaphore(session.job.concurrency)
        # Clips of usual lengths never wait for these; they limit the very long clips in memory.
        seconds = max(_SECONDS, _SECONDS_PER_CALL * session.job.concurrency)
        self._clips, self._requests = Capacity(seconds), Capacity(seconds)

    async def go_through(self, clips: Iterator[tuple[int, Clip]]) -> None:
        for place, clip in clips:
            await self._do_clip(place, clip)

    async def _do_clip(self, place: int, clip: Clip) -> None:
        session = self._session
        store, model_number, protocol = session.store, session.model_number, session.protocol.name
        responses = [
            await session.writer.read(store.responses, model_number, place, sample)
            for sample in range(session.samples)
        ]
        judged = [
            await session.writer.read(
                store.judged, model_number, protocol, place, sample, retry_final=self._retry_final
            )
            for sample in range(session.samples)
        ]
        items = {item: responses[item.sample].get(item.number) for item in session.items(clip)}
        missing = any(map(self._is_missing, items.values()))
        needs_audio = bool(self._model and session.uses_audio and missing)
        seconds = session.audio[clip.id].seconds if needs_audio else 0
        async with self._clips.hold(math.ceil(seconds)):
            audio = await asyncio.to_thread(session.read_audio, clip) if needs_audio else None
            await all_at_once(
                self._do_item(place, item, audio, response, judged[item.sample])
                for item, response in items.items()
            )

    async def _do_item(
        self,
        place: int,
        item: Item,
        audio: Audio | None,
        response: Response | Failure | None,
        judged: set[tuple[int, int, int]],
    ) -> None:
        if self._model and self._is_missing(response):
            model = self._model
            number = self._session.model_number
            row = partial(response_row, number, place, item.number, sample=item.sample)
            async with self._requests.hold(math.ceil(audio.seconds) if audio else 0):
                response = await self._call(
                    model.spec.label,
                    lambda: response_of(model, self._session.asked(item), audio),
                    row,
                )
        if isinstance(response, Response):
            await all_at_once(
                self._judge(number, judge, repeat, place, item, response.text)
                for number, judge in self._judges.items()
                for repeat in range(repeats_of(judge, place))
                if (number, item.number, repeat) not in judged
            )

    def _is_missing(self, response: Response | Failure | None) -> bool:
        if isinstance(response, Failure):
            return self._retry_final or not response.final
        return response is None

    async def _judge(
        self, number: int, judge: Judge, repeat: int, place: int, item: Item, response: str
    ) -> None:
        protocol = self._session.protocol
        key = self._session.model_number, number, protocol.name, repeat, place, item.number
        row = partial(verdict_row, *key, sample=item.sample, again=self._retry_final)
        await self._call(judge.spec.label, lambda: judge.judge(item, response, protocol), row)

    async def _call(
        self,
        label: str,
        call: Callable[[], Awaitable[Outcome]],
        row: Callable[[Outcome, float], Row],
    ) -> Outcome:
        # The slot is held until the row is on disk: after a kill, only calls that were in flight
        # have to be repeated.
        async with self._slots:
            began = time.monotonic()
            outcome = await call()
            await self._session.writer.write(row(outcome, time.monotonic() - began))
        self._progress.count(label, outcome)
        return outcome


async def response_of(model: Model, item: Item, audio: Audio | None) -> Response | Failure:
    """Ask a model, and separate its reasoning from the text of its response."""
    response = await model.answer(item, audio)
    if isinstance(response, Failure):
        return response
    return without_reasoning(response, model.spec.identity)


async def all_at_once(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines concurrently; the first exception cancels the rest and is raised unchanged."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in coroutines:
                group.create_task(coroutine)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def stop_on_sigterm() -> None:
    """Treat SIGTERM, which a cluster sends before it ends a job, like Ctrl-C.

    Outside the main thread, nothing is done: signals are handled by the caller there.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def stop() -> None:
        # Slurm sends the signal twice: the second one must not interrupt the saving, nor end the
        # process when the loop is closed, which resets the signals that it handles.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, stop)
