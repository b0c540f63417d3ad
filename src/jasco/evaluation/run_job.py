"""Running a job: check that everything fits, do what is missing in a run, and save all work."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from jasco.backends.budget import BudgetReachedError
from jasco.errors import IncompleteError, RunConflictError, count, one_line
from jasco.evaluation.job import Job
from jasco.evaluation.judge_check import JudgeUnusableError, check_judges
from jasco.evaluation.kept_providers import KeptProviders, prepared
from jasco.evaluation.no_audio_check import check_no_audio
from jasco.evaluation.preflight import preflight
from jasco.evaluation.progress import Counts, Progress
from jasco.evaluation.runner import run, stop_on_sigterm
from jasco.evaluation.session import Judges, Session
from jasco.evaluation.signals import sigterm_interrupts
from jasco.judges.judge import Judge
from jasco.models.model import Model
from jasco.protocol.clips import items_of
from jasco.protocol.responses import Response
from jasco.runs.database import RunUnwritableError
from jasco.runs.reader import RunReader
from jasco.runs.writer import RunWriter

Stop = Callable[[], object]
"""Stops a job cleanly; may be called from any thread."""


def run_job(
    job: Job, notify: Callable[[str], None], begun: Callable[[Stop], None] = lambda _: None
) -> bool:
    """Do what is missing in a run that is not divided into shards.

    Parameters
    ----------
    job : Job
        What to do.
    notify : callable
        Takes each line that the user should read.
    begun : callable
        Takes the function that stops the job; called before the first call is made.

    Returns
    -------
    bool
        Whether nothing is left that the same job could finish: all missing outcomes are final.

    Raises
    ------
    InputError
        The user's input is wrong: data, audio, a key, a model's name.
    RunConflictError
        The run holds something else, or another process is writing to it.
    RunUnwritableError, ServerGoneError, BudgetReachedError
        The job cannot continue; completed work is saved.
    NoAudioRefusedError
        The condition gives no audio, and the model cannot be asked without it.
    AudioIgnoredError
        The model's responses do not depend on the audio.
    NoResponseError
        The model or its server refused every probe.
    JudgeUnusableError
        A judge or its server refused the known question, or its verdict was unreadable.
    KeyboardInterrupt
        The job was stopped; completed work is saved.
    """
    if job.data is None:
        RunReader.open(job.run).close()  # do not create a run
    with RunWriter.open(job.run, notify=notify) as store:
        return run_in_store(job, store, notify, begun)


def run_in_store(
    job: Job,
    store: RunWriter,
    notify: Callable[[str], None],
    begun: Callable[[Stop], None] = lambda _: None,
    *,
    watch: Callable[[Counts], None] | None = None,
    kept: KeptProviders | None = None,
) -> bool:
    """Do what is missing in an open run; parameters, return value and errors as :func:`run_job`.

    Parameters
    ----------
    job, notify, begun
        As in :func:`run_job`.
    store : RunWriter
        The run, open for writing.
    watch : callable or None
        Takes the counts after each call.
    kept : KeptProviders or None
        The model or judge that stays loaded for the next job.
    """
    if store.shards:
        raise RunConflictError(
            f"{store.folder}: the run is divided into {count(store.shards, 'shard')}"
        )
    job = kept.adopt(job) if kept else job
    session = Session(job, store, notify)
    store.widen(session.covered, session.samples)
    work = _run_session(session, begun, watch, kept)
    try:
        with sigterm_interrupts():
            if kept:
                kept.run(work)
            else:
                asyncio.run(work)
        return session.is_done()
    except asyncio.CancelledError:  # SIGTERM, or the caller
        raise KeyboardInterrupt from None
    finally:
        with suppress(sqlite3.Error):  # a full disk must not hide the original error
            session.close()


async def _run_session(
    session: Session,
    begun: Callable[[Stop], None],
    watch: Callable[[Counts], None] | None,
    kept: KeptProviders | None,
) -> None:
    stop_on_sigterm()
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    begun(lambda: loop.call_soon_threadsafe(task.cancel))
    _check_programs(session)
    judges = {number: judge for number, judge in session.judges.items() if not judge.exclusive}
    exclusive = {number: judge for number, judge in session.judges.items() if judge.exclusive}

    async with AsyncExitStack() as stack:
        stack.push_async_callback(session.writer.close)
        for number, judge in judges.items():
            await stack.enter_async_context(prepared(judge, session.data, kept))
            session.store.set_proxy(number, judge.proxy)
            _check_verdicts(session, number, judge)
        await check_judges(session, judges)
        with Progress(session.calls(), session.notify, watch=watch) as progress:
            model = session.job.model
            costs_nothing = model and model.remote and not model.launches_server
            if not costs_nothing and not session.missing_responses():
                model = None  # do not load or serve a model without questions
            # A model on this machine runs alone: judging waits until it has finished.
            together = model is not None and model.remote
            if model:
                async with _prepared(session, model, kept):
                    refusal = await check_no_audio(session, model)
                    if not refusal:
                        await preflight(session, model, progress)
                        await run(session, progress, model, judges if together else {})
                if refusal:  # the model stays prepared for the next job
                    raise refusal
            if judges and not together:
                await run(session, progress, None, judges)
            await _judge_in_turn(session, progress, exclusive, kept)


def _check_programs(session: Session) -> None:
    """Check that the programs to be started exist, before anything is asked or spent."""
    if session.job.model and session.missing_responses():
        session.job.model.check()
    for number, judge in session.judges.items():
        if session.needs_judge(number):
            judge.check()


def _check_verdicts(session: Session, number: int, judge: Judge) -> None:
    """Check that a judge that reads verdicts from a file has not changed those in the run."""
    if type(judge).disowns is Judge.disowns:
        return
    folder = session.store.folder
    judgements = session.store.judgements(session.model_number, number)
    for item in (item for clip in session.clips for item in items_of(clip)):
        texts, verdict = judgements.get((item.clip.id, item.number), ([], None))
        if verdict and judge.disowns(item, texts[0] if texts else "", verdict):
            raise RunConflictError(
                f"{folder}: clip {item.clip.id}, instruction {item.number}: the verdict in the "
                f"run differs from the one that {judge.spec.label} gives now; restore the file, or "
                "use a different --run"
            )


@asynccontextmanager
async def _prepared(
    session: Session, model: Model, kept: KeptProviders | None
) -> AsyncIterator[None]:
    """Prepare a model, check that the run's responses are its own, and record its runtime."""
    store, label = session.store, model.spec.label
    if model.launches_server:
        session.budget.check(label)
        session.notify(f"starting {label}")
    async with prepared(model, session.data, kept):
        for place, clip in zip(session.places, session.clips, strict=True):
            responses = store.responses(session.model_number, place)
            for item in items_of(clip, session.instructions):
                response = responses.get(item.number)
                if isinstance(response, Response) and model.disowns(item, response.text):
                    raise RunConflictError(
                        f"{store.folder}: clip {clip.id}, instruction {item.number}: the answer in "
                        f"the run differs from the one that {label} gives now; use a different "
                        "--run"
                    )
        if revision := model.facts.get("revision"):  # of the hub, whose main branch may change
            store.set_source("models", session.model_number, label, revision)
        if session.samples > 1 and model.greedy:
            session.notify(
                f"{label}: decoding is greedy (temperature 0): the {session.samples} answers to "
                "each item will be nearly identical"
            )
        if model.batch_size > session.job.concurrency:
            session.notify(
                f"{label}: batches of {model.batch_size} questions are not filled with "
                f"--concurrency {session.job.concurrency}; use --concurrency {2 * model.batch_size}"
            )
        store.add_runtime(model.facts, model.max_audio_seconds)
        if model.max_audio_seconds and (
            longer := store.count_longer_clips(model.max_audio_seconds)
        ):
            session.notify(
                f"clips longer than {model.max_audio_seconds:g} s: {longer} of "
                f"{len(session.clips)}; {label} uses only their beginning"
            )
        yield


