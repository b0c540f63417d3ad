"""How often intervals cover the truth, and how often alike models seem to differ: simulated.

Each test shows its table: ``pytest -m slow -rP tests/metrics/test_intervals.py``.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from jasco.metrics import comparison, scoring
from jasco.metrics.bootstrap import Estimate, Ratios
from jasco.metrics.comparison import compare, exchange_p, sign_flip_p
from jasco.metrics.scoring import score_agreement
from jasco.metrics.verdict_matrix import VerdictMatrix

pytestmark = pytest.mark.slow

CLIPS = (5, 8, 10, 15, 20, 40, 80)
SAMPLES, AT_ONCE = 600, 60
ENOUGH = 0.92 - 2 * (0.92 * 0.08 / SAMPLES) ** 0.5  # two standard errors of the simulation below
# Figures by their places in a score, and then differences of some of them.
FIGURES = {"best_mean": 0, "mean": 1, "both": 3, "speech": 4, "sound_first": -1}
DIFFERENCES = ("best_mean", "mean", "both")

Random = np.random.Generator
Model = tuple[float, float, float]
"""Two parameters of the beta distribution of how easily a clip is answered from both cues, and the
share of ratings of 2 among those answers."""

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


def two_alike(random: Random, clips: int, model: Model, judges: int = 2) -> list[VerdictMatrix]:
    """Make up two alike models on the same clips, judged by judges who differ now and then."""
    easy = random.beta(*model[:2], (clips, 1))
    matrices = []
    for _ in range(2):
        both = random.random((clips, 8)) < easy
        ratings = np.where(
            random.random((clips, 8)) < model[2], 2, random.integers(0, 2, (clips, 8))
        )
        orientations = np.where(both, 2, random.choice([0, 1, 3], (clips, 8)))
        matrices += [
            VerdictMatrix(
                with_other_labels(random, ratings).astype(np.float32),
                with_other_labels(random, orientations).astype(np.int8),
                np.zeros((clips, 8), bool),
            )
            for _ in range(judges)
        ]
    return matrices


def with_other_labels(random: Random, labels: np.ndarray) -> np.ndarray:
    """Exchange one label in ten for another one of the same clip."""
    return np.where(random.random(labels.shape) < 0.1, random.permuted(labels, axis=1), labels)


def show(*cells: object) -> None:
    sys.stdout.write(" ".join(map(str, cells)) + "\n")


# --- intervals ---


def estimates(random: Random, clips: int, model: Model, samples: int) -> Iterator[list[Estimate]]:
    """Estimate a panel's figures and differences of two panels, of many samples of clips."""
    kept = list(FIGURES.values())
    differences = [list(FIGURES).index(name) for name in DIFFERENCES]
    at_once = min(samples, AT_ONCE)  # with the same resamples, which are drawn only once
    for _ in range(0, samples, at_once):
        matrices = [matrix for _ in range(at_once) for matrix in two_alike(random, clips, model)]
        terms = [[side[:, kept] for side in scoring._terms(matrix)] for matrix in matrices]
        ratios = Ratios(terms, scoring._LEAST[kept], scoring._MOST[kept], resamples=3000)
        for place in range(0, 4 * at_once, 4):
            ours, theirs = (place, place + 1), (place + 2, place + 3)
            estimated = ratios.estimates(ours, theirs)
            yield [*ratios.estimates(ours), *(estimated[each] for each in differences)]


def coverage(model: Model) -> dict[int, np.ndarray]:
    """Show and return how often intervals cover the truth, by number of clips."""
    random = np.random.default_rng(11)
    [of_all] = estimates(random, 100_000, model, 1)
    true = np.array([*(each.value for each in of_all[: len(FIGURES)]), *[0] * len(DIFFERENCES)])
    show("clips: covered %, mean width of", *FIGURES, "and of differences of", *DIFFERENCES)
    shares = {}
    for clips in CLIPS:
        ends = np.array(
            [
                [each.interval or (np.nan, np.nan) for each in found]
                for found in estimates(random, clips, model, SAMPLES)
            ]
        )
        there = ~np.isnan(ends[..., 0])
        # Of five clips one may have no answer that counts for a share.
        assert there.mean() > 0.99
        covered = (ends[..., 0] <= true) & (true <= ends[..., 1])
        shares[clips] = covered.sum(axis=0) / there.sum(axis=0)
        widths = np.nanmean(ends[..., 1] - ends[..., 0], axis=0)
        cells = zip(shares[clips], widths, strict=True)
        show(f"{clips:>3}", *(f"{100 * share:>6.1f} {width:.2f}" for share, width in cells))
    show("true", *(f"{each:.2f}" for each in true))
    return shares


