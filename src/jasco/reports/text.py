"""The report as tables in the terminal."""

from jasco.errors import count
from jasco.reports import columns
from jasco.reports.notes import CAUTIONS, NoteKind, explain_pairs, note_lines
from jasco.reports.report import Report


def title(report: Report) -> str:
    """Return what the figures are about."""
    data = report.data
    parts = [
        f"JASCO on {data.name}: {count(data.clips, 'clip')}",
        count(data.items, "item"),
        f"protocol {report.protocol or 'none yet'}",
    ]
    samples = sorted({model.results.samples for model in report.models.values()})
    if samples[-1:] > [1]:
        parts.insert(2, f"{' or '.join(map(str, samples))} samples per item")
    if not report.published_instructions:
        parts.insert(2, "not the published instructions")
    return ", ".join(parts)


def render(report: Report) -> str:
    """Format models and their judges."""
    lines = [title(report), "", columns.headline(report.models).to_text(), ""]
    lines += [*note_lines(report), f"signature: {report.signature}"]
    if report.published is not None:
        published = columns.published_figures(report.published).to_text()
        lines += ["", published, "", columns.PUBLISHED_EXPLAINED]
    return "\n".join(lines)


def render_comparison(report: Report) -> str:
    """Format paired differences of models."""
    pairs = report.pairs or ()
    lines = [columns.differences(pairs).to_text(), "", explain_pairs(pairs)]
    lines += note_lines(report, (NoteKind.JUDGE, *CAUTIONS, NoteKind.REASON, NoteKind.COMPARISON))
    return "\n".join([*lines, f"signature: {report.signature}"])
