"""One command's work on one run: see that all fits, do what is missing, say how it went."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from jasco.backends.budget import (
    NO_LIMITS,
    NO_PRICES,
    Budget,
    BudgetReachedError,
    Limits,
    PriceList,
)
from jasco.backends.specs import identity_key
from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError, RunConflictError, count, one_line
from jasco.evaluation.judge_check import JudgeUnusableError, check_judges, refuse_unusable
from jasco.evaluation.preflight import State, is_due, refuse, refuse_unanswered, see, skipped
from jasco.evaluation.progress import Progress, counted
from jasco.evaluation.runner import SAMPLED, Work, repeats_of, run, stop_on_sigterm
from jasco.judges.judge import Judge
from jasco.models.model import Model
from jasco.protocol.clips import Clip, Item, items_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.protocols import PROTOCOLS, Protocol, protocol_named
from jasco.protocol.responses import Failure, Response
from jasco.runs.audio_manifest import audio_facts, audio_reader
from jasco.runs.commit_queue import Writer
from jasco.runs.exam_records import copy_exams
from jasco.runs.participants import is_single_prompt
from jasco.runs.spending import keep_spent, open_budget, spent_rows
from jasco.runs.store import (
    PREFLIGHT,
    AudioFacts,
    RunUnwritableError,
    Store,
    check_fact,
)


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
    preflight : bool
        Whether to see first that the model hears, and that each judge gives a verdict that can be
        read on a question with a known one.
    retry_final : bool
        Whether to ask again what a repeat is not expected to mend: unreadable verdicts, and
        failures such as a content filter's.
    limits : Limits
        What may be spent on the run in total, earlier commands included.
    prices : PriceList
        What tokens cost, where the user says so.

    Raises
    ------
    InputError
        Two judges have the same identity: one of them would be lost.
    """

    run: Path
    data: DataSet | None
    model: Model | None
    judges: Sequence[Judge]
    protocol: str | None = None
    limit: int | None = None
    concurrency: int = 16
    preflight: bool = True
    retry_final: bool = False
    limits: Limits = NO_LIMITS
    prices: PriceList = NO_PRICES

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for judge in self.judges:
            key = identity_key(judge.spec.identity)
            if key in seen:
                raise InputError(
                    f"judge {judge.spec.label} is given twice; label=NAME in its spec tells two "
                    "judges of one name apart"
                )
            seen.add(key)


Stop = Callable[[], object]
"""Ends what is going on, in good order; may be called from any thread."""


def evaluate(
    job: Job, notify: Callable[[str], None], begun: Callable[[Stop], None] = lambda _: None
) -> bool:
    """Do what is missing in a run.

    Parameters
    ----------
    job : Job
        What to do.
    notify : callable
        Is told, in one line each, what a user should know.
    begun : callable
        Is told how to stop it, before the first call is made.

    Returns
    -------
    bool
        Whether nothing is left that the same job could finish: what is missing still is final.

    Raises
    ------
    InputError
        Something in the user's hands is wrong: data, audio, a key, a model's name.
    RunConflictError
        The run holds something else, or another process writes to it.
    RunUnwritableError, ServerGoneError, BudgetReachedError
        It cannot go on; what was done is kept.
    AudioIgnoredError
        The model's answers do not depend on the audio.
    NoResponseError
        The model, or its server, refused all that it was asked first.
    JudgeUnusableError
        A judge, or its server, refused a first question, or its verdict could not be read.
    KeyboardInterrupt
        It was told to stop; what was done is kept.
    """
    if job.data is None:
        Store.to_read(job.run).close()  # do not make a run where there is none
    providers = [*job.judges, *([job.model] if job.model else ())]
    with Store.to_write(job.run, notify=notify) as store:
        budget = open_budget(store, job.limits, job.prices, providers)
        data = store.hold(job.data or store.data())
        if job.judges:
            store.hold_protocol(job.protocol or store.fact("protocol") or next(iter(PROTOCOLS)))
        protocol = protocol_named(store.fact("protocol") or next(iter(PROTOCOLS)))
        model_number = _hold_model(job, store)
        numbers = store.hold_judges([judge.spec for judge in job.judges])
        judges = dict(zip(numbers, job.judges, strict=True))
        for provider in providers:
            provider.folder = job.run
            provider.notify = notify
            provider.budget = budget
        keep_spent(store, budget)
        if job.model:
            spec = job.model.spec
            store.hold_source("models", model_number, spec.label, job.model.fingerprint())
            job.model.adaptations = {}
        for number, judge in judges.items():
            store.hold_source("judges", number, judge.spec.label, judge.fingerprint())
            judge.adaptations = {}
        if not store.has_answers():  # a run without answers may still cover fewer clips
            store.narrow(0)
        held = store.covered
        covered = clips_covered(job, data, held)
        clips = data.clips[:covered]
        if job.model and job.model.uses_audio:
            store.hold_audio(_listen(data, clips, notify))
        if job.limit and job.limit < covered == held:
            notify(
                f"--limit {job.limit} has no effect: {job.run} covers {count(covered, 'clip')} "
                "already; for fewer, take another --run"
            )
        store.widen(covered)
        try:
            asyncio.run(
                _run(job, store, data, clips, model_number, judges, protocol, budget, notify, begun)
            )
            return not _left(store, model_number, judges, protocol)
        except asyncio.CancelledError:  # SIGTERM, or the caller
            raise KeyboardInterrupt from None
        finally:
            with suppress(sqlite3.Error):  # a full disk must not hide what went wrong
                keep_spent(store, budget)
                copy_exams(
                    store, {n: judge.spec.identity for n, judge in judges.items()}, model_number
                )
                if job.model:
                    store.hold_adaptations("models", model_number, job.model.adaptations)
                for number, judge in judges.items():
                    store.hold_adaptations("judges", number, judge.adaptations)
                store.narrow(held or covered)


