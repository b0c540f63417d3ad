"""How well judges agree, and which one differs."""

import pytest

from jasco.reports.findings import FindingKind
from made_findings import GOOD, found, one, random_ratings, scored, text_of, with_ratings
from made_results import JUDGE


def test_a_single_judge_has_no_agreement() -> None:
    [judges] = found(one(scored(*GOOD)), FindingKind.JUDGES)
    assert judges.text.startswith(f"Only one judge, {JUDGE}:")
    assert judges.doubtful


@pytest.mark.parametrize(
    ("other", "level", "doubtful"), [(1, "reliable", False), (2, "unreliable", True)]
)
def test_agreement_is_classified(other: int, level: str, doubtful: bool) -> None:
    [judges, *_] = found(one(random_ratings(), random_ratings(other)), FindingKind.JUDGES)
    assert f", {level}; orientations unknown, because all labels are equal" in judges.text
    assert "0.8 or more is reliable" in judges.text
    assert judges.doubtful == doubtful


def test_of_two_judges_only_the_stricter_one_is_named() -> None:
    strict = with_ratings(random_ratings(low=1).ratings - 1)
    text = text_of(one(random_ratings(low=1), strict), FindingKind.JUDGES)
    assert f"{JUDGE}1 is stricter than {JUDGE}: it scores 1.00 [" in text
    assert "odd" not in text


def test_judges_that_are_equally_strict_are_said_to_be() -> None:
    equal = "No judge is clearly stricter or more lenient than the others"
    same, strict = random_ratings(low=1), with_ratings(random_ratings(low=1).ratings - 1)
    assert f"{equal}." in text_of(one(same, same), FindingKind.JUDGES)
    assert equal not in text_of(one(same, strict), FindingKind.JUDGES)
    assert equal not in text_of(one(same), FindingKind.JUDGES)


def test_of_three_judges_the_odd_and_the_strict_one_are_named() -> None:
    same = random_ratings(low=1)
    odd = with_ratings(random_ratings(7).ratings * 0.5 // 1)
    text = text_of(one(same, same, odd), FindingKind.JUDGES)
    assert f"{JUDGE}2 is the odd judge out" in text
    assert f"{JUDGE}2 is the strictest judge" in text


def test_judges_that_differ_by_chance_are_not_named() -> None:
    text = text_of(one(random_ratings(1), random_ratings(2), random_ratings(3)), FindingKind.JUDGES)
    assert "odd" not in text
