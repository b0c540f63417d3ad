"""Paired differences, as JSON and as a table in the terminal."""

import json
from typing import Any

import pytest

from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.reports.columns import compared_on
from jasco.reports.comparison import summarise_comparison
from jasco.reports.report import Report
from jasco.reports.text import render_comparison
from made_results import MODEL, OTHER, judged, results


def compare_two(one: VerdictMatrix, other: VerdictMatrix) -> Report:
    return summarise_comparison([results(MODEL, one), results(OTHER, other)])


def only_pair(report: Report) -> dict[str, Any]:
    json.dumps(report.to_json(), allow_nan=False)
    [pair] = report.to_json()["pairs"]
    return pair


def test_where_nothing_is_missing_there_is_no_note_of_it() -> None:
    report = compare_two(judged(clips=12), judged(1, clips=12))
    text = render_comparison(report)
    assert "bounds" not in text.lower()
    assert "missing" not in text
    pair = only_pair(report)
    assert (pair["clips"], pair["clips_left_out"]) == (12, 0)
    assert (pair["items"], pair["items_expected"], pair["complete"]) == (96, 96, True)
    assert pair["tested_bounds"] == [1, 1]


def test_what_is_compared_is_shown_where_verdicts_are_missing() -> None:
    report = compare_two(judged(clips=12), judged(1, missing=12, clips=12))
    pair = only_pair(report)
    assert (pair["clips"], pair["clips_left_out"]) == (11, 1)
    assert (pair["items"], pair["items_expected"], pair["complete"]) == (84, 96, False)
    assert pair["best_mean"] == 1
    low, high = pair["tested_bounds"]
    assert (low, high) == pytest.approx((1 - 2 / 12, 1 + 1 / 12))
    text = render_comparison(report)
    assert "11 of 12 (84 of 96 items)" in text
    assert "[0.83, 1.08]" in text
    assert "over the common instructions" in " ".join(text.split())
    assert f"{OTHER}: INCOMPLETE" in text


def test_models_without_a_common_item_do_not_differ_by_any_number() -> None:
    report = compare_two(judged(clips=12), judged(missing=96, clips=12))
    pair = only_pair(report)
    assert (pair["clips"], pair["clips_left_out"], pair["items"]) == (0, 12, 0)
    for name in ("best_mean", "best_mean_ci", "mean", "p", "p_holm"):
        assert pair[name] is None, name
    assert pair["minimum_detectable_difference"] is None
    [report_pair] = report.pairs or ()
    assert compared_on(report_pair.comparison) == "0 of 12 (0 of 96 items)"


@pytest.mark.parametrize("clips", [4, 9])
def test_of_few_clips_there_is_no_p(clips: int) -> None:
    report = compare_two(judged(clips=clips), judged(1, clips=clips))
    pair = only_pair(report)
    assert (pair["p"], pair["p_holm"]) == (None, None)
    assert (pair["best_mean_ci"] is None) == (clips < 5)
    assert "No p is given for fewer than 10 clips" in render_comparison(report)


def test_pairs_without_p_do_not_count_for_the_correction() -> None:
    models = [results(MODEL, judged(clips=12)), results(OTHER, judged(1, clips=12))]
    few = results("openai/few", judged(1, missing=32, clips=12))  # 8 clips
    pairs = summarise_comparison([*models, few]).pairs or ()
    assert [pair.comparison.clips for pair in pairs] == [12, 8, 8]
    assert [pair.comparison.p is None for pair in pairs] == [False, True, True]
    assert pairs[0].p_holm == pairs[0].comparison.p
