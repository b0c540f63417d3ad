"""How far judges agree: Krippendorff's alpha, weighted kappa, confusion matrices.

Conventions
-----------
Everything is computed from matrices that are sums over clips, so that a bootstrap resample is a
sum too; leading axes are resamples. Labels are numbered from 0; a missing label is -1. Ratings
are compared as the judges gave them, before the gate.

Metrics
-------
* *Alpha* with the ordinal metric (ratings) and the nominal one (orientations): Krippendorff,
  *Content Analysis* (4th edition, 2018), chapter 12. Units with fewer than two labels do not
  count; undefined where all labels are equal.
* *Kappa* with quadratic weights: Cohen, *Psychological Bulletin* 70 (1968). Undefined where both
  judges give one and the same label throughout.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jasco.benchmark.bootstrap import Estimate, estimate
from jasco.benchmark.marks import RATINGS
from jasco.benchmark.verdicts import Orientation

Array = NDArray[np.float64]
Labels = tuple[NDArray[np.int8], NDArray[np.int8]]
"""Ratings and orientations of a judge, each of shape (clips, items)."""


@dataclass(frozen=True)
class PairAgreement:
    """How two judges agree.

    Attributes
    ----------
    judges : tuple of str
        Which two.
    rating_kappa : Estimate
        With quadratic weights.
    ratings : ndarray of int, shape (3, 3)
        Items by the first judge's rating (rows) and the second's (columns).
    orientations : ndarray of int, shape (4, 4)
        Likewise, in the order of :class:`~jasco.benchmark.verdicts.Orientation`.
    """

    judges: tuple[str, str]
    rating_kappa: Estimate
    ratings: NDArray[np.int64]
    orientations: NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """How a panel agrees: Krippendorff's alpha, and each pair of judges."""

    rating_alpha: Estimate
    orientation_alpha: Estimate
    pairs: tuple[PairAgreement, ...]


class Compared:
    """The judges of a panel, beside one another.

    Parameters
    ----------
    labels : mapping of str to Labels
        By judge.

    Attributes
    ----------
    columns : ndarray, shape (clips, columns)
        What each clip adds to the sums that :meth:`agreement` reads.
    """

    def __init__(self, labels: Mapping[str, Labels]) -> None:
        self._pairs = list(combinations(labels, 2))
        self._kinds = (len(RATINGS), len(Orientation)) * (1 + len(self._pairs))
        ratings, orientations = zip(*labels.values(), strict=True)
        matrices = [
            coincidences(ratings, self._kinds[0]),
            coincidences(orientations, self._kinds[1]),
        ]
        for one, other in self._pairs:
            for ours, theirs, kinds in zip(labels[one], labels[other], self._kinds, strict=False):
                matrices.append(confusions(ours, theirs, kinds))
        self.columns = np.hstack([matrix.reshape(len(matrix), -1) for matrix in matrices])

    def agreement(self, total: NDArray[Any], resampled: NDArray[Any]) -> Agreement | None:
        """Compute how they agree, from the columns' sums; None where there is one judge only."""
        if not self._pairs:
            return None
        totals, resamples = self._matrices(total), self._matrices(resampled)
        rating, orientation, *pairs = zip(totals, resamples, strict=True)
        return Agreement(
            estimate(alpha(rating[0], "ordinal"), alpha(rating[1], "ordinal")),
            estimate(alpha(orientation[0], "nominal"), alpha(orientation[1], "nominal")),
            tuple(
                PairAgreement(
                    names,
                    estimate(weighted_kappa(ratings[0]), weighted_kappa(ratings[1])),
                    np.rint(ratings[0]).astype(np.int64),
                    np.rint(orientations[0]).astype(np.int64),
                )
                for names, ratings, orientations in zip(
                    self._pairs, pairs[::2], pairs[1::2], strict=True
                )
            ),
        )

    def _matrices(self, sums: NDArray[Any]) -> list[NDArray[Any]]:
        ends = np.cumsum([kinds**2 for kinds in self._kinds])[:-1]
        return [
            part.reshape(*part.shape[:-1], kinds, kinds)
            for part, kinds in zip(np.split(sums, ends, axis=-1), self._kinds, strict=True)
        ]