async def _judge_in_turn(
    session: Session, progress: Progress, judges: Judges, kept: KeptProviders | None
) -> None:
    """Run judges that need this machine alone, one after the other."""
    errors: list[IncompleteError | JudgeUnusableError] = []
    for number, judge in judges.items():
        if not session.remaining.verdicts({number: judge}):  # start no server without need
            continue
        session.budget.check(judge.spec.label)
        session.notify(f"starting {judge.spec.label}, which runs alone on this machine")
        try:
            async with prepared(judge, session.data, kept):
                session.store.set_proxy(number, judge.proxy)
                await check_judges(session, {number: judge})
                try:
                    await run(session, progress, None, {number: judge})
                finally:
                    await session.writer.finish()  # cancelled tasks may still be writing
        except (RunUnwritableError, BudgetReachedError):
            raise
        except (IncompleteError, JudgeUnusableError) as error:  # the next judge may succeed
            if isinstance(error, JudgeUnusableError) and len(judges) == 1:
                raise
            session.notify(one_line(error, 1000))
            errors.append(error)
    if errors:
        failed = f"{len(errors)} of {count(len(judges), 'judge')}"
        again = "run the same command again to resume"
        if unusable := [str(error) for error in errors if isinstance(error, JudgeUnusableError)]:
            raise JudgeUnusableError(f"{failed} failed: {'; '.join(unusable)}; {again}")
        raise IncompleteError(f"{failed} failed; {again}")
