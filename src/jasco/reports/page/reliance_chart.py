"""The chart of causal modality reliance: conditions, contributions of the cues, and losses.

Contributions and losses are steps between two totals: each bar begins where the one above it ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jasco.errors import count
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.reliance import Effect, RelianceFigures
from jasco.protocol.conditions import ORIGINAL
from jasco.reports.columns import Table, TableRow
from jasco.reports.formats import percent, signed_number, with_interval
from jasco.reports.page.charts import Chart, draw_svg, point, read_spec
from jasco.reports.reliance_report import RelianceReport
from jasco.reports.reliance_tables import OUTCOMES, condition_name, effect_name

Point = dict[str, Any]


def draw_reliance(report: RelianceReport) -> Iterator[Chart]:
    """Draw the chart of the figures to report; yield nothing if there are no figures."""
    figures = report.main_figures
    points = [*_conditions(figures), *_cues(figures), *_costs(figures)]
    if not points:
        return
    spec, shown = read_spec("reliance"), {each["panel"] for each in points}
    spec["vconcat"] = [
        view if "layer" in view else view | read_spec("steps")
        for view in spec["vconcat"]
        if view["name"] in shown
    ]
    meta = spec.pop("usermeta")
    clips = count(figures.clips, "clip") + (" whose stems pass the gates" if report.passed else "")
    yield Chart(
        title=f"{meta['title']} of {report.name}, {clips}",
        caption=f"{meta['caption']} Based on {clips}.",
        svg=draw_svg(spec, points),
        table=_table(figures),
    )


def _conditions(figures: RelianceFigures) -> Iterator[Point]:
    for key, condition in figures.conditions.items():
        for column in OUTCOMES:
            if outcome := point(column, condition):
                reference = key == figures.full and column.key == "v"
                yield {
                    "panel": "conditions",
                    "row": condition_name(key),
                    "outcome": column.key,
                    "reference": reference,
                    **outcome,
                }


@dataclass
class _Steps:
    """The rows of steps between two totals."""

    panel: str
    at: float = 0.0

    def total(self, row: str, estimate: Estimate) -> Point:
        """Return the row of a total, from 0."""
        self.at = float(estimate)
        return self._row(row, 0.0, "total", with_interval(estimate))

    def step(self, row: str, by: float, text: str) -> Point:
        """Return the row of a gain or a loss, from where the row above it ends."""
        start, self.at = self.at, self.at + by
        return self._row(row, start, "gain" if by > 0 else "loss", text)

    def _row(self, row: str, start: float, kind: str, text: str) -> Point:
        bar = {"start": start, "end": self.at, "right": max(start, self.at, 0.0)}
        return {"panel": self.panel, "row": row, "kind": kind, "text": text, **bar}


def _cues(figures: RelianceFigures) -> Iterator[Point]:
    none, full = (figures.conditions.get(key) for key in ("none", figures.full))
    sound, speech = (figures.effects.get(f"shapley_{cue}", Effect()) for cue in ("sound", "speech"))
    if not none or not full or sound.v.value is None or speech.v.value is None:
        return
    steps = _Steps("cues")
    yield steps.total(condition_name("none"), none.v)
    for cue, effect, share in (
        ("sound", sound, figures.share_sound.v.value),
        ("speech", speech, figures.share_speech.v.value),
    ):
        text = with_interval(effect.v, signed_number)
        if share is not None:
            text += f" ({percent(share, digits=0)} of both)"
        yield steps.step(f"contribution of {cue}", float(effect.v), text)
    yield steps.total(condition_name(figures.full), full.v)


def _costs(figures: RelianceFigures) -> Iterator[Point]:
    text, original = (figures.conditions.get(key) for key in ("text", ORIGINAL))
    effects = {
        name: figures.effects.get(f"cost_{name}", Effect()).v
        for name in ("reasoning", "hearing_sound", "hearing_speech", "interaction")
    }
    if not text or not original or any(cost.value is None for cost in effects.values()):
        return
    steps = _Steps("costs")
    yield steps.total("perfect answers", Estimate(1.0))
    for name, cost in effects.items():
        row = effect_name(f"cost_{name}").partition(":")[0]
        minus = Estimate(-float(cost), *(-end for end in reversed(cost.interval or ())))
        yield steps.step(row, float(minus), with_interval(minus, signed_number))
        if name == "reasoning":
            yield steps.total(condition_name("text"), text.v)
    yield steps.total(condition_name(ORIGINAL), original.v)


def _table(figures: RelianceFigures) -> Table:
    rows = [TableRow(condition_name(key), each) for key, each in figures.conditions.items()]
    rows += [
        TableRow(effect_name(name, figures.full), effect)
        for name, effect in figures.effects.items()
        if name.startswith(("shapley_", "cost_"))
    ]
    return Table("condition or effect", OUTCOMES, rows)
