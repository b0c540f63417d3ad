"""The agreement of judges, against published examples and maintained libraries."""

import warnings

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from jasco.metrics.agreement import (
    Agreement,
    JudgeAgreement,
    LabelCounts,
    alpha,
    coincidences,
    confusions,
    verdict_difference,
    weighted_kappa,
)
from jasco.metrics.scoring import score_panel
from jasco.metrics.verdict_matrix import ORIENTATIONS, VerdictMatrix
from jasco.protocol.verdicts import Orientation, Verdict

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C; 0 is missing.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
)

LABELS = st.integers(1, 5).flatmap(
    lambda clips: st.lists(
        st.lists(st.integers(-1, 2), min_size=8 * clips, max_size=8 * clips),
        min_size=2,
        max_size=4,
    )
)


def by_clip(labels: list[list[int]]) -> list[np.ndarray]:
    return [np.array(row).reshape(-1, 8) for row in labels]


def test_alpha_of_the_published_example() -> None:
    matrix = coincidences([row.reshape(3, 4) - 1 for row in PUBLISHED], 5).sum(axis=0)
    assert alpha(matrix, "nominal") == pytest.approx(0.743, abs=0.0005)
    assert alpha(matrix, "ordinal") == pytest.approx(0.815, abs=0.0005)


@given(LABELS)
@pytest.mark.parametrize("metric", ["nominal", "ordinal"])
def test_alpha_is_that_of_the_library(metric: str, labels: list[list[int]]) -> None:
    value = float(alpha(coincidences(by_clip(labels), 3).sum(axis=0), metric))  # type: ignore[arg-type]
    data = np.where(np.array(labels) < 0, np.nan, labels)
    paired = data[:, (~np.isnan(data)).sum(axis=0) > 1]
    if len(np.unique(paired[~np.isnan(paired)])) < 2:
        assert np.isnan(value)
    else:
        expected = krippendorff.alpha(data, level_of_measurement=metric, value_domain=[0, 1, 2])
        assert value == pytest.approx(expected, abs=1e-9)


@given(LABELS)
def test_kappa_and_confusions_are_those_of_the_library(labels: list[list[int]]) -> None:
    matrix = confusions(*by_clip(labels[:2]), 3).sum(axis=0)
    pairs = [pair for pair in zip(*labels[:2], strict=True) if min(pair) >= 0]
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    if pairs:
        assert (matrix == confusion_matrix(first, second, labels=[0, 1, 2])).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if len(set(first) | set(second)) < 2:
            assert np.isnan(weighted_kappa(matrix))
        else:
            expected = cohen_kappa_score(first, second, weights="quadratic", labels=[0, 1, 2])
            assert weighted_kappa(matrix) == pytest.approx(expected, abs=1e-9)


def test_kappa_of_cohens_example() -> None:
    # Cohen (1968), table 1: three diagnoses, 200 patients; with the article's own weights it is
    # 0.348. With quadratic weights, by hand: 1 - (sum of w f) / (sum of w e).
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    weights = [[0, 1, 4], [1, 0, 1], [4, 1, 0]]
    observed = sum(weights[i][j] * table[i, j] for i in range(3) for j in range(3))
    by_chance = sum(
        weights[i][j] * table[i].sum() * table[:, j].sum() / 200 for i in range(3) for j in range(3)
    )
    assert weighted_kappa(table) == pytest.approx(1 - observed / by_chance)


def test_resamples_are_sums() -> None:
    labels = [np.random.default_rng(n).integers(-1, 3, (6, 8)) for n in range(3)]
    sample = [0, 0, 3, 5, 5, 5]
    resampled = coincidences(labels, 3)[sample].sum(axis=0)
    assert alpha(resampled, "ordinal") == pytest.approx(
        alpha(
            coincidences([item_labels[sample] for item_labels in labels], 3).sum(axis=0), "ordinal"
        )
    )
    both = np.stack([resampled, coincidences(labels, 3).sum(axis=0)])
    assert alpha(both, "ordinal")[0] == pytest.approx(alpha(resampled, "ordinal"))


