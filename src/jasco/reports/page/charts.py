"""The tables with plots: main figures, modality dependence, differences, agreement."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

from jasco.metrics.bootstrap import Estimate
from jasco.reports import columns
from jasco.reports.columns import Table, TableRow
from jasco.reports.formats import percent
from jasco.reports.page.plots import (
    AGREEMENT,
    SCORE,
    SHARE,
    Bar,
    PlotColumn,
    PlotTable,
    Shape,
    mark,
    markers_of,
    marks,
    plot_table,
    symmetric_axis,
)
from jasco.reports.published import PublishedResult
from jasco.reports.report import SHARES, Pair

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


_UNREMARKABLE = {"unreadable_rate": percent(0.0), "coverage": percent(1.0)}
_LEADERBOARD = [
    replace(column, omitted=_UNREMARKABLE.get(column.key, column.omitted))
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
    best_mean, mean = columns.HEADLINE

    def scores(figures: object) -> list[Shape]:
        style = "published" if isinstance(figures, PublishedResult) else "dot"
        return marks(figures, (mean, "open"), (best_mean, style))

    legend = [("dot", "best-mean"), ("open", "mean")]
    if published:
        legend.append(("published", "published best-mean"))
    return plot_table(
        _with_published(replace(table, rows=rows), published),
        [
            (PlotColumn("best-mean and mean", SCORE), scores),
            (PlotColumn("of the answers that rest on a cue", SHARE), stack),
        ],
        title="Results",
        markers=markers_of(models),
        legend=[*legend, *((share, share) for share in SHARES)],
    )


def _with_published(table: Table, published: Sequence[PublishedResult]) -> Table:
    """Return a table with published results below, and without columns that it omits."""
    shown = [replace(column, omitted=None) for column in table.shown]
    below = [TableRow(result.model, result, "published") for result in published]
    return Table(table.heading, shown, [*table.rows, *below])


def _best(rows: Sequence[TableRow]) -> float:
    estimates = [columns.HEADLINE[0].value(row.figures).value for row in rows]
    return max((value for value in estimates if value is not None), default=-1.0)


def dependence_table(models: columns.Models, published: Sequence[PublishedResult]) -> PlotTable:
    """Return modality dependence with its intervals, then published results."""
    figures = [*columns.with_intervals(columns.DEPENDENCE), columns.NEITHER]
    table = columns.headline(models, figures)
    return plot_table(
        _with_published(table, published),
        [(PlotColumn("of the answers that rest on a cue", SHARE), stack)],
        title="Modality dependence",
        caption=(
            "What the answers rest on according to the judges, with 95% intervals. Neither: of all "
            "answers, those that rest on no cue; the bars leave them out."
        ),
        markers=markers_of(models),
        legend=[(share, share) for share in SHARES],
    )


def differences_table(pairs: Sequence[Pair]) -> PlotTable:
    """Return the paired differences between models."""
    table = columns.differences(pairs)
    best_mean, mean = columns.DIFFERENCES[1], columns.DIFFERENCES[-4]
    tested = [mean if pair.comparison.tested == "mean" else best_mean for pair in pairs]
    found = [
        each for column, pair in zip(tested, pairs, strict=True) if (each := mark(column, pair))
    ]
    axis = symmetric_axis([end for each in found for end in (each.low, each.high)])

    def difference(pair: Any) -> list[Shape]:
        return marks(pair, (mean if pair.comparison.tested == "mean" else best_mean, "dot"))

    return plot_table(
        table,
        [(PlotColumn("difference", axis), difference)],
        title="Differences between models",
        caption="If an interval includes 0, the models cannot be distinguished on these clips.",
    )


def pairwise_agreement_table(models: columns.Models) -> PlotTable:
    """Return the agreement between each pair of judges."""
    kappa = columns.PAIRWISE_AGREEMENT[0]
    return plot_table(
        columns.pairwise_agreement(models),
        [
            (
                PlotColumn("weighted kappa of the ratings", AGREEMENT),
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
    found = [mark(difference, row.figures) for row in table.rows]
    axis = symmetric_axis([end for each in found if each for end in (each.low, each.high)])
    return plot_table(
        table,
        [
            (
                PlotColumn("mean kappa with the others", AGREEMENT),
                lambda each: marks(each, (kappa, "dot")),
            ),
            (
                PlotColumn("stricter | more lenient", axis),
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
