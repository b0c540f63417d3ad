"""The report as tables in the terminal."""

from jasco.errors import count
from jasco.reports.columns import (
    PUBLISHED_EXPLAINED,
    Table,
    differences,
    headline,
    published_figures,
)
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
    lines = [title(report), "", _simple(headline(report.models)), ""]
    lines += [*note_lines(report), f"signature: {report.signature}"]
    if report.published is not None:
        lines += ["", _simple(published_figures(report.published)), "", PUBLISHED_EXPLAINED]
    return "\n".join(lines)


def render_comparison(report: Report) -> str:
    """Format paired differences of models."""
    pairs = report.pairs or ()
    kinds = (*BASIS, *CAUTIONS, NoteKind.REASON, NoteKind.COMPARISON)
    return "\n".join(
        [
            _simple(differences(pairs)),
            "",
            explain_pairs(pairs),
            *note_lines(report, kinds),
            f"signature: {report.signature}",
        ]
    )


def _simple(figures: Table) -> str:
    rows = []
    for row in figures.rows:
        name, *cells = figures.cells(row)
        rows.append([f"  {name}" if row.kind == "judge" else name, *cells])
    return table(figures.header, rows)