def matrix_of(ratings: np.ndarray, orientations: np.ndarray) -> VerdictMatrix:
    return VerdictMatrix(
        ratings.astype(np.float32), orientations.astype(np.int8), np.zeros(ratings.shape, bool)
    )


def matrix(ratings: int | np.ndarray, orientations: int | np.ndarray) -> VerdictMatrix:
    return VerdictMatrix(
        np.broadcast_to(np.asarray(ratings, np.float32), (4, 8)),
        np.broadcast_to(np.asarray(orientations, np.int8), (4, 8)),
        np.zeros((4, 8), bool),
    )


def test_a_panel_has_the_agreement_of_each_pair() -> None:
    ratings = np.arange(32).reshape(4, 8) % 3
    same_matrix, other = matrix(ratings, ratings), matrix((ratings + 1) % 3, 3)
    agreement = score_panel(
        {"a": same_matrix, "b": same_matrix, "c": other}, resamples=50
    ).agreement
    assert agreement is not None
    assert [pair.judges for pair in agreement.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    same, different, _ = agreement.pairs
    assert same.rating_kappa.value == 1
    assert same.rating_kappa.interval is None  # four clips are too few
    assert (same.ratings == np.diag([11, 11, 10])).all()
    assert different.orientations[:, 3].sum() == 32
    assert different.rating_kappa.value is not None
    assert different.rating_kappa.value < 0
    assert agreement.rating_alpha.value is not None
    assert agreement.rating_alpha.value < 1


def test_agreement_has_an_interval_from_five_clips_on() -> None:
    def panel(clips: int) -> Agreement:
        rng = np.random.default_rng(4)
        ratings = rng.integers(0, 3, (clips, 8))
        noisy = np.where(rng.random((clips, 8)) < 0.3, rng.integers(0, 3, (clips, 8)), ratings)
        matrices = {"a": matrix_of(ratings, ratings), "b": matrix_of(noisy, ratings)}
        agreement = score_panel(matrices).agreement
        assert agreement
        return agreement

    assert panel(4).rating_alpha.interval is None
    for clips in (5, 12, 40):
        agreement = panel(clips)
        for estimate in (agreement.rating_alpha, agreement.pairs[0].rating_kappa):
            assert estimate.interval is not None
            assert estimate.value is not None
            assert estimate.interval[0] < estimate.value < estimate.interval[1]
        # Judges that never differ on these clips may differ on others.
        assert agreement.orientation_alpha.value == 1
        assert agreement.orientation_alpha.interval is not None
        low, high = agreement.orientation_alpha.interval
        assert low == pytest.approx(0.025 ** (1 / clips), abs=0.03)
        assert high == 1


def test_clips_that_only_one_judge_has_judged_do_not_count() -> None:
    rng = np.random.default_rng(4)
    one, other = (matrix_of(*rng.integers(0, 3, (2, 20, 8))) for _ in range(2))
    four = other.of_items(np.arange(20)[:, None] < 4)
    agreement = score_panel({"a": one, "b": four}).agreement
    assert agreement
    assert agreement.rating_alpha.value is not None
    assert agreement.rating_alpha.interval is None
    assert agreement.pairs[0].rating_kappa.interval is None


def test_one_judge_alone_has_no_agreement() -> None:
    assert score_panel({"a": matrix(1, 1)}, resamples=10).agreement is None


def test_unreadable_verdicts_are_missing_not_different() -> None:
    complete = matrix(np.arange(32).reshape(4, 8) % 3, 1)
    incomplete = VerdictMatrix(complete.ratings.copy(), complete.orientations, complete.unreadable)
    incomplete.ratings[:2] = np.nan
    panel = complete, incomplete
    counts = LabelCounts.of_panel(
        2, 4, lambda kept: [each.of_clips(kept).labels() for each in panel]
    )
    sums = counts.columns.sum(axis=0)
    agreement = counts.agreement("ab", sums[None])
    assert agreement is not None
    assert agreement.rating_alpha.value == 1
    assert agreement.pairs[0].ratings.sum() == 16


def test_a_pair_counts_the_items_judged_alike() -> None:
    ratings, orientations = np.arange(32).reshape(4, 8) % 3, np.zeros((4, 8), int)
    panel = {"a": matrix(ratings, orientations), "b": matrix(ratings, ratings)}
    agreement = score_panel(panel, resamples=10).agreement
    assert agreement
    pair = agreement.pairs[0]
    assert (pair.items, pair.same_ratings, pair.same_orientations) == (32, 32, 11)


def test_the_difference_of_verdicts_adds_up_scores_ratings_and_orientations() -> None:
    both, neither = Orientation.BOTH, Orientation.NEITHER
    assert verdict_difference([Verdict(2, both), Verdict(0, neither)]) == 2 + 2 + 1
    assert verdict_difference([Verdict(2, both), Verdict(2, both)]) == 0
    assert verdict_difference([Verdict(1, neither), Verdict(1, both)]) == 1 + 0 + 1
    assert verdict_difference([Verdict(2, both), Verdict(None, neither)]) == 0
    assert verdict_difference([]) == 0


BOTH = ORIENTATIONS.index(Orientation.BOTH)


def judges_of(*ratings: np.ndarray) -> dict[str, JudgeAgreement]:
    panel = [matrix_of(each, np.full(each.shape, BOTH)) for each in ratings]
    agreement = score_panel(dict(zip("abc", panel, strict=False))).agreement
    assert agreement
    return {judge.judge: judge for judge in agreement.judges}


def test_the_kappa_of_a_judge_is_the_mean_of_its_pairs() -> None:
    rng = np.random.default_rng(4)
    ratings = rng.integers(0, 3, (20, 8))
    noisy = np.where(rng.random((20, 8)) < 0.3, rng.integers(0, 3, (20, 8)), ratings)
    odd = rng.integers(0, 3, (20, 8))
    judges = judges_of(ratings, noisy, odd)
    pairs = [weighted_kappa(confusions(odd, each, 3).sum(axis=0)) for each in (ratings, noisy)]
    assert judges["c"].rating_kappa.value == pytest.approx(np.mean(pairs))
    low, high = judges["c"].rating_kappa.interval or (np.nan, np.nan)
    assert low < np.mean(pairs) < high
    assert high < (judges["a"].rating_kappa.low or 0)


def test_a_strict_judge_scores_below_the_others() -> None:
    ratings = np.random.default_rng(4).integers(1, 3, (20, 8))
    judges = judges_of(ratings, ratings, ratings - 1)
    assert judges["c"].score_difference.value == pytest.approx(-1)
    assert judges["a"].score_difference.value == pytest.approx(0.5)
    low, high = judges["a"].score_difference.interval or (np.nan, np.nan)
    assert 0 < low < 0.5 < high


def test_judges_are_compared_on_the_answers_that_all_have_judged() -> None:
    ratings = np.random.default_rng(4).integers(0, 3, (20, 8))
    missing = np.where(ratings == 2, np.nan, ratings)  # has not judged the good answers
    judges = judges_of(ratings.astype(float), missing)
    assert judges["a"].score_difference.value == 0
    two = judges["a"].score_difference, judges["b"].score_difference
    assert two[0].interval
    assert [each.value for each in two] == [0, 0]


@pytest.mark.parametrize("ratings", [np.zeros((2, 8)), np.full((2, 8), np.nan)])
def test_figures_of_a_judge_may_be_undefined(ratings: np.ndarray) -> None:
    for judge in judges_of(ratings, ratings).values():
        assert judge.rating_kappa.value is None
        assert judge.score_difference.value in (None, 0)
        assert judge.score_difference.interval is None
