"""Comparison of two models, paired over clips.

Conventions
-----------
Two models are compared on the same clips by the difference on each clip, shape (clips,), first
model minus second.

The best score of a clip tends to increase with its number of verdicts. If verdicts are missing, two
models are therefore compared on their common items, for which every judge of both has a readable
verdict: all figures are computed from these items, and clips without any are excluded. Verdicts are
assumed to be missing at random. If those of one model are missing because of their scores, only the
bounds show the possible difference.

If a model responded to each item several times, its scores are averaged over the samples, and an
item is common if every judge has a readable verdict on each of the samples.

Metrics
-------
* *Sign-flip permutation test*: under the null hypothesis, the sign of each clip's difference is
  random. If one of the two answered a single instruction per clip, the test exchanges its answer
  with one of the other's answers instead: differences between one answer and the mean of several
  are not symmetric, and flipping their signs rejects too often (for weak models on 20 clips in 7%
  of cases at the 1% level). There is no p-value for fewer than 10 clips.
* *Holm's correction* of the p-values of several pairs: *Scandinavian Journal of Statistics* 6
  (1979).
* *Tested figure*: best-mean; the mean (best of 1) if one of the two answered a single instruction
  per clip, as human participants do. The mean of a clip is then computed from all readable verdicts
  on it, because its expected value does not depend on their number.
* *Minimum detectable difference*: the true difference that a benchmark of this size detects with
  80% power at a two-sided level of 5%.

Miller, arXiv 2411.00640, sections 4 and 5.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.bootstrap import NO_ESTIMATE, RESAMPLES, Array, Estimate, batches, in_blocks
from jasco.metrics.scoring import BoundedFigure, bound_difference, score_difference
from jasco.metrics.verdict_matrix import VerdictMatrix, by_sample, ratio

FLIPS = 10_000
SEED = 20240924
LEAST_CLIPS = 10  # minimum number of clips for a p-value
_ALL_SIGNS = 13  # maximum number of differing clips for which all sign patterns are tested
_POWER = 2.8  # 1.96 + 0.84, quantiles of the normal distribution
_SAME = 1e-9  # smaller differences are due to rounding


@dataclass(frozen=True)
class Comparison:
    """The paired differences between two models, on their common items.

    An item is common if every judge of both models has a readable verdict on it.

    Attributes
    ----------
    clips : int
        Number of clips with a common item, which are compared.
    clips_left_out : int
        Number of other clips.
    items, items_expected : int
        Number of common items, and of all items; one item per clip if one of the two answered a
        single instruction per clip.
    complete : bool
        Whether no verdict is missing.
    bounds : tuple of float
        The difference of the tested figure over all clips, with all missing verdicts at their worst
        for one model and at their best for the other.
    best_mean, mean, audio, both, speech : Estimate
        Differences of the figures, first model minus second, with intervals paired over clips.
    p : float or None
        The p-value of the difference of the tested figure; None for fewer than 10 clips.
    detectable : float or None
        The minimum detectable difference of the tested figure.
    tested : str
        The tested figure: ``best_mean``, or ``mean`` if one of the two has no best-mean.
    """

    clips: int
    clips_left_out: int
    items: int
    items_expected: int
    complete: bool
    bounds: tuple[float, float]
    best_mean: Estimate = NO_ESTIMATE
    mean: Estimate = NO_ESTIMATE
    audio: Estimate = NO_ESTIMATE
    both: Estimate = NO_ESTIMATE
    speech: Estimate = NO_ESTIMATE
    p: float | None = None
    detectable: float | None = None
    tested: BoundedFigure = "best_mean"


def compare(
    first: Mapping[str, VerdictMatrix],
    second: Mapping[str, VerdictMatrix],
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compute the paired differences between two models, each judged by a panel.

    Parameters
    ----------
    first, second : mapping of str to VerdictMatrix
        The verdicts by judge, on the same clips in the same order and the same instructions.
    resamples : int
        Number of resamples for the intervals.
    """
    panels = list(first.values()), list(second.values())
    ours, theirs = (
        [matrix for sample in by_sample(panel) for matrix in sample] for panel in panels
    )
    matrices = [*ours, *theirs]
    single_prompt = any(matrix.single_prompt for matrix in matrices)
    tested: BoundedFigure = "mean" if single_prompt else "best_mean"
    readable = np.array([matrix.readable for matrix in matrices])
    common = np.asarray(readable.all(axis=0))
    judged = np.asarray(readable.any(axis=2, keepdims=True).all(axis=0))
    items = judged if single_prompt else common  # for a participant, any single item of a clip
    counted = np.asarray(items.any(axis=1))
    summary: dict[str, Any] = {
        "clips": int(counted.sum()),
        "clips_left_out": int((~counted).sum()),
        "items": int(items.sum()),
        "items_expected": items.size,
        "complete": not any(
            np.isnan(sample.expected_scores()).any()
            for matrix in [*panels[0], *panels[1]]
            for sample in matrix.samples
        ),
        "bounds": bound_difference(*panels, tested),
        "tested": tested,
    }
    if not summary["clips"]:
        return Comparison(**summary)
    ours, theirs = (
        [
            (matrix if single_prompt else matrix.of_items(common)).of_clips(counted)
            for matrix in panel
        ]
        for panel in (ours, theirs)
    )
    by_clip = VerdictMatrix.mean_by_clip if single_prompt else VerdictMatrix.best_by_clip
    scores = [np.mean([by_clip(matrix) for matrix in panel], axis=0) for panel in (ours, theirs)]
    difference = scores[0] - scores[1]
    estimates = score_difference(ours, theirs, resamples)
    return Comparison(
        **summary,
        **{name: estimates[name] for name in ("best_mean", "mean", "audio", "both", "speech")},
        p=_p_value(difference, scores, (ours, theirs), (len(first), len(second)))
        if len(difference) >= LEAST_CLIPS
        else None,
        detectable=minimum_detectable_difference(difference),
    )


