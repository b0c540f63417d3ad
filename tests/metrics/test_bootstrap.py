"""Intervals from shared resamples, against single draws and published formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jasco.metrics import bootstrap
from jasco.metrics.bootstrap import (
    NO_ESTIMATE,
    Estimate,
    Ratios,
    Terms,
    estimate,
    in_blocks,
    resampled_sums,
    weighted_sums,
)
from jasco.metrics.scoring import PanelScore, Score, score_difference, score_panel
from jasco.metrics.verdict_matrix import VerdictMatrix
from matrices import random_matrix


def test_sums_are_those_of_clips_drawn_with_replacement() -> None:
    powers = 7.0 ** np.arange(5)[:, None]  # a digit of the sum in base 7 counts the draws of a clip
    sums = resampled_sums(powers, resamples=3000)[:, 0].astype(int)
    times = np.array([[total // 7**clip % 7 for clip in range(5)] for total in sums])
    assert (times.sum(axis=1) == 5).all()
    assert times.mean(axis=0) == pytest.approx(np.ones(5), abs=0.1)
    assert times.var(axis=0) == pytest.approx(np.full(5, 0.8), abs=0.15)  # 5 x 1/5 x 4/5


def test_the_same_clips_are_drawn_whatever_is_summed() -> None:
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 9, (40, 3))
    together = resampled_sums(columns, resamples=100)
    for column in range(3):
        assert (
            resampled_sums(columns[:, [column]], resamples=100)[:, 0] == together[:, column]
        ).all()
    assert (resampled_sums(columns, resamples=100, seed=1) != together).any()


def test_many_clips_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    sums, other_sums = weighted_sums(np.eye(20), resamples=10)
    monkeypatch.setattr(bootstrap, "_CELLS", 70)  # 3 resamples of 20 clips at once
    ones = resampled_sums(np.ones((20, 1)), resamples=10)
    assert (ones == 20).all()
    sums_in_parts, other_sums_in_parts = weighted_sums(np.eye(20), resamples=10)
    assert sums_in_parts == pytest.approx(sums)
    assert other_sums_in_parts == pytest.approx(other_sums)


def test_of_no_clips_the_sums_are_0() -> None:
    assert (resampled_sums(np.empty((0, 2)), resamples=3) == np.zeros((3, 2))).all()


# --- percentile intervals ---


def test_an_interval_holds_the_middle_95_percent() -> None:
    assert estimate(5.0, np.arange(1001), clips=80).interval == pytest.approx((25, 975))


def test_what_is_undefined_has_no_estimate() -> None:
    assert estimate(np.nan, np.ones(3), clips=80) == NO_ESTIMATE
    assert estimate(1.0, np.full(3, np.nan), clips=80) == Estimate(1.0)
    assert estimate(1.0, np.array([np.nan, 1, 2]), clips=80).interval == pytest.approx(
        (1.025, 1.975)
    )


def test_what_is_the_same_in_every_resample_has_no_interval() -> None:
    assert estimate(1.0, np.ones(3), clips=80) == Estimate(1.0)
    noise = 1 + 1e-7 * np.arange(10)  # of single precision
    assert estimate(1.0, noise, clips=80) == Estimate(1.0)


@pytest.mark.parametrize("clips", [5, 12, 39])
def test_of_few_clips_the_tails_are_those_of_student(clips: int) -> None:
    ends = estimate(0.5, np.linspace(0, 1, 100_001), clips=clips).interval
    assert ends
    # Hesterberg (2014), section 4.3.
    tail = stats.norm.cdf(-((clips / (clips - 1)) ** 0.5) * stats.t.ppf(0.975, clips - 1))
    assert ends == pytest.approx((tail, 1 - tail), abs=1e-5)


def test_a_figure_with_the_opposite_sign_has_the_opposite_interval() -> None:
    assert -Estimate(1.0, -0.5, 2.0) == Estimate(-1.0, -2.0, 0.5)
    assert -Estimate(1.0) == Estimate(-1.0)
    assert -NO_ESTIMATE == NO_ESTIMATE


def test_a_figure_is_above_another_if_their_intervals_do_not_overlap() -> None:
    higher, lower = Estimate(3.0, 2.1, 4.0), Estimate(1.0, 0.0, 2.0)
    assert higher.is_above(lower)
    assert not lower.is_above(higher)
    assert not higher.is_above(Estimate(2.0, 1.0, 2.1))
    assert not higher.is_above(Estimate(1.0))
    assert not Estimate(3.0).is_above(lower)


# --- averages of bounded scores ---


def terms(parts: np.ndarray, wholes: np.ndarray) -> Terms:
    """Return the terms of clips whose parts and wholes are given as arrays."""
    return Terms.of(len(parts), lambda kept: (parts[kept], wholes[kept]))


def average(scores: np.ndarray, low: float = 0, high: float = 2, **options: int) -> Estimate:
    """Return the estimate of the mean of scores."""
    parts = np.asarray(scores, float)[:, None]
    [result] = Ratios([terms(parts, np.ones_like(parts))], low, high, **options).estimates([0])
    return result


@pytest.mark.parametrize(("clips", "ones"), [(5, 0), (5, 2), (9, 9), (80, 0), (80, 3), (80, 79)])
def test_of_scores_of_two_values_it_is_the_interval_of_clopper_and_pearson(
    clips: int, ones: int
) -> None:
    result = average(np.arange(clips) < ones, high=1)
    expected = stats.binomtest(ones, clips).proportion_ci(method="exact")
    assert result.value == ones / clips
    assert result.interval == pytest.approx((expected.low, expected.high), abs=0.012)


def test_of_equal_scores_the_interval_is_as_wide_as_another_clip_allows() -> None:
    for clips in (5, 10, 80):
        margin = 1 - 0.025 ** (1 / clips)
        for score in (0, 1, 2):
            result = average(np.full(clips, score))
            ends = score * (1 - margin), score + (2 - score) * margin
            assert result.interval == pytest.approx(ends, abs=0.02)


def test_gaffkes_interval_is_that_of_sorted_uniform_numbers() -> None:
    # As Learned-Miller and Thomas (2019) write it: the upper end is the quantile of
    # 2 - (sum of U(i) * (x(i + 1) - x(i))), U and x sorted, x(n + 1) = 2.
    scores = np.array([0, 0, 0.25, 0.5, 0.5, 1, 2])
    uniform = np.sort(np.random.default_rng(1).random((200_000, 7)), axis=1)
    steps = np.diff([*scores, 2])
    upper = np.quantile(2 - uniform @ steps, 0.975)
    lower = 2 - np.quantile(2 - uniform @ np.diff([*(2 - scores[::-1]), 2]), 0.975)
    assert average(scores).interval == pytest.approx((lower, upper), abs=0.03)


def test_shares_are_bounded_by_a_clip_of_one_kind_only() -> None:
    totals = np.array([8, 8, 4, 2, 8, 8, 6, 8])[:, None]
    [never, always] = (
        Ratios([terms(share * totals, totals)], 0, 1).estimates([0])[0] for share in (0, 1)
    )
    assert never.interval and always.interval
    assert never.interval[0] == 0 < never.interval[1] < 0.6
    assert 0.4 < always.interval[0] < 1 == always.interval[1]


def test_fewer_than_five_clips_have_no_interval() -> None:
    scores = np.array([0, 1, 2, 0, 2])
    assert average(scores[:4]) == Estimate(0.75)
    assert average(scores).interval is not None


def test_only_clips_that_count_are_counted() -> None:
    counted = np.arange(80) < 4
    parts = np.where(counted, np.arange(80) % 3, 0)[:, None].astype(float)
    [four] = Ratios([terms(parts, counted[:, None])], 0, 2).estimates([0])
    assert four == Estimate(0.75)
    # Without an interval for one judge there is none for the mean of both.
    complete = np.random.default_rng(1).integers(0, 3, (80, 1)).astype(float)
    both = Ratios([terms(parts, counted[:, None]), terms(complete, np.ones((80, 1)))], 0, 2)
    assert both.estimates([1])[0].interval is not None
    assert both.estimates([0, 1])[0].interval is None
    assert both.estimates([1], [0])[0].interval is None


def test_where_few_clips_differ_resamples_are_not_trusted() -> None:
    # Percentile intervals of so few clips are too short.
    three = average(np.arange(80) < 3)
    assert three.interval
    assert (
        three.interval[1]
        > 0.1
        > np.quantile(np.random.default_rng(1).binomial(80, 3 / 80, 10_000) / 80, 0.975)
    )
    forty = average(np.arange(80) % 2)
    assert forty.interval == pytest.approx((0.39, 0.61), abs=0.02)


def test_a_difference_is_bounded_by_a_clip_that_one_wins() -> None:
    ones = np.ones((20, 1))
    figures = Ratios([terms(ones, ones), terms(ones, ones)], 0, 2)
    [difference] = figures.estimates([0], [1])
    margin = 1 - 0.025 ** (1 / 20)
    assert difference.value == 0
    assert difference.interval == pytest.approx((-2 * margin, 2 * margin), abs=0.03)


# --- many clips ---


def test_many_clips_are_summed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "BLOCKS", 30)
    ones = in_blocks(100, np.ones((100, 2)).__getitem__)
    assert sorted(ones[:, 0]) == [3] * 20 + [4] * 10
    order = np.random.default_rng(0).permutation(100).astype(float)
    columns = np.column_stack([order, order**2])
    blocks = in_blocks(100, columns.__getitem__)
    assert (blocks == in_blocks(100, columns.__getitem__)).all()
    assert blocks.sum(axis=0) == pytest.approx([99 * 100 / 2, 99 * 100 * 199 / 6])
    neighbours = in_blocks(100, np.arange(100.0).__getitem__)
    assert (np.diff(neighbours) != 3).any()  # blocks are not made of neighbours
    assert (in_blocks(30, order[:30].__getitem__) == order[:30]).all()


@pytest.mark.parametrize("clips", [31, 59, 100, 899, 900, 901, 5000])
def test_blocks_are_summed_for_some_clips_at_a_time(
    monkeypatch: pytest.MonkeyPatch, clips: int
) -> None:
    monkeypatch.setattr(bootstrap, "BLOCKS", 30)
    columns = np.random.default_rng(1).normal(size=(clips, 3))
    asked: list[np.ndarray] = []

    def contributions(kept: np.ndarray) -> np.ndarray:
        asked.append(kept)
        return columns[kept]

    blocks = in_blocks(clips, contributions)
    order = np.random.default_rng(bootstrap.SEED).permutation(clips)
    assert (np.concatenate(asked) == order).all()
    assert max(map(len, asked)) <= max(30, clips // 30 + 1)
    starts = np.arange(30) * clips // 30
    assert (blocks == np.add.reduceat(columns[order], starts, axis=0)).all()


def test_blocks_hardly_change_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(0).choice(3, 12_000, p=[0.5, 0.3, 0.2])
    intervals = []
    for blocks in (500, 12_000):
        monkeypatch.setattr(bootstrap, "BLOCKS", blocks)
        intervals.append(average(scores, resamples=4000).interval)
    error = np.std(scores) / 12_000**0.5
    assert intervals[0] == pytest.approx(intervals[1], abs=0.2 * error)


def test_figures_of_many_clips_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = {name: random_matrix(seed, 300) for seed, name in enumerate("ab")}
    expected = score_panel(panel, resamples=200)
    monkeypatch.setattr(bootstrap, "BLOCKS", 100)
    block_scores = score_panel(panel, resamples=200)
    for figure, block_figure in zip(estimates(expected), estimates(block_scores), strict=True):
        assert figure.value == pytest.approx(block_figure.value)
        assert figure.interval == pytest.approx(block_figure.interval, abs=0.06)


# --- random matrices ---


def estimates(scored: PanelScore) -> list[Estimate]:
    return [
        figure for score in (scored.panel, *scored.judges.values()) for figure in figures(score)
    ]


def figures(score: Score) -> list[Estimate]:
    return [
        score.best_mean, score.mean, score.audio, score.both, score.speech,
        *score.best_at, *score.by_instruction, score.sound_first,
    ]  # fmt: skip


SETTINGS = st.builds(
    lambda clips, seed, ratings, orientations, missing: (
        clips, np.random.default_rng(seed), ratings, orientations, missing,
    ),
    st.integers(1, 60),
    st.integers(0, 2**32),
    st.sampled_from([(0,), (2,), (1, 1, 1, 2), (0, 1, 2), (0,) * 40 + (2,)]),
    st.sampled_from([(2,), (3,), (0, 2), (2,) * 40 + (1,), (0, 1, 2, 3)]),
    st.sampled_from([0, 0.3, 0.9]),
)  # fmt: skip


def matrix_from(clips, rng, ratings, orientations, missing) -> VerdictMatrix:
    matrix = VerdictMatrix(
        rng.choice(ratings, (clips, 8)).astype(np.float32),
        rng.choice(orientations, (clips, 8)).astype(np.int8),
        np.zeros((clips, 8), bool),
    )
    return matrix.of_items(rng.random((clips, 8)) >= missing)


@given(SETTINGS)
def test_an_interval_lies_within_what_clips_can_score_and_has_a_width(settings) -> None:
    judges = [matrix_from(*settings) for _ in range(2)]
    scored = score_panel({"a": judges[0], "b": judges[1]}, resamples=400)
    difference = score_difference(judges[:1], judges[1:], resamples=400)
    for score in (scored.panel, *scored.judges.values()):
        for figure in (score.best_mean, score.mean, *score.best_at, *score.by_instruction):
            assert is_valid(figure, 0, 2), figure
        for figure in (score.audio, score.both, score.speech):
            assert is_valid(figure, 0, 1), figure
        assert is_valid(score.sound_first, -2, 2)
    assert all(is_valid(difference[name], -2, 2) for name in ("best_mean", "mean"))
    assert all(is_valid(difference[name], -1, 1) for name in ("audio", "both", "speech"))
    if settings[0] < 5:
        assert not any(figure.interval for figure in estimates(scored))
    if settings[0] >= 5 and not settings[-1]:
        assert scored.panel.best_mean.interval
        assert scored.panel.mean.interval


def is_valid(result: Estimate, lowest: float, highest: float) -> bool:
    if result.interval is None:
        return True
    low, high = result.interval
    return (
        result.value is not None and lowest <= low <= result.value <= high <= highest and low < high
    )