def _hold_model(job: Job, store: Store) -> int:
    if job.model:
        return store.hold_model(job.model.spec)
    if not store.models() or not store.covered:  # killed before it began, perhaps
        raise InputError(f"{job.run}: the run holds no answers to judge; see: jasco respond")
    return store.models()[0][0]


def clips_covered(job: Job, data: DataSet, covered: int) -> int:
    """Say how many clips a job is about, in a run that covers so many already."""
    if job.data is None and job.limit is None:
        return covered
    return max(covered, min(job.limit or len(data.clips), len(data.clips)))


def _listen(
    data: DataSet, clips: Sequence[Clip], notify: Callable[[str], None]
) -> dict[int, AudioFacts]:
    """Read every clip once before anything is spent on the first."""
    facts = audio_facts(data, counted(clips, "reading audio", "clip", notify))
    treated = sum(bool(each.conversions) for each in facts)
    if treated:
        notify(f"converted to 16 kHz mono PCM16: {treated} of {count(len(clips), 'clip')}")
    clipped = {clip.id: each.clipped for each, clip in zip(facts, clips, strict=True)}
    if number := sum(samples > 0 for samples in clipped.values()):
        most = max(clipped, key=lambda id_: clipped[id_])
        notify(
            f"clipped samples: {number} of {count(len(clips), 'clip')} (most: clip {most}, "
            f"{count(clipped[most], 'sample')})"
        )
    for warning in dict.fromkeys(warning for each in facts for warning in each.warnings):
        ids = [c.id for c, each in zip(clips, facts, strict=True) if warning in each.warnings]
        notify(
            f"{warning}: {len(ids)} of {count(len(clips), 'clip')} ({one_line(', '.join(ids), 80)})"
        )
    return dict(enumerate(facts))


async def _run(
    job: Job,
    store: Store,
    data: DataSet,
    clips: Sequence[Clip],
    model_number: int,
    judges: dict[int, Judge],
    protocol: Protocol,
    budget: Budget,
    notify: Callable[[str], None],
    begun: Callable[[Stop], None],
) -> None:
    stop_on_sigterm()
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    begun(lambda: loop.call_soon_threadsafe(task.cancel))
    served = {number: judge for number, judge in judges.items() if not judge.exclusive}
    _check_programs(job, store, model_number, judges, protocol)

    async with AsyncExitStack() as stack:
        writer = Writer(store, lambda: spent_rows(budget))
        stack.push_async_callback(writer.close)
        for number, judge in served.items():
            stack.push_async_callback(judge.close)
            await judge.prepare(data)
            _check_verdicts(store, clips, model_number, number, judge)
        await _check_judges(job, store, model_number, served, protocol, notify)
        with Progress(_calls(job, store, model_number, judges, protocol), notify) as progress:
            judging = Work(
                clips=clips,
                model_number=model_number,
                model=None,
                judges=served,
                protocol=protocol,
                read_audio=audio_reader(data, store.audio_files()),
                concurrency=job.concurrency,
                watch=progress.see,
                retry_final=job.retry_final,
                seconds=store.audio_seconds(),
            )
            model = _awaited(job, store, model_number)
            # A model on our own cores or GPU has them for itself: judging waits until it is done.
            together = model is not None and model.remote
            if model:
                work = replace(judging, model=model, judges=served if together else {})
                async with _prepared(model, data, store, clips, model_number, notify):
                    left = _unanswered(store, model_number, retry_final=job.retry_final)
                    if is_due(model, left, store.fact(PREFLIGHT)):
                        await _preflight(job, work, store, writer, progress, notify)
                    await run(work, writer)
            if served and not together:
                await run(judging, writer)
            alone = {number: judge for number, judge in judges.items() if judge.exclusive}
            await _judge_in_turn(job, replace(judging, judges=alone), data, store, writer, notify)


