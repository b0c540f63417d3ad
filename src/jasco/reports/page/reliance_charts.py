"""The charts of causal modality reliance: contributions of the cues, losses, and plots in tables.

Contributions and losses are steps between two totals: each bar begins where the one above it ends.
"""

from collections.abc import Iterator

from jasco.errors import count
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.reliance import ConditionFigures, Effect, RelianceFigures
from jasco.protocol.conditions import ORIGINAL
from jasco.reports.formats import percent, signed_number, with_interval
from jasco.reports.page.plots import (
    UNIT,
    Bar,
    PlotColumn,
    PlotRow,
    PlotTable,
    mark,
    marks,
    plot_table,
    symmetric_axis,
)  # fmt: skip
from jasco.reports.reliance_report import RelianceReport
from jasco.reports.reliance_tables import (
    DIFFERENCES_OF_CONDITIONS,
    OUTCOMES,
    ReliancePart,
    condition_name,
    effect_name,
)  # fmt: skip


def steps_of(report: RelianceReport) -> Iterator[PlotTable]:
    """Yield the charts of contributions and of losses, unless there are no figures."""
    figures = report.main_figures
    clips = count(figures.clips, "clip") + (" whose stems pass the gates" if report.passed else "")
    for title, rows in (
        ("What each cue contributes", list(_cues(figures))),
        ("What is lost in reasoning and hearing", list(_costs(figures))),
    ):
        if rows:
            caption = (
                "v is the mean rating divided by 2. Each bar begins where the bar above it ends. "
                f"Based on {clips}."
            )
            columns = [PlotColumn("v", UNIT)]
            yield PlotTable(title, caption, "step", columns, ["value or change [95%]"], rows)


def part_table(part: ReliancePart, model: str) -> PlotTable:
    """Return a table of the report of a model, with plots of conditions and of effects."""
    title = f"{part.heading} ({model})"
    figures = [row.figures for row in part.table.rows]
    if all(isinstance(each, ConditionFigures) for each in figures):
        v, keywords = OUTCOMES
        plot = PlotColumn("v and keywords", UNIT)
        draw = lambda each: marks(each, (keywords, "square"), (v, "dot"))  # noqa: E731
        legend = [("dot", "v"), ("square", "keywords")]
        return plot_table(part.table, [(plot, draw)], title=title, legend=legend)
    if all(isinstance(each, Effect) for each in figures) and part.key.startswith("effects"):
        v = DIFFERENCES_OF_CONDITIONS[0]
        plot = PlotColumn("difference of v", symmetric_axis(mark(v, effect) for effect in figures))
        return plot_table(part.table, [(plot, lambda each: marks(each, (v, "dot")))], title=title)
    return plot_table(part.table, [], title=title)


class _Steps:
    """The rows of steps between two totals."""

    def __init__(self) -> None:
        self._at = 0.0

    def total(self, name: str, estimate: Estimate) -> PlotRow:
        """Return the row of a total, from 0."""
        self._at = float(estimate)
        return _row(name, Bar(0.0, self._at, "total"), with_interval(estimate))

    def step(self, name: str, by: float, style: str, text: str) -> PlotRow:
        """Return the row of a gain or a loss, from where the row above it ends."""
        start, self._at = self._at, self._at + by
        low, high = sorted((start, self._at))
        return _row(name, Bar(low, high, style), text)


def _row(name: str, bar: Bar, text: str) -> PlotRow:
    return PlotRow(name, bar.style, None, [[bar]], [text])


def _cues(figures: RelianceFigures) -> Iterator[PlotRow]:
    none, full = (figures.conditions.get(key) for key in ("none", figures.full))
    sound, speech = (figures.effects.get(f"shapley_{cue}", Effect()) for cue in ("sound", "speech"))
    if not none or not full or sound.v.value is None or speech.v.value is None:
        return
    steps = _Steps()
    yield steps.total(condition_name("none"), none.v)
    for cue, style, effect, share in (
        ("sound", "audio", sound, figures.share_sound.v.value),
        ("speech", "speech", speech, figures.share_speech.v.value),
    ):
        text = with_interval(effect.v, signed_number)
        if share is not None:
            text += f" ({percent(share, digits=0)} of both)"
        yield steps.step(f"contribution of {cue}", float(effect.v), style, text)
    yield steps.total(condition_name(figures.full), full.v)


def _costs(figures: RelianceFigures) -> Iterator[PlotRow]:
    text, original = (figures.conditions.get(key) for key in ("text", ORIGINAL))
    effects = {
        name: figures.effects.get(f"cost_{name}", Effect()).v
        for name in ("reasoning", "hearing_sound", "hearing_speech", "interaction")
    }
    if not text or not original or any(cost.value is None for cost in effects.values()):
        return
    steps = _Steps()
    yield steps.total("perfect answers", Estimate(1.0))
    for name, cost in effects.items():
        row = effect_name(f"cost_{name}").partition(":")[0]
        yield steps.step(row, -float(cost), "loss", with_interval(-cost, signed_number))
        if name == "reasoning":
            yield steps.total(condition_name("text"), text.v)
    yield steps.total(condition_name(ORIGINAL), original.v)