def coincidences(labels: Sequence[NDArray[Any]], kinds: int) -> Array:
    """Count which labels meet on the items of each clip.

    Parameters
    ----------
    labels : sequence of ndarray of int, each of shape (clips, items)
        One for each judge.
    kinds : int
        How many labels there are.

    Returns
    -------
    ndarray, shape (clips, kinds, kinds)
        Pairs of different judges, each item's weighted to count as many labels as it has.
    """
    counts = np.zeros((*labels[0].shape, kinds))
    for each in labels:
        for kind in range(kinds):
            counts[..., kind] += each == kind
    given = counts.sum(axis=-1)
    pairs = np.einsum("nij,nik->nijk", counts, counts)
    diagonal = np.arange(kinds)
    pairs[..., diagonal, diagonal] -= counts
    weight = np.where(given > 1, 1 / np.maximum(given - 1, 1), 0)
    return np.asarray(np.einsum("nijk,ni->njk", pairs, weight))


def confusions(ours: NDArray[Any], theirs: NDArray[Any], kinds: int) -> Array:
    """Count how two judges label the items of each clip.

    Parameters
    ----------
    ours, theirs : ndarray of int, shape (clips, items)
        Items that one of them has not labelled do not count.
    kinds : int
        How many labels there are.

    Returns
    -------
    ndarray, shape (clips, kinds, kinds)
        Rows are our labels, columns theirs.
    """
    hot = [
        np.stack([each == kind for kind in range(kinds)], axis=-1).astype(float)
        for each in (ours, theirs)
    ]
    return np.asarray(np.einsum("nij,nik->njk", *hot))


def alpha(coinciding: NDArray[Any], metric: Literal["nominal", "ordinal"]) -> Array:
    """Compute Krippendorff's alpha.

    Parameters
    ----------
    coinciding : ndarray, shape (..., kinds, kinds)
        Sums of :func:`coincidences`.
    metric : str
        How far apart two labels are.

    Returns
    -------
    ndarray, shape (...)
        1 is perfect, 0 what chance would give; NaN where undefined.
    """
    observed = np.asarray(coinciding, float)
    margins = observed.sum(axis=-1)
    expected = margins[..., :, None] * margins[..., None, :]
    diagonal = np.arange(margins.shape[-1])
    expected[..., diagonal, diagonal] -= margins
    apart = _nominal(margins) if metric == "nominal" else _ordinal(margins)
    total = margins.sum(axis=-1)
    return _one_minus(
        (total - 1) * (apart * observed).sum(axis=(-2, -1)), (apart * expected).sum(axis=(-2, -1))
    )


def weighted_kappa(confusion: NDArray[Any]) -> Array:
    """Compute Cohen's kappa with quadratic weights.

    Parameters
    ----------
    confusion : ndarray, shape (..., kinds, kinds)
        Sums of :func:`confusions`.

    Returns
    -------
    ndarray, shape (...)
        NaN where undefined.
    """
    observed = np.asarray(confusion, float)
    kinds = np.arange(observed.shape[-1])
    apart = (kinds[:, None] - kinds[None, :]) ** 2
    rows, columns = observed.sum(axis=-1), observed.sum(axis=-2)
    expected = rows[..., :, None] * columns[..., None, :]
    return _one_minus(
        rows.sum(axis=-1) * (apart * observed).sum(axis=(-2, -1)),
        (apart * expected).sum(axis=(-2, -1)),
    )


def _one_minus(part: Array, whole: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, 1 - part / whole, np.nan)


def _nominal(margins: Array) -> Array:
    kinds = margins.shape[-1]
    return 1 - np.eye(kinds)


def _ordinal(margins: Array) -> Array:
    # The labels given between the two, with half of those at both ends.
    up_to = np.cumsum(margins, axis=-1) - margins / 2
    return (up_to[..., :, None] - up_to[..., None, :]) ** 2
