"""The result as text to take elsewhere: a README, a paper, a data frame, a program."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jasco.data.csv_files import write_rows
from jasco.errors import whole_text
from jasco.reports.comparison_table import summarise_comparable
from jasco.reports.latex import to_latex
from jasco.reports.markdown import to_markdown
from jasco.reports.rows import figure_rows
from jasco.reports.summary import summarise
from jasco.runs.results import Results


def summarise_report(results: Sequence[Results]) -> dict[str, Any]:
    """Lay out all that a report shows.

    Returns
    -------
    dict
        The summary with the published results beside it; of several models also ``pairs`` and
        ``not_compared``, as :func:`jasco.reports.comparison_table.summarise_comparable` gives them.

    Raises
    ------
    InputError
        The results are about different data or protocols.
    """
    summary = summarise(results, published=True)
    named = dict(zip(summary["models"], results, strict=True))
    return {**summary, **(summarise_comparable(named) if len(named) > 1 else {})}


def export(report: Mapping[str, Any], form: str) -> str:
    """Write a report as ``markdown``, ``latex``, ``csv`` or ``json``."""
    return whole_text(_FORMS[form](report))


def _to_json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _to_csv(report: Mapping[str, Any]) -> str:
    """Write a row for each model and judge, and with each what says how it was made."""
    data = report["data"]
    made = {
        "data": data["name"],
        "clips": data["clips"],
        "protocol": report["protocol"],
        "signature": report["signature"],
    }
    rows = [{**row, **made} for row in figure_rows(report)]
    text = io.StringIO()
    write_rows(text, list(rows[0]), rows, line_end="\r\n")  # as RFC 4180 requires
    return text.getvalue()


_FORMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "markdown": to_markdown,
    "latex": to_latex,
    "csv": _to_csv,
    "json": _to_json,
}