@pytest.mark.timeout(600)
@pytest.mark.parametrize("model", TYPICAL.values(), ids=TYPICAL)
def test_intervals_of_typical_models_cover_the_truth(model: Model) -> None:
    for clips, shares in coverage(model).items():
        assert min(shares) >= ENOUGH, (clips, shares)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("model", EXTREME.values(), ids=EXTREME)
def test_intervals_of_extreme_models_mostly_cover_the_truth(model: Model) -> None:
    for clips, shares in coverage(model).items():
        assert min(shares) >= ENOUGH, (clips, shares)


@pytest.mark.timeout(600)
def test_intervals_of_agreement_cover_the_truth() -> None:
    random = np.random.default_rng(12)
    model = TYPICAL["middling"]

    def agreement(clips: int, resamples: int) -> list[Estimate]:
        matrices = two_alike(random, clips, model, judges=3)[:3]
        found = score_agreement(dict(zip("abc", matrices, strict=True)), resamples)
        assert found
        return [found.rating_alpha, found.orientation_alpha, found.pairs[0].rating_kappa]

    true = [each.value for each in agreement(50_000, 1)]
    show("clips: covered % of rating alpha, orientation alpha, kappa; true", true)
    for clips in (5, 8, 10, 20, 40, 80):
        ends = np.array(
            [
                [each.interval or (np.nan, np.nan) for each in agreement(clips, 2000)]
                for _ in range(SAMPLES)
            ]
        )
        covered = ((ends[..., 0] <= true) & (true <= ends[..., 1])).mean(axis=0)
        widths = (ends[..., 1] - ends[..., 0]).mean(axis=0)
        cells = zip(covered, widths, strict=True)
        show(f"{clips:>3}", *(f"{100 * share:>6.1f} {width:.2f}" for share, width in cells))
        assert min(covered) >= ENOUGH


# --- p-values ---


def lacking(random: Random, matrix: VerdictMatrix, share: float) -> VerdictMatrix:
    """Lose a share of the verdicts by chance."""
    return matrix.of_items(random.random(matrix.ratings.shape) >= share)


def p_values(
    clips: int, lost: Sequence[float], model: str = "middling", *, single_prompt: bool = False
) -> np.ndarray:
    """Compare alike models of which shares of the verdicts are lost; leave out what has no p."""
    random = np.random.default_rng(13)
    found = []
    for _ in range(1000):
        matrices = two_alike(random, clips, TYPICAL[model], judges=1)
        one, other = (lacking(random, *each) for each in zip(matrices, lost, strict=True))
        compared = compare(
            {"a": asked_once(random, one) if single_prompt else one}, {"a": other}, 2
        )
        assert (compared.p is None) == (compared.clips < 10)
        if compared.p is not None:
            found.append(compared.p)
    return np.array(found)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flip fewer signs."""
    monkeypatch.setattr(comparison, "sign_flip_p", partial(sign_flip_p, flips=999))
    monkeypatch.setattr(comparison, "exchange_p", partial(exchange_p, flips=999))


def asked_once(random: Random, matrix: VerdictMatrix) -> VerdictMatrix:
    """Keep one verdict a clip, on whichever prompt."""
    asked = random.integers(0, 8, (len(matrix.ratings), 1))
    return replace(matrix.of_items(np.arange(8) == asked), single_prompt=True)


LEVELS = np.array([0.01, 0.05, 0.1])


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("clips", [20, 80])
@pytest.mark.parametrize("lost", [(0, 0), (0.3, 0), (0.3, 0.3), (0.8, 0), (0.8, 0.8)])
def test_alike_models_seldom_seem_to_differ(clips: int, lost: tuple[float, float]) -> None:
    check(p_values(clips, lost), f"{clips} clips, lost {lost}")


def check(found: np.ndarray, what: str) -> None:
    """Show and check how many p-values are as small as they may be."""
    shares = (found[:, None] <= LEVELS).mean(axis=0) if len(found) else np.zeros(3)
    parts = (f"{share:.3f} <= {level}" for share, level in zip(shares, LEVELS, strict=True))
    show(f"{what}: of {len(found)} p-values", *parts)
    error = 3 * np.sqrt(LEVELS * (1 - LEVELS) / max(len(found), 1))
    assert (shares <= LEVELS + error).all()


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("clips", [12, 20, 80])
@pytest.mark.parametrize("model", ["middling", "weak", "good"])
def test_a_participant_seldom_seems_to_differ_from_an_alike_model(clips: int, model: str) -> None:
    for lost in (0, 0.3):
        found = p_values(clips, (0, lost), model, single_prompt=True)
        check(found, f"a participant and a {model} model of which {lost} is lost, {clips} clips")
