"""Examining a judge: the exam, asking what is missing, and the result."""

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
    """The questions to a judge.

    Attributes
    ----------
    data : DataSet
        The data set whose clips the questions are about.
    protocol : Protocol
        How the judge is prompted.
    questions : tuple of ExamQuestion
        Known answers, canaries, labelled rows.
    labels : LabelledRows or None
        The labelled rows.
    labels_sha256 : str
        Hash of their file; empty without one.
    trained_on : int
        Labelled rows left out because the judge was trained on their clips.
    """

    data: DataSet
    protocol: Protocol
    questions: tuple[ExamQuestion, ...]
    labels: LabelledRows | None = None
    labels_sha256: str = ""
    trained_on: int = 0

    @classmethod
    def about(cls, data: DataSet, protocol: Protocol, judge: Judge, gold: Path | None) -> Self:
        """Make the questions (``InputError`` where the labelled rows cannot be used)."""
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
        Its label.
    identity : mapping
        What may change its verdicts.
    exam : Exam
        The questions.
    parts : mapping of str to Part
        By kind of question.
    failed : sequence of Failure
        Calls that failed in this session.
    seconds, tokens : float or None
        Of a verdict, on average.
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
    notify: Callable[[str], None],
    *,
    again: bool = False,
    begun: Callable[[Callable[[], object]], None] = lambda _: None,
) -> ExamResult:
    """Ask what has no verdict yet, and return the result of the exam as far as it was taken.

    Parameters
    ----------
    notify : callable
        Takes lines about the progress, and about what ended the exam early.
    again : bool
        Whether to ask every question again.
    begun : callable
        Takes the function that stops the exam, before the first call is made.

    Raises
    ------
    InputError
        The judge cannot be asked; what was done is kept.
    KeyboardInterrupt
        It was interrupted; what was done is kept.
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
        # Where another model is served than before, the verdicts of that one are not its exam.
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
    """Hash the prompt of a question, word for word."""
    prompt = exam.protocol.judge_prompt(question.item, question.answer)
    return hashlib.sha256(f"{exam.protocol.name}\n{prompt}".encode()).hexdigest()
