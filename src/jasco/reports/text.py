"""The report as tables in the terminal."""

from jasco.errors import count
from jasco.reports import columns
from jasco.reports.formats import table
from jasco.reports.notes import BASIS, CAUTIONS, NoteKind, explain_pairs, note_lines
from jasco.reports.report import Report


def title(report: Report) -> str:
    """Return what the figures are about."""
    data = report.data
    return (
        f"JASCO on {data.name}: {count(data.clips, 'clip')}, {count(data.items, 'item')}, "
        f"protocol {report.protocol or 'none yet'}"
    )


def render(report: Report) -> str:
    """Format models and their judges."""
    lines = [title(report), "", _table(columns.headline(report.models)), ""]
    lines += [*note_lines(report), f"signature: {report.signature}"]
    if report.published is not None:
        published = _table(columns.published_figures(report.published))
        lines += ["", published, "", columns.PUBLISHED_EXPLAINED]
    return "\n".join(lines)


def render_comparison(report: Report) -> str:
    """Format paired differences of models."""
    pairs = report.pairs or ()
    lines = [_table(columns.differences(pairs)), "", explain_pairs(pairs)]
    lines += note_lines(report, (*BASIS, *CAUTIONS, NoteKind.REASON, NoteKind.COMPARISON))
    return "\n".join([*lines, f"signature: {report.signature}"])


def _table(figures: columns.Table) -> str:
    return table(figures.header, [figures.cells(row) for row in figures.rows])
