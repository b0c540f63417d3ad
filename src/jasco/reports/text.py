"""The report as text, for the terminal."""

from collections.abc import Iterator, Sequence
from itertools import compress

from jasco.errors import count, one_line
from jasco.reports import columns, formats
from jasco.reports.notes import CAUTIONS, NoteKind, explain_pairs, note_lines
from jasco.reports.report import Report
from jasco.reports.spending import spending_line
from jasco.runs.results import Results
from jasco.runs.summary import RunSummary


def title(report: Report) -> str:
    """Format the title of a report: data, items and protocol."""
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
    """Format a report: models and judges, notes, and the signature."""
    lines = [title(report), "", columns.headline(report.models).to_text(), ""]
    lines += [*note_lines(report), f"signature: {report.signature}"]
    if report.published is not None:
        published = columns.published_figures(report.published).to_text()
        lines += ["", published, "", columns.PUBLISHED_EXPLAINED]
    return "\n".join(lines)


def render_comparison(report: Report) -> str:
    """Format the paired differences between models."""
    pairs = report.pairs or ()
    lines = [columns.differences(pairs).to_text(), "", explain_pairs(pairs)]
    kinds = {NoteKind.JUDGE, NoteKind.ATTRIBUTION, NoteKind.REASON, NoteKind.COMPARISON, *CAUTIONS}
    lines += note_lines(report, kinds)
    return "\n".join([*lines, f"signature: {report.signature}"])


def answer_lines(results: Results) -> Iterator[str]:
    """Yield the number of answers of a run, the reasons of failures, and the spending."""
    answers = results.answers
    failures = f" ({formats.failure_counts(answers.failed)})" if answers.failed else ""
    expected = count(answers.expected, results.unit)
    yield f"{results.source[0]}: {answers.answered} of {expected} answered{failures}"
    for text in formats.reason_texts(answers.reasons):
        yield f"{results.model}: {text}"
    if line := spending_line(results.spent):
        yield line


_RUN_HEADER = (
    "run", "name", "data", "clips", "judges", "answered", "coverage", "updated", "state", "tags",
)  # fmt: skip
_LONGEST_CELL = 40


def render_runs(runs: Sequence[RunSummary]) -> str:
    """Format a list of runs as a table, followed by the problems of unreadable runs."""
    if not runs:
        return "no runs found"
    rows = [
        [
            one_line(run.folder),
            one_line(run.name, _LONGEST_CELL),
            run.data,
            str(run.clips or ""),
            one_line(", ".join(run.judges), _LONGEST_CELL),
            f"{run.answered} of {run.items}" if run.items else "",
            formats.percent(run.coverage),
            (run.updated or "")[:16].replace("T", " "),
            run.state,
            " ".join(f"{key}={text}" for key, text in run.tags.items()),
        ]
        for run in runs
    ]
    problems = [f"{run.folder}: {run.problem}" for run in runs if run.problem]
    shown = [any(column) for column in zip(*rows, strict=True)]  # without empty columns
    header, *rows = (list(compress(row, shown)) for row in (_RUN_HEADER, *rows))
    return "\n".join([formats.table(header, rows, left=len(header)), *problems])
