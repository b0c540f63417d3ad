"""The reasons not to trust the figures."""

from dataclasses import replace

import numpy as np
import pytest

from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.reports.comparison import summarise_report
from jasco.reports.findings import FindingKind
from jasco.reports.formats import number
from jasco.runs.results import Answers, Results
from made_findings import GOOD, found, mixed, one, random_ratings, scored, text_of
from made_results import JUDGE, judged, results


def test_doubts_name_missing_data_proxies_and_few_clips() -> None:
    models = [
        results(name, judged(missing=4, clips=20), facts={"proxy": True}, answers=Answers(160, 150))
        for name in "ab"
    ]
    doubts = found(summarise_report(models), FindingKind.DOUBT)
    assert all(finding.doubtful for finding in doubts)
    text = " ".join(finding.text for finding in doubts)
    assert "a and b: PROXY figures." in text
    assert "a and b: INCOMPLETE: coverage 97.5%." in text


def test_wide_intervals_are_a_doubt() -> None:
    assert "10 clips give intervals" in text_of(one(scored(*[0, 2] * 5)), FindingKind.DOUBT)
    assert "3 clips are too few" in text_of(one(scored(0, 1, 2)), FindingKind.DOUBT)
    assert "imprecise" not in text_of(one(scored(*GOOD)), FindingKind.DOUBT)


def test_judges_without_an_exam_are_a_doubt() -> None:
    assert f"{JUDGE}: not examined" in text_of(one(scored(*GOOD)), FindingKind.DOUBT)


# --- agreement between judges ---


def random_labels(ratings: int, orientations: int) -> VerdictMatrix:
    """Return 40 clips with random ratings and orientations, by their seeds."""
    chosen = np.random.default_rng(orientations).integers(0, 4, (40, 8)).astype(np.int8)
    return replace(random_ratings(ratings), orientations=chosen)


def agreement_doubts(*models: Results) -> list[str]:
    doubts = found(summarise_report(models), FindingKind.DOUBT)
    return [doubt.text for doubt in doubts if "Agreement" in doubt.text]


@pytest.mark.parametrize(
    ("other", "labels"),
    [
        (random_labels(2, 1), "ratings"),
        (random_labels(1, 2), "orientations"),
        (random_labels(2, 2), "ratings and orientations"),
    ],
)
def test_unreliable_agreement_is_a_doubt_that_names_the_labels(
    other: VerdictMatrix, labels: str
) -> None:
    [doubt] = agreement_doubts(results("a", random_labels(1, 1), other))
    assert doubt.startswith(f"Agreement between the judges on {labels} is unreliable (Kripp")
    assert doubt.endswith("so other judges may give other figures.")


def test_the_lowest_alpha_of_all_models_is_given() -> None:
    reliable = results("a", random_labels(1, 1), random_labels(1, 1))
    models = [results(name, random_labels(1, 1), random_labels(2, 2)) for name in "bc"]
    agreement = summarise_report(models[:1]).models["b"].agreement
    assert agreement
    lowest = min(float(agreement.rating_alpha), float(agreement.orientation_alpha))
    [doubt] = agreement_doubts(reliable, *models)
    assert f"alpha is as low as {number(lowest)})" in doubt


def test_reliable_or_unknown_agreement_is_no_doubt() -> None:
    first, other = random_labels(1, 1), random_labels(2, 2)
    assert not agreement_doubts(results("a", first))
    assert not agreement_doubts(results("a", first, first))
    assert not agreement_doubts(results("a", judged(), judged()))  # alpha is undefined
    assert not agreement_doubts(mixed("a", first, other))
