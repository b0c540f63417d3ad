"""Bootstrap intervals of figures, over clips.

Conventions
-----------
Clips are resampled: all instructions and judges of a clip stay together in every resample. A figure
is computed from sums over clips, so a resample is a weighted sum. All figures are computed from the
same resamples: the same seed and number of clips select the same clips.

Methods
-------
All intervals have a nominal level of 95%. The method depends on the number of clips that contribute
to a figure, that is, have a verdict that is used in it:

* *Fewer than 5 clips*: no interval.
* *Fewer than 10 clips that differ from the rest* (always with fewer than 10 clips): Gaffke's
  interval. Resamples of few or almost equal clips understate how other clips might score. As a
  result, no interval has width 0.
* *Fewer than 40 clips*: the expanded percentile interval. Its tails are chosen such that, for the
  mean of normal scores, it is as wide as Student's interval; without the expansion, it covers the
  true value in 80 to 93% of cases.
* *40 clips and more*: the percentile interval.
* *More than 10,000 clips*: the same, with clips summed in 10,000 random blocks, which are resampled
  instead of clips. The contributions of clips are computed and summed for about 10,000 clips at a
  time, so that the required memory hardly depends on the number of clips.

*Gaffke's interval* adds a hypothetical clip with the highest (upper end) or lowest (lower end)
possible score, weights all clips at random (exponential weights, as in the Bayesian bootstrap) and
takes the quantile of the weighted averages. It requires only the bounds of a score. For binary
scores, it equals the Clopper-Pearson interval. That it covers the mean at its nominal level for
every distribution is a conjecture without a known counterexample.

The methods were chosen by simulation (``tests/metrics/test_intervals.py`` measures their coverage).
BCa, studentised, Student's and expanded percentile intervals have too little coverage if scores are
skewed or almost constant: for 10 clips that score 0 with a probability of 95%, they cover the true
value in 41% of cases, and Gaffke's interval covers it in 99%. If clips differ, Gaffke's interval is
the widest.

Efron and Tibshirani: *An Introduction to the Bootstrap* (1993), chapter 13 (percentile
intervals); Gaffke, *Mathematical Methods of Statistics* 14 (2005), and Learned-Miller and Thomas,
arXiv 1905.06208 (means of bounded scores); Hesterberg, arXiv 1411.5279 (expanded percentile
intervals); Miller, arXiv 2411.00640 (clustered errors in evaluations of language models).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import gamma, pi, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple, Self, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.verdict_matrix import ratio

RESAMPLES = 10_000
SEED = 20240923
LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
LEAST_CLIPS = 5  # minimum number of clips for an interval
PERCENTILE_CLIPS = 40  # minimum number of clips for the percentile interval without expansion
LEAST_DIFFERENT = 10  # minimum number of clips that differ from the rest, for a percentile interval
BLOCKS = 10_000
_CELLS = 4_000_000  # maximum number of draws in memory at once
_ROUNDING = 1e-5  # differences between equal resamples in single precision
_SAME = 1e-9  # differences between equal clips in double precision

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval.

    Attributes
    ----------
    value : float or None
        The figure; None if it is undefined.
    low, high : float or None
        The ends of the interval; None if there is no interval.

    Examples
    --------
    >>> print(Estimate(0.375, 0.125, 0.6875))
    0.38 [0.12, 0.69]
    >>> f"{Estimate(0.375):.3f}"
    '0.375'
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ends of the interval; None if there is no interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def excludes_0(self) -> bool:
        """Whether there is an interval, and it excludes 0."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def is_above(self, other: "Estimate") -> bool:
        """Return whether the interval is above that of another figure; without both, False."""
        return self.low is not None and other.high is not None and self.low > other.high

    def __neg__(self) -> "Estimate":
        """Return the figure with the opposite sign, as of a difference the other way round."""
        value, high, low = (
            None if number is None else -number for number in (self.value, self.low, self.high)
        )
        return Estimate(value, low, high)

    def __float__(self) -> float:
        """Return the figure; NaN if it is undefined."""
        return math.nan if self.value is None else self.value

    def __format__(self, spec: str) -> str:
        """Format the figure and its interval with a format specification, by default ``z.2f``."""
        if self.value is None:
            return "–"
        figure, *ends = (
            format(number, spec or "z.2f") for number in (self.value, *(self.interval or ()))
        )
        return f"{figure} [{', '.join(ends)}]" if ends else figure

    def __str__(self) -> str:
        return format(self)