def _check_programs(
    job: Job,
    store: Store,
    model_number: int,
    judges: Mapping[int, Judge],
    protocol: Protocol,
) -> None:
    """See that the programs are there that will be started, before anything is asked or spent."""
    unanswered = _unanswered(store, model_number, retry_final=job.retry_final)
    answers_come = job.model is not None and unanswered > 0
    if job.model and answers_come:
        job.model.check()
    for number, judge in judges.items():
        retry = job.retry_final
        if answers_come or _unjudged(
            store, model_number, number, judge, protocol, retry_final=retry
        ):
            judge.check()


async def _preflight(
    job: Job,
    work: Work,
    store: Store,
    writer: Writer,
    progress: Progress,
    notify: Callable[[str], None],
) -> None:
    """See that the model hears; keep what was seen, or that nobody looked."""
    assert work.model is not None
    if not job.preflight:
        store.remember({PREFLIGHT: skipped(store.fact(PREFLIGHT))})
        return

    def watch(outcome: Response | Failure) -> None:
        progress.see_beforehand(outcome)
        writer.write_soon()  # what it took: there is no row to write it with

    finding = await see(work.model, work.clips, work.read_audio, work.concurrency, watch)
    await writer.finish()
    store.remember({PREFLIGHT: finding.as_json()})
    refuse_unanswered(work.model.spec.label, finding)
    refuse(work.model.spec.label, finding)
    if finding.state == State.INCONCLUSIVE:
        notify(f"preflight: {finding.reason}: nobody knows whether {work.model.spec.label} hears")


async def _check_judges(
    job: Job,
    store: Store,
    model_number: int,
    judges: Mapping[int, Judge],
    protocol: Protocol,
    notify: Callable[[str], None],
) -> None:
    """Ask judges that have given no readable verdict yet, and are to judge, a known question."""
    if not job.preflight:
        return
    retry = job.retry_final
    answers = _unanswered(store, model_number, retry_final=retry) if job.model else 0
    due = {
        number: judge
        for number, judge in judges.items()
        if judge.needs_check
        and not store.has_readable_verdict(number)
        and (answers or _unjudged(store, model_number, number, judge, protocol, retry_final=retry))
    }
    checks = await check_judges(due, protocol, job.concurrency)
    store.remember({check_fact(number): each.as_json() for number, each in checks.items()})
    refuse_unusable(checks.values())
    for each in checks.values():
        if remark := each.remark():
            notify(remark)


def _awaited(job: Job, store: Store, model_number: int) -> Model | None:
    """Give the model, but not one that would be loaded or served for nothing: all is answered."""
    costs_nothing = job.model is not None and job.model.remote and not job.model.launches_server
    left = _unanswered(store, model_number, retry_final=job.retry_final)
    return job.model if costs_nothing or left else None


def _check_verdicts(
    store: Store, clips: Sequence[Clip], model_number: int, number: int, judge: Judge
) -> None:
    """See that a judge whose verdicts lie in a file has not changed those that the run holds."""
    if type(judge).disowns is Judge.disowns:
        return
    verdicts = {(clip, n): each for clip, n, each in store.verdicts(model_number, number)}
    for clip, n, attempts in store.judge_texts(model_number, number):
        item = Item(clips[clip], n)
        written = attempts[0].get("text", "") if attempts else ""
        if judge.disowns(item, written, verdicts[clip, n]):
            raise RunConflictError(
                f"{store.folder}: clip {item.clip.id}, prompt {n}: the run holds another verdict "
                f"than {judge.spec.label} gives now; put the file back, or take another --run"
            )


