"""Exams of judges."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jasco.api import arguments, conversions
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
    """The result of a judge's exam; ``print`` shows the output of ``jasco exam``.

    Attributes
    ----------
    judge : str
        The name of the judge.
    complete : bool
        Whether every question has a verdict.
    resumable : bool
        Whether the same call may obtain missing verdicts.
    known_answers : Part
        Results on answers with known verdicts, taken from the annotations of the data set.
    canaries : Part
        Results on answers that should score 0.
    labelled : Part or None
        Results on rows labelled by annotators; None if no labels were given.
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
        """Return the report of an exam."""
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
        """Return the object that ``jasco exam --json`` prints, in its documented schema."""
        return dict(self._summary)

    def __str__(self) -> str:
        """Return the output of ``jasco exam``."""
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
    """Examine a judge with questions whose verdicts are known.

    Verdicts are stored in the user's data folder, so repeating the call requests only missing ones.
    The result is shown below every table with figures of the judge.

    Parameters
    ----------
    judge : str or Judge
        A spec as on the command line, such as ``"openai/my-judge,base_url=..."``, or a judge.
    data : str, Path or DataSet
        The data set from which the questions are created, as in :func:`jasco.evaluate`.
    gold : str, Path or None
        A CSV file of answers labelled by annotators.
    protocol : str or None
        The judging protocol: ``"v2"`` (the default) or ``"v1"``.
    concurrency : int
        Maximum number of concurrent calls.
    again : bool
        Whether to ask every question again, for example after the served model changed.
    max_calls, max_tokens, max_cost, price_in, price_out
        Limits of this call, and prices, as in :func:`jasco.evaluate`.

    Returns
    -------
    ExamReport
        The result. It is incomplete if calls failed or a limit was reached.

    Raises
    ------
    InputError
        The data set, the labels or the judge's spec are invalid, or the judge cannot be called.

    Examples
    --------
    >>> import jasco
    >>> report = jasco.exam("offline", data="mini")  # doctest: +SKIP
    >>> report.known_answers.accuracy  # doctest: +SKIP
    """
    judges = conversions.as_judges([judge])
    if len(judges) != 1:
        raise InputError("exam takes one judge; examine the judges of a panel one by one")
    arguments.check("gold", gold, gold is None or arguments.is_path(gold), "a file or None")
    prices = conversions.as_price_list(price_in, price_out)
    budget = open_budget(read_limits(max_calls, max_tokens, max_cost), prices, judges)
    data_set = conversions.as_data(data, log_message)
    settings: dict[str, Any] = {
        "gold": None if gold is None else Path(gold),
        "protocol": conversions.as_protocol(protocol),
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
    """Examine a judge within a budget; ``jasco exam`` prints the returned report.

    Parameters
    ----------
    judge, data, gold, protocol
        As in :func:`exam`.
    budget : Budget
        The limits.
    notify : callable
        Called with each message to the user.
    begun : callable
        Called with the function that stops the exam.
    **settings
        ``concurrency`` and ``again``, as in :func:`jasco.judge_exam.examination.take_exam`.
    """
    judge.budget = budget
    questions = Exam.about(data, protocol_named(protocol), judge, gold)
    if questions.labels and questions.labels.by_id:
        notify(f"{gold}: no column clip_sha; rows are matched by id, which may match other clips")
    with closing(ExamStore.of_user()) as store:
        result = take_exam(judge, questions, store, notify=notify, begun=begun, **settings)
        report = ExamReport.of(result)
        store.keep_result(judge.spec.identity, questions.labels_sha256, report.to_json())
    if line := spending_line(Spending(budget.spent, budget.prices)):
        notify(line)
    return report
