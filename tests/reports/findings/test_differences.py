"""Whether a lead is real, from the interval and the corrected p-value."""

from dataclasses import replace

import numpy as np
import pytest

from jasco.reports.comparison import summarise_report
from jasco.reports.findings import FindingKind
from jasco.reports.report import summarise
from made_findings import BAD, GOOD, found, pair_of, scored, text_of
from made_results import judged, results


def test_a_clear_difference() -> None:
    [difference] = found(pair_of(GOOD, BAD), FindingKind.DIFFERENCE)
    assert difference.text.startswith("a is clearly better than b: the difference is 1.25 [")
    assert "(p < 0.001)" in difference.text
    assert not difference.doubtful


def test_the_better_model_comes_first() -> None:
    assert "b is clearly better than a: the difference is 1.25 [" in text_of(
        pair_of(BAD, GOOD), FindingKind.DIFFERENCE
    )


def test_a_difference_that_may_be_due_to_chance() -> None:
    [difference] = found(pair_of([2, 0] * 20, [0, 2] * 19 + [0, 0]), FindingKind.DIFFERENCE)
    assert difference.text.startswith("a and b cannot be distinguished: the difference is 0.05 [")
    assert "its interval includes 0" in difference.text
    assert "On 40 clips, a true difference below 0.89 " in difference.text
    assert difference.doubtful


def test_a_difference_that_is_not_significant_after_correction_is_weak() -> None:
    report = pair_of(GOOD, BAD)
    [pair] = report.pairs or ()
    [difference] = found(
        replace(report, pairs=[replace(pair, p_holm=0.07)]), FindingKind.DIFFERENCE
    )
    assert "a may be better than b, but the evidence is weak: " in difference.text
    assert "(p = 0.070)" in difference.text
    assert difference.doubtful


def test_all_other_models_are_compared_with_the_best_in_short() -> None:
    models = [GOOD, GOOD[::-1], BAD, [0] * 40]
    named = [results(name, scored(*best)) for name, best in zip("abcd", models, strict=True)]
    first, others = found(summarise_report(named), FindingKind.DIFFERENCE)
    assert "a and b cannot be distinguished: the difference is 0.00 [" in first.text
    assert "corrected for 6 comparisons" in first.text
    assert others.text.startswith(
        "Compared with the other models, a is clearly better than c (1.25 ["
    )
    assert " and d (1.50 [" in others.text
    assert not others.doubtful


@pytest.mark.parametrize(
    ("clips", "expected"),
    [(4, "4 clips are too few for an interval"), (7, "too few for a test")],
)
def test_few_clips_do_not_show_a_difference(clips: int, expected: str) -> None:
    [difference] = found(pair_of([2] * clips, [0] * clips), FindingKind.DIFFERENCE)
    assert expected in difference.text
    assert difference.doubtful


def test_missing_verdicts_are_stated() -> None:
    incomplete = results("b", judged(0, missing=100, clips=40))
    [difference] = found(
        summarise_report([results("a", scored(*GOOD)), incomplete]), FindingKind.DIFFERENCE
    )
    assert "compared on 220 of 320 items (28 of 40 clips)" in difference.text
    assert difference.doubtful


def test_the_runner_up_may_be_ahead_on_the_common_items() -> None:
    # The second model was judged on the hard clips only.
    hard = scored(*[0] * 20, *[1] * 20).of_items(np.arange(40)[:, None] >= 20)
    report = summarise_report([results("a", scored(*[2] * 22, *[0] * 18)), results("b", hard)])
    assert text_of(report, FindingKind.BEST).startswith("a scores highest")
    assert "On the answers that both have, b is clearly better than a" in text_of(
        report, FindingKind.DIFFERENCE
    )


def test_scores_that_are_not_compared_refer_to_the_comparison() -> None:
    models = [results("a", scored(*GOOD)), results("b", scored(*BAD))]
    [difference] = found(summarise(models), FindingKind.DIFFERENCE)
    assert "jasco compare" in difference.text
    assert not found(summarise(models[:1]), FindingKind.DIFFERENCE)


def test_the_reason_why_models_are_not_compared_is_given() -> None:
    other = results("b", scored(*BAD), facts={"identity": {"name": "other"}})
    text = text_of(summarise_report([results("a", scored(*GOOD)), other]), FindingKind.DIFFERENCE)
    assert "a and b are not compared: they differ in judges" in text
