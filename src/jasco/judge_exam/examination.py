"""Examination of a judge: the exam, the calls for missing verdicts, and the result."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, one_line
from jasco.evaluation.progress import Progress
from jasco.evaluation.runner import all_at_once, stop_on_sigterm
from jasco.judge_exam.questions import LabelledRows, canaries, known_answers, read_labels
from jasco.judges.judge import Judge
from jasco.metrics.exam_figures import CANARY, KNOWN, LABELLED, ExamQuestion, Part, grade
from jasco.protocol.protocols import Protocol
from jasco.protocol.responses import Failure, served_name
from jasco.runs.exam_records import ExamStore


@dataclass(frozen=True)
class Exam:
    """The questions that a judge is asked.

    Attributes
    ----------
    data : DataSet
        Data set of the clips that the questions are about.
    protocol : Protocol
        How the judge is prompted.
    questions : tuple of ExamQuestion
        Known answers, canaries, labelled rows.
    labels : LabelledRows or None
        The labelled rows; None if there is no file of them.
    labels_sha256 : str
        Hash of that file; empty if there is none.
    trained_on : int
        Number of labelled rows left out because the judge was trained on their clips.
    """

    data: DataSet
    protocol: Protocol
    questions: tuple[ExamQuestion, ...]
    labels: LabelledRows | None = None
    labels_sha256: str = ""
    trained_on: int = 0

    @classmethod
    def about(cls, data: DataSet, protocol: Protocol, judge: Judge, gold: Path | None) -> Self:
        """Return the exam for a judge (``InputError`` if the labelled rows cannot be used)."""
        questions = [*known_answers(data.clips), *canaries(data.clips)]
        if gold is None:
            return cls(data, protocol, tuple(questions))
        labels = read_labels(gold, data.clips)
        new = [q for q in labels.questions if not judge.trained_on(q.item.clip)]
        sha256 = hashlib.sha256(gold.read_bytes()).hexdigest()
        trained_on = len(labels.questions) - len(new)
        return cls(data, protocol, (*questions, *new), labels, sha256, trained_on)


@dataclass(frozen=True)
class ExamResult:
    """The result of a judge's exam.

    Attributes
    ----------
    judge : str
        Label of the judge.
    identity : mapping
        Its name and all options that may change its verdicts.
    exam : Exam
        The questions.
    parts : mapping of str to Part
        Results by kind of question.
    failed : sequence of Failure
        Failed calls of the current command.
    seconds, tokens : float or None
        Average per verdict; None if unknown.
    served : tuple of str
        Model names that its server reported.
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
        """Whether every question has a verdict."""
        return all(part.judged == part.asked for part in self.parts.values())

    @property
    def left(self) -> int:
        """Number of questions that may still get a verdict if the exam is repeated."""
        missing = sum(part.asked - part.judged for part in self.parts.values())
        return max(0, missing - sum(failure.final for failure in self.failed))


def take_exam(
    judge: Judge,
    exam: Exam,
    store: ExamStore,
    concurrency: int,
    notify: Callable[[str], None],
    *,
    again: bool = False,
    begun: Callable[[Callable[[], object]], None] = lambda _: None,
) -> ExamResult:
    """Ask the questions that have no verdict yet, and return the result so far.

    Parameters
    ----------
    notify : callable
        Called with lines about the progress, and with the reason if the exam ends early.
    again : bool
        Whether to ask all questions again.
    begun : callable
        Called with the function that stops the exam, before the first call is made.

    Raises
    ------
    InputError
        The judge cannot be called; completed work is saved.
    KeyboardInterrupt
        The exam was interrupted; completed work is saved.
    """
    identity = judge.spec.identity
    questions = {_prompt_hash(question, exam): question for question in exam.questions}
    slots = asyncio.Semaphore(concurrency)
    failed: list[Failure] = []

    async def ask(prompt_hash: str, progress: Progress) -> None:
        question = questions[prompt_hash]
        async with slots:
            began = time.monotonic()
            outcome = await judge.judge(question.item, question.answer, exam.protocol)
            seconds = time.monotonic() - began
        if isinstance(outcome, Failure):
            failed.append(outcome)
        else:
            store.keep(identity, prompt_hash, outcome, seconds)
        progress.count(judge.spec.label, outcome)

    async def ask_all() -> None:
        stop_on_sigterm()
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        begun(lambda: loop.call_soon_threadsafe(task.cancel))
        verdicts = {} if again else store.verdicts(identity)
        missing = questions.keys() - verdicts.keys()
        if not missing:
            return
        judge.check()
        await judge.prepare(exam.data)
        # If the server now reports another model, earlier verdicts do not count: ask once more.
        for _ in range(2):
            failed.clear()
            served = store.served(identity)
            with Progress(len(missing), notify) as progress:
                await all_at_once(ask(key, progress) for key in questions if key in missing)
            missing = questions.keys() - store.verdicts(identity).keys()
            if store.served(identity) == served or not missing:
                return

    async def ask_and_close() -> None:
        try:
            await ask_all()
        finally:
            await judge.close()

    try:
        asyncio.run(ask_and_close())
    except asyncio.CancelledError:  # SIGTERM
        raise KeyboardInterrupt from None
    except IncompleteError as error:
        notify(one_line(error, 1000))
    return _result(judge, exam, store, failed)


def _result(judge: Judge, exam: Exam, store: ExamStore, failed: Sequence[Failure]) -> ExamResult:
    identity = judge.spec.identity
    verdicts = store.verdicts(identity)
    parts = {}
    for kind in (KNOWN, CANARY, LABELLED):
        questions = [question for question in exam.questions if question.kind == kind]
        if exam.labels or kind != LABELLED:
            verdicts_given = [verdicts.get(_prompt_hash(question, exam)) for question in questions]
            parts[kind] = grade(questions, verdicts_given)
    served = tuple(filter(None, [served_name(store.served(identity))]))
    return ExamResult(
        judge.spec.label, identity, exam, parts, failed, *store.cost(identity), served
    )


def _prompt_hash(question: ExamQuestion, exam: Exam) -> str:
    """Return a hash of the exact prompt of a question."""
    prompt = exam.protocol.judge_prompt(question.item, question.answer)
    return hashlib.sha256(f"{exam.protocol.name}\n{prompt}".encode()).hexdigest()