@asynccontextmanager
async def _prepared(
    model: Model,
    data: DataSet,
    store: Store,
    clips: Sequence[Clip],
    model_number: int,
    notify: Callable[[str], None],
) -> AsyncIterator[None]:
    """Have a model ready that is the one of the run's answers; keep what it tells of itself."""
    if model.launches_server:
        if model.budget:
            model.budget.check(model.spec.label)
        notify(f"starting {model.spec.label}")
    try:
        await model.prepare(data)
        for place, clip in enumerate(clips):
            held = store.responses(model_number, place)
            for item in items_of(clip):
                answer = held.get(item.number)
                if isinstance(answer, Response) and model.disowns(item, answer.text):
                    raise RunConflictError(
                        f"{store.folder}: clip {clip.id}, prompt {item.number}: the run holds "
                        f"another answer than {model.spec.label} gives now; take another --run"
                    )
        if revision := model.facts.get("revision"):  # of the hub: its main branch moves on
            store.hold_source("models", model_number, model.spec.label, revision)
        store.hold_runtime(model.facts, model.max_audio_seconds)
        if model.max_audio_seconds and (longer := store.clips_longer_than(model.max_audio_seconds)):
            notify(
                f"{longer} of {count(store.covered, 'clip')} are longer than the "
                f"{model.max_audio_seconds:g} s that {model.spec.label} hears: it is asked "
                "about their beginning"
            )
        yield
    finally:
        await model.close()


async def _judge_in_turn(
    job: Job, work: Work, data: DataSet, store: Store, writer: Writer, notify: Callable[[str], None]
) -> None:
    """Let judges that take the machine for themselves judge, one after the other."""
    troubles: list[IncompleteError | JudgeUnusableError] = []
    for number, judge in work.judges.items():
        if not _is_needed(store, work, number, judge):
            continue
        if judge.budget:
            judge.budget.check(judge.spec.label)
        notify(f"starting {judge.spec.label}, which has the machine for itself")
        try:
            await judge.prepare(data)
            await _check_judges(
                job, store, work.model_number, {number: judge}, work.protocol, notify
            )
            await run(replace(work, judges={number: judge}), writer)
        except (RunUnwritableError, BudgetReachedError):
            raise
        except (IncompleteError, JudgeUnusableError) as trouble:  # the next judge may do better
            if isinstance(trouble, JudgeUnusableError) and len(work.judges) == 1:
                raise
            notify(one_line(trouble, 1000))
            troubles.append(trouble)
        finally:
            await writer.finish()  # what was cancelled may still be writing
            await judge.close()
    if troubles:
        told = (
            f"{len(troubles)} of {count(len(work.judges), 'judge')} did not get through; the same "
            "command goes on from here"
        )
        if refused := [each for each in troubles if isinstance(each, JudgeUnusableError)]:
            raise JudgeUnusableError(f"{told}: {'; '.join(map(str, refused))}")
        raise IncompleteError(told)


def _is_needed(store: Store, work: Work, number: int, judge: Judge) -> bool:
    """Whether there is anything to judge: a server is not started for nothing."""
    return (
        _unjudged(
            store, work.model_number, number, judge, work.protocol, retry_final=work.retry_final
        )
        > 0
    )


def _calls(
    job: Job,
    store: Store,
    model_number: int,
    judges: Mapping[int, Judge],
    protocol: Protocol,
) -> int:
    """Count the calls to make, if every item that is not answered yet will be."""
    retry = job.retry_final
    answers = _unanswered(store, model_number, retry_final=retry) if job.model else 0
    return answers * (1 + len(judges)) + sum(
        _unjudged(store, model_number, number, judge, protocol, retry_final=retry)
        for number, judge in judges.items()
    )


def _left(store: Store, model_number: int, judges: Mapping[int, Judge], protocol: Protocol) -> int:
    """Count the answers and verdicts that are missing and not known to stay so."""
    return _unanswered(store, model_number) + sum(
        _unjudged(store, model_number, number, judge, protocol) for number, judge in judges.items()
    )


def _unanswered(store: Store, model_number: int, *, retry_final: bool = False) -> int:
    [(*_, identity)] = [each for each in store.models() if each[0] == model_number]
    expected = store.covered * (1 if is_single_prompt(identity) else len(INSTRUCTIONS))
    final = 0 if retry_final else store.count_final(model_number)
    return expected - store.count_responses(model_number)[0] - final


def _unjudged(
    store: Store,
    model_number: int,
    number: int,
    judge: Judge,
    protocol: Protocol,
    *,
    retry_final: bool = False,
) -> int:
    return sum(
        store.count_unjudged(
            model_number,
            number,
            protocol.name,
            repeat,
            SAMPLED if repeat else 1,
            retry_final=retry_final,
        )
        for repeat in range(repeats_of(judge, 0))
    )
