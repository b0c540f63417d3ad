"""A judge's exam: as one JSON object, as a page for the terminal, and in one line."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from jasco.errors import count, one_line
from jasco.judge_exam.examination import ExamResult
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.exam_figures import CANARY, KNOWN, LABELLED, Part
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.clips import annotations_sha256
from jasco.protocol.failure_reasons import reasons_of
from jasco.protocol.verdicts import Orientation
from jasco.reports.layout import interval, kinds, percent, reason_lines, table, with_interval
from jasco.reports.summary import made_by, signed


def summarise_exam(result: ExamResult) -> dict[str, Any]:
    """Lay out an exam in the documented schema."""
    exam, parts = result.exam, result.parts
    known, canary, labelled = (parts.get(kind) for kind in (KNOWN, CANARY, LABELLED))
    assert known and canary
    judged = sum(part.judged for part in parts.values())
    unreadable = sum(part.unreadable for part in parts.values())
    return {
        "schema": 1,
        "signature": _signature(result),
        "judge": result.judge,
        "served": list(result.served),
        "protocol": exam.protocol.name,
        "data": {
            "name": exam.data.name,
            "annotations_sha256": annotations_sha256(exam.data.clips),
            "clips": len(exam.data.clips),
        },
        "complete": result.complete,
        "known_answers": {**_accuracies(known), **_confusions(known)},
        "canaries": {**_counts(canary), **_false_credit(canary)},
        "labelled": labelled
        and {
            **_accuracies(labelled),
            "gated_kappa": labelled.kappa.value,
            "gated_kappa_ci": interval(labelled.kappa),
            **_false_credit(labelled),
            **_confusions(labelled),
            "labels_sha256": exam.labels_sha256,
            "rows_about_other_clips": exam.labels.elsewhere if exam.labels else 0,
            "rows_trained_on_left_out": exam.trained_on,
        },
        "unreadable_rate": unreadable / judged if judged else None,
        "failed": dict(Counter(failure.kind for failure in result.failed)),
        "reasons": [asdict(reason) for reason in reasons_of(result.failed)],
        "seconds_a_verdict": result.seconds,
        "tokens_a_verdict": result.tokens,
    }


def _signature(result: ExamResult) -> str:
    exam = result.exam
    labels = (f"labels:{exam.labels_sha256[:12]}",) if exam.labels else ()
    return signed(
        exam.protocol.name,
        f"exam:{exam.data.name}[{len(exam.data.clips)}]",
        f"text:{annotations_sha256(exam.data.clips)[:12]}",
        *labels,
        f"judges:{made_by(result.judge, result.identity, result.served)}",
    )


def _counts(part: Part) -> dict[str, Any]:
    return {"n": part.asked, "judged": part.judged, "read": part.read}


def _accuracies(part: Part) -> dict[str, Any]:
    named: dict[str, Estimate] = {
        "accuracy": part.accuracy,
        "rating_accuracy": part.rating_accuracy,
        "orientation_accuracy": part.orientation_accuracy,
    }
    values = {name: each.value for name, each in named.items()}
    return {
        **_counts(part),
        **values,
        **{f"{name}_ci": interval(each) for name, each in named.items()},
    }


def _false_credit(part: Part) -> dict[str, Any]:
    rate = part.false_credit
    return {
        "adversarial": part.tempted,
        "false_credit_rate": rate.value,
        "false_credit_rate_ci": interval(rate),
        "credited": {name: number for name, number in part.credited_by_name.items() if number},
    }


def _confusions(part: Part) -> dict[str, Any]:
    return {
        "gated_confusion": part.ratings.tolist(),
        "orientation_confusion": part.orientations.tolist(),
        "orientation_names": list(Orientation),
    }


def render_exam(exam: Mapping[str, Any]) -> str:
    """Lay out an exam for people."""
    return "\n".join(_lines(exam))


def _lines(exam: Mapping[str, Any]) -> Iterator[str]:
    data = exam["data"]
    yield (
        f"Exam of {exam['judge']} on {data['name']}: {count(data['clips'], 'clip')}, "
        f"protocol {exam['protocol']}"
    )
    yield ""
    rows = [_row("known answers", exam["known_answers"]), _row("canaries", exam["canaries"])]
    if exam["labelled"]:
        rows.append(_row("labelled rows", exam["labelled"]))
    header = ("", "asked", "read", "both right", "rating", "orientation", "kappa", "false credit")
    yield table(header, rows)
    for title, part in (
        ("known answers", exam["known_answers"]),
        ("labelled rows", exam["labelled"]),
    ):
        if part and part["read"]:
            yield ""
            yield from _matrix(
                f"{title}: should be / was given",
                Orientation,
                part["orientation_confusion"],
            )
            yield ""
            yield from _matrix(
                f"{title}: score, should be / was given",
                [str(rating) for rating in RATINGS],
                part["gated_confusion"],
            )
    yield ""
    yield from _remarks(exam)


def _row(name: str, part: Mapping[str, Any]) -> list[str]:
    def share(key: str) -> str:
        return with_interval(part.get(key), part.get(f"{key}_ci"), percent)

    kappa = with_interval(part.get("gated_kappa"), part.get("gated_kappa_ci"))
    return [
        name,
        str(part["n"]),
        str(part["read"]),
        share("accuracy") if "accuracy" in part else "",
        share("rating_accuracy") if "accuracy" in part else "",
        share("orientation_accuracy") if "accuracy" in part else "",
        kappa if "gated_kappa" in part else "",
        share("false_credit_rate") if "false_credit_rate" in part else "",
    ]


def _matrix(
    title: str, names: Sequence[str] | type[Orientation], cells: Sequence[Sequence[int]]
) -> Iterator[str]:
    rows = [[name, *map(str, row)] for name, row in zip(names, cells, strict=True)]
    yield table((title, *names), rows)


def _remarks(exam: Mapping[str, Any]) -> Iterator[str]:
    yield f"unreadable: {percent(exam['unreadable_rate'])} of the verdicts"
    for name, number in exam["canaries"]["credited"].items():
        yield f"canary '{name}' was given credit {count(number, 'time')}: its answers earn nothing"
    if exam["seconds_a_verdict"] is not None:
        tokens = exam["tokens_a_verdict"]
        cost = f", {tokens:.0f} tokens" if tokens else ""
        yield f"cost: {exam['seconds_a_verdict']:.2g} s{cost} a verdict"
    if labelled := exam["labelled"]:
        if labelled["rows_about_other_clips"]:
            yield f"labelled rows about other clips: {labelled['rows_about_other_clips']}"
        if labelled["rows_trained_on_left_out"]:
            yield (
                "labelled rows left out because the judge was trained on their clips: "
                f"{labelled['rows_trained_on_left_out']}"
            )
    if exam["failed"]:
        yield f"calls that failed: {kinds(exam['failed'])}"
        yield from reason_lines(exam["judge"], exam["reasons"])
    if not exam["complete"]:
        yield "INCOMPLETE: not every question has a verdict; the same command goes on from here"
    yield f"signature: {exam['signature']}"


def judge_line(judge: str, figures: Mapping[str, Any]) -> str:
    """Say in one line how fit a judge is, by its exam: of a result's ``judges``."""
    if figures["exam"] is None and figures["examined_as"]:
        served, examined = (" and ".join(figures[key]) for key in ("served", "examined_as"))
        return (
            f"{judge}: not examined: its server called it {one_line(served)} here, and "
            f"{one_line(examined)} in its exam; see: jasco exam --help"
        )
    return f"{judge}: {exam_line(figures['exam'])}"


def exam_line(exam: Mapping[str, Any] | None) -> str:
    """Say in one line how a judge did, or that it has not been examined."""
    if exam is None:
        return "has taken no exam; see: jasco exam --help"
    known, canary, labelled = exam["known_answers"], exam["canaries"], exam["labelled"]
    told = [
        f"known answers {with_interval(known['accuracy'], known['accuracy_ci'], percent)} right",
        "canaries credited "
        + with_interval(canary["false_credit_rate"], canary["false_credit_rate_ci"], percent),
    ]
    if labelled:
        kappa = with_interval(labelled["gated_kappa"], labelled["gated_kappa_ci"])
        orientation = with_interval(
            labelled["orientation_accuracy"], labelled["orientation_accuracy_ci"], percent
        )
        told.append(
            f"{count(labelled['read'], 'labelled row')}: kappa {kappa}, orientation {orientation}"
        )
    told.append(f"unreadable {percent(exam['unreadable_rate'])}")
    partly = "" if exam["complete"] else " (not finished)"
    return f"exam on {exam['data']['name']}{partly}: {'; '.join(told)}"
