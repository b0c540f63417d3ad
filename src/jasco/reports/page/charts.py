"""The tables with plots: main figures, modality dependence, differences, agreement."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

from jasco.metrics.bootstrap import Estimate
from jasco.metrics.scoring import average
from jasco.reports import columns
from jasco.reports.columns import Column, Table
from jasco.reports.formats import DASH, percent
from jasco.reports.page.plots import (
    SCORE,
    SHARE,
    Bar,
    PlotColumn,
    PlotRow,
    PlotTable,
    Shape,
    agreement_axis,
    mark,
    markers_of,
    marks,
    plot_table,
    symmetric_axis,
)
from jasco.reports.published import PublishedResult
from jasco.reports.report import SHARES, ModelReport, Pair

_LEAST_LABELLED = 0.12  # share of a bar's width that has room for its percentage


def stack(figures: object) -> list[Shape]:
    """Return the bars of modality dependence, one after the other; empty if it is undefined."""
    shares = [column.value(figures) for column in columns.DEPENDENCE]
    found = [each.value if isinstance(each, Estimate) else each for each in shares]
    values = [value for value in found if value is not None]
    if len(values) < len(found):
        return []
    ends = [0.0, *accumulate(values)]
    return [
        Bar(start, end, share, percent(value, digits=0) if value >= _LEAST_LABELLED else "")
        for share, value, (start, end) in zip(SHARES, values, pairwise(ends), strict=True)
        if value
    ]


_LEADERBOARD = [column for column in columns.CONCISE if column not in columns.DEPENDENCE]  # drawn
_PUBLISHED = {column.key for column in columns.PUBLISHED}


def leaderboard(models: columns.Models, published: Sequence[PublishedResult]) -> PlotTable:
    """Return the main figures, the best model first, then published results.

    Below the name of a model, if it was given one, is its spec.
    """
    ranked = dict(sorted(models.items(), key=lambda each: _rank(each[1]), reverse=True))
    table = columns.headline(ranked, _LEADERBOARD)
    specs = (
        f"\n{model.results.model}" if model.results.name not in ("", model.results.model) else ""
        for model in ranked.values()
    )
    rows = [
        row if row.kind == "judge" else replace(row, name=f"{row.name}{next(specs)}")
        for row in table.rows
    ]
    table = replace(table, rows=rows)
    best_mean, mean = columns.HEADLINE

    def scores(figures: object) -> list[Shape]:
        if isinstance(figures, PublishedResult):
            return marks(figures, (best_mean, "published"))
        return marks(figures, (mean, "open"), (best_mean, "dot"))

    legend = [("dot", "best-mean"), ("open", "mean")]
    if published:
        legend.append(("published", "published best-mean"))
    chart = plot_table(
        table,
        [
            (PlotColumn("best-mean and mean", SCORE), scores),
            (PlotColumn("of the answers that rest on a cue", SHARE), stack),
        ],
        title="Results",
        markers=markers_of(models),
        legend=[*legend, *((share, share) for share in SHARES)],
    )
    return replace(chart, rows=[*chart.rows, *_published_rows(published, table, scores, stack)])


def _rank(model: ModelReport) -> float:
    """Return a model's best-mean, or without one the mean of those of its judges but proxies."""
    [best_mean, _] = columns.HEADLINE
    figure: Estimate = best_mean.value(model.score)
    judges = [judge.score for judge in model.judges.values() if not judge.proxy]
    if figure.value is None and judges:
        figure = best_mean.value(average(judges))
    return -1.0 if figure.value is None else figure.value


def _published_rows(
    published: Sequence[PublishedResult], table: Table, *plots: Callable[[object], list[Shape]]
) -> Iterator[PlotRow]:
    """Yield published results as rows of a table, with a dash for what was not published."""
    for result in published:
        cells = [
            column.cell(result) if column.key in _PUBLISHED else DASH for column in table.shown
        ]
        yield PlotRow(result.model, "published", None, [plot(result) for plot in plots], cells)


