"""The report as text for other programs: Markdown, LaTeX, CSV, JSON."""

import csv
import io
import json
from collections.abc import Callable, Mapping

from jasco.errors import whole_text
from jasco.reports.markdown import to_markdown
from jasco.reports.report import Report
from jasco.reports.rows import figure_rows


def export(report: Report, form: str) -> str:
    """Format a report as ``markdown``, ``latex``, ``csv`` or ``json``."""
    return whole_text(_FORMS[form](report))


def _to_json(report: Report) -> str:
    return json.dumps(report.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _to_csv(report: Report) -> str:
    """Format a row for each model and judge; each row also says how it was made."""
    made = {
        "data": report.data.name,
        "clips": report.data.clips,
        "protocol": report.protocol,
        "signature": report.signature,
    }
    rows = [{**row, **made} for row in figure_rows(report)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))  # its line ends are those of RFC 4180
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _to_latex(report: Report) -> str:
    from jasco.reports.latex import to_latex  # loads the LaTeX encoder

    return to_latex(report)


_FORMS: Mapping[str, Callable[[Report], str]] = {
    "markdown": to_markdown,
    "latex": _to_latex,
    "csv": _to_csv,
    "json": _to_json,
}