def _p_value(
    difference: Array,
    scores: Sequence[Array],
    panels: Sequence[Sequence[VerdictMatrix]],
    judges: Sequence[int],
) -> float:
    """Compute the p-value of a difference.

    Parameters
    ----------
    difference : ndarray, shape (clips,)
        The difference between the scores of the two models.
    scores : sequence of ndarray, shape (clips,)
        The scores of each model.
    panels : sequence of sequence of VerdictMatrix
        The matrices of each model, sample by sample.
    judges : sequence of int
        The number of judges of each model.
    """
    single_prompt = [any(matrix.single_prompt for matrix in panel) for panel in panels]
    if single_prompt[0] == single_prompt[1]:
        return sign_flip_p(difference)
    single = single_prompt.index(True)
    # In double precision: in single precision, equal sums of thirds would not be ties.
    gated = [matrix.gated().astype(float) for matrix in panels[1 - single]]
    size = judges[1 - single]
    samples = [np.mean(gated[start : start + size], axis=0) for start in range(0, len(gated), size)]
    return exchange_p(scores[single], np.hstack(samples))


def sign_flip_p(differences: NDArray[Any], flips: int = FLIPS, seed: int = SEED) -> float:
    """Test whether the mean difference is 0, two-sided.

    Parameters
    ----------
    differences : ndarray, shape (clips,)
        First model minus second; more than 10,000 clips are summed in random blocks first.
    flips : int
        Number of sign patterns to draw if there are too many to test all.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    float
        The p-value; at least 1 / (flips + 1) if sign patterns are drawn.
    """
    differences = np.asarray(differences, float)
    differences = in_blocks(len(differences), differences.__getitem__)
    differences = differences[differences != 0]  # the sign of 0 changes nothing
    clips = len(differences)
    observed = differences.sum()
    if clips <= _ALL_SIGNS:
        patterns = np.arange(2**clips)[:, None] >> np.arange(clips) & 1
        return float(np.mean(_as_extreme((1 - 2 * patterns) @ differences, observed)))

    def flip(rng: np.random.Generator, rows: int) -> Array:
        signs = 1 - 2 * rng.integers(2, size=(rows, clips), dtype=np.int8).astype(float)
        return np.asarray(signs @ differences)

    return _permutation_p(observed, flip, clips, flips, seed)


def exchange_p(
    single: NDArray[Any], several: NDArray[Any], flips: int = FLIPS, seed: int = SEED
) -> float:
    """Test whether single answers score like one of several answers on the same clip, two-sided.

    Parameters
    ----------
    single : ndarray, shape (clips,)
        The score of the single answer on each clip.
    several : ndarray, shape (clips, answers)
        The scores of the other answers; NaN if there is none.
    flips : int
        Number of permutations, each of which selects one answer per clip as the single one.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    float
        The p-value; at least 1 / (flips + 1).
    """
    answers = np.sort(np.column_stack([single, several]), axis=1)  # NaN is sorted to the end
    number = (~np.isnan(answers)).sum(axis=1, keepdims=True)
    others = np.nansum(answers, axis=1, keepdims=True) - answers
    if_single = np.where(number > 1, answers - others / np.maximum(number - 1, 1), 0)
    observed = np.nansum(single - ratio(np.nansum(several, axis=1), number[:, 0] - 1))
    clips = np.arange(len(single))

    def exchange(rng: np.random.Generator, rows: int) -> Array:
        drawn = rng.random((rows, len(clips))) * number[:, 0]
        return np.asarray(if_single[clips, drawn.astype(int)].sum(axis=1))

    return _permutation_p(observed, exchange, len(clips), flips, seed)


def _permutation_p(
    observed: float,
    permute: Callable[[np.random.Generator, int], Array],
    clips: int,
    flips: int,
    seed: int,
) -> float:
    """Compute a p-value from random permutations; ``permute(rng, rows)`` returns their sums."""
    rng = np.random.default_rng(seed)
    extreme = sum(
        np.count_nonzero(_as_extreme(permute(rng, rows), observed))
        for rows in batches(flips, clips)
    )
    return (extreme + 1) / (flips + 1)


def _as_extreme(sums: Array, observed: float) -> NDArray[np.bool_]:
    # With a tolerance, because equal sums may differ by rounding.
    return np.asarray(np.abs(sums) >= abs(observed) * (1 - 1e-9) - 1e-12)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values with Holm's correction, which controls the familywise error rate."""
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def minimum_detectable_difference(differences: NDArray[Any]) -> float | None:
    """Compute the true difference that would be detected with 80% power.

    Return None for fewer than two clips, or if all clips have the same difference, because the
    variation between clips is then unknown.
    """
    clips = len(differences)
    spread = float(np.std(differences, ddof=1)) if clips > 1 else 0.0
    return _POWER * spread / clips**0.5 if spread > _SAME else None
