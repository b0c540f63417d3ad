"""The report as a small HTML table, for notebooks."""

from html import escape

from jasco.reports import columns
from jasco.reports.notes import CAUTIONS, NoteKind, note_lines
from jasco.reports.report import Report
from jasco.reports.text import title


def render_html(report: Report) -> str:
    """Format the figures of models as an HTML table, with warnings and notes below it."""
    table = columns.headline(report.models)
    head = "".join(f"<th>{escape(heading)}</th>" for heading in table.header)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in table.cells(row))}</tr>"
        for row in table.rows
    )
    notes = note_lines(report, {*CAUTIONS, NoteKind.INTERVALS, NoteKind.MISSING})
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f"<table><caption>{escape(title(report))}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<ul>{listed}</ul><p><small>{escape(report.signature)}</small></p>"
    )


def _cell(text: str) -> str:
    return escape(text).replace("\n", "<br>")
