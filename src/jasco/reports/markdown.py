"""The report as GitHub flavoured Markdown, for a README or an appendix."""

import re
from collections.abc import Iterator

from jasco.errors import one_line
from jasco.reports import columns
from jasco.reports.formats import table
from jasco.reports.notes import NoteKind, explain_pairs, note_lines
from jasco.reports.report import Report
from jasco.reports.text import title

_LONGEST = 100_000


def to_markdown(report: Report) -> str:
    """Format a report as Markdown."""
    return "\n\n".join(_parts(report)) + "\n"


def _parts(report: Report) -> Iterator[str]:
    models = report.models
    scores = [model.score for model in models.values()]
    yield f"## {prose(title(report))}"
    yield _table(columns.headline(models))
    yield prose(columns.FIGURES_EXPLAINED)
    if any(score.best_at for score in scores):
        best_of = columns.model_figures(models, columns.BEST_OF)
        yield from ("### Best of *k* prompts", _table(best_of))
    if any(each.value is not None for score in scores for each in score.by_instruction):
        prompts = columns.model_figures(models, (*columns.BY_PROMPT, columns.PROMPT_ORDER))
        yield from ("### Mean by prompt", _table(prompts))
    if any(model.agreement for model in models.values()):
        yield from ("### Agreement of the judges", _table(columns.agreement(models)))
    if report.pairs:
        yield from ("### Paired differences", _table(columns.differences(report.pairs)))
        yield prose(explain_pairs(report.pairs))
    if report.published:
        published = columns.published_figures(report.published)
        yield from ("### Published results", _table(published), prose(columns.PUBLISHED_EXPLAINED))
    yield "### Notes"
    lines = note_lines(report, set(NoteKind) - {NoteKind.PROMPTS})
    yield "\n".join(f"- {prose(line)}" for line in lines)
    yield f"Signature: {code(report.signature)}"


def _table(figures: columns.Table) -> str:
    rows = []
    for row in figures.rows:
        name, *cells = figures.cells(row)
        rows.append([cell(name), *cells])
    return table(figures.header, rows, "pipe")


# --- text from outside ---

_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in r"\`*_[]<>|~&#$"}
    | {"@": "@<!-- -->"}  # GitHub would notify the user of that name
)


def prose(text: str) -> str:
    """Escape text in Markdown: no markup, no HTML, no link, no list of its own."""
    line = one_line(text, _LONGEST).translate(_SPECIAL)
    line = re.sub(r"(?i)(https?|ftp|www)([:.])", r"\1\\\2", line)
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", line)


def code(text: str) -> str:
    """Format text as a code span; not in tables, where a bar ends the cell."""
    line = one_line(text, _LONGEST) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}"


def cell(text: str) -> str:
    """Format text as code in a cell of a table."""
    line = one_line(text, _LONGEST)
    if "|" not in line:
        return code(line)
    escaped = "".join(each if each.isalnum() else f"&#{ord(each)};" for each in line)
    return f"<code>{escaped}</code>"