def dependence_table(models: columns.Models, published: Sequence[PublishedResult]) -> PlotTable:
    """Return modality dependence with its intervals, then published results."""
    figures = [*columns.with_intervals(columns.DEPENDENCE), columns.NEITHER]
    table = columns.headline(models, figures)
    chart = plot_table(
        table,
        [(PlotColumn("of the answers that rest on a cue", SHARE), stack)],
        title="Modality dependence",
        caption=(
            "What the answers rest on according to the judges, with 95% intervals. Neither: of all "
            "answers, those that rest on no cue; the bars leave them out."
        ),
        markers=markers_of(models),
        legend=[(share, share) for share in SHARES],
    )
    return replace(chart, rows=[*chart.rows, *_published_rows(published, table, stack)])


def differences_table(pairs: Sequence[Pair]) -> PlotTable:
    """Return the paired differences between models."""
    axis = symmetric_axis(mark(_tested(pair), pair) for pair in pairs)
    return plot_table(
        columns.differences(pairs),
        [(PlotColumn("difference", axis), lambda pair: marks(pair, (_tested(pair), "dot")))],
        title="Differences between models",
        caption="If an interval includes 0, the models cannot be distinguished on these clips.",
    )


def _tested(pair: Any) -> Column:
    """Return the column of the difference that was tested."""
    is_mean = pair.comparison.tested == "mean"
    return columns.MEAN_DIFFERENCE if is_mean else columns.BEST_MEAN_DIFFERENCE


def pairwise_agreement_table(models: columns.Models) -> PlotTable:
    """Return the agreement between each pair of judges."""
    kappa, table = columns.PAIRWISE_AGREEMENT[0], columns.pairwise_agreement(models)
    axis = agreement_axis(mark(kappa, row.figures) for row in table.rows)
    return plot_table(
        table,
        [
            (
                PlotColumn("weighted kappa of the ratings", axis),
                lambda pair: marks(pair, (kappa, "dot")),
            )
        ],
        title="Agreement of each pair of judges",
        caption=(
            "1: perfect agreement; 0: as often as by chance. If almost all ratings are equal, "
            "kappa can be low although the judges rarely differ."
        ),
    )


def judge_agreement_table(models: columns.Models) -> PlotTable:
    """Return the agreement of each judge with the others, and how much stricter it is."""
    kappa, difference = columns.JUDGE_AGREEMENT
    table = columns.judge_agreement(models)
    kappas = agreement_axis(mark(kappa, row.figures) for row in table.rows)
    differences = symmetric_axis(mark(difference, row.figures) for row in table.rows)
    return plot_table(
        table,
        [
            (
                PlotColumn("mean kappa with the others", kappas),
                lambda each: marks(each, (kappa, "dot")),
            ),
            (
                PlotColumn("stricter | more lenient", differences),
                lambda each: marks(each, (difference, "dot")),
            ),
        ],
        title="Each judge beside the others",
        caption=(
            "A judge that agrees less with the others than they do with each other is the odd one "
            "out. A judge whose scores are below those of the others is stricter."
        ),
    )


def agreement_table(models: columns.Models) -> PlotTable:
    """Return the agreement between all judges, and of each judge with itself."""
    ratings, orientations = columns.AGREEMENT
    table = columns.agreement(models)
    axis = agreement_axis(
        mark(alpha, row.figures) for alpha in (ratings, orientations) for row in table.rows
    )
    return plot_table(
        table,
        [
            (
                PlotColumn("Krippendorff's alpha", axis),
                lambda each: marks(each, (orientations, "open"), (ratings, "dot")),
            )
        ],
        title="Agreement of all judges",
        caption="1: perfect agreement; 0: as often as by chance.",
        markers=markers_of(models),
        legend=[("dot", "ratings"), ("open", "orientations")],
    )
