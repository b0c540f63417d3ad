"""Tables as small pieces of HTML, for notebooks."""

from collections.abc import Iterable
from html import escape

from jasco.reports import columns
from jasco.reports.notes import CAUTIONS, NoteKind, explain_pairs, note_lines
from jasco.reports.report import Report
from jasco.reports.text import title


def scores_html(report: Report) -> str:
    """Format the figures of models, with the notes that are needed to read them."""
    kinds = {*CAUTIONS, NoteKind.ATTRIBUTION, NoteKind.INTERVALS, NoteKind.MISSING}
    notes = note_lines(report, kinds)
    return table_html(title(report), columns.headline(report.models), notes, report.signature)


def differences_html(report: Report) -> str:
    """Format paired differences of models, with the notes that are needed to read them."""
    pairs = report.pairs or ()
    notes = [
        explain_pairs(pairs),
        *note_lines(report, {*CAUTIONS, NoteKind.ATTRIBUTION, NoteKind.COMPARISON}),
    ]
    return table_html("Paired differences", columns.differences(pairs), notes, report.signature)


def table_html(caption: str, table: columns.Table, notes: Iterable[str], signature: str) -> str:
    """Format a table with its caption, notes and signature."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in table.header)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in table.cells(row))}</tr>"
        for row in table.rows
    )
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<ul>{listed}</ul><p><small>{escape(signature)}</small></p>"
    )


def _cell(text: str) -> str:
    return escape(text).replace("\n", "<br>")
