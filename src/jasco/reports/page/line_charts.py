"""Line charts: scores of models over instructions or checkpoints, with a table of the numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from jasco.errors import one_line
from jasco.reports import columns
from jasco.reports.columns import Column, Table, TableRow
from jasco.reports.page.plots import Axis, Mark, mark, marker_of, score_axis
from jasco.reports.sweep import BEST_MEAN, Curve


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
        Whether the marks of a model are joined by a line, which is interrupted where one is
        missing.
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
    """Yield the chart of the best of 1 to K instructions, unless there are no figures."""
    yield from _over_prompts(
        models,
        columns.best_of(instructions),
        title="Best of k instructions",
        caption=(
            "Vertical: expected best score of k randomly chosen instructions, the mean at k = 1 "
            "and best-mean at the number of instructions. The best score increases with noise "
            "alone, so a steep curve is not a sign of quality. Lines: 95% intervals."
        ),
        across="k, number of instructions",
        joined=True,
    )


def prompts_chart(models: columns.Models, instructions: int) -> Iterator[LineChart]:
    """Yield the chart of the mean score of each instruction, unless there are no figures."""
    yield from _over_prompts(
        models,
        columns.by_prompt(instructions),
        title="Mean score of each instruction",
        caption="Points: mean score over the clips; lines: 95% intervals.",
        across="instruction",
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
            places=[5 + 95 * (place + 0.5) / len(figures) for place in range(len(figures))],
            series=shown, joined=joined,
            table=Table("model", columns.with_intervals(figures), rows),
        )  # fmt: skip


def curves_chart(curves: Sequence[Curve]) -> Iterator[LineChart]:
    """Yield the chart of checkpoints on one data set, unless there are no figures."""
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
    first, last = steps[0], steps[-1]
    yield LineChart(
        "Best-mean by step", "Points: best-mean of each checkpoint; lines: 95% intervals.",
        score_axis(each for one in series for each in one.marks), "step",
        labels=[f"{step:,}" for step in steps],
        places=[
            5 + 90 * (step - first) / (last - first) if last > first else 50.0 for step in steps
        ],
        series=series, joined=True,
        table=replace(curves[0].table, heading="checkpoint", rows=rows),
    )  # fmt: skip
