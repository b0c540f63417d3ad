"""The columns of every table, declared once: key, heading, format, interval.

Text, Markdown, LaTeX, CSV, data frames, the page and its charts read them from here.
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
        The attribute that holds the figure, and its name in CSV files and data frames.
    heading : str
        The heading in tables.
    write : callable
        Formats the figure.
    interval : bool
        Whether tables show its interval.
    omitted : str or None
        Tables leave the column out where all of its cells are this text.
    """

    key: str
    heading: str
    write: Callable[[Any], str] = number
    interval: bool = False
    omitted: str | None = None

    def value(self, figures: object) -> Any:
        """Return the figure: an estimate, a number, or what ``write`` formats."""
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
    """A column of one figure of several, such as each prompt's mean; a dash where there is none."""

    place: int = 0

    def value(self, figures: object) -> Any:
        """Return the estimate."""
        several = super().value(figures)
        return several[self.place] if several else NO_ESTIMATE


def _bounds(figures: Score | Comparison) -> str:
    return "" if figures.complete else formats.between(figures.bounds)


def compared_on(compared: Comparison) -> str:
    """Format on how many clips two models are compared; on how many items where some lack."""
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


# Of a Score.
HEADLINE = (Column("best_mean", "best-mean"), Column("mean", "mean"))
DEPENDENCE = tuple(Column(share, share, percent) for share in SHARES)
FIGURES = (
    Column("best_mean", "best-mean [95%]", interval=True),
    Column("", "bounds", _bounds, omitted=""),
    Column("mean", "mean"),
    *DEPENDENCE,
    Column("neither_rate", "neither", percent),
    Column("unreadable_rate", "unreadable", percent),
    Column("coverage", "coverage", percent),
)
# Of a PublishedResult.
PUBLISHED = (HEADLINE[0], *DEPENDENCE)
# Of a Pair.
DIFFERENCES = (
    Column("comparison", "clips", compared_on),
    Column("comparison.best_mean", "best-mean [95%]", formats.signed_number, interval=True),
    Column("comparison", "bounds", _bounds, omitted=""),
    Column("comparison", "tested", _tested, omitted="best-mean"),
    Column("comparison.p", "p", formats.p_value),
    Column("p_holm", "p (Holm)", formats.p_value),
    Column("comparison.detectable", "detectable", detectable),
    Column("comparison.mean", "mean [95%]", formats.signed_number, interval=True),
    *(Column(f"comparison.{share}", share, formats.signed_percent) for share in SHARES),
)
# Of a Score.
PROMPT_ORDER = Column("sound_first", "sound first minus speech first [95%]", interval=True)
# Of an Agreement: Krippendorff's alpha.
AGREEMENT = (
    Column("rating_alpha", "alpha of ratings [95%]", interval=True),
    Column("orientation_alpha", "alpha of orientations [95%]", interval=True),
)
# Of a PairAgreement.
PAIRWISE_AGREEMENT = (
    Column("rating_kappa", "kappa [95%]", interval=True),
    Column("", "same rating", _same_ratings),
    Column("", "same orientation", _same_orientations),
)

PUBLISHED_EXPLAINED = (
    "Published for the 80 clips of What Are They Doing, with large language models as judges; "
    "comparable only with figures for the same clips by the same judges."
)


def figures_explained(instructions: int) -> str:
    """Return what the columns of the main figures hold, for a number of instructions."""
    over = f"over the {instructions} instructions" if instructions > 1 else "for the instruction"
    return (
        f"Best-mean: a clip's best score {over}, averaged over the clips, 0 to 2. "
        "Mean: averaged over the instructions as well. Audio, both, speech: on which cue the "
        "answers rest, among those that rest on any. Neither: answers that name no action at all. "
        "Coverage: readable verdicts among the expected ones."
    )


def best_of(instructions: int) -> list[Column]:
    """Return the columns of what the best of 1, 2, ... prompts scores, of a Score."""
    return [_Numbered("best_at", str(place + 1), place=place) for place in range(instructions)]


