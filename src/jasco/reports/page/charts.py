"""The page's charts: drawn by Vega-Lite as pictures that need no script, each with its numbers.

How a chart looks is declared in ``specs/``, in Vega-Lite's own language. All are readable without
colour: by shapes, dashes, or numbers. Texts in them are data, which Vega-Lite escapes.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import vl_convert
from markupsafe import Markup

from jasco.errors import one_line
from jasco.metrics.bootstrap import Estimate
from jasco.reports.columns import (
    BEST_OF,
    BY_PROMPT,
    DEPENDENCE,
    HEADLINE,
    Column,
    Models,
    Row,
    Table,
    with_intervals,
)
from jasco.reports.formats import number, percent
from jasco.reports.published import PublishedResult

_SPECS = files("jasco.reports.page") / "specs"
_LONGEST_NAME = 44  # characters


@dataclass(frozen=True)
class Chart:
    """A drawing.

    Attributes
    ----------
    title, caption : str
    svg : Markup
        The drawing.
    table : Table
        Its numbers.
    """

    title: str
    caption: str
    svg: Markup
    table: Table

    @property
    def description(self) -> str:
        """The chart in words, for those who cannot see it."""
        rows = "; ".join(" ".join(map(one_line, self.table.cells(row))) for row in self.table.rows)
        return f"{self.title}. {self.caption} {rows}"


def headline(models: Models, published: Sequence[PublishedResult]) -> Iterator[Chart]:
    """Draw best-mean and mean of each model, with the published best-means below."""
    yield from _chart(
        "headline",
        "Best-mean and mean",
        "Points: best-mean and mean of each model; lines: 95% intervals.",
        HEADLINE,
        models,
        published,
    )


def dependence(models: Models, published: Sequence[PublishedResult]) -> Iterator[Chart]:
    """Draw the shares of what answers rest on."""
    yield from _chart(
        "dependence",
        "Modality dependence",
        "From the left: answers that rest on the audio, on both, on the speech. Those that rest on "
        "neither are left out.",
        DEPENDENCE,
        models,
        published,
    )


def best_of(models: Models) -> Iterator[Chart]:
    """Draw what the best of 1 to 8 prompts scores."""
    yield from _chart(
        "best_of",
        "Best of k prompts",
        "The score if the best of k prompts counted, drawn at random: the mean at 1, best-mean at "
        "8. A steep rise may be chance.",
        BEST_OF,
        models,
    )


def by_prompt(models: Models) -> Iterator[Chart]:
    """Draw each prompt's mean."""
    yield from _chart(
        "prompts",
        "Effect of the prompt",
        "Each prompt's mean score, with its 95% interval.",
        BY_PROMPT,
        models,
    )


def _chart(
    spec: str,
    title: str,
    caption: str,
    columns: Sequence[Column],
    models: Models,
    published: Sequence[PublishedResult] = (),
) -> Iterator[Chart]:
    """Draw the figures of columns by model; nothing where there are none."""
    rows = [Row((name,), model.score) for name, model in models.items()]
    rows += [Row((f"{each.model} (published)",), each, "published ") for each in published]
    names = _short(row.names[0] for row in rows)
    points = [
        {
            "model": names[row.names[0]],
            "figure": column.heading,
            "series": f"{row.kind}{column.heading}",
            "place": place,
            **point,
        }
        for row in rows
        for place, column in enumerate(columns)
        if (point := _point(column, row.figures))
    ]
    if points:
        table = Table(("model",), with_intervals(columns), rows)
        yield Chart(title, caption, _draw(spec, points), table)


def _point(column: Column, figures: object) -> dict[str, Any] | None:
    figure = column.value(figures)
    value, ends = (
        (figure.value, figure.interval) if isinstance(figure, Estimate) else (figure, None)
    )
    if value is None:
        return None
    low, high = ends or (value, value)
    text = percent(value, digits=0) if column.write is percent else number(value)
    return {"value": value, "low": low, "high": high, "text": text}


def _draw(spec: str, points: Sequence[dict[str, Any]]) -> Markup:
    drawing, config = (
        json.loads((_SPECS / f"{name}.json").read_text("utf-8")) for name in (spec, "config")
    )
    names = dict.fromkeys(point["model"] for point in points)
    whole = {
        **drawing,
        "data": {"values": points},
        "config": config,
        # Each channel that tells models apart has the same ones: only so do they share a legend.
        "params": [{"name": "models", "value": list(names)}],
    }
    return Markup(vl_convert.vegalite_to_svg(whole))  # noqa: S704 (a drawing of our own making)


def _short(names: Iterable[str]) -> dict[str, str]:
    """Shorten names to what a chart has room for, and keep them distinct."""
    short: dict[str, str] = {}
    for place, name in enumerate(names, start=1):
        cut = one_line(name, _LONGEST_NAME)
        if cut in short.values():
            cut = f"{one_line(name, _LONGEST_NAME - 5)} ({place})"
        short[name] = cut
    return short
