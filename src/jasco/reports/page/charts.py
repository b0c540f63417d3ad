"""The page's charts: drawn by Vega-Lite as pictures that need no script, each with its numbers.

What a chart looks like stands in ``specs/``, in Vega-Lite's own language. All are readable without
colour: by shapes, dashes, or numbers. Texts in them are data, which Vega-Lite escapes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import vl_convert
from markupsafe import Markup

from jasco.errors import one_line
from jasco.reports.layout import number, percent, with_interval

_SPECS = files("jasco.reports.page") / "specs"
_LONGEST = 44  # letters of a name in a chart
_SMALLEST = 0.07  # share of a bar in which there is room for its number
SHARES = ("audio", "both", "speech")

Published = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    cells : sequence of str
    kind : str
        ``judge`` below its model, ``published``, or nothing.
    below : sequence of str
        What stands small under each cell; may be empty.
    """

    cells: Sequence[str]
    kind: str = ""
    below: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """Figures as they are shown."""

    header: Sequence[str]
    rows: Sequence[Row]


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
    def told(self) -> str:
        """The chart for those who cannot see it."""
        rows = "; ".join(" ".join(map(one_line, row.cells)) for row in self.table.rows)
        return f"{self.title}. {self.caption} {rows}"


def headline(models: Mapping[str, Any], published: Published) -> Iterator[Chart]:
    """Draw best-mean and mean of each model, with the published best-means below."""
    names, values, rows = _short(models), [], []
    for name, model in models.items():
        for what, key in (("best-mean", "best_mean"), ("mean", "mean")):
            values += _point(names[name], model[key], model[f"{key}_ci"], what=what)
        cells = [with_interval(model[key], model[f"{key}_ci"]) for key in ("best_mean", "mean")]
        rows.append(Row([name, *cells]))
    for each in published:
        name, best_mean = f"{each['model']} (published)", each["best_mean"]
        values += _point(name, best_mean, None, what="published best-mean")
        rows.append(Row([name, number(best_mean), number(None)]))
    if values:
        yield Chart(
            "Best-mean and mean",
            "Points: best-mean and mean of each model; lines: 95 % intervals.",
            _draw("headline", values),
            Table(("model", "best-mean", "mean"), rows),
        )


def dependence(models: Mapping[str, Any], published: Published) -> Iterator[Chart]:
    """Draw the shares of what answers rest on."""
    names, values, rows = _short(models), [], []
    for name, model in models.items():
        shares, ends = model["modality_dependence"], model["modality_dependence_ci"]
        values += _bars(names[name], shares)
        rows.append(Row([name, *(with_interval(shares[k], ends[k], percent) for k in SHARES)]))
    for each in published:
        name = f"{each['model']} (published)"
        values += _bars(name, each)
        rows.append(Row([name, *(percent(each[key]) for key in SHARES)]))
    if values:
        yield Chart(
            "Modality dependence",
            "From the left: answers that rest on the audio, on both, on the speech. Those that "
            "rest on neither are left out.",
            _draw("dependence", values),
            Table(("model", *SHARES), rows),
        )


def best_of(models: Mapping[str, Any]) -> Iterator[Chart]:
    """Draw what the best of 1 to 8 prompts scores."""
    yield from _curves(
        "Best of k prompts",
        "The score if the best of k prompts counted, drawn at random: the mean at 1, best-mean at "
        "8. A steep rise may be luck.",
        "best_of",
        {name: (each["best_at_k"], each["best_at_k_ci"]) for name, each in models.items()},
    )


def by_prompt(models: Mapping[str, Any]) -> Iterator[Chart]:
    """Draw each prompt's mean."""
    told = {name: model["instructions"] for name, model in models.items()}
    yield from _curves(
        "Effect of the prompt",
        "Each prompt's mean score, with its 95 % interval.",
        "prompts",
        {name: (each["means"], each["means_ci"]) for name, each in told.items()},
    )


def _curves(
    title: str, caption: str, spec: str, curves: Mapping[str, tuple[Any, Any]]
) -> Iterator[Chart]:
    """Draw scores of models over numbers from 1 on; those without any are left out."""
    names, values, rows = _short(curves), [], list[Row]()
    for name, (scores, intervals) in curves.items():
        points = list(zip(scores or (), intervals or (), strict=True))
        for at, (score, ends) in enumerate(points, start=1):
            values += _point(names[name], score, ends, at=at)
        if any(score is not None for score, _ in points):
            rows.append(Row([name, *(with_interval(*point) for point in points)]))
    if values:
        header = ("model", *map(str, range(1, len(rows[0].cells))))
        yield Chart(title, caption, _draw(spec, values), Table(header, rows))


def _point(
    name: str, value: float | None, ends: Sequence[float] | None, **more: Any
) -> list[dict[str, Any]]:
    if value is None:
        return []
    low, high = ends or (value, value)
    told = {"model": name, "value": value, "low": low, "high": high, "text": number(value)}
    return [{**told, **more}]


def _bars(name: str, shares: Mapping[str, float | None]) -> list[dict[str, Any]]:
    return [
        {
            "model": name,
            "rests on": key,
            "share": share,
            "place": place,
            "text": percent(share, digits=0) if share >= _SMALLEST else "",
        }
        for place, key in enumerate(SHARES)
        if (share := shares[key]) is not None
    ]


def _draw(spec: str, values: Sequence[Mapping[str, Any]]) -> Markup:
    drawing, config = (
        json.loads((_SPECS / f"{name}.json").read_text("utf-8")) for name in (spec, "config")
    )
    names = dict.fromkeys(value["model"] for value in values)
    whole = {
        **drawing,
        "data": {"values": values},
        "config": config,
        # Each channel that tells models apart has the same ones: only so do they share a legend.
        "params": [{"name": "models", "value": list(names)}],
    }
    return Markup(vl_convert.vegalite_to_svg(whole))  # noqa: S704 (a drawing of our own making)


def _short(names: Mapping[str, Any]) -> dict[str, str]:
    """Shorten names to what a chart has room for; no two may become one."""
    short: dict[str, str] = {}
    for place, name in enumerate(names, start=1):
        cut = one_line(name, _LONGEST)
        short[name] = f"{one_line(name, _LONGEST - 5)} ({place})" if cut in short.values() else cut
    return short
