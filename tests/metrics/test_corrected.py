"""Figures of judges, corrected with labels, against ppi-python and by simulation.

The simulations print a table: ``pytest -m slow -rP tests/metrics/test_corrected.py``.
"""

import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from jasco.metrics import bootstrap
from jasco.metrics.bootstrap import NO_ESTIMATE
from jasco.metrics.corrected import CorrectedFigure, correct, corrected_mean
from jasco.metrics.verdict_matrix import VerdictMatrix
from matrices import random_matrix

PLACES = np.arange(40)
HUMAN = (PLACES**2 + PLACES // 3) % 3 * 1.0
JUDGE = np.where(PLACES % 5 < 3, HUMAN, PLACES // 2 % 3) * 1.0


def first(labels: np.ndarray, n: int) -> np.ndarray:
    """Return labels without those after the first n clips."""
    return np.where(np.arange(len(labels)) < n, labels, np.nan)


def interval_of(figure: CorrectedFigure) -> tuple[float, float]:
    assert figure.estimate.interval
    return figure.estimate.interval


# --- one figure ---


def test_the_estimate_is_that_of_ppi_python() -> None:
    figure = corrected_mean(JUDGE, first(HUMAN, 15))
    # ppi_mean_pointestimate and ppi_mean_ci(alpha=0.05) of ppi-python 0.2.3, with the unlabelled
    # clips apart and lam = 2/3 * (1 - 15/40).
    value, low, high = 1.0333333333333332, 0.6694229928137012, 1.3972436738529652
    assert figure.weight == pytest.approx(2 / 3)
    assert figure.estimate.value == pytest.approx(value, abs=1e-12)
    assert figure.bias == pytest.approx((JUDGE - HUMAN)[:15].mean())
    of_labelled = (HUMAN - 5 / 12 * JUDGE)[:15].var() / 15
    of_others = (5 / 12 * JUDGE[15:]).var() / 25
    error = (of_labelled + of_others) ** 0.5
    assert error == pytest.approx((high - low) / 2 / stats.norm.ppf(0.975), rel=1e-12)
    # The interval differs from that of ppi-python only by corrections for few labelled clips.
    wider = stats.t.ppf(0.975, 13) * (15 / 13 * of_labelled + of_others) ** 0.5
    assert interval_of(figure) == pytest.approx((value - wider, value + wider), abs=1e-5)


def test_with_all_clips_labelled_it_is_the_mean_of_the_labels() -> None:
    figure = corrected_mean(JUDGE, HUMAN)
    assert figure.estimate.value == pytest.approx(HUMAN.mean())
    margin = stats.t.ppf(0.975, 38) * HUMAN.std() / 38**0.5
    assert interval_of(figure) == pytest.approx(
        (HUMAN.mean() - margin, HUMAN.mean() + margin), abs=1e-5
    )


@pytest.mark.parametrize("n", [5, 15, 39])
def test_a_judge_that_agrees_with_all_labels_keeps_its_figure(n: int) -> None:
    figure = corrected_mean(JUDGE, first(JUDGE, n))
    assert (figure.bias, figure.clips) == (0, n)
    assert figure.weight == pytest.approx(1)
    assert figure.estimate.value == pytest.approx(JUDGE.mean())


def test_a_constant_bias_is_removed() -> None:
    figure = corrected_mean(np.minimum(HUMAN, 1) + 0.5, first(np.minimum(HUMAN, 1), 20))
    assert figure.bias == pytest.approx(0.5)
    assert figure.estimate.value == pytest.approx(np.minimum(HUMAN, 1).mean())


@pytest.mark.parametrize("judge", [np.ones(40), 2 - HUMAN], ids=["constant", "reversed"])
def test_of_a_judge_that_predicts_nothing_the_labels_alone_count(judge: np.ndarray) -> None:
    figure = corrected_mean(judge, first(HUMAN, 20))
    assert figure.weight == 0
    assert figure.estimate.value == pytest.approx(HUMAN[:20].mean())


def test_with_few_labelled_clips_there_is_no_estimate() -> None:
    figure = corrected_mean(JUDGE, first(HUMAN, 4))
    assert figure.estimate == NO_ESTIMATE
    assert figure.weight is None
    assert figure.clips == 4
    assert figure.bias == pytest.approx((JUDGE - HUMAN)[:4].mean())
    assert corrected_mean(JUDGE, first(HUMAN, 0)) == CorrectedFigure(NO_ESTIMATE, None, None, 0)


def test_equal_labels_say_little_about_the_other_clips() -> None:
    for score in (0.0, 2.0):
        figure = corrected_mean(np.full(40, score), first(np.full(40, score), 10))
        low, high = interval_of(figure)
        # The exact interval of Clopper and Pearson for 10 equal labels.
        assert high - low == pytest.approx(2 * (1 - 0.025**0.1), abs=0.03)
        assert score in (low, high)


def test_clips_without_labels_are_summed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted = np.tile(JUDGE, 50)
    labels = first(np.zeros(2000), 20)
    exact = corrected_mean(predicted, labels)
    monkeypatch.setattr(bootstrap, "BLOCKS", 500)
    in_blocks = corrected_mean(predicted, labels)
    assert interval_of(in_blocks) == pytest.approx(interval_of(exact), abs=0.01)
    assert in_blocks.estimate.value == exact.estimate.value


scores = arrays(float, 12, elements=st.sampled_from([0.0, 0.5, 1, 1.5, 2]))


@given(predicted=scores, human=scores, n=st.integers(5, 12))
def test_the_interval_contains_the_estimate_and_is_within_the_scale(
    predicted: np.ndarray, human: np.ndarray, n: int
) -> None:
    figure = corrected_mean(predicted, first(human, n), resamples=200)
    low, high = interval_of(figure)
    assert figure.estimate.value is not None
    assert 0 <= low <= figure.estimate.value + 1e-6
    assert figure.estimate.value - 1e-6 <= high <= 2
    assert high - low > 0.05
    assert figure.weight is not None
    assert 0 <= figure.weight <= 1


# --- the figures of judges ---


def labels_of(matrix: VerdictMatrix) -> np.ndarray:
    """Return the gated scores of a judge as labels."""
    return np.array([sample.gated() for sample in matrix.samples], float)


def test_best_mean_needs_labels_of_all_instructions_and_the_mean_of_any() -> None:
    judge, labels = random_matrix(1), labels_of(random_matrix(2))
    labels[0, 10:] = np.nan
    labels[0, 3, 4] = np.nan
    corrected = correct([judge], labels)
    assert (corrected.best_mean.clips, corrected.mean.clips) == (9, 10)
    kept = [clip for clip in range(10) if clip != 3]
    difference = judge.best_by_clip()[kept] - labels[0, kept].max(axis=1)
    assert corrected.best_mean.bias == pytest.approx(difference.mean())
    by_clip = np.nanmean((judge.gated() - labels[0])[:10], axis=1)
    assert corrected.mean.bias == pytest.approx(by_clip.mean())


def test_of_a_panel_the_scores_are_averaged() -> None:
    judges, labels = [random_matrix(1), random_matrix(2)], labels_of(random_matrix(3))
    labels[0, 10:] = np.nan
    biases = [correct([judge], labels).best_mean.bias for judge in judges]
    assert None not in biases
    assert correct(judges, labels).best_mean.bias == pytest.approx(np.mean(biases))  # type: ignore[arg-type]


def test_clips_without_a_verdict_are_no_predictions() -> None:
    judge, labels = random_matrix(1), labels_of(random_matrix(2))
    labels[0, 20:] = np.nan
    kept = np.ones((40, 8), bool)
    kept[[0, 30]] = False
    corrected = correct([judge.of_items(kept)], labels)
    places = np.delete(np.arange(40), [0, 30])
    assert corrected == correct([judge.of_clips(places)], labels[:, places])
    assert corrected.mean.clips == 19


def test_a_clip_counts_with_the_labelled_samples() -> None:
    judge = VerdictMatrix.of_samples([random_matrix(1), random_matrix(2)])
    labels = labels_of(judge)
    labels[1, 5:] = np.nan
    labels[0, 10:] = np.nan
    corrected = correct([judge], labels)
    assert corrected.best_mean.clips == corrected.mean.clips == 10
    assert corrected.best_mean.bias == corrected.mean.bias == 0


def test_with_one_instruction_per_clip_there_is_a_mean_only() -> None:
    first_only = np.arange(8) == 0
    matrix = random_matrix(1).of_items(np.broadcast_to(first_only, (40, 8)))
    single = VerdictMatrix(matrix.ratings, matrix.orientations, matrix.unreadable, True)
    corrected = correct([single], labels_of(single))
    assert corrected.best_mean.estimate == NO_ESTIMATE
    assert corrected.mean.estimate.value == pytest.approx(np.nanmean(single.gated()))


# --- coverage ---

SAMPLES, CLIPS = 400, 80
LEAST_COVERAGE = 0.93 - 2 * (0.93 * 0.07 / SAMPLES) ** 0.5  # two standard errors of the simulation

Random = np.random.Generator
Shares = tuple[float, float, float]
"""The shares of clips that annotators rate 0, 1 and 2."""


def at_times(rng: Random, share: float, scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.where(rng.random(scores.shape) < share, others, scores)


JUDGES: dict[str, tuple[Shares, Callable[[Random, np.ndarray], np.ndarray]]] = {
    "accurate": ((0.5, 0.2, 0.3), lambda rng, y: at_times(rng, 0.15, y, rng.permutation(y))),
    "noisy": ((0.5, 0.2, 0.3), lambda rng, y: at_times(rng, 0.5, y, rng.integers(0, 3, y.shape))),
    "useless": ((0.5, 0.2, 0.3), lambda rng, y: rng.permutation(y)),
    "lenient": ((0.5, 0.2, 0.3), lambda rng, y: at_times(rng, 0.4, y, np.minimum(y + 1, 2))),
    "strict": ((0.2, 0.3, 0.5), lambda rng, y: at_times(rng, 0.5, y, np.maximum(y - 1, 0))),
    "rarely wrong": ((0.6, 0.2, 0.2), lambda rng, y: at_times(rng, 0.05, y, 2 - y)),
    "credulous": ((0.6, 0.2, 0.2), lambda rng, y: at_times(rng, 0.15, y, np.where(y, y, 2))),
    "lenient, weak model": (
        (0.9, 0.06, 0.04),
        lambda rng, y: at_times(rng, 0.15, y, np.minimum(y + 1, 2)),
    ),
    "strict, good model": (
        (0.03, 0.07, 0.9),
        lambda rng, y: at_times(rng, 0.1, y, np.maximum(y - 1, 0)),
    ),
    "lenient, model of no use": (
        (0.98, 0.0, 0.02),
        lambda rng, y: at_times(rng, 0.3, y, np.maximum(y, 1)),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", JUDGES)
def test_intervals_cover_the_figure_of_the_annotators(name: str) -> None:
    shares, judge = JUDGES[name]
    truth, rng = np.dot(shares, [0, 1, 2]), np.random.default_rng(21)
    for n in (5, 10, 20, 40):
        intervals = []
        for _ in range(SAMPLES):
            human = rng.choice(3, size=CLIPS, p=shares).astype(float)
            predicted = judge(rng, human).astype(float)
            intervals.append(interval_of(corrected_mean(predicted, first(human, n), None, 300)))
        low, high = np.array(intervals).T
        covered = ((low <= truth) & (truth <= high)).mean()
        sys.stdout.write(f"{name}, {n}: {covered:.3f}, width {(high - low).mean():.2f}\n")
        assert covered >= LEAST_COVERAGE, n


@pytest.mark.slow
@pytest.mark.parametrize("items", [2, 8])
def test_intervals_of_judges_figures_cover_those_of_the_annotators(items: int) -> None:
    """A judge misses the sound of some clips, and a few items of each clip are labelled."""
    rng = np.random.default_rng(22)

    def population(clips: int) -> tuple[VerdictMatrix, np.ndarray]:
        success = rng.beta(0.8, 1.2, (clips, 1))
        human = np.where(rng.random((clips, 8)) < success, rng.integers(1, 3, (clips, 8)), 0)
        missed = (rng.random((clips, 1)) < 0.3) & (rng.random((clips, 8)) < 0.8)
        ratings = np.where(missed, 0, at_times(rng, 0.1, human, np.full(human.shape, 2)))
        both = np.full(human.shape, 2, np.int8)
        unreadable = np.zeros(human.shape, bool)
        return VerdictMatrix(ratings.astype(np.float32), both, unreadable), human.astype(float)

    _, human = population(200_000)
    truth = np.array([human.max(axis=1).mean(), human.mean()])
    for n in (10, 20, 40):
        covered = np.zeros(2)
        for _ in range(SAMPLES):
            judge, human = population(CLIPS)
            labelled = rng.permuted(np.arange(8) < items + np.zeros((n, 1)), axis=1)
            labels = np.full((1, CLIPS, 8), np.nan)
            labels[0, :n] = np.where(labelled, human[:n], np.nan)
            corrected = correct([judge], labels, 300)
            for place, figure in enumerate((corrected.best_mean, corrected.mean)):
                low, high = figure.estimate.interval or (0, 2)
                covered[place] += low <= truth[place] <= high
        sys.stdout.write(f"{items} items of {n} clips: {covered / SAMPLES}\n")
        assert min(covered) / SAMPLES >= LEAST_COVERAGE, n
