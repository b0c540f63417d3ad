"""Comparisons of two models, against other implementations and by simulation."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from jasco.metrics import bootstrap
from jasco.metrics.comparison import (
    compare,
    exchange_p,
    holm,
    minimum_detectable_difference,
    sign_flip_p,
)
from jasco.metrics.scoring import score_panel
from jasco.metrics.verdict_matrix import ORIENTATIONS, VerdictMatrix
from jasco.protocol.verdicts import Orientation
from matrices import random_matrix

DIFFERENCES = st.lists(st.sampled_from([-2, -1, -1 / 3, 0, 2 / 3, 1, 2]), min_size=1, max_size=9)


@given(DIFFERENCES)
def test_the_p_value_of_few_clips_is_exact(differences: list[float]) -> None:
    observed = abs(sum(differences))
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    extreme = sum(
        abs(sum(sign * difference for sign, difference in zip(signs, differences, strict=True)))
        >= observed - 1e-9
        for signs in patterns
    )
    assert sign_flip_p(np.array(differences)) == pytest.approx(extreme / len(patterns))


def test_the_p_value_of_many_clips_is_that_of_scipy() -> None:
    differences = np.random.default_rng(3).choice([-1, 0, 1, 2], 80, p=[0.2, 0.4, 0.3, 0.1])
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=1
    )
    assert sign_flip_p(differences) == pytest.approx(expected.pvalue, abs=0.01)
    assert sign_flip_p(differences) == sign_flip_p(differences)
    assert sign_flip_p(np.ones(80)) == 1 / 10_001


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=5))
def test_the_p_value_of_single_answers_counts_all_exchanges(clips: list[tuple[int, ...]]) -> None:
    def difference(indices: tuple[int, ...]) -> float:
        return sum(
            answers[index] - (sum(answers) - answers[index]) / 2
            for answers, index in zip(clips, indices, strict=True)
        )

    exchanges = [difference(indices) for indices in itertools.product(range(3), repeat=len(clips))]
    observed = abs(difference((0,) * len(clips)))
    extreme = np.mean([abs(exchange) >= observed - 1e-9 for exchange in exchanges])
    scores = np.array(clips, float)
    p_value = exchange_p(scores[:, 0], scores[:, 1:], flips=4000)
    assert p_value == pytest.approx(extreme, abs=0.04)


def test_exchanging_two_answers_is_flipping_a_sign() -> None:
    one, other = np.random.default_rng(2).integers(0, 3, (2, 30))
    missing = np.column_stack([np.full(30, np.nan), other])
    assert exchange_p(one, missing) == pytest.approx(sign_flip_p(one - other), abs=0.02)
    with_unpaired = np.vstack([missing, np.full((5, 2), np.nan)])  # no answer to exchange with
    p_value = exchange_p(np.append(one, [2] * 5), with_unpaired)
    assert p_value == pytest.approx(sign_flip_p(one - other), abs=0.02)


def test_alike_models_do_not_differ() -> None:
    assert sign_flip_p(np.zeros(80)) == 1
    assert sign_flip_p(np.array([])) == 1


@pytest.mark.slow
def test_p_values_are_uniform_where_there_is_no_difference() -> None:
    rng = np.random.default_rng(5)
    p_values = [sign_flip_p(rng.normal(size=80), flips=1999, seed=number) for number in range(2000)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_of_alike_models_one_in_twenty_seems_to_differ() -> None:
    rng = np.random.default_rng(6)
    count = 0
    for number in range(1000):
        one, other = (rng.choice(3, 80, p=[0.4, 0.3, 0.3]) for _ in range(2))
        count += sign_flip_p((one - other).astype(float), flips=999, seed=number) <= 0.05
    assert 30 <= count <= 70


def test_holm_of_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_only_raises(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= p_corrected <= 1 for p, p_corrected in zip(p_values, corrected, strict=True))
    for (p, p_corrected), (other, other_corrected) in itertools.combinations(
        zip(p_values, corrected, strict=True), 2
    ):
        if p < other:
            assert p_corrected <= other_corrected


def test_the_detectable_difference_is_found_four_times_out_of_five() -> None:
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 0.8, (2000, 80))
    detectable = 2.8 * 0.8 / 80**0.5
    tests = stats.ttest_1samp(noise + detectable, 0, axis=1)
    assert np.mean(tests.pvalue < 0.05) == pytest.approx(0.8, abs=0.03)
    assert minimum_detectable_difference(noise[0]) == pytest.approx(
        2.8 * np.std(noise[0], ddof=1) / 80**0.5
    )
    assert minimum_detectable_difference(np.array([1.0])) is None


@pytest.mark.parametrize("difference", [0, 0.5, 1 / 3, -2 / 3])
def test_clips_that_all_differ_alike_leave_the_detectable_difference_undefined(
    difference: float,
) -> None:
    assert minimum_detectable_difference(np.full(80, difference)) is None
    assert minimum_detectable_difference(np.array([difference] * 79 + [1])) is not None


def test_a_model_does_not_differ_from_itself() -> None:
    same = compare({"a": random_matrix(1)}, {"a": random_matrix(1)})
    assert (same.best_mean.value, same.p) == (0, 1)
    # Other clips may differ although these forty do not.
    assert same.best_mean.interval == pytest.approx((-0.18, 0.18), abs=0.02)
    assert same.detectable is None


def test_differences_are_paired_over_clips() -> None:
    one, other = random_matrix(1), random_matrix(2)
    best = one.best_by_clip() - other.best_by_clip()
    comparison = compare({"a": one}, {"a": other})
    assert comparison.clips == 40
    assert comparison.best_mean.value == pytest.approx(best.mean())
    assert comparison.p == sign_flip_p(best)
    error = np.std(best, ddof=1) / 40**0.5
    assert comparison.best_mean.interval == pytest.approx(
        (best.mean() - 1.96 * error, best.mean() + 1.96 * error), abs=0.3 * error
    )
    swapped = compare({"a": other}, {"a": one})
    assert swapped.best_mean.value == pytest.approx(-best.mean())


def test_a_panel_is_averaged_before_models_are_compared() -> None:
    panels = (
        {"a": random_matrix(1), "b": random_matrix(2)},
        {"a": random_matrix(3), "b": random_matrix(4)},
    )
    means = [
        np.mean([matrix.best_by_clip() for matrix in panel.values()], axis=0) for panel in panels
    ]
    comparison = compare(*panels, resamples=50)
    assert comparison.best_mean.value == pytest.approx((means[0] - means[1]).mean())
    assert comparison.p == sign_flip_p(means[0] - means[1])


def test_only_clips_that_all_have_judged_are_compared() -> None:
    incomplete = random_matrix(2)
    incomplete.ratings[15:, :] = np.nan
    comparison = compare({"a": random_matrix(1)}, {"a": incomplete}, resamples=50)
    assert (comparison.clips, comparison.clips_left_out) == (15, 25)
    assert (comparison.items, comparison.items_expected) == (120, 320)
    assert comparison.p is not None
    incomplete.ratings[:, :] = np.nan
    empty = compare({"a": random_matrix(1)}, {"a": incomplete}, resamples=50)
    assert (empty.clips, empty.best_mean.value, empty.p) == (0, None, None)
    assert (empty.clips_left_out, empty.items, empty.complete) == (40, 0, False)


def without_some(matrix: VerdictMatrix, share: float, seed: int) -> VerdictMatrix:
    """Return a matrix without a share of its verdicts, chosen at random."""
    mask = np.random.default_rng(seed).random(matrix.ratings.shape) >= share
    return matrix.of_items(mask)


def test_models_are_compared_on_the_items_that_every_judge_of_both_has_judged() -> None:
    panels = [
        {
            "a": without_some(random_matrix(seed), 0.3, seed),
            "b": without_some(random_matrix(seed + 1), 0.2, seed + 1),
        }
        for seed in (1, 5)
    ]
    comparison = compare(*panels)
    common = np.all([matrix.readable for panel in panels for matrix in panel.values()], axis=0)
    counted = common.any(axis=1)
    assert (comparison.clips, comparison.items, comparison.complete) == (
        counted.sum(),
        common.sum(),
        False,
    )

    def best(matrix: VerdictMatrix) -> np.ndarray:
        return np.where(common, matrix.gated(), -1).max(axis=1)[counted]

    one_best, other_best = (
        np.mean([best(matrix) for matrix in panel.values()], axis=0) for panel in panels
    )
    assert comparison.best_mean.value == pytest.approx((one_best - other_best).mean())
    assert comparison.p == sign_flip_p(one_best - other_best)
    assert comparison.detectable == pytest.approx(
        minimum_detectable_difference(one_best - other_best)
    )
    common_panels = [
        {name: matrix.of_items(common).of_clips(counted) for name, matrix in panel.items()}
        for panel in panels
    ]
    common_scores = [score_panel(panel, resamples=2).panel for panel in common_panels]
    for name in ("best_mean", "mean", "audio", "both", "speech"):
        one, other = (getattr(matrix, name).value for matrix in common_scores)
        assert getattr(comparison, name).value == pytest.approx(one - other), name


def test_a_model_that_has_lost_verdicts_does_not_differ_from_itself() -> None:
    complete = random_matrix(1, clips=200)
    assert (
        complete.best_by_clip().mean()
        > np.nanmean(without_some(complete, 0.8, 2).best_by_clip()) + 0.3
    )
    comparison = compare({"a": complete}, {"a": without_some(complete, 0.8, 2)})
    assert (
        comparison.best_mean.value,
        comparison.mean.value,
        comparison.both.value,
        comparison.p,
    ) == (0, 0, 0, 1)
    assert comparison.clips_left_out > 0
    assert comparison.clips + comparison.clips_left_out == 200


def test_the_bounds_of_a_difference_put_every_missing_verdict_at_its_worst_and_best() -> None:
    one, other = (
        without_some(random_matrix(1, 4), 0.3, 1),
        without_some(random_matrix(2, 4), 0.5, 2),
    )

    def complete(incomplete: VerdictMatrix, rating: int) -> VerdictMatrix:
        missing = ~incomplete.readable
        return replace(
            incomplete,
            ratings=np.where(missing, rating, incomplete.ratings),
            orientations=np.where(missing, 2, incomplete.orientations),
        )

    comparison = compare({"a": one}, {"a": other}, resamples=50)
    ends = [
        compare(
            {"a": complete(one, one_rating)}, {"a": complete(other, other_rating)}, resamples=50
        )
        for one_rating, other_rating in ((0, 2), (2, 0))
    ]
    assert comparison.bounds == pytest.approx([end.best_mean.value for end in ends])
    assert comparison.bounds[0] < comparison.bounds[1]
    assert ends[0].bounds == pytest.approx([ends[0].best_mean.value] * 2)
    assert ends[0].complete


@pytest.mark.parametrize("clips", [9, 10])
def test_there_is_no_p_of_fewer_than_ten_clips(clips: int) -> None:
    comparison = compare(
        {"a": random_matrix(1, clips)}, {"a": random_matrix(2, clips)}, resamples=50
    )
    assert comparison.clips == clips
    assert (comparison.p is None) == (clips < 10)
    incomplete = random_matrix(2, 40)
    incomplete.ratings[clips:] = np.nan
    assert (compare({"a": random_matrix(1)}, {"a": incomplete}, resamples=50).p is None) == (
        clips < 10
    )


def test_the_signs_of_many_clips_are_flipped_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(3).normal(0.01, 0.5, 20_000)
    in_blocks = sign_flip_p(differences, flips=2000)
    monkeypatch.setattr(bootstrap, "BLOCKS", 20_000)
    assert in_blocks == pytest.approx(sign_flip_p(differences, flips=2000), abs=0.02)
    assert in_blocks == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def single_prompt_matrix(seed: int, clips: int = 40) -> VerdictMatrix:
    """Return a participant's matrix, with one verdict a clip."""
    matrix = replace(random_matrix(seed, clips), single_prompt=True)
    prompts = np.random.default_rng(seed + 1).integers(0, 8, clips)
    matrix.ratings[np.arange(8) != prompts[:, None]] = np.nan
    return matrix


