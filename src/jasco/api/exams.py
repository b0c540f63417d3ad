"""The exam of a judge, as an object."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jasco.api import arguments
from jasco.api.messages import Notify, log_message, named_as_in_python
from jasco.api.threads import run_in_thread
from jasco.backends.budget import Budget, read_limits
from jasco.data.dataset import DataSet
from jasco.errors import InputError
from jasco.evaluation.run_job import Stop
from jasco.judge_exam.examination import Exam, ExamResult, take_exam
from jasco.judges.judge import Judge
from jasco.metrics.exam_figures import CANARY, KNOWN, LABELLED, Part
from jasco.protocol.protocols import protocol_named
from jasco.reports.exam import render_exam, summarise_exam
from jasco.reports.spending import spending_line
from jasco.runs.exam_records import ExamStore
from jasco.runs.spending import Spending, open_budget


@dataclass(frozen=True, repr=False)
class ExamReport:
    """How a judge did in its exam; it prints as the output of ``jasco exam``.

    Attributes
    ----------
    judge : str
        The name of the judge.
    complete : bool
        Whether there is a verdict on every question.
    resumable : bool
        Whether the same call may obtain missing verdicts.
    known_answers : Part
        Questions made from the data set's own answers, whose verdicts are known.
    canaries : Part
        Answers that should score 0.
    labelled : Part or None
        Rows labelled by annotators; None without any.
    """

    judge: str
    complete: bool
    resumable: bool
    known_answers: Part
    canaries: Part
    labelled: Part | None
    _summary: Mapping[str, Any]

    @classmethod
    def of(cls, result: ExamResult) -> "ExamReport":
        """Return the report of an exam's result."""
        parts = result.parts
        return cls(
            judge=result.judge,
            complete=result.complete,
            resumable=result.left > 0,
            known_answers=parts[KNOWN],
            canaries=parts[CANARY],
            labelled=parts.get(LABELLED),
            _summary=summarise_exam(result),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what ``jasco exam --json`` prints, in its documented schema."""
        return dict(self._summary)

    def __str__(self) -> str:
        """Format the output of ``jasco exam``."""
        return render_exam(self.to_json())

    def __repr__(self) -> str:
        labelled = f", labelled={self.labelled.accuracy}" if self.labelled else ""
        known = self.known_answers.accuracy
        return f"ExamReport({self.judge!r}, known_answers={known}{labelled})"


@named_as_in_python()
def exam(
    judge: str | Judge,
    *,
    data: str | Path | DataSet,
    gold: str | Path | None = None,
    protocol: str | None = None,
    concurrency: int = 16,
    again: bool = False,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    price_in: float | Mapping[str, float] | None = None,
    price_out: float | Mapping[str, float] | None = None,
) -> ExamReport:
    """Examine a judge: ask it questions with known verdicts.

    Its verdicts are stored for the user, so that asking again costs nothing; the result is shown
    below every table with figures of that judge.

    Parameters
    ----------
    judge : str or Judge
        As on the command line: ``"openai/my-judge,base_url=..."``.
    data : str, Path or DataSet
        The data set whose clips the questions are about.
    gold : str, Path or None
        A CSV file of rows labelled by annotators.
    protocol : str or None
        ``"v2"``, the default, or ``"v1"``.
    concurrency : int
        Number of calls at once.
    again : bool
        Whether to ask every question again.
    max_calls, max_tokens, max_cost, price_in, price_out
        Limits and prices of this call, as of :func:`jasco.evaluate`.

    Returns
    -------
    ExamReport
        The result as far as the exam got.

    Raises
    ------
    InputError
        The data, the labels or the judge's spec are wrong.
    """
    judges = arguments.as_judges([judge])
    if len(judges) != 1:
        raise InputError("exam takes one judge: examine the judges of a panel one by one")
    arguments.check("gold", gold, gold is None or arguments.is_path(gold), "a file or None")
    prices = arguments.as_price_list(price_in, price_out)
    budget = open_budget(read_limits(max_calls, max_tokens, max_cost), prices, judges)
    data_set = arguments.as_data(data, log_message)
    settings: dict[str, Any] = {
        "gold": None if gold is None else Path(gold),
        "protocol": arguments.as_protocol(protocol),
        "concurrency": arguments.as_positive("concurrency", concurrency),
        "again": arguments.as_boolean("again", again),
    }
    return run_in_thread(
        lambda begun: examine(
            judges[0], budget, data=data_set, notify=log_message, begun=begun, **settings
        )
    )


def examine(
    judge: Judge,
    budget: Budget,
    *,
    data: DataSet,
    gold: Path | None,
    protocol: str | None,
    notify: Notify,
    begun: Callable[[Stop], None] = lambda _: None,
    **settings: Any,
) -> ExamReport:
    """Examine a judge within a budget; ``jasco exam`` prints the report.

    Parameters
    ----------
    judge, data, gold, protocol
        As of :func:`exam`.
    budget : Budget
        What may be spent.
    notify : callable
        Takes messages to the user.
    begun : callable
        Takes the function that stops the exam.
    **settings
        ``concurrency`` and ``again``, as of :func:`jasco.judge_exam.examination.take_exam`.
    """
    judge.budget = budget
    questions = Exam.about(data, protocol_named(protocol), judge, gold)
    if questions.labels and questions.labels.by_id:
        notify(f"{gold}: no column clip_sha; rows are matched by id, which may be wrong")
    with closing(ExamStore.of_user()) as store:
        result = take_exam(judge, questions, store, notify=notify, begun=begun, **settings)
        report = ExamReport.of(result)
        store.keep_result(judge.spec.identity, questions.labels_sha256, report.to_json())
    if line := spending_line(Spending(budget.spent, budget.prices)):
        notify(line)
    return report
