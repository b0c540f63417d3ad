"""The report as text, for the terminal."""

import re
import textwrap
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import compress

from jasco.errors import count, one_line
from jasco.reports import columns, formats
from jasco.reports.corrected import CORRECTED_EXPLAINED, corrected_figures, label_lines
from jasco.reports.findings import FindingKind, findings
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


def render(report: Report, width: int | None = None) -> str:
    """Format a report: models and judges, findings in words, cautions, details.

    Parameters
    ----------
    report : Report
        The report.
    width : int, optional
        The width of the terminal. If not given, each detail is one line, whatever its length.
    """
    table = columns.headline(report.models, columns.COMPACT)
    kinds = set(NoteKind) - _MISSING - set(CAUTIONS)
    explained = columns.figures_explained(len(report.instructions))
    parts = [*_first_screen(report, table, width)]
    if lines := [*label_lines(report.models)]:
        parts += [
            corrected_figures(report.models).to_text_within(width or WIDTH),
            "\n".join([_wrapped(CORRECTED_EXPLAINED, width), *_noted(lines, width)]),
        ]
    if report.published is not None:
        published = columns.published_figures(report.published)
        parts += [
            published.to_text_within(width or WIDTH),
            _wrapped(columns.PUBLISHED_EXPLAINED, width),
        ]
    return "\n\n".join([*parts, _details(report, explained, kinds, width)])


def render_comparison(report: Report, width: int | None = None) -> str:
    """Format the paired differences between models, for :func:`render`'s parameters."""
    pairs = report.pairs or ()
    kinds = {NoteKind.JUDGE, NoteKind.ATTRIBUTION}
    parts = _first_screen(report, columns.differences(pairs), width)
    details = _details(report, explain_pairs(pairs), kinds, width)
    return "\n\n".join([*parts, details])


WIDTH = 80
"""The width of tables and sentences that are not for a terminal."""
_LONGEST_LINE = 100  # longer lines of prose are hard to read
_MISSING = {NoteKind.MISSING, NoteKind.REASON, NoteKind.COMPARISON}


def _first_screen(report: Report, table: columns.Table, width: int | None) -> Iterator[str]:
    """Yield the title, the table, the findings and the cautions."""
    found = findings(report)
    doubts = [finding.text for finding in found if finding.kind is FindingKind.DOUBT]
    texts = [finding.text for finding in found if finding.kind is not FindingKind.DOUBT]
    yield _wrapped(title(report), width)
    yield table.to_text_within(width or WIDTH)
    yield "\n".join(["In words", *_bulleted(texts, width)])
    missing = note_lines(report, _MISSING)
    if doubts or missing:
        yield "\n".join(["Cautions", *_bulleted(doubts, width), *_noted(missing, width, "- ")])


def _details(report: Report, explained: str, kinds: Container[NoteKind], width: int | None) -> str:
    lines = note_lines(report, kinds)
    if all(model.complete for model in report.models.values()):
        lines.insert(0, "Coverage is 100%: every answer has a readable verdict of each judge.")
    signature = f"signature: {report.signature}"  # one line, to be copied
    return "\n".join(["Details", _wrapped(explained, width), *_noted(lines, width), signature])


def _bulleted(texts: Iterable[str], width: int | None) -> list[str]:
    return [_wrapped(f"- {text}", width, indent="  ") for text in texts]


def _noted(notes: Iterable[str], width: int | None, bullet: str = "") -> list[str]:
    """Format notes, which are wrapped in a terminal only: elsewhere, they may be searched."""
    lines = [f"{bullet}{note}" for note in notes]
    return lines if width is None else [_wrapped(line, width, indent="  ") for line in lines]


_INTERVAL = re.compile(r"\[\S+, \S+\]")


def _wrapped(text: str, width: int | None, indent: str = "") -> str:
    """Wrap a text, except within intervals and words; following lines are indented."""
    kept = _INTERVAL.sub(lambda match: match[0].replace(" ", "\0"), text)
    return textwrap.fill(
        kept,
        min(width or WIDTH, _LONGEST_LINE),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("\0", " ")


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