def test_with_participants_models_are_compared_at_best_of_one() -> None:
    participant, model = single_prompt_matrix(1), random_matrix(2)
    difference = participant.mean_by_clip() - model.mean_by_clip()
    for comparison, sign in (
        (compare({"a": participant}, {"a": model}), 1),
        (compare({"a": model}, {"a": participant}), -1),
    ):
        assert comparison.tested == "mean"
        assert comparison.clips == 40
        assert (comparison.best_mean.value, comparison.best_mean.interval) == (None, None)
        assert comparison.mean.value == pytest.approx(sign * difference.mean())
        assert comparison.mean.interval is not None
        assert comparison.p == exchange_p(participant.mean_by_clip(), model.gated())
        assert comparison.detectable == pytest.approx(minimum_detectable_difference(difference))
        assert comparison.both.value is not None
        assert (comparison.items, comparison.items_expected, comparison.complete) == (40, 40, True)
        assert comparison.bounds == pytest.approx([comparison.mean.value] * 2)
    assert (
        compare({"a": participant}, {"a": single_prompt_matrix(5)}, resamples=50).tested == "mean"
    )
    assert compare({"a": model}, {"a": random_matrix(3)}, resamples=50).tested == "best_mean"


def test_clips_that_a_participant_has_not_answered_are_left_out() -> None:
    participant = single_prompt_matrix(1)
    participant.ratings[3:] = np.nan
    comparison = compare({"a": participant}, {"a": random_matrix(2)}, resamples=50)
    assert (
        comparison.clips,
        comparison.clips_left_out,
        comparison.items,
        comparison.items_expected,
    ) == (3, 37, 3, 40)
    assert not comparison.complete
    participant.ratings[:] = np.nan
    empty = compare({"a": participant}, {"a": random_matrix(2)}, resamples=50)
    assert (empty.clips, empty.p, empty.tested) == (0, None, "mean")


