"""Intervals: the same draws for all, against drawing one by one, and how often they cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.benchmark import bootstrap
from jasco.benchmark.bootstrap import NO_ESTIMATE, Estimate, estimate, resampled_sums
from jasco.benchmark.marks import Marks
from jasco.benchmark.scoring import score_panel


def test_sums_are_those_of_clips_drawn_with_replacement() -> None:
    powers = 7.0 ** np.arange(5)[:, None]  # a sum to the base 7 says how often each was drawn
    sums = resampled_sums(powers, resamples=3000)[:, 0].astype(int)
    times = np.array([[total // 7**clip % 7 for clip in range(5)] for total in sums])
    assert (times.sum(axis=1) == 5).all()
    assert times.mean(axis=0) == pytest.approx(np.ones(5), abs=0.1)
    assert times.var(axis=0) == pytest.approx(np.full(5, 0.8), abs=0.15)  # 5 x 1/5 x 4/5


def test_the_same_clips_are_drawn_whatever_is_summed() -> None:
    random = np.random.default_rng(0)
    columns = random.integers(0, 9, (40, 3))
    together = resampled_sums(columns, resamples=100)
    for place in range(3):
        assert (
            resampled_sums(columns[:, [place]], resamples=100)[:, 0] == together[:, place]
        ).all()
    assert (resampled_sums(columns, resamples=100, seed=1) != together).any()


def test_many_clips_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_CELLS", 70)  # 3 resamples of 20 clips at once
    ones = resampled_sums(np.ones((20, 1)), resamples=10)
    assert (ones == 20).all()


def test_an_interval_holds_the_middle_95_percent() -> None:
    assert estimate(5.0, np.arange(1001)).interval == pytest.approx((25, 975))


def test_what_is_undefined_has_no_estimate() -> None:
    assert estimate(np.nan, np.ones(3)) == NO_ESTIMATE
    assert estimate(1.0, np.full(3, np.nan)) == Estimate(1.0, None)
    assert estimate(1.0, np.array([np.nan, 1, 1])) == Estimate(1.0, (1, 1))


@given(st.integers(1, 30), st.integers(0, 2**32))
def test_an_interval_lies_within_what_clips_can_score(clips: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    marks = Marks(
        random.integers(0, 3, (clips, 8)).astype(np.float32),
        random.integers(0, 4, (clips, 8)).astype(np.int8),
        np.zeros((clips, 8), bool),
    )
    score = score_panel({"judge": marks}, resamples=50).panel
    best = marks.best_by_clip()
    assert score.best_mean.interval is not None
    low, high = score.best_mean.interval
    assert best.min() <= low <= high <= best.max()


def simulated(random: np.random.Generator, clips: int) -> Marks:
    """Draw a benchmark: clips differ in how hard they are, and judges look at each answer."""
    hard = random.beta(0.8, 1.2, (clips, 1))
    both = random.random((clips, 8)) < hard
    ratings = np.where(random.random((clips, 8)) < hard, 2, random.integers(0, 2, (clips, 8)))
    return Marks(
        ratings.astype(np.float32),
        np.where(both, 2, random.integers(0, 2, (clips, 8))).astype(np.int8),
        np.zeros((clips, 8), bool),
    )


@pytest.mark.slow
def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    truth = score_panel({"judge": simulated(random, 200_000)}, resamples=1).panel
    names = ("best_mean", "mean", "audio", "both", "speech")
    covered = dict.fromkeys(names, 0)
    for _ in range(1000):
        score = score_panel({"judge": simulated(random, 80)}, resamples=1000).panel
        for name in names:
            low, high = getattr(score, name).interval
            covered[name] += low <= getattr(truth, name).value <= high
    assert all(920 <= number <= 975 for number in covered.values()), covered
