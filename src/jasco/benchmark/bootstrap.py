"""How sure a figure is: the bootstrap over clips.

Conventions
-----------
The sample is the clips: a clip's block of instructions and judges stays together in every
resample. A figure is computed from sums over clips, so a resample is a weighted sum, and all
figures come from the same resamples: the same seed and number of clips draw the same clips.

Efron and Tibshirani: *An Introduction to the Bootstrap* (1993), chapter 13 (percentile
intervals); Miller, arXiv 2411.00640 (clustered errors in evaluations of language models).
"""

from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
SEED = 20240923
LEVEL = 0.95
_CELLS = 4_000_000  # draws held at once: memory does not grow with the number of clips


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval; None where there is none.

    Attributes
    ----------
    value : float or None
        The figure.
    interval : tuple of float or None
        Ends of the 95 % percentile interval.
    """

    value: float | None
    interval: tuple[float, float] | None = None


NO_ESTIMATE = Estimate(None)


def resampled_sums(
    columns: NDArray[Any], resamples: int = RESAMPLES, seed: int = SEED
) -> NDArray[np.float32]:
    """Sum columns over the clips of each resample.

    Parameters
    ----------
    columns : ndarray, shape (clips, columns)
        What each clip adds to each sum.
    resamples : int
        How many times as many clips as there are, drawn with replacement.
    seed : int
        Fixes the draws, whatever the columns.

    Returns
    -------
    ndarray of float, shape (resamples, columns)
    """
    clips = len(columns)
    added = np.asarray(columns, np.float32)
    sums = np.empty((resamples, added.shape[1]), np.float32)
    random = np.random.default_rng(seed)
    # In whole blocks: how many fit must not change what is drawn.
    at_once = max(1, _CELLS // max(clips, 1))
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = random.integers(clips, size=(rows, clips), dtype=np.int32)
        drawn += np.arange(rows, dtype=np.int32)[:, None] * clips
        times = np.bincount(drawn.ravel(), minlength=rows * clips).reshape(rows, clips)
        sums[start : start + rows] = times.astype(np.float32) @ added
    return sums


def estimate(value: SupportsFloat, resampled: NDArray[Any]) -> Estimate:
    """Put a figure and its values in the resamples together (undefined ones left out)."""
    value = float(value)
    if np.isnan(value):
        return NO_ESTIMATE
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return Estimate(value)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, (float(low), float(high)))
