"""Plots: positions on axes, and marks of figures that may be undefined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jinja2", reason="needs the extra viewer")

from jasco.metrics.bootstrap import NO_ESTIMATE, Estimate
from jasco.reports.columns import Column, Table, TableRow
from jasco.reports.formats import percent
from jasco.reports.page.plots import (
    MARKERS,
    SCORE,
    Mark,
    PlotColumn,
    agreement_axis,
    mark,
    marker_of,
    marks,
    plot_table,
    score_axis,
    symmetric_axis,
)


@given(st.floats(-10, 10))
def test_a_position_is_on_the_axis(value: float) -> None:
    assert 0 <= SCORE.at(value) <= 100
    if 0 <= value <= 2:
        assert SCORE.at(value) == pytest.approx(50 * value, abs=0.01)


@given(st.lists(st.floats(-2, 2)))
def test_an_axis_of_differences_has_0_in_the_middle_and_contains_all(values: list[float]) -> None:
    axis = symmetric_axis([Mark(value, value, value, "") for value in values])
    assert axis.at(0.0) == 50
    assert all(axis.low <= value <= axis.high for value in values)
    assert [axis.write(tick) for tick in symmetric_axis([Mark(0.1, 0.0, 0.2, ""), None]).ticks] == [
        "-0.25", "-0.125", "0", "0.125", "0.25",
    ]  # fmt: skip


@given(st.lists(st.one_of(st.none(), st.floats(-1, 1))))
def test_an_axis_of_agreement_contains_all_and_ends_at_1(lows: list[float | None]) -> None:
    found = [low if low is None else Mark(1.0, low, 1.0, "") for low in lows]
    axis = agreement_axis(found)
    assert axis.high == 1
    assert all(low is None or axis.low <= low for low in lows)
    assert agreement_axis([]).low == -0.25
    assert agreement_axis([Mark(-0.3, -0.3, -0.3, "")]).ticks[0] == -0.5  # it is named


@given(st.lists(st.one_of(st.none(), st.floats(0, 2))))
def test_an_axis_of_scores_begins_at_0_and_contains_all(ends: list[float | None]) -> None:
    found = [end if end is None else Mark(0.0, 0.0, end, "") for end in ends]
    axis = score_axis(found)
    assert axis.low == 0
    assert all(end is None or end <= axis.high for end in ends)


def test_a_mark_has_an_interval_or_is_a_point_or_is_missing() -> None:
    whole = Column("", "figure", percent)
    assert mark(whole, Estimate(0.5, 0.25, 0.75)) == Mark(0.5, 0.25, 0.75, "50.0%")
    assert mark(whole, Estimate(0.5)) == mark(whole, 0.5) == Mark(0.5, 0.5, 0.5, "50.0%")
    assert mark(whole, NO_ESTIMATE) is None
    assert marks(None, (whole, "open")) == []


def test_markers_repeat_after_the_last_one() -> None:
    assert [marker_of(place) for place in (0, MARKERS - 1, MARKERS)] == [1, MARKERS, 1]


def test_a_row_finds_its_marker_by_the_first_line_of_its_name() -> None:
    table = Table("model", [Column("", "figure")], [TableRow("a\n  by b", 1.0), TableRow("c", 2.0)])
    plots = [(PlotColumn("p", SCORE), lambda value: marks(value, (table.columns[0], "dot")))]
    drawn = plot_table(table, plots, title="t", markers={"a": 3})
    assert [(row.marker, row.cells) for row in drawn.rows] == [(3, ["1.00"]), (None, ["2.00"])]
    assert [[shape.text for shape in row.plots[0]] for row in drawn.rows] == [["1.00"], ["2.00"]]
