"""Comparing two models, against other implementations and by simulation."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
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
from jasco.metrics.verdict_matrix import VerdictMatrix

DIFFERENCES = st.lists(st.sampled_from([-2, -1, -1 / 3, 0, 2 / 3, 1, 2]), min_size=1, max_size=9)


@given(DIFFERENCES)
def test_the_p_value_of_few_clips_is_exact(differences: list[float]) -> None:
    observed = abs(sum(differences))
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    extreme = sum(
        abs(sum(sign * each for sign, each in zip(signs, differences, strict=True)))
        >= observed - 1e-9
        for signs in patterns
    )
    assert sign_flip_p(np.array(differences)) == pytest.approx(extreme / len(patterns))


def test_the_p_value_of_many_clips_is_that_of_scipy() -> None:
    differences = np.random.default_rng(3).choice([-1, 0, 1, 2], 80, p=[0.2, 0.4, 0.3, 0.1])
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=1
    )
    assert sign_flip_p(differences) == pytest.approx(theirs.pvalue, abs=0.01)
    assert sign_flip_p(differences) == sign_flip_p(differences)
    assert sign_flip_p(np.ones(80)) == 1 / 10_001


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=5))
def test_the_p_value_of_single_answers_counts_all_exchanges(clips: list[tuple[int, ...]]) -> None:
    def difference(chosen: tuple[int, ...]) -> float:
        return sum(
            answers[place] - (sum(answers) - answers[place]) / 2
            for answers, place in zip(clips, chosen, strict=True)
        )

    exchanges = [difference(chosen) for chosen in itertools.product(range(3), repeat=len(clips))]
    observed = abs(difference((0,) * len(clips)))
    extreme = np.mean([abs(each) >= observed - 1e-9 for each in exchanges])
    scores = np.array(clips, float)
    found = exchange_p(scores[:, 0], scores[:, 1:], flips=4000)
    assert found == pytest.approx(extreme, abs=0.04)


def test_exchanging_two_answers_is_flipping_a_sign() -> None:
    one, other = np.random.default_rng(2).integers(0, 3, (2, 30))
    missing = np.column_stack([np.full(30, np.nan), other])
    assert exchange_p(one, missing) == pytest.approx(sign_flip_p(one - other), abs=0.02)
    lonely = np.vstack([missing, np.full((5, 2), np.nan)])  # nothing to exchange with
    more = exchange_p(np.append(one, [2] * 5), lonely)
    assert more == pytest.approx(sign_flip_p(one - other), abs=0.02)


def test_alike_models_do_not_differ() -> None:
    assert sign_flip_p(np.zeros(80)) == 1
    assert sign_flip_p(np.array([])) == 1


@pytest.mark.slow
def test_p_values_are_uniform_where_there_is_no_difference() -> None:
    random = np.random.default_rng(5)
    p_values = [
        sign_flip_p(random.normal(size=80), flips=1999, seed=number) for number in range(2000)
    ]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_of_alike_models_one_in_twenty_seems_to_differ() -> None:
    random = np.random.default_rng(6)
    found = 0
    for number in range(1000):
        one, other = (random.choice(3, 80, p=[0.4, 0.3, 0.3]) for _ in range(2))
        found += sign_flip_p((one - other).astype(float), flips=999, seed=number) <= 0.05
    assert 30 <= found <= 70


def test_holm_of_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_only_raises(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))
    for (p, c), (q, d) in itertools.combinations(zip(p_values, corrected, strict=True), 2):
        if p < q:
            assert c <= d


def test_the_detectable_difference_is_found_four_times_out_of_five() -> None:
    random = np.random.default_rng(7)
    noise = random.normal(0, 0.8, (2000, 80))
    detectable = 2.8 * 0.8 / 80**0.5
    tests = stats.ttest_1samp(noise + detectable, 0, axis=1)
    assert np.mean(tests.pvalue < 0.05) == pytest.approx(0.8, abs=0.03)
    assert minimum_detectable_difference(noise[0]) == pytest.approx(
        2.8 * np.std(noise[0], ddof=1) / 80**0.5
    )
    assert minimum_detectable_difference(np.array([1.0])) is None


@pytest.mark.parametrize("everywhere", [0, 0.5, 1 / 3, -2 / 3])
def test_clips_that_all_differ_alike_leave_the_detectable_difference_undefined(
    everywhere: float,
) -> None:
    assert minimum_detectable_difference(np.full(80, everywhere)) is None
    assert minimum_detectable_difference(np.array([everywhere] * 79 + [1])) is not None


def matrix(seed: int, clips: int = 40) -> VerdictMatrix:
    random = np.random.default_rng(seed)
    return VerdictMatrix(
        random.integers(0, 3, (clips, 8)).astype(np.float32),
        random.integers(0, 4, (clips, 8)).astype(np.int8),
        np.zeros((clips, 8), bool),
    )


def test_a_model_does_not_differ_from_itself() -> None:
    same = compare({"a": matrix(1)}, {"a": matrix(1)})
    assert (same.best_mean.value, same.p) == (0, 1)
    # That forty clips do not differ is not to say that none would.
    assert same.best_mean.interval == pytest.approx((-0.18, 0.18), abs=0.02)
    assert same.detectable is None


def test_differences_are_paired_over_clips() -> None:
    one, other = matrix(1), matrix(2)
    best = one.best_by_clip() - other.best_by_clip()
    found = compare({"a": one}, {"a": other})
    assert found.clips == 40
    assert found.best_mean.value == pytest.approx(best.mean())
    assert found.p == sign_flip_p(best)
    error = np.std(best, ddof=1) / 40**0.5
    assert found.best_mean.interval == pytest.approx(
        (best.mean() - 1.96 * error, best.mean() + 1.96 * error), abs=0.3 * error
    )
    turned = compare({"a": other}, {"a": one})
    assert turned.best_mean.value == pytest.approx(-best.mean())


def test_a_panel_is_averaged_before_models_are_compared() -> None:
    panels = {"a": matrix(1), "b": matrix(2)}, {"a": matrix(3), "b": matrix(4)}
    means = [np.mean([each.best_by_clip() for each in panel.values()], axis=0) for panel in panels]
    found = compare(*panels, resamples=50)
    assert found.best_mean.value == pytest.approx((means[0] - means[1]).mean())
    assert found.p == sign_flip_p(means[0] - means[1])


def test_only_clips_that_all_have_judged_are_compared() -> None:
    holes = matrix(2)
    holes.ratings[15:, :] = np.nan
    found = compare({"a": matrix(1)}, {"a": holes}, resamples=50)
    assert (found.clips, found.clips_left_out, found.items, found.items_expected) == (
        15, 25, 120, 320,
    )  # fmt: skip
    assert found.p is not None
    holes.ratings[:, :] = np.nan
    nothing = compare({"a": matrix(1)}, {"a": holes}, resamples=50)
    assert (nothing.clips, nothing.best_mean.value, nothing.p) == (0, None, None)
    assert (nothing.clips_left_out, nothing.items, nothing.complete) == (40, 0, False)


def lacking(whole: VerdictMatrix, share: float, seed: int) -> VerdictMatrix:
    """Lose verdicts at random."""
    kept = np.random.default_rng(seed).random(whole.ratings.shape) >= share
    return whole.of_items(kept)


def test_models_are_compared_on_the_items_that_every_judge_of_both_has_judged() -> None:
    panels = [
        {"a": lacking(matrix(seed), 0.3, seed), "b": lacking(matrix(seed + 1), 0.2, seed + 1)}
        for seed in (1, 5)
    ]
    found = compare(*panels)
    common = np.all([each.readable for panel in panels for each in panel.values()], axis=0)
    counted = common.any(axis=1)
    assert (found.clips, found.items, found.complete) == (counted.sum(), common.sum(), False)

    def best(each: VerdictMatrix) -> np.ndarray:
        return np.where(common, each.gated(), -1).max(axis=1)[counted]

    ours, theirs = (np.mean([best(each) for each in panel.values()], axis=0) for panel in panels)
    assert found.best_mean.value == pytest.approx((ours - theirs).mean())
    assert found.p == sign_flip_p(ours - theirs)
    assert found.detectable == pytest.approx(minimum_detectable_difference(ours - theirs))
    alike = [
        {name: each.of_items(common).of_clips(counted) for name, each in panel.items()}
        for panel in panels
    ]
    on_common = [score_panel(panel, resamples=2).panel for panel in alike]
    for name in ("best_mean", "mean", "audio", "both", "speech"):
        one, other = (getattr(each, name).value for each in on_common)
        assert getattr(found, name).value == pytest.approx(one - other), name


def test_a_model_that_has_lost_verdicts_does_not_differ_from_itself() -> None:
    whole = matrix(1, clips=200)
    assert whole.best_by_clip().mean() > np.nanmean(lacking(whole, 0.8, 2).best_by_clip()) + 0.3
    found = compare({"a": whole}, {"a": lacking(whole, 0.8, 2)})
    assert (found.best_mean.value, found.mean.value, found.both.value, found.p) == (0, 0, 0, 1)
    assert found.clips_left_out > 0
    assert found.clips + found.clips_left_out == 200


def test_the_bounds_of_a_difference_put_every_missing_verdict_at_its_worst_and_best() -> None:
    one, other = lacking(matrix(1, 4), 0.3, 1), lacking(matrix(2, 4), 0.5, 2)

    def filled(holes: VerdictMatrix, rating: int) -> VerdictMatrix:
        lost = ~holes.readable
        return replace(
            holes,
            ratings=np.where(lost, rating, holes.ratings),
            orientations=np.where(lost, 2, holes.orientations),
        )

    found = compare({"a": one}, {"a": other}, resamples=50)
    ends = [
        compare({"a": filled(one, ours)}, {"a": filled(other, theirs)}, resamples=50)
        for ours, theirs in ((0, 2), (2, 0))
    ]
    assert found.bounds == pytest.approx([end.best_mean.value for end in ends])
    assert found.bounds[0] < found.bounds[1]
    assert ends[0].bounds == pytest.approx([ends[0].best_mean.value] * 2)
    assert ends[0].complete


@pytest.mark.parametrize("clips", [9, 10])
def test_there_is_no_p_of_fewer_than_ten_clips(clips: int) -> None:
    found = compare({"a": matrix(1, clips)}, {"a": matrix(2, clips)}, resamples=50)
    assert found.clips == clips
    assert (found.p is None) == (clips < 10)
    holes = matrix(2, 40)
    holes.ratings[clips:] = np.nan
    assert (compare({"a": matrix(1)}, {"a": holes}, resamples=50).p is None) == (clips < 10)


def test_the_signs_of_many_clips_are_flipped_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(3).normal(0.01, 0.5, 20_000)
    in_blocks = sign_flip_p(differences, flips=2000)
    monkeypatch.setattr(bootstrap, "BLOCKS", 20_000)
    assert in_blocks == pytest.approx(sign_flip_p(differences, flips=2000), abs=0.02)
    assert in_blocks == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def once(seed: int, clips: int = 40) -> VerdictMatrix:
    """Return the matrix of a participant: one verdict a clip."""
    single = replace(matrix(seed, clips), single_prompt=True)
    asked = np.random.default_rng(seed + 1).integers(0, 8, clips)
    single.ratings[np.arange(8) != asked[:, None]] = np.nan
    return single


def test_with_participants_models_are_compared_at_best_of_one() -> None:
    participant, model = once(1), matrix(2)
    difference = participant.mean_by_clip() - model.mean_by_clip()
    for found, sign in (
        (compare({"a": participant}, {"a": model}), 1),
        (compare({"a": model}, {"a": participant}), -1),
    ):
        assert found.tested == "mean"
        assert found.clips == 40
        assert (found.best_mean.value, found.best_mean.interval) == (None, None)
        assert found.mean.value == pytest.approx(sign * difference.mean())
        assert found.mean.interval is not None
        assert found.p == exchange_p(participant.mean_by_clip(), model.gated())
        assert found.detectable == pytest.approx(minimum_detectable_difference(difference))
        assert found.both.value is not None
        assert (found.items, found.items_expected, found.complete) == (40, 40, True)
        assert found.bounds == pytest.approx([found.mean.value] * 2)
    assert compare({"a": participant}, {"a": once(5)}, resamples=50).tested == "mean"
    assert compare({"a": model}, {"a": matrix(3)}, resamples=50).tested == "best_mean"


def test_clips_that_a_participant_has_not_answered_are_left_out() -> None:
    participant = once(1)
    participant.ratings[3:] = np.nan
    found = compare({"a": participant}, {"a": matrix(2)}, resamples=50)
    assert (found.clips, found.clips_left_out, found.items, found.items_expected) == (3, 37, 3, 40)
    assert not found.complete
    participant.ratings[:] = np.nan
    nothing = compare({"a": participant}, {"a": matrix(2)}, resamples=50)
    assert (nothing.clips, nothing.p, nothing.tested) == (0, None, "mean")
