"""The tables of every output: their columns and rows."""

import pytest

from jasco.reports.columns import (
    FIGURES,
    Column,
    Table,
    best_of,
    detectable,
    headline,
    judge_agreement,
    model_figures,
    with_intervals,
)
from jasco.reports.report import summarise
from made_results import JUDGE, MODEL, OTHER, judged, results


def test_a_single_judge_is_in_its_models_row_and_a_panel_has_a_row_each() -> None:
    models = summarise([results(MODEL, judged()), results(OTHER, judged(), judged(1))]).models
    assert [(row.name, row.kind) for row in headline(models).rows] == [
        (f"{MODEL}\n  by {JUDGE}", ""),
        (OTHER, ""),
        (f"  by {JUDGE}", "judge"),
        (f"  by {JUDGE}1", "judge"),
    ]


def test_each_judge_of_at_least_three_is_compared_with_the_others() -> None:
    two, three = (
        results(name, *(judged(rating, clips=12) for rating in ratings))
        for name, ratings in ((MODEL, (2, 1)), (OTHER, (2, 1, 1)))
    )
    table = judge_agreement(summarise([two, three]).models)
    assert [row.name for row in table.rows] == [
        f"{judge}\n  on {OTHER}" for judge in (JUDGE, f"{JUDGE}1", f"{JUDGE}2")
    ]
    assert table.cells(table.rows[0])[2].startswith("+1.00 [")


def test_a_file_whose_judge_has_its_name_is_named_once() -> None:
    models = summarise([results(JUDGE, judged())]).models
    assert [row.name for row in headline(models).rows] == [JUDGE]


def test_bounds_are_shown_where_something_is_missing() -> None:
    complete = summarise([results(MODEL, judged())]).models
    incomplete = summarise([results(MODEL, judged(1, missing=8))]).models
    assert "bounds" not in headline(complete).header
    table = headline(incomplete)
    cells = dict(zip(table.header, table.cells(table.rows[0]), strict=True))
    assert (cells["bounds"], cells["coverage"]) == ("[0.50, 1.50]", "50.0%")
    assert [row.kind for row in model_figures(incomplete, FIGURES).rows] == ["incomplete"]


def test_intervals_are_shown_where_they_are_wanted() -> None:
    [model] = summarise([results(MODEL, judged(1, clips=12))]).models.values()
    mean = Column("mean", "mean")
    [interval_column] = with_intervals([mean])
    assert mean.cell(model.score) == "1.00"
    assert interval_column.cell(model.score).startswith("1.00 [")


def test_a_table_without_any_figure_has_none() -> None:
    models = summarise([results(MODEL, judged(missing=1))]).models
    curve = model_figures(models, best_of(8))
    assert not curve.has_figures
    assert curve.cells(curve.rows[0])[1:] == ["–"] * 8
    assert not Table("model", FIGURES, []).has_figures


@pytest.mark.parametrize(
    ("value", "expected"), [(None, "–"), (0.004, "< 0.01"), (0.0101, "0.01"), (0.3, "0.30")]
)
def test_a_detectable_difference_is_never_0(value: float | None, expected: str) -> None:
    assert detectable(value) == expected
