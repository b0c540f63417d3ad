"""The columns of all tables, declared once: key, heading, format and interval.

They are used by text, Markdown, LaTeX, CSV, data frames, the page and its charts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any

from jasco.errors import count
from jasco.metrics.agreement import PairAgreement
from jasco.metrics.bootstrap import NO_ESTIMATE, Estimate
from jasco.metrics.comparison import Comparison
from jasco.metrics.scoring import Score
from jasco.reports import formats
from jasco.reports.formats import number, percent
from jasco.reports.published import PublishedResult
from jasco.reports.report import SHARES, JudgeReport, ModelReport, Pair

Models = Mapping[str, ModelReport]


@dataclass(frozen=True)
class Column:
    """A column of figures.

    Attributes
    ----------
    key : str
        The attribute with the figure, and its name in CSV files and data frames.
    heading : str
        The heading in tables.
    write : callable
        Formats the figure.
    interval : bool
        Whether tables show its interval.
    omitted : str or None
        The column is omitted from a table if all of its cells are equal to this text.
    """

    key: str
    heading: str
    write: Callable[[Any], str] = number
    interval: bool = False
    omitted: str | None = None

    def value(self, figures: object) -> Any:
        """Return the figure: an estimate, a number, or another value that ``write`` formats."""
        return attrgetter(self.key)(figures) if self.key else figures

    def cell(self, figures: object) -> str:
        """Format the figure."""
        value = self.value(figures)
        if isinstance(value, Estimate):
            return formats.with_interval(
                value if self.interval else Estimate(value.value), self.write
            )
        return self.write(value)


@dataclass(frozen=True)
class _Numbered(Column):
    """A column of one of several figures, such as that of an instruction; undefined if missing."""

    place: int = 0

    def value(self, figures: object) -> Any:
        """Return the estimate."""
        several = super().value(figures)
        return several[self.place] if several else NO_ESTIMATE


def _bounds(figures: Score | Comparison) -> str:
    return "" if figures.complete else formats.between(figures.bounds)


def compared_on(compared: Comparison) -> str:
    """Format the number of clips on which two models are compared, and of items if some lack."""
    clips = str(compared.clips)
    if compared.clips_left_out:
        clips += f" of {compared.clips + compared.clips_left_out}"
    if compared.items < compared.items_expected:
        clips += f" ({compared.items} of {count(compared.items_expected, 'item')})"
    return clips


def detectable(value: float | None) -> str:
    """Format the minimum detectable difference, which is never 0."""
    return number(value) if value is None or value >= _SMALLEST else f"< {number(_SMALLEST)}"


_SMALLEST = 0.01


def _tested(compared: Comparison) -> str:
    return compared.tested.replace("_", "-")


def _same_ratings(pair: PairAgreement) -> str:
    return f"{pair.same_ratings} of {pair.items}"


def _same_orientations(pair: PairAgreement) -> str:
    return f"{pair.same_orientations} of {pair.items}"


_COMPLETE = {"unreadable_rate": percent(0.0), "coverage": percent(1.0)}

# Figures of a Score.
HEADLINE = (Column("best_mean", "best-mean"), Column("mean", "mean"))
DEPENDENCE = tuple(Column(share, share, percent) for share in SHARES)
NEITHER = Column("neither_rate", "neither", percent)
FIGURES = (
    Column("best_mean", "best-mean [95%]", interval=True),
    Column("", "bounds", _bounds, omitted=""),
    Column("mean", "mean"),
    *DEPENDENCE,
    NEITHER,
    Column("unreadable_rate", "unreadable", percent),
    Column("coverage", "coverage", percent),
)
# The same without columns that say that nothing is missing.
CONCISE = tuple(
    replace(column, omitted=_COMPLETE.get(column.key, column.omitted)) for column in FIGURES
)
# The same for the terminal, where the share of Neither is in the findings.
COMPACT = tuple(column for column in CONCISE if column != NEITHER)
# Figures of a PublishedResult.
PUBLISHED = (HEADLINE[0], *DEPENDENCE)
# Figures of a Pair.
BEST_MEAN_DIFFERENCE = Column(
    "comparison.best_mean", "best-mean [95%]", formats.signed_number, interval=True
)
MEAN_DIFFERENCE = Column("comparison.mean", "mean [95%]", formats.signed_number, interval=True)
DIFFERENCES = (
    Column("comparison", "clips", compared_on),
    BEST_MEAN_DIFFERENCE,
    Column("comparison", "bounds", _bounds, omitted=""),
    Column("comparison", "tested", _tested, omitted="best-mean"),
    Column("comparison.p", "p", formats.p_value),
    Column("p_holm", "p (Holm)", formats.p_value),
    Column("comparison.detectable", "detectable", detectable),
    MEAN_DIFFERENCE,
    *(Column(f"comparison.{share}", share, formats.signed_percent) for share in SHARES),
)
# Figures of a Score.
PROMPT_ORDER = Column("sound_first", "sound first minus speech first [95%]", interval=True)
# Figures of an Agreement: Krippendorff's alpha.
AGREEMENT = (
    Column("rating_alpha", "alpha of ratings [95%]", interval=True),
    Column("orientation_alpha", "alpha of orientations [95%]", interval=True),
)
# Figures of a PairAgreement.
PAIRWISE_AGREEMENT = (
    Column("rating_kappa", "kappa [95%]", interval=True),
    Column("", "same rating", _same_ratings),
    Column("", "same orientation", _same_orientations),
)
# Figures of a JudgeAgreement.
JUDGE_AGREEMENT = (
    Column("rating_kappa", "mean kappa with the others [95%]", interval=True),
    Column(
        "score_difference",
        "mean score minus that of the others [95%]",
        formats.signed_number,
        interval=True,
    ),
)

PUBLISHED_EXPLAINED = (
    "Published for the 80 clips of What Are They Doing, with large language models as judges; "
    "comparable only with figures for the same clips by the same judges."
)


def figures_explained(instructions: int) -> str:
    """Return an explanation of the main figures, for a number of instructions."""
    over = f"over the {instructions} instructions" if instructions > 1 else "for the instruction"
    return (
        f"Best-mean: a clip's best score {over}, averaged over the clips, 0 to 2. "
        "Mean: averaged over the instructions as well. Audio, both, speech: shares of the answers "
        "that rest on the audio, both, or the speech, among those that rest on any cue. Neither: "
        "share of answers that name no action. Coverage: share of the expected verdicts that are "
        "there and readable."
    )


def best_of(instructions: int) -> list[Column]:
    """Return the columns of the best of 1, 2, ... instructions, for figures of a Score."""
    return [_Numbered("best_at", str(place + 1), place=place) for place in range(instructions)]


def by_prompt(instructions: int) -> list[Column]:
    """Return the columns of the mean of each instruction, for figures of a Score."""
    return [replace(column, key="by_instruction") for column in best_of(instructions)]


def with_intervals(columns: Iterable[Column]) -> list[Column]:
    """Return columns that include the interval of each figure."""
    return [replace(column, interval=True) for column in columns]


# --- tables ---


@dataclass(frozen=True)
class TableRow:
    """A row of a table.

    Attributes
    ----------
    name : str
        The first cell: the name of a model, a judge or a pair.
    figures : object
        The object from which the columns read the figures.
    kind : str
        ``judge`` (below its model), ``incomplete``, ``published``, or empty.
    """

    name: str
    figures: object
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a column of names, followed by columns of figures.

    Attributes
    ----------
    heading : str
        The heading of the column of names.
    columns : sequence of Column
        The columns of figures.
    rows : sequence of TableRow
        The rows.
    """

    heading: str
    columns: Sequence[Column]
    rows: Sequence[TableRow]

    @cached_property
    def shown(self) -> list[Column]:
        """The columns that are not omitted."""
        return [
            column
            for column in self.columns
            if {column.cell(row.figures) for row in self.rows} != {column.omitted}
        ]

    @property
    def header(self) -> list[str]:
        """The headings."""
        return [self.heading, *(column.heading for column in self.shown)]

    def cells(self, row: TableRow) -> list[str]:
        """Return the formatted cells of a row."""
        return [row.name, *(column.cell(row.figures) for column in self.shown)]

    @property
    def has_figures(self) -> bool:
        """Whether any figure could be computed."""
        cells = [cell for row in self.rows for cell in self.cells(row)[1:]]
        return not {*cells} <= {"", formats.DASH}

    def to_text(self, form: str = "simple", escape: Callable[[str], str] = str) -> str:
        """Format the table in a format of tabulate, with escaped names."""
        rows = [[escape(row.name), *self.cells(row)[1:]] for row in self.rows]
        return formats.table(self.header, rows, form)

    def to_text_within(self, width: int) -> str:
        """Format the table for a terminal of a given width."""
        return formats.tables_within(width, self.header, [self.cells(row) for row in self.rows])


