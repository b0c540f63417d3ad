"""Plots: figures placed on axes, and tables whose rows contain plots beside the numbers.

All scales are known in advance, so a position is a percentage, and plots follow the width and the
colours of the page. They are drawn by the macros of ``templates/charts.html``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from jasco.metrics.bootstrap import Estimate
from jasco.reports import columns
from jasco.reports.columns import Column, Table
from jasco.reports.formats import number, percent

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
SHARE = Axis(0.0, 1.0, (0.0, 0.5, 1.0), _tick_percent)
UNIT = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), _tick_short)


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


def symmetric_axis(found: Iterable[Mark | None]) -> Axis:
    """Return an axis around 0 that contains all intervals, at most from -2 to 2."""
    ends = [end for each in found if each for end in (each.low, each.high)]
    reach = max(map(abs, ends), default=0.0)
    end = next((end for end in (0.25, 0.5, 1.0) if reach <= end), 2.0)
    return Axis(-end, end, (-end, -end / 2, 0.0, end / 2, end), _tick_short)


def agreement_axis(found: Iterable[Mark | None]) -> Axis:
    """Return an axis to 1 that contains all intervals, from the first of -0.25, -0.5 and -1."""
    lowest = min((each.low for each in found if each), default=0.0)
    start = next((start for start in (-0.25, -0.5) if lowest >= start), -1.0)
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0) if start == -0.25 else (start, 0.0, 0.5, 1.0)
    return Axis(start, 1.0, ticks, _tick_short)


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
        The number of the model's marker; None without a marker.
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
    headings = [column for column, _ in plots]
    return PlotTable(title, caption, table.heading, headings, table.header[1:], rows, legend)
