"""Simulations: the coverage of intervals, and false differences between equal models.

Each test prints a table: ``pytest -m slow -rP tests/metrics/test_intervals.py``.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from jasco.metrics import comparison, scoring
from jasco.metrics.bootstrap import Estimate, Ratios, Terms
from jasco.metrics.comparison import compare, exchange_p, sign_flip_p
from jasco.metrics.scoring import score_agreement
from jasco.metrics.verdict_matrix import VerdictMatrix

pytestmark = pytest.mark.slow

CLIPS = (5, 8, 10, 20, 40, 80)
SAMPLES, BATCH = 600, 60
LEAST_COVERAGE = (
    0.92 - 2 * (0.92 * 0.08 / SAMPLES) ** 0.5
)  # two standard errors of the simulation below
# Indices of figures in a score, and the figures whose differences are checked.
FIGURES = {"best_mean": 0, "mean": 1, "both": 3, "speech": 4, "sound_first": -1}
DIFFERENCES = ("best_mean", "mean", "both")

Random = np.random.Generator
Model = tuple[float, float, float]
"""Two parameters of the beta distribution of a clip's rate of answers from both cues, and the share
of ratings of 2 among those answers."""

TYPICAL: dict[str, Model] = {
    "middling": (0.8, 1.2, 0.6),
    "good": (2, 1, 0.7),
    "weak": (0.5, 2.5, 0.5),
    "clips alike": (4, 8, 0.6),
}
EXTREME: dict[str, Model] = {
    "very weak": (0.15, 3, 0.5),
    "almost nothing": (0.02, 2, 0.5),
    "almost perfect": (40, 0.3, 0.98),
}


def equal_models(rng: Random, clips: int, model: Model, judges: int = 2) -> list[VerdictMatrix]:
    """Draw two equally good models on the same clips, and judges that differ at times."""
    success_rates = rng.beta(*model[:2], (clips, 1))
    matrices = []
    for _ in range(2):
        both = rng.random((clips, 8)) < success_rates
        ratings = np.where(rng.random((clips, 8)) < model[2], 2, rng.integers(0, 2, (clips, 8)))
        orientations = np.where(both, 2, rng.choice([0, 1, 3], (clips, 8)))
        matrices += [
            VerdictMatrix(
                with_other_labels(rng, ratings).astype(np.float32),
                with_other_labels(rng, orientations).astype(np.int8),
                np.zeros((clips, 8), bool),
            )
            for _ in range(judges)
        ]
    return matrices


def with_other_labels(rng: Random, labels: np.ndarray) -> np.ndarray:
    """Replace one label in ten by another label of the same clip."""
    return np.where(rng.random(labels.shape) < 0.1, rng.permuted(labels, axis=1), labels)


def show(*cells: object) -> None:
    sys.stdout.write(" ".join(map(str, cells)) + "\n")


# --- intervals ---


def estimates(rng: Random, clips: int, model: Model, samples: int) -> Iterator[list[Estimate]]:
    """Estimate a panel's figures, and differences of two panels, on many samples of clips."""
    shape, columns = scoring._Shape(8), list(FIGURES.values())
    differences = [list(FIGURES).index(name) for name in DIFFERENCES]
    batch = min(samples, BATCH)  # with the same resamples, drawn once
    for _ in range(0, samples, batch):
        matrices = [matrix for _ in range(batch) for matrix in equal_models(rng, clips, model)]
        terms = [
            Terms(*(values[..., columns] for values in scoring._terms(matrix, matrix.readable)))
            for matrix in matrices
        ]
        ratios = Ratios(terms, shape.least[columns], shape.most[columns], resamples=2000)
        for start in range(0, 4 * batch, 4):
            one, other = (start, start + 1), (start + 2, start + 3)
            estimated = ratios.estimates(one, other)
            yield [*ratios.estimates(one), *(estimated[index] for index in differences)]


def coverage(model: Model) -> dict[int, np.ndarray]:
    """Print and return the share of intervals that cover the truth, by number of clips."""
    rng = np.random.default_rng(11)
    [population] = estimates(rng, 100_000, model, 1)
    truth = np.array(
        [*(estimate.value for estimate in population[: len(FIGURES)]), *[0] * len(DIFFERENCES)]
    )
    show("clips: covered %, mean width of", *FIGURES, "and of differences of", *DIFFERENCES)
    shares = {}
    for clips in CLIPS:
        ends = np.array(
            [
                [estimate.interval or (np.nan, np.nan) for estimate in figures]
                for figures in estimates(rng, clips, model, SAMPLES)
            ]
        )
        defined = ~np.isnan(ends[..., 0])
        # Of five clips one may lack an answer that counts for a share.
        assert defined.mean() > 0.99
        covered = (ends[..., 0] <= truth) & (truth <= ends[..., 1])
        shares[clips] = covered.sum(axis=0) / defined.sum(axis=0)
        widths = np.nanmean(ends[..., 1] - ends[..., 0], axis=0)
        cells = zip(shares[clips], widths, strict=True)
        show(f"{clips:>3}", *(f"{100 * share:>6.1f} {width:.2f}" for share, width in cells))
    show("true", *(f"{estimate:.2f}" for estimate in truth))
    return shares


