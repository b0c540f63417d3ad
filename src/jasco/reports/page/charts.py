"""The charts of the page: static images drawn by Vega-Lite, each with a table of its data.

The charts are specified in ``chart_specs/``, in the language of Vega-Lite. All can be read without
colour, by shapes, dashes or numbers. Texts in them are data, which Vega-Lite escapes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

import vl_convert
from markupsafe import Markup

from jasco.errors import one_line
from jasco.metrics.bootstrap import Estimate
from jasco.reports import columns
from jasco.reports.columns import Column, Table, TableRow
from jasco.reports.formats import number, percent
from jasco.reports.published import PublishedResult
from jasco.reports.report import ModelReport
from jasco.reports.sweep import BEST_MEAN, Curve

_SPECS = files("jasco.reports.page") / "chart_specs"
_LONGEST_NAME = 44  # characters

# By the name of a chart's file in ``chart_specs/``: its figures, for a number of instructions.
CHARTS: dict[str, Callable[[int], Sequence[Column]]] = {
    "headline": lambda _: columns.HEADLINE,
    "dependence": lambda _: columns.DEPENDENCE,
    "best_of": columns.best_of,
    "prompts": columns.by_prompt,
}


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes
    ----------
    title, caption : str
    svg : Markup
        The image.
    table : Table
        The data that it shows.
    """

    title: str
    caption: str
    svg: Markup
    table: Table

    @property
    def description(self) -> str:
        """A text alternative of the chart."""
        rows = [" ".join(map(one_line, self.table.cells(row))) for row in self.table.rows]
        return f"{self.title}. {self.caption} {'; '.join(rows)}"


def draw(
    name: str, models: Mapping[str, ModelReport], published: Sequence[PublishedResult] = ()
) -> Iterator[Chart]:
    """Draw one of ``CHARTS``, published results last; yield nothing if there are no figures."""
    instructions = max(len(model.results.instructions) for model in models.values())
    figures = CHARTS[name](instructions)
    rows = [TableRow(model, report.score) for model, report in models.items()]
    rows += [TableRow(f"{result.model} (published)", result, "published ") for result in published]
    names = _short(row.name for row in rows)
    points = [
        {
            "model": names[row.name],
            "figure": column.heading,
            "series": f"{row.kind}{column.heading}",
            "place": place,
            **figure,
        }
        for row in rows
        for place, column in enumerate(figures)
        if (figure := point(column, row.figures))
    ]
    if points:
        spec = read_spec(name)
        table = Table("model", columns.with_intervals(figures), rows)
        yield Chart(**spec.pop("usermeta"), svg=draw_svg(spec, points), table=table)


def draw_curves(curves: Sequence[Curve]) -> Iterator[Chart]:
    """Draw the curves over checkpoints on one data set; yield nothing if there are no figures."""
    names = _short(curve.label for curve in curves)
    points = [
        {"model": names[curve.label], "series": names[curve.label], "step": each.step, **figure}
        for curve in curves
        for each in curve.points
        if (figure := point(BEST_MEAN, each))
    ]
    if points:
        spec = read_spec("curve")
        rows = [
            replace(row, name=f"{curve.label}, step {row.name}")
            for curve in curves
            for row in curve.table.rows
        ]
        table = replace(curves[0].table, heading="checkpoint", rows=rows)
        yield Chart(**spec.pop("usermeta"), svg=draw_svg(spec, points), table=table)


def point(column: Column, figures: object) -> dict[str, Any] | None:
    """Return the data of a figure and its interval; None if it is undefined."""
    figure = column.value(figures)
    value = figure.value if isinstance(figure, Estimate) else figure
    if value is None:
        return None
    low, high = (isinstance(figure, Estimate) and figure.interval) or (value, value)
    text = percent(value, digits=0) if column.write is percent else number(value)
    return {"value": value, "low": low, "high": high, "text": text}


def read_spec(name: str) -> dict[str, Any]:
    """Read a specification in ``chart_specs/``."""
    spec: dict[str, Any] = json.loads((_SPECS / f"{name}.json").read_text("utf-8"))
    return spec


def draw_svg(spec: dict[str, Any], points: Sequence[dict[str, Any]]) -> Markup:
    """Draw data as specified."""
    # Channels share a legend only if all of them list the same models or series.
    params = [
        {"name": f"{field}_shown", "value": list(dict.fromkeys(each[field] for each in points))}
        for field in ("model", "series")
        if field in points[0]
    ]
    data = {"data": {"values": points}, "config": read_spec("config"), "params": params}
    return Markup(vl_convert.vegalite_to_svg(spec | data))  # noqa: S704 (an image drawn here)


def start_drawing() -> None:
    """Draw nothing: the first drawing of a process takes a second, which may pass in a thread."""
    vl_convert.vegalite_to_svg({"data": {"values": []}, "mark": "point"})


def _short(names: Iterable[str]) -> dict[str, str]:
    """Shorten names to fit in a chart, and keep them distinct."""
    short: dict[str, str] = {}
    for place, name in enumerate(names, start=1):
        cut = one_line(name, _LONGEST_NAME)
        if cut in short.values():
            cut = f"{one_line(name, _LONGEST_NAME - 5)} ({place})"
        short[name] = cut
    return short