def by_prompt(instructions: int) -> list[Column]:
    """Return the columns of the mean of each prompt, of a Score."""
    return [replace(column, key="by_instruction") for column in best_of(instructions)]


def with_intervals(columns: Iterable[Column]) -> list[Column]:
    """Return columns whose cells hold the intervals of all figures that have one."""
    return [replace(column, interval=True) for column in columns]


# --- tables ---


@dataclass(frozen=True)
class TableRow:
    """A row of a table.

    Attributes
    ----------
    name : str
        Of a model, a judge or a pair: the cell that comes first.
    figures : object
        What the columns read.
    kind : str
        ``judge`` below its model, ``incomplete``, ``published``, or nothing.
    """

    name: str
    figures: object
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """Names, then figures.

    Attributes
    ----------
    heading : str
        Of the column of names.
    columns : sequence of Column
        The columns of figures.
    rows : sequence of TableRow
    """

    heading: str
    columns: Sequence[Column]
    rows: Sequence[TableRow]

    @cached_property
    def shown(self) -> list[Column]:
        """The columns without those that are omitted."""
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
        """Format a row."""
        return [row.name, *(column.cell(row.figures) for column in self.shown)]

    @property
    def has_figures(self) -> bool:
        """Whether any figure could be computed."""
        cells = [cell for row in self.rows for cell in self.cells(row)[1:]]
        return not {*cells} <= {"", formats.DASH}

    def to_text(self, form: str = "simple", escape: Callable[[str], str] = str) -> str:
        """Format the table in one of tabulate's formats, with escaped names."""
        rows = [[escape(row.name), *self.cells(row)[1:]] for row in self.rows]
        return formats.table(self.header, rows, form)


def proxy_label(name: str, report: ModelReport | JudgeReport) -> str:
    """Return the name of a model or judge, with ``(proxy)`` where its figures are a proxy's."""
    # A proxy is not averaged with other judges: then the model has no proxy figures.
    is_mixed = isinstance(report, ModelReport) and report.results.mixed
    return f"{name} (proxy)" if report.proxy and not is_mixed else name


def headline(models: Models, columns: Sequence[Column] = FIGURES) -> Table:
    """Return the figures of models and their judges; a single judge is in its model's row."""
    rows = []
    for name, model in models.items():
        judges = [
            TableRow(f"  by {proxy_label(judge, report)}", report.score, "judge")
            for judge, report in model.judges.items()
        ]
        if len(judges) == 1 and name not in model.judges:
            rows.append(TableRow(f"{name}\n{judges[0].name}", model.score))
        else:  # a judged file has one name, for the model and for its single judge
            rows += [
                TableRow(proxy_label(name, model), model.score),
                *(judges if len(judges) > 1 else ()),
            ]
    return Table("model / judge", columns, rows)


def model_figures(models: Models, columns: Sequence[Column]) -> Table:
    """Return the figures of models only."""
    rows = [
        TableRow(proxy_label(name, model), model.score, "" if model.complete else "incomplete")
        for name, model in models.items()
    ]
    return Table("model", columns, rows)


def published_figures(results: Iterable[PublishedResult]) -> Table:
    """Return the published figures."""
    rows = [TableRow(result.model, result, "published") for result in results]
    return Table("published", PUBLISHED, rows)


def differences(pairs: Iterable[Pair]) -> Table:
    """Return paired differences of models."""
    rows = [TableRow(f"{pair.first}\n  minus {pair.second}", pair) for pair in pairs]
    return Table("difference", DIFFERENCES, rows)


def agreement(models: Models) -> Table:
    """Return how judges agree with each other, and with themselves."""
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
    """Return how judges agree pair by pair."""
    rows = [
        TableRow(f"{' and '.join(pair.judges)}, on {name}", pair)
        for name, model in models.items()
        if model.agreement
        for pair in model.agreement.pairs
    ]
    return Table("judges", PAIRWISE_AGREEMENT, rows)
