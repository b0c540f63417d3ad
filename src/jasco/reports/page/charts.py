"""The charts of the page: figures placed on axes, for the macros of ``templates/charts.html``.

There are two kinds. A :class:`PlotTable` is a table whose rows contain plots beside the numbers that
they show. A :class:`LineChart` shows several models over prompts or checkpoints, and has a table of
its numbers. All scales are known in advance, so a position is a percentage, and the charts follow
the width and the colours of the page.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from jasco.errors import one_line
from jasco.metrics.bootstrap import Estimate
from jasco.reports import columns
from jasco.reports.columns import Column, Table, TableRow
from jasco.reports.formats import number, percent
from jasco.reports.published import PublishedResult
from jasco.reports.report import SHARES, Pair
from jasco.reports.sweep import BEST_MEAN, Curve

MARKERS = 6
"""Number of different markers of models; further models repeat them."""


def marker_of(place: int) -> int:
    """Return the number of the marker of a model, from 1, given its place among all models."""
    return place % MARKERS + 1


def markers_of(models: columns.Models) -> dict[str, int]:
    """Return the numbers of the markers by the names of models in tables."""
    return {
        label: marker_of(place)
        for place, (name, model) in enumerate(models.items())
        for label in (name, columns.proxy_label(name, model))
    }


@dataclass(frozen=True)
class Axis:
    """A linear scale.

    Attributes
    ----------
    low, high : float
        The ends.
    ticks : sequence of float
    write : callable
        Formats a tick.
    """

    low: float
    high: float
    ticks: Sequence[float]
    write: Callable[[float | None], str]

    def at(self, value: float) -> float:
        """Return the position of a value in percent; values outside the scale are at its ends."""
        return round(100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low))), 2)


def _tick_short(value: float | None) -> str:
    return number(value, digits=3).rstrip("0").rstrip(".")


def _tick_percent(value: float | None) -> str:
    return percent(value, digits=0)


SCORE = Axis(0.0, 2.0, (0.0, 0.5, 1.0, 1.5, 2.0), _tick_short)
SHARE = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), _tick_percent)
UNIT = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), _tick_short)
AGREEMENT = Axis(-0.25, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), _tick_short)


def symmetric_axis(values: Sequence[float]) -> Axis:
    """Return an axis around 0 that contains all values, at most from -2 to 2."""
    reach = max((abs(value) for value in values), default=0.0)
    end = next((end for end in (0.25, 0.5, 1.0) if reach <= end), 2.0)
    return Axis(-end, end, (-end, -end / 2, 0.0, end / 2, end), _tick_short)


@dataclass(frozen=True)
class Mark:
    """A figure and its interval.

    Attributes
    ----------
    value, low, high : float
        The figure and the ends of its interval, which are the figure itself if there is none.
    text : str
        The figure as text.
    style : str
        The class of its symbol: ``dot``, ``open``, ``square`` or ``published``.
    """

    value: float
    low: float
    high: float
    text: str
    style: str = "dot"


@dataclass(frozen=True)
class Bar:
    """A bar from one value to another.

    Attributes
    ----------
    start, end : float
    style : str
        The class of its filling.
    text : str
        A text on the bar; may be empty.
    """

    start: float
    end: float
    style: str
    text: str = ""


Shape = Mark | Bar


def score_axis(found: Iterable[Mark | None]) -> Axis:
    """Return an axis from 0 to the first of 0.5, 1 and 2 that no interval exceeds."""
    highest = max((each.high for each in found if each), default=2.0)
    end = next((end for end in (0.5, 1.0) if highest <= end), 2.0)
    return Axis(0.0, end, [end * quarter / 4 for quarter in range(5)], _tick_short)


def mark(column: Column, figures: object, style: str = "dot") -> Mark | None:
    """Return the mark of a figure; None if it is undefined."""
    figure = column.value(figures)
    value = figure.value if isinstance(figure, Estimate) else figure
    if value is None:
        return None
    low, high = (isinstance(figure, Estimate) and figure.interval) or (value, value)
    return Mark(value, low, high, column.write(value), style)


def marks(figures: object, *styled: tuple[Column, str]) -> list[Shape]:
    """Return the marks of several figures, those that are undefined left out."""
    return [each for column, style in styled if (each := mark(column, figures, style))]


_LEAST_LABELLED = 0.12  # share of a bar's width that has room for its percentage


def stack(figures: object) -> list[Shape]:
    """Return the bars of modality dependence, one after the other; empty if it is undefined."""
    shares = [column.value(figures) for column in columns.DEPENDENCE]
    values = [each.value if isinstance(each, Estimate) else each for each in shares]
    if None in values:
        return []
    ends = [0.0]
    for value in values:
        ends.append(ends[-1] + value)
    return [
        Bar(start, end, share, percent(value, digits=0) if value >= _LEAST_LABELLED else "")
        for share, value, (start, end) in zip(SHARES, values, pairwise(ends), strict=True)
        if value
    ]


@dataclass(frozen=True)
class PlotColumn:
    """A column of plots: its heading and its axis."""

    heading: str
    axis: Axis


@dataclass(frozen=True)
class PlotRow:
    """A row of a table with plots.

    Attributes
    ----------
    name : str
    kind : str
        As in :class:`~jasco.reports.columns.TableRow`.
    marker : int or None
        The number of the model's marker: 0 for published results; None without a marker.
    plots : sequence of sequence of Mark or Bar
        The content of each column of plots.
    cells : sequence of str
        The numbers, formatted.
    """

    name: str
    kind: str
    marker: int | None
    plots: Sequence[Sequence[Shape]]
    cells: Sequence[str]


@dataclass(frozen=True)
class PlotTable:
    """A table with columns of plots between the names and the numbers.

    Attributes
    ----------
    title, caption : str
    heading : str
        The heading of the names.
    plots : sequence of PlotColumn
    header : sequence of str
        The headings of the numbers.
    rows : sequence of PlotRow
    legend : sequence of (str, str)
        The class of each symbol and its meaning.
    """

    title: str
    caption: str
    heading: str
    plots: Sequence[PlotColumn]
    header: Sequence[str]
    rows: Sequence[PlotRow]
    legend: Sequence[tuple[str, str]] = ()


def plot_table(
    table: Table,
    plots: Sequence[tuple[PlotColumn, Callable[[object], Sequence[Shape]]]],
    *,
    title: str,
    caption: str = "",
    markers: Mapping[str, int] | None = None,
    legend: Sequence[tuple[str, str]] = (),
) -> PlotTable:
    """Return a table with plots.

    Parameters
    ----------
    table : Table
        The figures.
    plots : sequence of (PlotColumn, callable)
        The columns of plots, and what returns the content of a cell, given a row's figures.
    title, caption : str
    markers : mapping of str to int, optional
        The number of the marker in a row, by the first line of the row's name.
    legend : sequence of (str, str)
        The class of each symbol and its meaning.
    """
    rows = [
        PlotRow(
            row.name,
            row.kind,
            (markers or {}).get(row.name.partition("\n")[0]),
            [shapes(row.figures) for _, shapes in plots],
            table.cells(row)[1:],
        )
        for row in table.rows
    ]
    return PlotTable(
        title, caption, table.heading, [column for column, _ in plots], table.header[1:], rows, legend
    )  # fmt: skip


# --- line charts ---


@dataclass(frozen=True)
class Series:
    """A model in a line chart: its name, the number of its marker, and a mark at each place."""

    name: str
    marker: int
    marks: Sequence[Mark | None]


@dataclass(frozen=True)
class LineChart:
    """Scores of models at several places, with a table of the numbers.

    Attributes
    ----------
    title, caption : str
    axis : Axis
        The vertical axis.
    across : str
        The title of the horizontal axis.
    labels : sequence of str
        The labels of the places.
    places : sequence of float
        Their positions in percent.
    series : sequence of Series
    joined : bool
        Whether the marks of a model are joined by a line.
    table : Table
    """

    title: str
    caption: str
    axis: Axis
    across: str
    labels: Sequence[str]
    places: Sequence[float]
    series: Sequence[Series]
    joined: bool
    table: Table

    @property
    def description(self) -> str:
        """A text alternative of the chart."""
        rows = [" ".join(map(one_line, self.table.cells(row))) for row in self.table.rows]
        return f"{self.title}. {self.caption} {'; '.join(rows)}"

    def at(self, series: int, place: int) -> float:
        """Return the position of a mark in percent: models stand side by side at each place."""
        share = 0.25 if self.joined else 0.6  # of the room of a place
        room = 100 / len(self.places) * share / max(len(self.series), 2)
        return round(self.places[place] + (series - (len(self.series) - 1) / 2) * room, 2)


def best_of_chart(models: columns.Models, instructions: int) -> Iterator[LineChart]:
    """Yield the chart of the best of 1 to K prompts, unless there are no figures."""
    yield from _over_prompts(
        models,
        columns.best_of(instructions),
        title="Best of k prompts",
        caption=(
            "Expected best score of k randomly chosen prompts: the mean at k = 1, best-mean at the "
            "number of prompts. The best score increases with noise alone, so a steep curve is not "
            "a sign of quality."
        ),
        across="k, number of prompts",
        joined=True,
    )


def prompts_chart(models: columns.Models, instructions: int) -> Iterator[LineChart]:
    """Yield the chart of the mean score of each prompt, unless there are no figures."""
    yield from _over_prompts(
        models,
        columns.by_prompt(instructions),
        title="Mean score of each prompt",
        caption="Points: mean score over the clips; lines: 95% intervals.",
        across="prompt",
        joined=False,
    )


def _over_prompts(
    models: columns.Models, figures: Sequence[Column], title: str, caption: str, across: str,
    *, joined: bool,
) -> Iterator[LineChart]:  # fmt: skip
    series = [
        Series(name, marker_of(place), [mark(column, model.score) for column in figures])
        for place, (name, model) in enumerate(models.items())
    ]
    shown = [each for each in series if any(each.marks)]
    if shown:
        rows = [TableRow(name, model.score) for name, model in models.items()]
        yield LineChart(
            title, caption, score_axis(each for one in shown for each in one.marks), across,
            labels=[column.heading for column in figures],
            places=[100 * (place + 0.5) / len(figures) for place in range(len(figures))],
            series=shown, joined=joined,
            table=Table("model", columns.with_intervals(figures), rows),
        )  # fmt: skip


def curves_chart(curves: Sequence[Curve]) -> Iterator[LineChart]:
    """Yield the chart of the curves over checkpoints on one data set, unless there are no figures."""
    steps = sorted({point.step for curve in curves for point in curve.points})
    series = []
    for place, curve in enumerate(curves):
        by_step = {point.step: mark(BEST_MEAN, point) for point in curve.points}
        series.append(Series(curve.label, marker_of(place), [by_step.get(step) for step in steps]))
    if not any(any(each.marks) for each in series):
        return
    rows = [
        replace(row, name=f"{curve.label}, step {row.name}")
        for curve in curves
        for row in curve.table.rows
    ]
    axis = Axis(steps[0], steps[-1], steps, str) if len(steps) > 1 else None
    yield LineChart(
        "Best-mean by step", "Points: best-mean of each checkpoint; lines: 95% intervals.",
        score_axis(each for one in series for each in one.marks), "step",
        labels=[f"{step:,}" for step in steps],
        places=[5 + 0.9 * axis.at(step) if axis else 50.0 for step in steps],
        series=series, joined=True,
        table=replace(curves[0].table, heading="checkpoint", rows=rows),
    )  # fmt: skip


# --- clips and prompts ---


@dataclass(frozen=True)
class HeatMap:
    """The scores of a model by clip and prompt.

    Attributes
    ----------
    name : str
    marker : int
    clips : sequence of str
        The ids of the clips, from left to right.
    prompts : int
        Number of prompts, from top to bottom.
    paths : mapping of str to str
        By the class of a score in quarters, ``s0`` to ``s8``: the outline of all cells with this score, each of size 1 x 1.
        Cells without a score are left out.
    """

    name: str
    marker: int
    clips: Sequence[str]
    prompts: int
    paths: Mapping[str, str]


def heat_map(
    name: str, marker: int, scores: Mapping[str, Sequence[float | None]], order: Sequence[str]
) -> HeatMap:
    """Return the heat map of a model, given the score of each prompt by clip."""
    paths: dict[str, list[str]] = {}
    for column, clip in enumerate(order):
        for row, score in enumerate(scores[clip]):
            if score is not None:
                paths.setdefault(f"s{round(4 * score)}", []).append(f"M{column} {row}h1v1h-1z")
    prompts = max(map(len, scores.values()), default=0)
    outlines = {key: "".join(cells) for key, cells in sorted(paths.items())}
    return HeatMap(name, marker, order, prompts, outlines)


_UNREMARKABLE = {"unreadable_rate": percent(0.0), "coverage": percent(1.0)}
_LEADERBOARD = [
    replace(column, interval=True, omitted=_UNREMARKABLE.get(column.key, column.omitted))
    for column in columns.FIGURES
    if column not in columns.DEPENDENCE  # drawn
]


def leaderboard(models: columns.Models, published: Sequence[PublishedResult]) -> PlotTable:
    """Return the main figures, the best model first, then published results."""
    table = columns.headline(models, _LEADERBOARD)
    groups: list[list[TableRow]] = []
    for row in table.rows:
        if row.kind == "judge" and groups:
            groups[-1].append(row)  # judges stay below their model
        else:
            groups.append([row])
    groups.sort(key=_best, reverse=True)
    rows = [row for group in groups for row in group]
    rows += [TableRow(result.model, result, "published") for result in published]
    best_mean, mean = columns.HEADLINE

    def scores(figures: object) -> list[Shape]:
        style = "published" if isinstance(figures, PublishedResult) else "dot"
        return marks(figures, (mean, "open"), (best_mean, style))

    legend = [("dot", "best-mean"), ("open", "mean")]
    if published:
        legend.append(("published", "published best-mean"))
    return plot_table(
        replace(table, rows=rows),
        [
            (PlotColumn("best-mean and mean", SCORE), scores),
            (PlotColumn("answers rest on", SHARE), stack),
        ],
        title="Results",
        markers=markers_of(models),
        legend=[*legend, *((share, share) for share in SHARES)],
    )


def _best(rows: Sequence[TableRow]) -> float:
    estimates = [columns.HEADLINE[0].value(row.figures).value for row in rows]
    return max((value for value in estimates if value is not None), default=-1.0)


def dependence_table(models: columns.Models, published: Sequence[PublishedResult]) -> PlotTable:
    """Return modality dependence with its intervals, then published results."""
    figures = [*columns.with_intervals(columns.DEPENDENCE), columns.NEITHER]
    table = columns.headline(models, figures)
    rows = [*table.rows, *(TableRow(each.model, each, "published") for each in published)]
    return plot_table(
        replace(table, rows=rows),
        [(PlotColumn("share of the answers that rest on any cue", SHARE), stack)],
        title="Modality dependence",
        caption=(
            "What the answers rest on according to the judges, with 95% intervals. Answers that "
            "rest on neither are not part of the bar."
        ),
        markers=markers_of(models),
        legend=[(share, share) for share in SHARES],
    )


def differences_table(pairs: Sequence[Pair]) -> PlotTable:
    """Return the paired differences between models."""
    table = columns.differences(pairs)
    best_mean, mean = columns.DIFFERENCES[1], columns.DIFFERENCES[-4]
    tested = [
        mean if pair.comparison.tested == "mean" else best_mean for pair in pairs
    ]
    found = [each for column, pair in zip(tested, pairs, strict=True) if (each := mark(column, pair))]
    axis = symmetric_axis([end for each in found for end in (each.low, each.high)])

    def difference(pair: Any) -> list[Shape]:
        return marks(pair, (mean if pair.comparison.tested == "mean" else best_mean, "dot"))

    return plot_table(
        table,
        [(PlotColumn("difference", axis), difference)],
        title="Differences between models",
        caption=(
            "Paired over clips, with 95% intervals. If an interval includes 0, the models cannot "
            "be told apart with these clips."
        ),
    )


def pairwise_agreement_table(models: columns.Models) -> PlotTable:
    """Return the agreement between each pair of judges."""
    kappa = columns.PAIRWISE_AGREEMENT[0]
    return plot_table(
        columns.pairwise_agreement(models),
        [(PlotColumn("weighted kappa of the ratings", AGREEMENT), lambda pair: marks(pair, (kappa, "dot")))],
        title="Agreement of each pair of judges",
        caption="1: perfect agreement; 0: as often as by chance.",
    )


def agreement_table(models: columns.Models) -> PlotTable:
    """Return the agreement between all judges, and of each judge with itself."""
    ratings, orientations = columns.AGREEMENT
    return plot_table(
        columns.agreement(models),
        [
            (
                PlotColumn("Krippendorff's alpha", AGREEMENT),
                lambda each: marks(each, (orientations, "open"), (ratings, "dot")),
            )
        ],
        title="Agreement of all judges",
        caption="1: perfect agreement; 0: as often as by chance.",
        markers=markers_of(models),
        legend=[("dot", "ratings"), ("open", "orientations")],
    )
