"""One command's work on one run: see that all fits, do what is missing, say how it went."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from jasco.benchmark.clips import Clip, items_of
from jasco.benchmark.dataset import DataSet
from jasco.benchmark.errors import InputError, whole_text
from jasco.benchmark.instructions import INSTRUCTIONS
from jasco.benchmark.protocols import PROTOCOLS, protocol_named
from jasco.benchmark.responses import Failure, Response
from jasco.evaluation.runner import Work, run
from jasco.evaluation.store import AudioFacts, RunRefused, Store
from jasco.evaluation.writer import Writer
from jasco.judges.judge import Judge, Judgement
from jasco.models.model import Model
from jasco.providers.audio import Audio, file_sha256, read_audio

DEFAULT_CONCURRENCY = 16


@dataclass(frozen=True)
class Job:
    """What a command asks for.

    Attributes
    ----------
    run : pathlib.Path
        The run's folder.
    data : DataSet or None
        None takes the run's own.
    model : Model or None
        None judges the answers that the run holds.
    judges : sequence of Judge
        None at all only answers.
    protocol : str or None
        None takes the run's own, or the default.
    limit : int or None
        The first so many clips; None takes all that the data set (or, without one, the run) has.
    concurrency : int
        Calls in flight at once.
    """

    run: Path
    data: DataSet | None
    model: Model | None
    judges: Sequence[Judge]
    protocol: str | None = None
    limit: int | None = None
    concurrency: int = DEFAULT_CONCURRENCY


def evaluate(job: Job, say: Callable[[str], None]) -> None:
    """Do what is missing in a run.

    Parameters
    ----------
    job : Job
        What to do.
    say : callable
        Is told, in one line each, what a user should know.

    Raises
    ------
    InputError
        Something in the user's hands is wrong: data, audio, a key, a model's name.
    RunRefused
        The run holds something else, or another process writes to it.
    RunUnwritable, ServerGone
        It cannot go on; what was done is kept.
    KeyboardInterrupt
        It was told to stop; what was done is kept.
    """
    if job.data is None:
        Store.to_read(job.run).close()  # do not make a run where there is none
    with Store.to_write(job.run) as store:
        data = job.data or store.data()
        store.hold(data)
        if job.judges:
            store.hold_protocol(job.protocol or store.fact("protocol") or next(iter(PROTOCOLS)))
        model_number = _hold_model(job, store)
        numbers = store.hold_judges([judge.spec for judge in job.judges])
        judges = dict(zip(numbers, job.judges, strict=True))
        covered = _cover(job, data, store)
        clips = data.clips[:covered]
        if job.model and job.model.HEARS:
            store.hold_audio(_listen(data, clips, say))
        store.widen(covered)
        try:
            asyncio.run(_run(job, store, data, clips, model_number, judges))
        except asyncio.CancelledError:  # SIGTERM
            raise KeyboardInterrupt from None


def _hold_model(job: Job, store: Store) -> int:
    if job.model:
        return store.hold_model(job.model.spec)
    if not store.models():
        raise InputError(f"{job.run}: the run holds no answers to judge; see: jasco respond")
    return store.models()[0][0]


def _cover(job: Job, data: DataSet, store: Store) -> int:
    if job.data is None and job.limit is None:
        return store.covered
    return max(store.covered, min(job.limit or len(data.clips), len(data.clips)))


def _listen(
    data: DataSet, clips: Sequence[Clip], say: Callable[[str], None]
) -> dict[int, AudioFacts]:
    """Read every clip once before anything is spent on the first."""
    facts = {}
    for place, clip in enumerate(tqdm(clips, "reading audio", disable=None, leave=False)):
        path = _audio_path(data, clip)
        audio = read_audio(path)
        facts[place] = AudioFacts(
            whole_text(str(path.absolute())), file_sha256(path), audio.seconds, audio.treatments
        )
    treated = sum(bool(each.treatments) for each in facts.values())
    if treated:
        say(f"{treated} of {len(clips)} clips were not 16 kHz mono PCM16 and are converted")
    return facts


def _audio_path(data: DataSet, clip: Clip) -> Path:
    path = data.audio_path(clip)
    if path is None:
        raise InputError(f"the data set {data.name} comes without audio; give --data a folder")
    return path


async def _run(
    job: Job,
    store: Store,
    data: DataSet,
    clips: Sequence[Clip],
    model_number: int,
    judges: dict[int, Judge],
) -> None:
    _stop_on_sigterm()
    protocol = protocol_named(store.fact("protocol") or next(iter(PROTOCOLS)))

    def hear(clip: Clip) -> Audio:
        return read_audio(_audio_path(data, clip))

    async with AsyncExitStack() as stack:
        writer = Writer(store)
        stack.push_async_callback(writer.close)
        for judge in judges.values():
            stack.push_async_callback(judge.close)
            await judge.prepare(data)
        with _Progress(_calls(job, store, len(clips), model_number, judges)) as progress:

            async def go(model: Model | None, judges: dict[int, Judge]) -> None:
                work = Work(
                    clips,
                    model_number,
                    model,
                    judges,
                    protocol,
                    hear,
                    job.concurrency,
                    progress.see,
                )
                await run(work, writer)

            if job.model is None:
                await go(None, judges)
                return
            async with _prepared(job.model, data, store, clips, model_number):
                # A model on our own cores or GPU has them for itself: judging waits.
                await go(job.model, judges if job.model.SERVED else {})
            if judges and not job.model.SERVED:
                await go(None, judges)


@asynccontextmanager
async def _prepared(
    model: Model, data: DataSet, store: Store, clips: Sequence[Clip], model_number: int
) -> AsyncIterator[None]:
    try:
        await model.prepare(data)
        for place, clip in enumerate(clips):
            held = store.responses(model_number, place)
            for item in items_of(clip):
                answer = held.get(item.number)
                if isinstance(answer, Response) and model.disowns(item, answer.text):
                    raise RunRefused(
                        f"{store.folder}: clip {clip.id}, prompt {item.number}: the run holds "
                        f"another answer than {model.spec.label} gives now; take another --run"
                    )
        yield
    finally:
        await model.close()


def _stop_on_sigterm() -> None:
    # What a cluster sends before it takes the machine away; handled as Ctrl-C is.
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _calls(job: Job, store: Store, clips: int, model_number: int, judges: Iterable[int]) -> int:
    """Count what is left to do."""
    expected = clips * len(INSTRUCTIONS)
    answers = expected - store.count_responses(model_number)[0] if job.model else 0
    return answers + sum(expected - store.count_verdicts(model_number, j)[0] for j in judges)


class _Progress:
    """A bar on the terminal: rate, failures, time left."""

    def __init__(self, calls: int) -> None:
        self._failed = 0
        self._unreadable = 0
        self._bar = tqdm(total=calls, unit="call", disable=None, smoothing=0.05, dynamic_ncols=True)

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def see(self, outcome: Response | Judgement | Failure) -> None:
        if isinstance(outcome, Failure):
            self._failed += 1
        elif isinstance(outcome, Judgement) and not outcome.verdict.readable:
            self._unreadable += 1
        if self._failed or self._unreadable:
            self._bar.set_postfix_str(
                f"{self._failed} failed, {self._unreadable} unreadable", refresh=False
            )
        self._bar.update()
