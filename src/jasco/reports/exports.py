"""The report as rows of plain values, for data frames, and as text in several formats."""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jasco.data.csv_files import write_rows
from jasco.errors import InputError, whole_text
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.corrected import Corrected
from jasco.metrics.scoring import Score
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Verdict
from jasco.reports.columns import FIGURES, best_of, by_prompt
from jasco.reports.markdown import to_markdown
from jasco.reports.report import SCHEMA, SHARES, Json, JudgeReport, ModelReport, Pair, Report
from jasco.runs.results import JudgedItems

if TYPE_CHECKING:
    from pandas import DataFrame

DataRow = dict[str, Any]


def figure_rows(report: Report) -> Iterator[DataRow]:
    """Yield the figures of a report, with one row per model and one per judge.

    In the row of a model, ``judge`` is None, and the figures are the means over its judges.
    """
    instructions = len(report.instructions)
    for name, model in report.models.items():
        rows: list[tuple[str | None, ModelReport | JudgeReport]] = [(None, model)]
        for judge, figures in [*rows, *model.judges.items()]:
            score = figures.score
            worst, best = score.bounds or (None, None)
            yield {
                "model": name,
                "judge": judge,
                **_figures(score),
                "complete": figures.complete,
                "proxy": figures.proxy,
                "best_mean_at_worst": worst,
                "best_mean_at_best": best,
                **{
                    f"best_of_{column.heading}": column.value(score).value
                    for column in best_of(instructions)
                },
                **{
                    f"mean_of_instruction_{column.heading}": column.value(score).value
                    for column in by_prompt(instructions)
                },
                **_corrected(figures.corrected),
                "data": report.data.name,
                "clips": report.data.clips,
                "protocol": report.protocol,
                "signature": report.signature,
                **{f"tag_{key}": text for key, text in model.results.tags.items()},
            }


def _figures(score: Score) -> DataRow:
    row: DataRow = {}
    for column in FIGURES:
        value = column.value(score)
        if isinstance(value, Estimate):
            row |= figure_cells(column.key, value)
        elif column.key:
            row[column.key] = value
    return row


def _corrected(corrected: Corrected | None) -> DataRow:
    row: DataRow = {}
    for name, figure in vars(corrected).items() if corrected else ():
        row |= figure_cells(f"corrected_{name}", figure.estimate)
        row[f"corrected_{name}_clips"] = figure.clips
    return row


def figure_cells(key: str, figure: Estimate) -> DataRow:
    """Return the cells of a figure: its value, and the ends of its interval."""
    low, high = figure.interval or (None, None)
    return {key: figure.value, f"{key}_low": low, f"{key}_high": high}


def data_frame(rows: list[DataRow]) -> "DataFrame":
    """Return rows as a data frame (``InputError`` if pandas is not installed)."""
    try:
        from pandas import DataFrame
    except ImportError:
        raise InputError("pandas is not installed; run: pip install pandas") from None
    return DataFrame(rows)


def item_rows(items: JudgedItems) -> Iterator[DataRow]:
    """Yield answers and verdicts, with one row per item, sample and judge.

    ``sample`` is the number of the answer to the item, from 1. ``score`` is the rating if the
    orientation is Both, else 0. ``failure`` and ``judge_failure`` are the kind and message of a
    failed answer or verdict. Missing values are None, including ``judge`` if there is no judge.
    """
    # Judges without a verdict also have rows, with the reasons.
    judges = dict.fromkeys(
        judge for each in items.samples for judge in (*each.judges, *each.judge_failures)
    ) or {"": None}
    for clip in items.clips:
        for item in items.items_of(clip):
            for sample, responses in enumerate(items.samples, start=1):
                yield from _rows_of_sample(responses, item, sample, judges)


def _rows_of_sample(
    items: JudgedItems, item: Item, sample: int, judges: Iterable[str]
) -> Iterator[DataRow]:
    key = item.clip.id, item.number
    for judge in judges:
        texts, verdict = items.judges.get(judge, {}).get(key, ([None], Verdict(None, None)))
        yield {
            "clip": item.clip.id,
            "instruction": item.number,
            "prompt": item.instruction,
            "sample": sample,
            "reference": item.clip.reference,
            "answer": items.answers.get(key),
            "failure": _failure(items.failures.get(key)),
            "judge": judge or None,
            "rating": verdict.rating,
            "orientation": verdict.orientation and str(verdict.orientation),
            "score": verdict.gated if verdict.readable else None,
            "judge_output": texts[0] if texts else None,
            "judge_failure": _failure(items.judge_failures.get(judge, {}).get(key)),
        }


def _failure(failure: Failure | None) -> str | None:
    return f"{failure.kind}: {failure.message}" if failure else None


def failed_rows(items: JudgedItems) -> Iterator[DataRow]:
    """Yield the answers and verdicts that failed or are unreadable, each with the reason.

    ``judge`` is None for an answer. Items that were not tried yet are not failures.
    """
    seen = set[tuple[Any, ...]]()
    for row in item_rows(items):
        item = {name: row[name] for name in ("clip", "instruction", "sample")}
        judge, reason = (None, row["failure"]) if row["failure"] else (row["judge"], None)
        reason = reason or row["judge_failure"]
        if not reason and row["judge_output"] is not None and row["score"] is None:
            reason = "unreadable verdict"
        if reason and (key := (*item.values(), judge)) not in seen:
            seen.add(key)
            yield {**item, "judge": judge, "failure": reason}


def pair_rows(pairs: Iterable[Pair]) -> Iterator[DataRow]:
    """Yield paired differences, with one row per pair."""
    for pair in pairs:
        compared = pair.comparison
        yield {
            "first": pair.first,
            "second": pair.second,
            "clips": compared.clips,
            "items": compared.items,
            **{
                f"{name}{suffix}": end
                for name in ("best_mean", "mean", *SHARES)
                for estimate in [getattr(compared, name)]
                for suffix, end in (
                    ("", estimate.value),
                    ("_low", estimate.low),
                    ("_high", estimate.high),
                )
            },
            "tested": compared.tested,
            "p": compared.p,
            "p_holm": pair.p_holm,
            "detectable": compared.detectable,
        }


# --- as text ---


def export(reports: Sequence[Report], form: str) -> str:
    """Format reports, one per data set, as ``markdown``, ``latex``, ``csv`` or ``json``."""
    if form == "json":
        text = json.dumps(to_json(reports), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    elif form == "csv":
        text = _to_csv(reports)
    elif form == "latex":
        from jasco.reports.latex import to_latex  # loads the LaTeX encoder

        text = "\n".join(map(to_latex, reports))
    else:
        text = "\n".join(map(to_markdown, reports))
    return whole_text(text)


def to_json(reports: Sequence[Report]) -> Json:
    """Return the documented JSON object of a report, or one that contains those of several."""
    if len(reports) == 1:
        return reports[0].to_json()
    return {"schema": SCHEMA, "reports": [report.to_json() for report in reports]}


def _to_csv(reports: Sequence[Report]) -> str:
    """Format one row per model and judge, each with the protocol and the signature."""
    rows = [row for report in reports for row in figure_rows(report)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    write_rows(text, columns, rows, line_end="\r\n")  # as RFC 4180 requires
    return text.getvalue()
