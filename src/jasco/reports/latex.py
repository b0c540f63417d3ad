r"""The report as LaTeX tables for a paper; ``\input`` them, with the package booktabs."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from pylatexenc import latexencode

from jasco.errors import one_line
from jasco.metrics.bootstrap import RESAMPLES
from jasco.reports import columns
from jasco.reports.formats import number, table
from jasco.reports.notes import BASIS, CAUTIONS, NoteKind, explain_pairs, note_lines
from jasco.reports.report import Report
from jasco.reports.text import title

_LONGEST = 100_000
_COLUMNS = [column for column in columns.FIGURES if column.heading not in ("bounds", "unreadable")]


def to_latex(report: Report) -> str:
    """Format a report as tables: main figures, paired differences, and best of k instructions."""
    return "\n\n".join(["\n".join(_comments(report)), *_tables(report)]) + "\n"


def _comments(report: Report) -> Iterator[str]:
    kinds = set(NoteKind) - {NoteKind.PROMPTS, NoteKind.INTERVALS, *BASIS}
    yield from comments(report.signature, note_lines(report, kinds))


def comments(signature: str, notes: Iterable[str] = ()) -> Iterator[str]:
    """Yield comments: the signature, the packages that the tables need, and notes."""
    yield f"% jasco signature: {one_line(signature, _LONGEST)}"
    yield r"% In the preamble: \usepackage{booktabs} \usepackage[T1]{fontenc}"
    for line in notes:
        yield f"% {one_line(line, _LONGEST)}"


def _tables(report: Report) -> Iterator[str]:
    figures = columns.model_figures(report.models, _COLUMNS)
    most = len(report.instructions)
    caption = (
        f"{columns.figures_explained(most)} Intervals: 95%, bootstrap over clips, {RESAMPLES:,} "
        "resamples; they do not include variation between judges or repeated answers."
    )
    notes = note_lines(report, {*BASIS, NoteKind.REASON})
    yield _float(report, "tab:jasco", caption, figures, notes, bold=_best(report))
    if report.pairs:
        figures, caption = columns.differences(report.pairs), explain_pairs(report.pairs)
        yield _float(report, "tab:jasco-differences", caption, figures)
    figures = columns.model_figures(report.models, columns.best_of(most))
    if figures.has_figures:
        caption = (
            f"Best of 1 to {most} instructions: best of 1 is the mean, best of {most} is "
            "best-mean. The best of several instructions rises with noise alone."
        )
        yield _float(report, "tab:jasco-best-of-k", caption, figures)


def _best(report: Report) -> str | None:
    """Return the highest best-mean of complete models, if all have the same judges."""
    complete = {
        name: model.score.best_mean.value
        for name, model in report.models.items()
        if model.complete and model.score.best_mean.value is not None
    }
    not_compared = any({p.first, p.second} <= complete.keys() for p in report.not_compared or ())
    return None if len(complete) < 2 or not_compared else number(max(complete.values()))


def _float(
    report: Report,
    label: str,
    caption: str,
    figures: columns.Table,
    notes: Sequence[str] = (),
    bold: str | None = None,
) -> str:
    cautions = [f"{line.removesuffix('.')}." for line in note_lines(report, CAUTIONS)]
    captions = [f"{title(report)}.", _panels(report), caption, *cautions]
    return table_float(label, " ".join(captions), figures, notes, bold)


def table_float(
    label: str,
    caption: str,
    figures: columns.Table,
    notes: Sequence[str] = (),
    bold: str | None = None,
    *,
    compact: bool = False,
) -> str:
    """Format a table with its caption, notes below it, and the figure that is set in bold.

    A compact table has small type and narrow gaps between its columns.
    """
    rows = []
    for row in figures.rows:
        name, figure, *cells = map(escaped, figures.cells(row))
        if row.kind == "incomplete":
            name += r"\dag{}"
        elif bold and figure.split(" ")[0] == bold:
            figure = figure.replace(bold, rf"\textbf{{{bold}}}", 1)
        rows.append([name, figure, *cells])
    header = [escaped(heading[0].upper() + heading[1:]) for heading in figures.header]
    header = [
        re.sub(r"^([PV])\b", lambda symbol: f"${symbol[1].lower()}$", heading) for heading in header
    ]
    tabular = table(header, rows, "latex_raw")
    for rule in ("toprule", "midrule", "bottomrule"):
        tabular = tabular.replace(r"\hline", rf"\{rule}", 1)
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{escaped(caption)}}}",
        rf"\label{{{label}}}",
        *([r"\footnotesize\setlength{\tabcolsep}{3pt}"] if compact else []),
        tabular,
    ]
    if notes:
        lines += [r"\par\medskip", r"\begin{minipage}{\linewidth}\footnotesize"]
        lines += [rf"{escaped(note)}.\par" for note in notes]
        lines.append(r"\end{minipage}")
    return "\n".join([*lines, r"\end{table}"])


def _panels(report: Report) -> str:
    if report.protocol == "unknown":
        return "Judges: unknown, because judged files do not name them."
    panels: dict[str, list[str]] = {}
    for name, model in report.models.items():
        panels.setdefault(", ".join(model.judges) or "none", []).append(name)
    texts = [f"{judges} ({', '.join(names)})" for judges, names in panels.items()]
    return f"Judges: {'; '.join(panels if len(panels) == 1 else texts)}."


# --- text from outside ---

# Commands of the library that are defined by every LaTeX with T1 fonts: Latin letters and quotes.
_COMMANDS = {
    code: command
    for code, command in latexencode.get_builtin_uni2latex_dict().items()
    if (code < 0x180 and code != 0x149) or chr(code) in "–—‘’“”…"
}
_OWN_COMMANDS = {
    **{ord(character): f"{{{character}}}" for character in "[]*"},  # arguments of \\
    ord('"'): r"{\char34}",
    ord("`"): r"{\textasciigrave}",
    ord("|"): r"{\textbar}",
}
_PATTERNS = [
    (re.compile(r"(?<!\w)-(?=\d)"), r"\\ensuremath{-}"),
    (re.compile(r"([-,'])(?=\1)"), r"\1{}"),  # otherwise combined into a ligature
]
_RULES = [(latexencode.RULE_REGEX, _PATTERNS), (latexencode.RULE_DICT, _COMMANDS | _OWN_COMMANDS)]
_ENCODER = latexencode.UnicodeToLatexEncoder(
    conversion_rules=[latexencode.UnicodeToLatexConversionRule(*rule) for rule in _RULES],
    unknown_char_policy="unihex",
    unknown_char_warning=False,
)


def escaped(text: str) -> str:
    r"""Escape text for LaTeX, as one line of ASCII without macros, math or comments.

    A character without a LaTeX command is written as its code point, ``<U+72AC>``.
    """
    line = unicodedata.normalize("NFC", one_line(text, _LONGEST))
    encoded: str = _ENCODER.unicode_to_latex(line)
    return encoded