def proxy_label(name: str, report: ModelReport | JudgeReport) -> str:
    """Return the name of a model or judge, with ``(proxy)`` if its figures are those of a proxy."""
    # A proxy is not averaged with other judges, so the figures of the model are not a proxy's.
    is_mixed = isinstance(report, ModelReport) and report.results.mixed
    return f"{name} (proxy)" if report.proxy and not is_mixed else name


def headline(models: Models, columns: Sequence[Column] = FIGURES) -> Table:
    """Return a table of models and their judges; a single judge is shown in its model's row."""
    rows = []
    for name, model in models.items():
        judges = [
            TableRow(f"  by {proxy_label(judge, report)}", report.score, "judge")
            for judge, report in model.judges.items()
        ]
        if len(judges) == 1 and name not in model.judges:
            rows.append(TableRow(f"{name}\n{judges[0].name}", model.score))
        else:  # a judged CSV file has the same name for the model and its judge
            rows += [
                TableRow(proxy_label(name, model), model.score),
                *(judges if len(judges) > 1 else ()),
            ]
    return Table("model / judge", columns, rows)


def model_figures(models: Models, columns: Sequence[Column]) -> Table:
    """Return a table of models, without judges."""
    rows = [
        TableRow(proxy_label(name, model), model.score, "" if model.complete else "incomplete")
        for name, model in models.items()
    ]
    return Table("model", columns, rows)


