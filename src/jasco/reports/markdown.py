"""The report as GitHub flavoured Markdown, for a README or an appendix."""

import re
from collections.abc import Iterator

from jasco.errors import one_line
from jasco.reports.columns import (
    BEST_OF,
    BY_PROMPT,
    FIGURES,
    FIGURES_EXPLAINED,
    PROMPT_ORDER,
    PUBLISHED_EXPLAINED,
    Models,
    Row,
    Table,
    agreement,
    differences,
    marked,
    model_figures,
    published_figures,
)
from jasco.reports.formats import DASH, table
from jasco.reports.notes import NoteKind, explain_pairs, note_lines
from jasco.reports.report import ModelReport, Report
from jasco.reports.text import title

_LONGEST = 100_000


def to_markdown(report: Report) -> str:
    """Format a report as Markdown."""
    return "\n\n".join(_parts(report)) + "\n"


def _parts(report: Report) -> Iterator[str]:
    models = report.models
    yield f"## {prose(title(report))}"
    yield _table(_headline(models))
    yield prose(FIGURES_EXPLAINED)
    if any(len(model.judges) > 1 for model in models.values()):
        yield from ("### By judge", _table(_by_judge(models)))
    if any(model.score.best_at for model in models.values()):
        yield from ("### Best of *k* prompts", _table(model_figures(models, BEST_OF)))
    if any(each.value is not None for m in models.values() for each in m.score.by_instruction):
        prompts = model_figures(models, (*BY_PROMPT, PROMPT_ORDER))
        yield from ("### Mean by prompt", _table(prompts))
    if any(model.agreement for model in models.values()):
        yield from ("### Agreement of the judges (Krippendorff's alpha)", _table(agreement(models)))
    if report.pairs:
        yield from ("### Paired differences", _table(differences(report.pairs)))
        yield prose(explain_pairs(report.pairs))
    if report.published:
        yield from ("### Published results", _table(published_figures(report.published)))
        yield prose(PUBLISHED_EXPLAINED)
    yield "### Notes"
    kinds = set(NoteKind) - {NoteKind.PROMPTS}
    yield "\n".join(f"- {prose(line)}" for line in note_lines(report, kinds))
    yield f"Signature: {code(report.signature)}"


def _headline(models: Models) -> Table:
    rows = [
        Row((marked(name, model), _judges(name, model)), model.score)
        for name, model in models.items()
    ]
    return Table(("model", "judges"), FIGURES, rows)


def _judges(name: str, model: ModelReport) -> str:
    # A judged file has one name, for the model and for its judge.
    judges = [marked(judge, report) for judge, report in model.judges.items() if judge != name]
    return ", ".join(judges) or DASH


def _by_judge(models: Models) -> Table:
    rows = [
        Row((marked(name, model), marked(judge, report)), report.score)
        for name, model in models.items()
        for judge, report in model.judges.items()
    ]
    return Table(("model", "judge"), FIGURES, rows)


def _table(figures: Table) -> str:
    names = len(figures.names)
    rows = [[*map(cell, row.names), *figures.cells(row)[names:]] for row in figures.rows]
    return table(figures.header, rows, "pipe", names)


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
    """Format text as a code span; not for tables, whose bars come first."""
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
