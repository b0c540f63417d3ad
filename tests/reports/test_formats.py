"""Figures as text."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jasco.metrics.agreement import Agreement
from jasco.metrics.bootstrap import Estimate
from jasco.protocol.failure_reasons import Reason
from jasco.reports.comparison import summarise_report
from jasco.reports.exports import export
from jasco.reports.formats import (
    between,
    failure_counts,
    number,
    p_value,
    percent,
    reason_texts,
    signed_number,
    signed_percent,
    tables_within,
    with_interval,
)
from jasco.reports.text import render, render_comparison
from made_results import MODEL, OTHER, changed, judged, results

NEGATIVE_ZERO = re.compile(r"[-−]0(\.0*)?(?![\d.])")
ROUNDS_TO_ZERO = [0.0, -0.0, 0.0049, -0.0049, 1e-300, -1e-300, -5e-324]


@pytest.mark.parametrize("value", ROUNDS_TO_ZERO)
def test_what_rounds_to_zero_has_no_sign(value: float) -> None:
    assert number(value) == signed_number(value) == "0.00"
    assert percent(value / 10) == signed_percent(value / 10) == "0.0%"
    assert percent(value, digits=0) == "0%"
    assert between([value, value]) == "[0.00, 0.00]"
    assert between([value / 10, value / 10], percent) == "[0.0, 0.0]"
    assert with_interval(Estimate(value, value, 1)) == "0.00 [0.00, 1.00]"


def test_differences_show_their_direction() -> None:
    assert [signed_number(value) for value in (0.006, -0.006, 1.234)] == ["+0.01", "-0.01", "+1.23"]
    assert [signed_percent(value) for value in (0.0006, -0.0006)] == ["+0.1%", "-0.1%"]


def test_what_is_not_known_is_a_dash() -> None:
    for format_value in (number, percent, signed_number, signed_percent, p_value):
        assert format_value(None) == "–"


def test_a_small_p_is_written_as_a_bound() -> None:
    assert [p_value(p) for p in (0.0, 0.0009, 0.001, 1.0)] == [
        "< 0.001",
        "< 0.001",
        "0.001",
        "1.000",
    ]


@given(st.floats(-100, 100))
def test_a_figure_is_written_as_the_number_that_it_rounds_to(value: float) -> None:
    assert number(value).removeprefix("-") == f"{abs(value):.2f}"
    assert signed_number(value).lstrip("+-") == f"{abs(value):.2f}"
    assert percent(value).removeprefix("-") == f"{abs(100 * value):.1f}%"
    assert signed_percent(value).lstrip("+-") == f"{abs(100 * value):.1f}%"
    for text in (number(value), signed_number(value), percent(value), signed_percent(value)):
        assert not NEGATIVE_ZERO.search(text)
        assert text[0] != "+" or value > 0


def test_numbers_agree_with_their_nouns() -> None:
    assert (
        failure_counts({"error": 3, "timeout": 1, "rejected": 2})
        == "3 errors, 1 timeout, 2 rejected"
    )
    assert list(reason_texts([Reason("error", "no", 1, 1)])) == ['1 error: "no"']
    assert list(reason_texts([Reason("error", "no", 3, 3, 3)])) == [
        '3 errors (final), such as: "no"'
    ]
    [text] = reason_texts([Reason("error", "no", 2, 3)])
    assert text == '3 errors, most frequent message (2 of 3): "no"'


# --- tables in the terminal ---

ROWS = st.integers(1, 9).flatmap(
    lambda columns: st.lists(
        st.lists(st.text("01", min_size=1, max_size=20), min_size=columns, max_size=columns),
        min_size=2,
        max_size=4,
    )
)


@given(st.integers(50, 120), ROWS)
@settings(max_examples=30, deadline=None)
def test_a_table_that_is_too_wide_is_divided(width: int, rows: list[list[str]]) -> None:
    named = [["openai/a-name-of-a-model by a-judge", *row] for row in rows[1:]]
    text = tables_within(width, ["model", *rows[0]], named)
    assert max(map(len, text.splitlines())) <= width
    figures = re.findall(r"(?<!\S)[01]+(?!\S)", text)
    assert sorted(figures) == sorted(cell for row in rows for cell in row)


def test_a_table_that_fits_is_one() -> None:
    text = tables_within(80, ["name", "a", "b"], [["x\n  by y", "1.00", "2.00 [1.00, 3.00]"]])
    assert text.splitlines() == [
        "name       a                  b",
        "-------------------------------",
        "x       1.00  2.00 [1.00, 3.00]",
        "  by y",
    ]


def test_a_long_name_is_folded_with_an_indent() -> None:
    text = tables_within(60, ["name", "a"], [["  by openai/a-very-long-name-of-a-judge", "1"]])
    assert text.splitlines()[2:] == [
        "  by openai/a-very-long-  1",
        "    name-of-a-judge",
    ]


# --- all outputs ---


def round_to_zero(value: Any) -> Any:
    """Return a negative number that rounds to zero in place of a figure."""
    return -0.0001 if isinstance(value, float) else value


def test_no_output_holds_a_negative_zero() -> None:
    agreement = Agreement(Estimate(1.0, 0.5, 1.0), Estimate(1.0, 0.5, 1.0), ())
    report = summarise_report(
        [
            results(model, judged(1), judged(), facts={"self_agreement": agreement})
            for model in (MODEL, OTHER)
        ]
    )
    assert report.pairs
    report = changed(report, round_to_zero)
    for text in (
        render(report), render_comparison(report), export([report], "markdown"),
        export([report], "latex"),
    ):  # fmt: skip
        assert "0.00" in text
        assert not NEGATIVE_ZERO.search(text), NEGATIVE_ZERO.search(text)
