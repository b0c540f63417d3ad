"""The page of a sweep: its table, its curves over checkpoints, and the state of its cells."""

from typing import Any

from markupsafe import Markup

from jasco.errors import count
from jasco.reports import columns
from jasco.reports.notes import NoteKind, cautions, note_lines
from jasco.reports.page.charts import leaderboard
from jasco.reports.page.line_charts import curves_chart
from jasco.reports.page.render import content_policy, environment, static
from jasco.reports.report import Report
from jasco.reports.sweep import SweepResults, reasons, status_table
from jasco.reports.text import title
from jasco.version import __version__

_EXPLAINED = (
    "Best-mean: a clip's best score over the instructions, averaged over the clips. Coverage: "
    "share of the expected verdicts that are there and readable, if it is not 100%."
)


def render_sweep_page(results: SweepResults, name: str) -> str:
    """Return the page of a sweep as a single file that loads nothing else.

    Parameters
    ----------
    results : SweepResults
        The cells and their reports.
    name : str
        The name of the plan.
    """
    style = static("page.css")
    return environment().get_template("sweep.html").render(
        page=_sections(results, name),
        style=Markup(style),  # noqa: S704 (a file of this package, unchanged)
        policy=content_policy(style),
    )  # fmt: skip


def _sections(results: SweepResults, name: str) -> dict[str, Any]:
    models = count(len({status.cell.model for status in results.statuses}), "model")
    complete = sum(status.state == "complete" for status in results.statuses)
    runs = f"{complete} of {count(len(results.statuses), 'run')} complete"
    curves = [
        {"data": data, "charts": list(curves_chart(found))}
        for data in results.data
        if (found := [curve for curve in results.curves if curve.data == data])
    ]
    return {
        "title": f"Sweep {name}",
        "about": f"{models}, {count(len(results.data), 'data set')}; {runs}.",
        "table": results.table,
        "explained": _EXPLAINED,
        "curves": curves,
        "parts": [_part(report) for report in results.reports],
        "status": status_table(results.statuses),
        "reasons": reasons(results.statuses),
        "version": __version__,
    }


def _part(report: Report) -> dict[str, Any]:
    return {
        "title": title(report),
        "warnings": cautions(report),
        "leaderboard": leaderboard(report.models, ()),
        "figures": columns.headline(report.models, columns.with_intervals(columns.FIGURES)),
        "attribution": note_lines(report, [NoteKind.ATTRIBUTION]),
        "signature": report.signature,
    }
