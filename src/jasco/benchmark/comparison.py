"""Whether two models differ: paired over clips.

Conventions
-----------
Two models are compared on the same clips: what counts is the difference on each clip, shape
(clips,), first model minus second.

Metrics
-------
* *Sign-flip permutation test*: were the models alike, each clip's difference could as well have
  the other sign.
* *Holm's correction* of the p-values of several pairs: *Scandinavian Journal of Statistics* 6
  (1979).
* *Figure tested*: best-mean; the mean (best of 1) where one of the two was asked about each clip
  once, as people are.
* *Minimum detectable difference*: what a benchmark of this size finds four times out of five
  (power 80 %, two-sided level 5 %).

Miller, arXiv 2411.00640, sections 4 and 5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jasco.benchmark.bootstrap import NO_ESTIMATE, RESAMPLES, Estimate
from jasco.benchmark.marks import Marks
from jasco.benchmark.scoring import score_difference

FLIPS = 10_000
SEED = 20240924
_ALL_SIGNS = 13  # up to so many clips that differ, every pattern of signs is tried
_CELLS = 4_000_000
_POWER = 2.8  # 1.96 + 0.84, quantiles of the normal distribution


@dataclass(frozen=True)
class Comparison:
    """One model minus another, on the clips that every judge of both has marked.

    Attributes
    ----------
    clips : int
        How many those are.
    best_mean, mean, audio, both, speech : Estimate
        Differences of the panels' figures; intervals paired over clips.
    p : float or None
        Sign-flip test of the difference of the figure that is tested.
    detectable : float or None
        Minimum detectable difference of that figure.
    tested : str
        Which it is: ``best_mean``, or ``mean`` where one of the two has no best-mean.
    """

    clips: int
    best_mean: Estimate = NO_ESTIMATE
    mean: Estimate = NO_ESTIMATE
    audio: Estimate = NO_ESTIMATE
    both: Estimate = NO_ESTIMATE
    speech: Estimate = NO_ESTIMATE
    p: float | None = None
    detectable: float | None = None
    tested: Literal["best_mean", "mean"] = "best_mean"


def compare(
    first: Mapping[str, Marks], second: Mapping[str, Marks], resamples: int = RESAMPLES
) -> Comparison:
    """Compare two models, each marked by a panel.

    Parameters
    ----------
    first, second : mapping of str to Marks
        By judge; the same clips in the same order.
    resamples : int
        For the intervals.
    """
    marked = np.all(
        [marks.readable.any(axis=1) for marks in (*first.values(), *second.values())], axis=0
    )
    once = any(marks.once for marks in (*first.values(), *second.values()))
    tested: Literal["best_mean", "mean"] = "mean" if once else "best_mean"
    if not marked.any():
        return Comparison(0, tested=tested)
    ours, theirs = (
        [marks.of_clips(marked) for marks in panel.values()] for panel in (first, second)
    )
    by_clip = Marks.mean_by_clip if once else Marks.best_by_clip
    apart = np.mean([by_clip(marks) for marks in ours], axis=0) - np.mean(
        [by_clip(marks) for marks in theirs], axis=0
    )
    differences = score_difference(ours, theirs, resamples)
    return Comparison(
        clips=len(apart),
        **{name: differences[name] for name in ("best_mean", "mean", "audio", "both", "speech")},
        p=sign_flip_p(apart),
        detectable=minimum_detectable_difference(apart),
        tested=tested,
    )


def sign_flip_p(differences: NDArray[Any], flips: int = FLIPS, seed: int = SEED) -> float:
    """Test whether the mean difference is 0, two-sided.

    Parameters
    ----------
    differences : ndarray, shape (clips,)
        First model minus second.
    flips : int
        How many patterns of signs are drawn, where there are too many to try all.
    seed : int
        Fixes the draws.

    Returns
    -------
    float
        The p-value: at least 1 / (flips + 1) where signs are drawn.
    """
    apart = np.asarray(differences, float)
    apart = apart[apart != 0]  # its sign changes nothing
    seen = abs(apart.sum()) * (1 - 1e-9) - 1e-12  # equal sums must not differ by rounding
    if len(apart) <= _ALL_SIGNS:
        patterns = np.arange(2 ** len(apart))[:, None] >> np.arange(len(apart)) & 1
        return float(np.mean(np.abs((1 - 2 * patterns) @ apart) >= seen))
    random = np.random.default_rng(seed)
    extreme, at_once = 0, max(1, _CELLS // len(apart))
    for start in range(0, flips, at_once):
        shape = min(at_once, flips - start), len(apart)
        signs = 1 - 2 * random.integers(2, size=shape, dtype=np.int8).astype(float)
        extreme += int(np.count_nonzero(np.abs(signs @ apart) >= seen))
    return (extreme + 1) / (flips + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number: the chance of any false alarm stays below the level."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def minimum_detectable_difference(differences: NDArray[Any]) -> float | None:
    """Say which true difference would be found with power 80 %: None for fewer than two clips."""
    clips = len(differences)
    return _POWER * float(np.std(differences, ddof=1)) / clips**0.5 if clips > 1 else None
