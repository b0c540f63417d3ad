"""The result of a judge's exam, as a JSON object, as text, and as one line."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jasco.errors import count, one_line
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.exam_figures import CANARY, KNOWN, LABELLED, Part, unreadable_rate
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.clips import annotations_sha256
from jasco.protocol.failure_reasons import Reason, reasons_of
from jasco.protocol.verdicts import Orientation
from jasco.reports import formats
from jasco.reports.columns import Column, Table, TableRow
from jasco.reports.report import SCHEMA, Json, as_json
from jasco.reports.signature import DIGITS, describe, identity_name, join_signature
from jasco.runs.results import JudgeFacts

if TYPE_CHECKING:  # importing it loads models and judges, which scoring does not need
    from jasco.judge_exam.examination import ExamResult


def summarise_exam(result: "ExamResult") -> Json:
    """Return the result of an exam as the documented JSON object."""
    exam, parts = result.exam, result.parts
    labelled = parts.get(LABELLED)
    sha256 = annotations_sha256(exam.data.clips)
    clips = len(exam.data.clips)
    return as_json(
        {
            "schema": SCHEMA,
            "signature": join_signature(
                exam.protocol.name,
                f"exam:{exam.data.name}[{clips}]",
                f"text:{sha256[:DIGITS]}",
                *([f"labels:{exam.labels_sha256[:DIGITS]}"] if exam.labels else ()),
                f"judges:{describe(result.judge, result.identity, result.served)}",
            ),
            "judge": result.judge,
            "served": result.served,
            "protocol": exam.protocol.name,
            "data": {"name": exam.data.name, "annotations_sha256": sha256, "clips": clips},
            "complete": result.complete,
            "known_answers": _accuracies(parts[KNOWN]) | _confusions(parts[KNOWN]),
            "canaries": _counts(parts[CANARY]) | _false_credit(parts[CANARY]),
            "labelled": labelled
            and {
                **_accuracies(labelled),
                "gated_kappa": labelled.kappa,
                **_false_credit(labelled),
                **_confusions(labelled),
                "labels_sha256": exam.labels_sha256,
                "rows_about_other_clips": exam.labels.elsewhere if exam.labels else 0,
                "rows_trained_on_left_out": exam.trained_on,
            },
            "unreadable_rate": unreadable_rate(parts.values()),
            "failed": Counter(failure.kind for failure in result.failed),
            "reasons": reasons_of(result.failed),
            "seconds_a_verdict": result.seconds,
            "tokens_a_verdict": result.tokens,
        }
    )


def _counts(part: Part) -> Json:
    return {"n": part.asked, "judged": part.judged, "read": part.read}


def _accuracies(part: Part) -> Json:
    names = ("accuracy", "rating_accuracy", "orientation_accuracy")
    return {
        **_counts(part),
        **{name: getattr(part, name).value for name in names},
        **{f"{name}_ci": getattr(part, name).interval for name in names},
    }


def _false_credit(part: Part) -> Json:
    return {
        "adversarial": part.tempted,
        "false_credit_rate": part.false_credit,
        "credited": {name: times for name, times in part.credited_by_name.items() if times},
    }


def _confusions(part: Part) -> Json:
    return {
        "gated_confusion": part.ratings,
        "orientation_confusion": part.orientations,
        "orientation_names": list(Orientation),
    }


# --- as text ---


class _ExamColumn(Column):
    """A column with figures of the documented JSON object, one row per part of the exam."""

    def cell(self, figures: Any) -> str:
        return _figure(figures, self.key, self.write)


def _figure(part: Json, key: str, write: Callable[[Any], str] = formats.percent) -> str:
    if key not in part:
        return ""
    ends = part.get(f"{key}_ci") or ()
    return formats.with_interval(Estimate(part[key], *ends), write)


_COLUMNS = (
    _ExamColumn("n", "asked", str),
    _ExamColumn("read", "readable", str),
    _ExamColumn("accuracy", "verdict correct [95%]", formats.percent),
    _ExamColumn("rating_accuracy", "rating [95%]", formats.percent),
    _ExamColumn("orientation_accuracy", "orientation [95%]", formats.percent),
    _ExamColumn("gated_kappa", "kappa [95%]"),
    _ExamColumn("false_credit_rate", "false credit [95%]", formats.percent),
)


def render_exam(exam: Json) -> str:
    """Format the result of an exam as text."""
    return "\n".join(_lines(exam))


def _lines(exam: Json) -> Iterator[str]:
    data = exam["data"]
    yield (
        f"Exam of {exam['judge']} on {data['name']}: {count(data['clips'], 'clip')}, "
        f"protocol {exam['protocol']}"
    )
    yield ""
    parts = {"known answers": exam["known_answers"], "canaries": exam["canaries"]}
    if exam["labelled"]:
        parts["labelled rows"] = exam["labelled"]
    figures = Table("", _COLUMNS, [TableRow(name, part) for name, part in parts.items()])
    yield figures.to_text()
    for name, part in parts.items():
        if part["read"] and "orientation_confusion" in part:
            yield from _confusion(name, list(Orientation), part["orientation_confusion"])
            yield from _confusion(f"{name}: score", RATINGS, part["gated_confusion"])
    yield ""
    yield from _remarks(exam)


def _confusion(
    title: str, labels: Sequence[object], counts: Sequence[Sequence[int]]
) -> Iterator[str]:
    rows = [[str(label), *map(str, row)] for label, row in zip(labels, counts, strict=True)]
    yield ""
    yield formats.table([f"{title}, expected / given", *map(str, labels)], rows)


def _remarks(exam: Json) -> Iterator[str]:
    yield f"unreadable: {formats.percent(exam['unreadable_rate'])} of the verdicts"
    for name, times in exam["canaries"]["credited"].items():
        yield f"canary '{name}' was given credit {count(times, 'time')} (should score 0)"
    if exam["seconds_a_verdict"] is not None:
        tokens = exam["tokens_a_verdict"]
        cost = f", {tokens:.0f} tokens" if tokens else ""
        yield f"per verdict: {exam['seconds_a_verdict']:.2g} s{cost}"
    for text, key in (
        ("about other clips", "rows_about_other_clips"),
        ("left out because the judge was trained on their clips", "rows_trained_on_left_out"),
    ):
        if exam["labelled"] and exam["labelled"][key]:
            yield f"labelled rows {text}: {exam['labelled'][key]}"
    if exam["failed"]:
        yield f"failed calls: {formats.failure_counts(exam['failed'])}"
        for text in formats.reason_texts(Reason(**reason) for reason in exam["reasons"]):
            yield f"{exam['judge']}: {text}"
    if not exam["complete"]:
        yield "INCOMPLETE: some questions have no verdict; repeat the command to resume"
    yield f"signature: {exam['signature']}"


# --- in one line ---


def exam_status(name: str, facts: JudgeFacts) -> str:
    """Format the result of a judge's exam, or a note that it was not examined, in one line."""
    if (exam := facts.exam) is None:
        judge = identity_name(name, facts.identity) if facts.identity else "JUDGE"
        command = f"jasco exam {shlex.quote(judge)} --data DATA"
        if not facts.examined_as:
            return f"judge not examined; run: {command}"
        here, there = (one_line(" and ".join(names)) for names in (facts.served, facts.examined_as))
        return (
            f"judge not examined: the server reports {here} in this run, but reported {there} in "
            f"the exam; run: {command} --again"
        )
    known, canary, labelled = exam["known_answers"], exam["canaries"], exam["labelled"]
    parts = [
        f"known answers {_figure(known, 'accuracy')} correct",
        f"canaries given credit {_figure(canary, 'false_credit_rate')}",
    ]
    if labelled:
        parts.append(
            f"{count(labelled['read'], 'labelled row')}: kappa "
            f"{_figure(labelled, 'gated_kappa', formats.number)}, orientation "
            + _figure(labelled, "orientation_accuracy")
        )
    parts.append(f"unreadable {formats.percent(exam['unreadable_rate'])}")
    incomplete = "" if exam["complete"] else " (incomplete)"
    return f"exam on {exam['data']['name']}{incomplete}: {'; '.join(parts)}"
