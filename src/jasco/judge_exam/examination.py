"""Examining a judge: the exam, asking what is missing, and the result."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from jasco.data.dataset import DataSet
from jasco.evaluation.progress import Progress
from jasco.evaluation.runner import all_at_once, stop_on_sigterm
from jasco.judge_exam.questions import Labels, canaries, known_answers, read_labels
from jasco.judges.judge import Judge
from jasco.metrics.exam import CANARY, KNOWN, LABELLED, Part, Question, mark
from jasco.protocol.clips import annotations_sha256
from jasco.protocol.protocols import Protocol
from jasco.protocol.responses import Failure, served_name
from jasco.protocol.verdicts import Verdict
from jasco.runs.exam_records import ExamStore


@dataclass(frozen=True)
class Exam:
    """What a judge is asked.

    Attributes
    ----------
    data : DataSet
        Whose clips it is about.
    protocol : Protocol
        How it is asked.
    questions : tuple of Question
        Known answers, canaries, labelled rows.
    labels : Labels or None
        What was read from the labelled rows' file.
    labels_sha256 : str
        Hash of that file; empty without one.
    trained_on : int
        Labelled rows left out because the judge was trained on their clips.
    """

    data: DataSet
    protocol: Protocol
    questions: tuple[Question, ...]
    labels: Labels | None = None
    labels_sha256: str = ""
    trained_on: int = 0

    @classmethod
    def about(cls, data: DataSet, protocol: Protocol, judge: Judge, gold: Path | None) -> Self:
        """Put the questions together (``InputError`` where the labelled rows are no good)."""
        clips = data.clips
        asked = [*known_answers(clips), *canaries(clips)]
        if gold is None:
            return cls(data, protocol, tuple(asked))
        labels = read_labels(gold, clips)
        new = [q for q in labels.questions if not judge.trained_on(q.item.clip)]
        return cls(
            data,
            protocol,
            (*asked, *new),
            labels,
            hashlib.sha256(gold.read_bytes()).hexdigest(),
            len(labels.questions) - len(new),
        )


@dataclass(frozen=True)
class ExamResult:
    """How a judge did.

    Attributes
    ----------
    judge : str
        Its label.
    identity : mapping
        What may change its verdicts.
    exam : Exam
        What it was asked.
    parts : mapping of str to Part
        By kind of question.
    failed : sequence of Failure
        Calls that failed in this session.
    seconds, tokens : float or None
        A verdict's, on average.
    served : tuple of str
        What its server called it.
    """

    judge: str
    identity: Mapping[str, Any]
    exam: Exam
    parts: Mapping[str, Part]
    failed: Sequence[Failure] = ()
    seconds: float | None = None
    tokens: float | None = None
    served: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether there is a verdict on every question."""
        return all(part.judged == part.asked for part in self.parts.values())

    @property
    def left(self) -> int:
        """How many questions a repeat may still bring a verdict on."""
        missing = sum(part.asked - part.judged for part in self.parts.values())
        return max(0, missing - sum(failure.final for failure in self.failed))


def take_exam(
    judge: Judge,
    exam: Exam,
    store: ExamStore,
    concurrency: int,
    failed: list[Failure],
    *,
    again: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> None:
    """Ask what was not answered yet; failures are counted in ``failed``.

    Parameters
    ----------
    again : bool
        Whether to ask everything anew, whatever is known.
    notify : callable
        Takes lines about the progress.

    Raises
    ------
    InputError, ServerGoneError, RunUnwritableError
        Going on is pointless; what was done is kept.
    KeyboardInterrupt
        It was told to stop; what was done is kept.
    """
    try:
        asyncio.run(_take(judge, exam, store, concurrency, failed, again=again, notify=notify))
    except asyncio.CancelledError:  # SIGTERM
        raise KeyboardInterrupt from None


def exam_result(
    judge: Judge, exam: Exam, store: ExamStore, failed: Sequence[Failure]
) -> ExamResult:
    """Mark an exam as far as it was taken."""
    verdicts = store.verdicts(judge.spec.identity)
    parts = {}
    for kind in (KNOWN, CANARY, LABELLED):
        asked = [question for question in exam.questions if question.kind == kind]
        if exam.labels or kind != LABELLED:
            parts[kind] = mark(asked, [verdicts.get(_asked(each, exam)) for each in asked])
    seconds, tokens = store.cost(judge.spec.identity)
    served = tuple(filter(None, [served_name(store.served(judge.spec.identity))]))
    return ExamResult(
        judge.spec.label, judge.spec.identity, exam, parts, failed, seconds, tokens, served
    )


def keep_result(judge: Judge, exam: Exam, store: ExamStore, result: Mapping[str, Any]) -> None:
    """Keep an exam's result, as it is shown."""
    annotations = annotations_sha256(exam.data.clips)
    store.keep_result(
        judge.spec.identity, exam.protocol.name, annotations, exam.labels_sha256, result
    )


async def _take(
    judge: Judge,
    exam: Exam,
    store: ExamStore,
    concurrency: int,
    failed: list[Failure],
    *,
    again: bool,
    notify: Callable[[str], None],
) -> None:
    stop_on_sigterm()
    asked_about = {_asked(each, exam): each for each in exam.questions}

    def not_in(held: Mapping[str, Verdict]) -> dict[str, Question]:
        return {asked: each for asked, each in asked_about.items() if asked not in held}

    missing = not_in({} if again else store.verdicts(judge.spec.identity))
    served = store.served(judge.spec.identity)
    slots = asyncio.Semaphore(concurrency)

    async def ask(asked: str, question: Question, watch: Callable[[Any], None]) -> None:
        async with slots:
            began = asyncio.get_running_loop().time()
            outcome = await judge.judge(question.item, question.answer, exam.protocol)
            seconds = asyncio.get_running_loop().time() - began
        if isinstance(outcome, Failure):
            failed.append(outcome)
        else:
            store.keep(judge.spec.identity, asked, outcome, seconds)
        watch(outcome)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(judge.close)
        if missing:
            judge.check()
            await judge.prepare(exam.data)
            with Progress(len(missing), notify) as progress:
                watch = partial(progress.see, judge.spec.label)
                await all_at_once(ask(*each, watch) for each in missing.items())
            # Another model is served than before: what the one before said is not its exam.
            held = store.verdicts(judge.spec.identity)
            if store.served(judge.spec.identity) != served and (left := not_in(held)):
                failed.clear()
                with Progress(len(left), notify) as progress:
                    watch = partial(progress.see, judge.spec.label)
                    await all_at_once(ask(*each, watch) for each in left.items())


def _asked(question: Question, exam: Exam) -> str:
    """Hash what a judge is asked, word for word."""
    prompt = exam.protocol.judge_prompt(question.item, question.answer)
    return hashlib.sha256(f"{exam.protocol.name}\n{prompt}".encode()).hexdigest()
