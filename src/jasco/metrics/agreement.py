"""Agreement between judges: Krippendorff's alpha, weighted kappa, confusion matrices.

Conventions
-----------
All coefficients are computed from matrices that are sums over clips, so a bootstrap resample is
also a sum; leading axes are resamples. Labels are numbered from 0; a missing label is -1. Ratings
are compared as given by the judges, without regard to the orientation.

Metrics
-------
* *Alpha* with the ordinal metric (ratings) and the nominal metric (orientations): Krippendorff,
  *Content Analysis* (4th edition, 2018), chapter 12. Units with fewer than two labels are ignored;
  alpha is undefined if all labels are equal.
* *Kappa* with quadratic weights: Cohen, *Psychological Bulletin* 70 (1968). Undefined if both
  judges give the same label to all items.
* *Intervals*: see :mod:`jasco.metrics.bootstrap`. If there are few clips, or few with a
  disagreement, a hypothetical clip is added, on which judges agree perfectly (upper end) or as
  often as by chance, given the frequency of each label (lower end).
* *Figures of a judge*: the mean of its kappas with the other judges; and its mean gated score minus
  the mean of theirs, on the items for which all judges have a readable verdict, so that judges with
  missing verdicts are compared on the same answers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.bootstrap import (
    LEAST_CLIPS,
    LEAST_DIFFERENT,
    RESAMPLES,
    TAIL,
    Array,
    Clips,
    Estimate,
    estimate,
    in_blocks,
    weighted_sums,
)
from jasco.metrics.verdict_matrix import ORIENTATIONS, RATINGS, ratio
from jasco.protocol.verdicts import Verdict

JudgeLabels = tuple[NDArray[np.int8], NDArray[np.int8]]
"""Ratings and orientations of a judge, each of shape (clips, items)."""
Coefficient = Callable[[NDArray[Any]], Array]
"""Computes a coefficient from sums of shape (..., labels, labels)."""


@dataclass(frozen=True)
class PairAgreement:
    """Agreement between two judges.

    Attributes
    ----------
    judges : tuple of str
        The names of the two judges.
    rating_kappa : Estimate
        Cohen's kappa of the ratings, with quadratic weights.
    ratings : ndarray of int, shape (3, 3)
        Number of items by the rating of the first judge (rows) and the second (columns).
    orientations : ndarray of int, shape (4, 4)
        Likewise, in the order of :class:`~jasco.protocol.verdicts.Orientation`.
    """

    judges: tuple[str, str]
    rating_kappa: Estimate
    ratings: NDArray[np.int64]
    orientations: NDArray[np.int64]

    @property
    def items(self) -> int:
        """Number of items for which both judges have a readable verdict."""
        return int(self.ratings.sum())

    @property
    def same_ratings(self) -> int:
        """Number of items with the same rating from both judges."""
        return int(np.trace(self.ratings))

    @property
    def same_orientations(self) -> int:
        """Number of items with the same orientation from both judges."""
        return int(np.trace(self.orientations))


@dataclass(frozen=True)
class JudgeAgreement:
    """Agreement of one judge with the other judges of a panel.

    Attributes
    ----------
    judge : str
        The name of the judge.
    rating_kappa : Estimate
        The mean of its kappas with the other judges, as in :class:`PairAgreement`; undefined if one
        of them is.
    score_difference : Estimate
        Its mean gated score minus the mean of those of the other judges, on the items for which all
        have a readable verdict; negative for a strict judge.
    """

    judge: str
    rating_kappa: Estimate
    score_difference: Estimate


@dataclass(frozen=True)
class Agreement:
    """Agreement between the judges of a panel.

    Attributes
    ----------
    rating_alpha, orientation_alpha : Estimate
        Krippendorff's alpha of the ratings (ordinal) and of the orientations (nominal).
    pairs : tuple of PairAgreement
        The agreement of each pair of judges.
    judges : tuple of JudgeAgreement
        The agreement of each judge with the others; empty for repeats of the same judge.
    """

    rating_alpha: Estimate
    orientation_alpha: Estimate
    pairs: tuple[PairAgreement, ...]
    judges: tuple[JudgeAgreement, ...] = ()


def verdict_difference(verdicts: Iterable[Verdict]) -> int:
    """Compute the difference between the readable verdicts on one item.

    It is the range of the gated scores, plus the range of the ratings, plus the number of
    different orientations minus 1; it is 0 if fewer than two verdicts are readable.
    """
    readable = [verdict for verdict in verdicts if verdict.readable]
    if not readable:
        return 0
    gated = [verdict.gated for verdict in readable]
    ratings = [verdict.rating for verdict in readable if verdict.rating is not None]
    orientations = {verdict.orientation for verdict in readable}
    return max(gated) - min(gated) + max(ratings) - min(ratings) + len(orientations) - 1


class LabelCounts:
    """Counts of pairs of labels on each clip, from which coefficients of agreement are computed.

    Parameters
    ----------
    coefficients : sequence of callable
        :func:`alpha` with a metric, or :func:`weighted_kappa`: one for each of the first matrices.
    clips : int
        Number of clips.
    matrices : callable
        Returns the matrices of :func:`coincidences` or :func:`confusions` of some clips, each of
        shape (clips, labels, labels), given the indices of the clips.
    resamples : int
        Number of resamples for the intervals.

    Attributes
    ----------
    columns : ndarray, shape (blocks, columns)
        The concatenated cells of all matrices, summed in blocks of clips, to be summed over
        resamples.
    """

    def __init__(
        self,
        coefficients: Sequence[Coefficient],
        clips: int,
        matrices: Callable[[Clips], Sequence[NDArray[Any]]],
        resamples: int = RESAMPLES,
    ) -> None:
        self._coefficients, self._resamples = coefficients, resamples
        self._sizes = [matrix.shape[1] for matrix in matrices(np.arange(0))]

        def contributions(kept: Clips) -> Array:
            by_clip = matrices(kept)
            cells = [matrix.reshape(len(matrix), matrix.shape[1] ** 2) for matrix in by_clip]
            labels = np.column_stack([matrix.sum(axis=(1, 2)) for matrix in by_clip])
            same = np.column_stack([np.trace(matrix, axis1=1, axis2=2) for matrix in by_clip])
            return np.hstack([*cells, labels > 0, labels - same > 0.1])

        ends = np.cumsum([sum(size**2 for size in self._sizes), len(self._sizes)])
        self.columns, counted, differing = np.split(in_blocks(clips, contributions), ends, axis=1)
        self._clips, self._differing = counted.sum(axis=0), differing.sum(axis=0)

    @classmethod
    def of_panel(
        cls,
        judges: int,
        clips: int,
        labels: Callable[[Clips], Sequence[JudgeLabels]],
        resamples: int = RESAMPLES,
    ) -> Self:
        """Return the counts of a panel: coincidences of all judges, and confusions of each pair.

        Parameters
        ----------
        judges, clips : int
            Numbers of judges and clips.
        labels : callable
            Returns the labels of each judge on some clips, given the indices of the clips.
        resamples : int
            Number of resamples for the intervals.
        """
        coefficients: list[Coefficient] = [
            partial(alpha, metric="ordinal"),
            partial(alpha, metric="nominal"),
            *[weighted_kappa for _ in combinations(range(judges), 2)],
        ]
        sizes = len(RATINGS), len(ORIENTATIONS)

        def matrices(kept: Clips) -> list[Array]:
            by_kind = list(zip(sizes, zip(*labels(kept), strict=True), strict=True))
            return [coincidences(of_kind, size) for size, of_kind in by_kind] + [
                confusions(*pair, size)
                for size, of_kind in by_kind
                for pair in combinations(of_kind, 2)
            ]

        return cls(coefficients, clips, matrices, resamples)

    def agreement(
        self,
        judges: Iterable[str],
        resampled: NDArray[Any],
        score_differences: Sequence[Estimate] | None = None,
    ) -> Agreement | None:
        """Compute the agreement of a panel; None for a single judge.

        Parameters
        ----------
        judges : iterable of str
            The names of the judges, in the order of :meth:`of_panel`.
        resampled : ndarray, shape (resamples, columns)
            Sums of the columns over the clips of each resample.
        score_differences : sequence of Estimate, optional
            The score of each judge minus that of the others; without them, there are no figures of
            each judge.
        """
        names = list(judges)
        pairs = list(combinations(names, 2))
        if not pairs:
            return None
        rating_alpha, orientation_alpha, *kappas = self.estimates(resampled)
        tables = self._split(self.columns.sum(axis=0).astype(np.int64))[2:]
        ratings, orientations = tables[: len(pairs)], tables[len(pairs) :]
        matrices = self._split(resampled)
        pairwise = tuple(map(PairAgreement, pairs, kappas, ratings, orientations))
        if score_differences is None:
            return Agreement(rating_alpha, orientation_alpha, pairwise)
        by_judge = []
        for judge, difference in zip(names, score_differences, strict=True):
            places = [place for place, pair in enumerate(pairs, start=2) if judge in pair]
            by_judge.append(JudgeAgreement(judge, self._mean(places, matrices), difference))
        return Agreement(rating_alpha, orientation_alpha, pairwise, tuple(by_judge))

    def estimates(self, resampled: NDArray[Any]) -> list[Estimate]:
        """Compute the coefficients with their intervals.

        Parameters
        ----------
        resampled : ndarray, shape (resamples, columns)
            Sums of the columns over the clips of each resample.
        """
        matrices = self._split(resampled)
        return [self._mean([place], matrices) for place in range(len(self._coefficients))]

    def _mean(self, places: Sequence[int], resampled: Sequence[NDArray[Any]]) -> Estimate:
        """Compute the mean of some coefficients with its interval."""

        def mean(of: Callable[[int], NDArray[Any]]) -> Array:
            values = [self._coefficients[place](of(place)) for place in places]
            return np.asarray(np.mean(values, axis=0))

        blocks, clips = self._split(self.columns), int(self._clips[places].min())
        value = float(mean(lambda place: blocks[place].sum(axis=0)))
        differing = self._differing[places].min()
        if np.isnan(value) or clips < LEAST_CLIPS or differing >= LEAST_DIFFERENT:
            return estimate(value, mean(resampled.__getitem__), clips)
        matrices, weights = self._weighted

        def with_clip(perfect: int) -> Callable[[int], NDArray[Any]]:
            def added(place: int) -> NDArray[Any]:
                weight = (blocks[place].sum(axis=(1, 2)).max() * weights)[:, None, None]
                return np.asarray(matrices[place] + _added_clips(matrices[place])[perfect] * weight)

            return added

        low = np.quantile(mean(with_clip(0)), TAIL)
        high = np.quantile(mean(with_clip(1)), 1 - TAIL)
        return Estimate(value, float(low), float(high))

    @cached_property
    def _weighted(self) -> tuple[list[NDArray[Any]], NDArray[Any]]:
        sums, weights = weighted_sums(self.columns, self._resamples)
        return self._split(sums), weights

    def _split(self, columns: NDArray[Any]) -> list[NDArray[Any]]:
        ends = np.cumsum([size**2 for size in self._sizes])[:-1]
        return [
            part.reshape(*part.shape[:-1], size, size)
            for part, size in zip(np.split(columns, ends, axis=-1), self._sizes, strict=True)
        ]


def _added_clips(sums: NDArray[Any]) -> tuple[Array, Array]:
    """Return the labels of an added clip, for agreement by chance and for perfect agreement."""
    total = sums.sum(axis=(-2, -1))[..., None]
    rows, columns = sums.sum(axis=-1) / total, sums.sum(axis=-2) / total
    return (
        rows[..., :, None] * columns[..., None, :],
        (rows + columns)[..., None] / 2 * np.eye(sums.shape[-1]),
    )


def _one_hot(labels: NDArray[Any], size: int) -> Array:
    return np.asarray(labels[..., None] == np.arange(size), float)


def coincidences(labels: Sequence[NDArray[Any]], size: int) -> Array:
    """Count the pairs of labels that different judges give to the items of each clip.

    Parameters
    ----------
    labels : sequence of ndarray of int, each of shape (clips, items)
        One for each judge.
    size : int
        Number of different labels.

    Returns
    -------
    ndarray, shape (clips, size, size)
        Pairs of labels, weighted so that the sum for each item is its number of labels.
    """
    counts = sum((_one_hot(judge, size) for judge in labels), np.zeros((*labels[0].shape, size)))
    judges = counts.sum(axis=-1)
    pairs = np.einsum("nij,nik->nijk", counts, counts)
    diagonal = np.arange(size)
    pairs[..., diagonal, diagonal] -= counts
    weight = np.where(judges > 1, 1 / np.maximum(judges - 1, 1), 0)
    return np.asarray(np.einsum("nijk,ni->njk", pairs, weight))


def confusions(first: NDArray[Any], second: NDArray[Any], size: int) -> Array:
    """Count the labels of two judges on the items of each clip.

    Parameters
    ----------
    first, second : ndarray of int, shape (clips, items)
        The labels; items without a label from both judges are ignored.
    size : int
        Number of different labels.

    Returns
    -------
    ndarray, shape (clips, size, size)
        Rows are the first judge's labels, columns the second's.
    """
    return np.asarray(np.einsum("nij,nik->njk", _one_hot(first, size), _one_hot(second, size)))


def alpha(coincidence: NDArray[Any], metric: Literal["nominal", "ordinal"]) -> Array:
    """Compute Krippendorff's alpha.

    Parameters
    ----------
    coincidence : ndarray, shape (..., labels, labels)
        Sums of :func:`coincidences`.
    metric : str
        The distance between labels.

    Returns
    -------
    ndarray, shape (...)
        1 for perfect agreement, 0 for agreement by chance; NaN if undefined.
    """
    observed = np.asarray(coincidence, float)
    margins = observed.sum(axis=-1)
    expected = margins[..., :, None] * margins[..., None, :]
    diagonal = np.arange(margins.shape[-1])
    expected[..., diagonal, diagonal] -= margins
    distance = 1 - np.eye(margins.shape[-1])
    if metric == "ordinal":
        # The number of labels between two ranks, including half of those at both ends.
        up_to = np.cumsum(margins, axis=-1) - margins / 2
        distance = (up_to[..., :, None] - up_to[..., None, :]) ** 2
    return 1 - ratio(
        (margins.sum(axis=-1) - 1) * (distance * observed).sum(axis=(-2, -1)),
        (distance * expected).sum(axis=(-2, -1)),
    )


def weighted_kappa(confusion: NDArray[Any]) -> Array:
    """Compute Cohen's kappa with quadratic weights.

    Parameters
    ----------
    confusion : ndarray, shape (..., labels, labels)
        Sums of :func:`confusions`.

    Returns
    -------
    ndarray, shape (...)
        1 for perfect agreement, 0 for agreement by chance; NaN if undefined.
    """
    observed = np.asarray(confusion, float)
    labels = np.arange(observed.shape[-1])
    distance = (labels[:, None] - labels[None, :]) ** 2
    rows, columns = observed.sum(axis=-1), observed.sum(axis=-2)
    expected = rows[..., :, None] * columns[..., None, :]
    return 1 - ratio(
        rows.sum(axis=-1) * (distance * observed).sum(axis=(-2, -1)),
        (distance * expected).sum(axis=(-2, -1)),
    )