NO_ESTIMATE = Estimate(None)


# --- sums over clips ---


Clips = NDArray[np.intp]
"""Indices of clips."""


def in_blocks(clips: int, contributions: Callable[[Clips], NDArray[Any]]) -> NDArray[Any]:
    """Sum clips in at most ``BLOCKS`` random blocks, which depend only on the number of clips.

    Parameters
    ----------
    clips : int
        Number of clips. Up to ``BLOCKS`` clips are not summed: each is a block.
    contributions : callable
        Returns the contributions of some clips to each sum, shape (clips, ...), given their
        indices.

    Returns
    -------
    ndarray of numbers, shape (blocks, ...)
    """
    if clips <= BLOCKS:
        return contributions(np.arange(clips))
    order = np.random.default_rng(SEED).permutation(clips)
    starts = np.arange(BLOCKS + 1) * clips // BLOCKS
    at_once = max(1, BLOCKS**2 // clips)
    sums = []
    for first in range(0, BLOCKS, at_once):
        ends = starts[first : first + at_once + 1]
        columns = contributions(order[ends[0] : ends[-1]])
        sums.append(np.add.reduceat(columns, ends[:-1] - ends[0], axis=0))
    return np.concatenate(sums)


def resampled_sums(
    columns: NDArray[Any], resamples: int = RESAMPLES, seed: int = SEED
) -> NDArray[np.float32]:
    """Sum columns over the clips of each resample.

    Parameters
    ----------
    columns : ndarray, shape (clips, columns)
        The contribution of each clip to each sum.
    resamples : int
        Number of resamples. Each consists of as many clips as there are, drawn with replacement.
    seed : int
        Seed of the random numbers; the draws do not depend on the columns.

    Returns
    -------
    ndarray of float, shape (resamples, columns)
    """
    clips = len(columns)
    columns = np.asarray(columns, np.float32)
    if not clips:
        return np.zeros((resamples, columns.shape[1]), np.float32)
    rng = np.random.default_rng(seed)
    sums = []
    for rows in batches(resamples, clips):
        drawn = rng.integers(clips, size=(rows, clips), dtype=np.int32)
        drawn += np.arange(rows, dtype=np.int32)[:, None] * clips
        times = np.bincount(drawn.ravel(), minlength=rows * clips).reshape(rows, clips)
        sums.append(times.astype(np.float32) @ columns)
    return np.concatenate(sums)


def weighted_sums(
    columns: NDArray[Any], resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sum columns over clips with random weights, which are exponentially distributed.

    Returns
    -------
    sums : ndarray of float, shape (resamples, columns)
    added_weights : ndarray of float, shape (resamples,)
        The weights of an additional clip, which is not included in the sums.
    """
    columns = np.asarray(columns, np.float32)
    rng = np.random.default_rng(seed)
    sums, added_weights = [], []
    for rows in batches(resamples, len(columns) + 1):
        weights = rng.standard_exponential((rows, len(columns) + 1), dtype=np.float32)
        sums.append(weights[:, :-1] @ columns)
        added_weights.append(weights[:, -1].copy())
    return np.concatenate(sums), np.concatenate(added_weights)


def batches(resamples: int, clips: int) -> Iterator[int]:
    """Yield the sizes of batches of resamples that fit into memory.

    A batch contains complete resamples, so that the draws do not depend on its size.
    """
    at_once = max(1, _CELLS // max(clips, 1))
    for start in range(0, resamples, at_once):
        yield min(at_once, resamples - start)


# --- intervals ---


def estimate(value: SupportsFloat, resampled: NDArray[Any], clips: int) -> Estimate:
    """Return a figure with its percentile interval, expanded if there are few clips.

    Parameters
    ----------
    value : float
        The figure.
    resampled : ndarray, shape (resamples,)
        Its values in the resamples; undefined values (NaN) are ignored.
    clips : int
        Number of clips that contribute to it.
    """
    value = float(value)
    if np.isnan(value):
        return NO_ESTIMATE
    defined = resampled[~np.isnan(resampled)]
    if clips < LEAST_CLIPS or not len(defined):
        return Estimate(value)
    tail = TAIL if clips >= PERCENTILE_CLIPS else _expanded_tail(clips)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(value, float(low), float(high)) if high - low > _ROUNDING else Estimate(value)


def _expanded_tail(clips: int) -> float:
    """Compute the tail at which, for a normal mean, the interval is as wide as Student's."""
    return NormalDist().cdf(-sqrt(clips / (clips - 1)) * student_quantile(clips - 1))


@cache
def student_quantile(freedom: int) -> float:
    """Compute the quantile of Student's distribution at 1 - (1 - LEVEL) / 2."""
    at = np.linspace(0, 15, 60_001)
    scale = gamma((freedom + 1) / 2) / gamma(freedom / 2) / sqrt(freedom * pi)
    density = scale * (1 + at**2 / freedom) ** (-(freedom + 1) / 2)
    below = np.cumsum((density[1:] + density[:-1]) / 2) * at[1]
    return float(np.interp(LEVEL / 2, below, at[1:]))


class Terms(NamedTuple):
    """The parts and wholes of the figures of a judge, summed in blocks of clips.

    Attributes
    ----------
    parts, wholes : ndarray, shape (blocks, figures)
        The sums over the clips of each block.
    clips : ndarray of int, shape (figures,)
        Number of clips that contribute to each figure.
    """

    parts: Array
    wholes: Array
    clips: NDArray[np.int64]

    @classmethod
    def of(cls, clips: int, terms: Callable[[Clips], tuple[NDArray[Any], NDArray[Any]]]) -> Self:
        """Sum the contributions of clips.

        Parameters
        ----------
        clips : int
            Number of clips.
        terms : callable
            Returns the contributions of some clips to the parts and to the wholes, two arrays of
            shape (clips, figures), given the indices of the clips.
        """

        def contributions(kept: Clips) -> Array:
            parts, wholes = terms(kept)
            return np.hstack([parts, wholes, wholes > 0]).astype(float)

        parts, wholes, counted = np.hsplit(in_blocks(clips, contributions), 3)
        return cls(parts, wholes, counted.sum(axis=0).astype(np.int64))


class Ratios:
    """Figures of several judges that are averages of bounded scores.

    A figure is a ratio of two sums over clips, of its part and its whole: for example, scores and
    clips, or verdicts of one kind and all verdicts.

    Parameters
    ----------
    terms : iterable of Terms
        The parts and wholes of the figures of each judge.
    low, high : float or ndarray, shape (figures,)
        The lower and upper bounds of the ratio of a clip's part and whole.
    others : ndarray, shape (blocks, columns), optional
        Further sums over the clips of each block, to be summed over the same resamples.
    resamples : int
        Number of resamples.

    Attributes
    ----------
    others_resampled : ndarray, shape (resamples, columns)
        Sums of the further columns in the resamples.
    """

    def __init__(
        self,
        terms: Iterable[Terms],
        low: float | NDArray[Any],
        high: float | NDArray[Any],
        others: NDArray[Any] | None = None,
        resamples: int = RESAMPLES,
    ) -> None:
        terms = list(terms)
        self._counts = np.array([judge.clips for judge in terms])
        judges, figures = self._counts.shape
        self._shape = judges, 2, figures
        self._bounds = [np.broadcast_to(np.asarray(end, float), figures) for end in (low, high)]
        self._columns = np.hstack([np.hstack([judge.parts, judge.wholes]) for judge in terms])
        other_columns = [] if others is None else [others]
        sums = resampled_sums(np.hstack([self._columns, *other_columns]), resamples)
        own = self._columns.shape[1]
        self._resampled = ratio(*self._split(sums[:, :own]))
        self.others_resampled = sums[:, own:]

    def estimates(self, ours: Sequence[int], theirs: Sequence[int] = ()) -> list[Estimate]:
        """Compute the mean figures of some judges, optionally minus those of others.

        Parameters
        ----------
        ours : sequence of int
            The indices of the judges.
        theirs : sequence of int
            The indices of the judges whose mean is subtracted, if any.
        """

        def combine(figures: NDArray[Any]) -> Array:
            mean: Array = figures[: len(ours)].mean(axis=0)
            return mean - figures[len(ours) :].mean(axis=0) if theirs else mean

        judges = [*ours, *theirs]
        parts, wholes = (terms[judges] for terms in self._split(self._columns))
        values = combine(ratio(parts.sum(axis=1), wholes.sum(axis=1)))
        resampled = combine(self._resampled[judges])
        clips = self._counts[judges].min(axis=0)
        by_clip = combine(ratio(parts, wholes))
        return [
            Estimate(float(value), *self._bounded_interval(place, judges, len(ours), combine))
            if clips[place] >= LEAST_CLIPS and differing(by_clip[:, place]) < LEAST_DIFFERENT
            else estimate(value, resampled[:, place], clips[place])
            for place, value in enumerate(values)
        ]

    def quotient(self, part: int, whole: int, judges: Sequence[int]) -> Estimate:
        """Compute the quotient of two mean figures of some judges, with its percentile interval.

        Parameters
        ----------
        part, whole : int
            The indices of the figures.
        judges : sequence of int
            The indices of the judges.
        """
        members, figures = list(judges), [part, whole]
        parts, wholes = (terms[members][:, :, figures] for terms in self._split(self._columns))
        means = ratio(parts.sum(axis=1), wholes.sum(axis=1)).mean(axis=0)
        resampled = self._resampled[members][:, :, figures].mean(axis=0)
        rows = np.vstack([means, resampled])
        value, *quotients = rows[:, 0] / np.where(rows[:, 1] == 0, np.nan, rows[:, 1])
        return estimate(value, np.array(quotients), int(self._counts[members][:, figures].min()))

    def _bounded_interval(
        self, place: int, judges: list[int], ours: int, combine: Callable[[NDArray[Any]], Array]
    ) -> tuple[float, float]:
        """Compute Gaffke's interval of a figure."""
        sums, weights = self._weighted
        parts, wholes = (terms[judges, :, place] for terms in self._split(sums))
        largest = self._split(self._columns)[1][judges, :, place].max(axis=1, keepdims=True)
        added = largest * weights  # contribution of the added clip to the wholes
        low, high = (float(end[place]) for end in self._bounds)
        subtracted = np.arange(len(judges))[:, None] >= ours
        least, most = np.where(subtracted, high, low), np.where(subtracted, low, high)
        ends = [
            float(np.quantile(combine(ratio(parts + added * bound, wholes + added)), tail))
            for bound, tail in ((least, TAIL), (most, 1 - TAIL))
        ]
        # In single precision, an end may be slightly outside the possible range.
        return max(ends[0], combine(least).item()), min(ends[1], combine(most).item())

    @cached_property
    def _weighted(self) -> tuple[NDArray[Any], NDArray[Any]]:
        return weighted_sums(self._columns, len(self._resampled[0]))

    def _split(self, columns: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the parts and the wholes, each of shape (judges, rows, figures)."""
        parts, wholes = columns.reshape(-1, *self._shape).transpose(2, 1, 0, 3)
        return parts, wholes


def differing(by_clip: NDArray[Any]) -> int:
    """Count the clips whose figure differs from the most frequent one; ignore undefined ones."""
    defined = by_clip[~np.isnan(by_clip)]
    # A value that more than half of the clips share is the median.
    return int((abs(defined - np.median(defined)) > _SAME).sum()) if len(defined) else 0
