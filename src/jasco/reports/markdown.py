"""The report in GitHub-flavored Markdown, for a README or an appendix."""

import re
from collections.abc import Iterable, Iterator

from jasco.errors import one_line
from jasco.reports import columns
from jasco.reports.findings import FindingKind, findings
from jasco.reports.notes import CAUTIONS, NoteKind, explain_pairs, note_lines
from jasco.reports.report import Report
from jasco.reports.text import title

_LONGEST = 100_000


def to_markdown(report: Report) -> str:
    """Format a report as Markdown."""
    return "\n\n".join(_parts(report)) + "\n"


def _parts(report: Report) -> Iterator[str]:
    models, pairs = report.models, report.pairs or ()
    yield f"## {prose(title(report))}"
    yield columns.headline(models).to_text("pipe", cell)
    instructions = len(report.instructions)
    yield prose(columns.figures_explained(instructions))
    found = findings(report)
    for heading, of_doubt in (("Findings", False), ("Cautions", True)):
        texts = [each.text for each in found if (each.kind is FindingKind.DOUBT) == of_doubt]
        if texts:
            yield f"### {heading}"
            yield bullets(texts)
    published = columns.published_figures(report.published or ())
    order = [columns.PROMPT_ORDER] if report.published_instructions else []
    prompts = columns.model_figures(models, [*columns.by_prompt(instructions), *order])
    best_of = columns.model_figures(models, columns.best_of(instructions))
    for heading, figures, explained in (
        ("Best of *k* instructions", best_of, ""),
        ("Mean by instruction", prompts, ""),
        ("Agreement between judges", columns.agreement(models), ""),
        ("Agreement of each judge with the others", columns.judge_agreement(models), ""),
        ("Paired differences", columns.differences(pairs), explain_pairs(pairs)),
        ("Published results", published, columns.PUBLISHED_EXPLAINED),
    ):
        if figures.has_figures:
            parts = [f"### {heading}", figures.to_text("pipe", cell), prose(explained)]
            yield from filter(None, parts)
    yield "### Notes"
    yield bullets(note_lines(report, set(NoteKind) - {NoteKind.PROMPTS, *CAUTIONS}))
    yield f"Signature: {code(report.signature)}"


def bullets(texts: Iterable[str]) -> str:
    """Format texts as a list, escaped."""
    return "\n".join(f"- {prose(text)}" for text in texts)


# --- text from outside ---

_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in r"\`*_[]<>|~&#$"}
    | {"@": "@<!-- -->"}  # otherwise GitHub notifies the user with this name
)


def prose(text: str) -> str:
    """Escape text in Markdown, so that it contains no markup, HTML, links or lists."""
    line = one_line(text, _LONGEST).translate(_SPECIAL)
    line = re.sub(r"(?i)(https?|ftp|www)([:.])", r"\1\\\2", line)
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", line)


def code(text: str) -> str:
    """Format text as a code span; not for tables, where a vertical bar ends the cell."""
    line = one_line(text, _LONGEST) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}"


def cell(text: str) -> str:
    """Format text as code in a table cell."""
    line = one_line(text, _LONGEST)
    if "|" not in line:
        return code(line)
    escaped = "".join(
        character if character.isalnum() else f"&#{ord(character)};" for character in line
    )
    return f"<code>{escaped}</code>"