@pytest.mark.timeout(600)
@pytest.mark.parametrize("model", TYPICAL.values(), ids=TYPICAL)
def test_intervals_of_typical_models_cover_the_truth(model: Model) -> None:
    for clips, shares in coverage(model).items():
        assert min(shares) >= LEAST_COVERAGE, (clips, shares)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("model", EXTREME.values(), ids=EXTREME)
def test_intervals_of_extreme_models_mostly_cover_the_truth(model: Model) -> None:
    for clips, shares in coverage(model).items():
        assert min(shares) >= LEAST_COVERAGE, (clips, shares)


@pytest.mark.timeout(600)
def test_intervals_of_agreement_cover_the_truth() -> None:
    rng = np.random.default_rng(12)
    model = TYPICAL["middling"]

    def agreement(clips: int, resamples: int) -> list[Estimate]:
        matrices = equal_models(rng, clips, model, judges=3)[:3]
        estimated = score_agreement(dict(zip("abc", matrices, strict=True)), resamples)
        assert estimated
        return [
            estimated.rating_alpha,
            estimated.orientation_alpha,
            estimated.pairs[0].rating_kappa,
        ]

    truth = [estimate.value for estimate in agreement(50_000, 1)]
    show("clips: covered % of rating alpha, orientation alpha, kappa; true", truth)
    for clips in (5, 8, 10, 20, 40, 80):
        ends = np.array(
            [
                [estimate.interval or (np.nan, np.nan) for estimate in agreement(clips, 2000)]
                for _ in range(SAMPLES)
            ]
        )
        covered = ((ends[..., 0] <= truth) & (truth <= ends[..., 1])).mean(axis=0)
        widths = (ends[..., 1] - ends[..., 0]).mean(axis=0)
        cells = zip(covered, widths, strict=True)
        show(f"{clips:>3}", *(f"{100 * share:>6.1f} {width:.2f}" for share, width in cells))
        assert min(covered) >= LEAST_COVERAGE


# --- p-values ---


def without_some(rng: Random, matrix: VerdictMatrix, share: float) -> VerdictMatrix:
    """Return a matrix without a share of its verdicts, chosen at random."""
    return matrix.of_items(rng.random(matrix.ratings.shape) >= share)


def p_values(
    clips: int, shares: Sequence[float], model: str = "middling", *, single_prompt: bool = False
) -> np.ndarray:
    """Return the p-values of equal models that lack these shares of their verdicts."""
    rng = np.random.default_rng(13)
    values = []
    for _ in range(1000):
        matrices = equal_models(rng, clips, TYPICAL[model], judges=1)
        one, other = (
            without_some(rng, *arguments) for arguments in zip(matrices, shares, strict=True)
        )
        outcome = compare(
            {"a": single_prompt_of(rng, one) if single_prompt else one}, {"a": other}, 2
        )
        assert (outcome.p is None) == (outcome.clips < 10)
        if outcome.p is not None:
            values.append(outcome.p)
    return np.array(values)


@pytest.fixture
def fewer_flips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce the number of flips of the tests."""
    monkeypatch.setattr(comparison, "sign_flip_p", partial(sign_flip_p, flips=999))
    monkeypatch.setattr(comparison, "exchange_p", partial(exchange_p, flips=999))


def single_prompt_of(rng: Random, matrix: VerdictMatrix) -> VerdictMatrix:
    """Return a matrix with one verdict a clip, of a random prompt."""
    prompts = rng.integers(0, 8, (len(matrix.ratings), 1))
    return replace(matrix.of_items(np.arange(8) == prompts), single_prompt=True)


LEVELS = np.array([0.01, 0.05, 0.1])


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("fewer_flips")
@pytest.mark.parametrize("clips", [20, 80])
@pytest.mark.parametrize("shares", [(0, 0), (0.3, 0), (0.3, 0.3), (0.8, 0), (0.8, 0.8)])
def test_alike_models_seldom_seem_to_differ(clips: int, shares: tuple[float, float]) -> None:
    check_p_values(p_values(clips, shares), f"{clips} clips, lost {shares}")


def check_p_values(values: np.ndarray, description: str) -> None:
    """Print the shares of small p-values; check that they are at most the levels."""
    shares = (values[:, None] <= LEVELS).mean(axis=0) if len(values) else np.zeros(3)
    parts = (f"{share:.3f} <= {level}" for share, level in zip(shares, LEVELS, strict=True))
    show(f"{description}: of {len(values)} p-values", *parts)
    error = 3 * np.sqrt(LEVELS * (1 - LEVELS) / max(len(values), 1))
    assert (shares <= LEVELS + error).all()


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("fewer_flips")
@pytest.mark.parametrize("clips", [12, 20, 80])
@pytest.mark.parametrize("model", ["middling", "weak", "good"])
def test_a_participant_seldom_seems_to_differ_from_an_alike_model(clips: int, model: str) -> None:
    for share in (0, 0.3):
        values = p_values(clips, (0, share), model, single_prompt=True)
        check_p_values(
            values, f"a participant and a {model} model of which {share} is lost, {clips} clips"
        )