# --- several samples ---


def test_several_samples_are_averaged_before_models_are_compared() -> None:
    ours, theirs = ([random_matrix(10 * n + sample, 30) for sample in range(3)] for n in (1, 2))
    compared = compare(
        {"j": VerdictMatrix.of_samples(ours)}, {"j": VerdictMatrix.of_samples(theirs)}, 100
    )
    difference = np.mean([one.best_by_clip() for one in ours], axis=0)
    difference -= np.mean([other.best_by_clip() for other in theirs], axis=0)
    assert compared.best_mean.value == pytest.approx(difference.mean())
    assert compared.p == sign_flip_p(difference)
    assert compared.bounds == pytest.approx((difference.mean(),) * 2)
    assert (compared.items, compared.complete) == (240, True)


def test_an_item_counts_if_each_sample_has_a_verdict() -> None:
    first, second, other = (random_matrix(seed, 12) for seed in (1, 2, 3))
    second.ratings[0, :4] = np.nan
    second.ratings[1] = np.nan
    compared = compare({"j": VerdictMatrix.of_samples([first, second])}, {"j": other}, 100)
    assert (compared.clips, compared.items, compared.complete) == (11, 84, False)


def test_a_participant_is_compared_with_the_answers_of_all_samples() -> None:
    single = replace(random_matrix(1, 20), single_prompt=True)
    single.ratings[:, 1:] = np.nan
    samples = [random_matrix(seed, 20) for seed in (2, 3)]
    compared = compare({"j": single}, {"j": VerdictMatrix.of_samples(samples)}, 100)
    answers = np.hstack([sample.gated() for sample in samples])
    assert compared.p == exchange_p(single.mean_by_clip(), answers)
    expected = single.mean_by_clip().mean() - answers.mean()
    assert compared.mean.value == pytest.approx(expected)


@pytest.mark.parametrize("seed", [19, 28])  # where single precision misses ties
def test_ties_of_scores_averaged_over_three_judges_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    both = ORIENTATIONS.index(Orientation.BOTH)

    def matrix(ratings: NDArray[Any], *, single_prompt: bool = False) -> VerdictMatrix:
        shape = ratings.shape
        oriented = np.full(shape, both, np.int8), np.zeros(shape, bool)
        return VerdictMatrix(ratings.astype(np.float32), *oriented, single_prompt=single_prompt)

    panel = [rng.integers(0, 2, (12, 8)) for _ in range(3)]
    single = np.full((12, 8), np.nan)
    single[:, 0] = rng.integers(0, 3, 12)
    participant = {name: matrix(single, single_prompt=True) for name in "abc"}
    model = dict(zip("abc", map(matrix, panel), strict=True))
    exact = exchange_p(single[:, 0], np.sum(panel, axis=0) / 3)
    assert compare(participant, model, resamples=50).p == exact