def published_figures(results: Iterable[PublishedResult]) -> Table:
    """Return a table of published results."""
    rows = [TableRow(result.model, result, "published") for result in results]
    return Table("published", PUBLISHED, rows)


def differences(pairs: Iterable[Pair]) -> Table:
    """Return a table of paired differences between models."""
    rows = [TableRow(f"{pair.first}\n  minus {pair.second}", pair) for pair in pairs]
    return Table("difference", DIFFERENCES, rows)


def agreement(models: Models) -> Table:
    """Return a table of the agreement between judges, and of each judge with itself."""
    rows = []
    for name, model in models.items():
        if model.agreement:
            rows.append(TableRow(proxy_label(name, model), model.agreement))
        rows += [
            TableRow(f"{judge}, with itself", report.facts.self_agreement, "judge")
            for judge, report in model.judges.items()
            if report.facts.self_agreement
        ]
    return Table("answers of", AGREEMENT, rows)


def pairwise_agreement(models: Models) -> Table:
    """Return a table of the agreement between each pair of judges."""
    rows = [
        TableRow(f"{' and '.join(pair.judges)}\n  on {name}", pair)
        for name, model in models.items()
        if model.agreement
        for pair in model.agreement.pairs
    ]
    return Table("judges", PAIRWISE_AGREEMENT, rows)


def judge_agreement(models: Models) -> Table:
    """Return a table of the agreement of each judge with the others, of at least three judges.

    Two judges agree equally well with each other: see :func:`pairwise_agreement`.
    """
    rows = [
        TableRow(f"{judge.judge}\n  on {name}", judge)
        for name, model in models.items()
        if model.agreement and len(model.agreement.judges) > 2
        for judge in model.agreement.judges
    ]
    return Table("judge", JUDGE_AGREEMENT, rows)
