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
* *Intervals* are those of :mod:`jasco.metrics.bootstrap`. Of few clips, or where few have a
  disagreement, another clip is added: one on which judges agree perfectly (upper end), or as often
  as by chance, given how often each label is given (lower end).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.bootstrap import (
    LEAST_CLIPS,
    LEAST_DIFFERENT,
    TAIL,
    Estimate,
    estimate,
    in_blocks,
    weighted_sums,
)
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.verdicts import Orientation, Verdict

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
        Likewise, in the order of :class:`~jasco.protocol.verdicts.Orientation`.
    """

    judges: tuple[str, str]
    rating_kappa: Estimate
    ratings: NDArray[np.int64]
    orientations: NDArray[np.int64]

    @property
    def items(self) -> int:
        """Number of items that both judges have a readable verdict on."""
        return int(self.ratings.sum())

    @property
    def same_ratings(self) -> int:
        """Number of items that both give the same rating."""
        return int(np.trace(self.ratings))

    @property
    def same_orientations(self) -> int:
        """Number of items that both give the same orientation."""
        return int(np.trace(self.orientations))


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
        totals, resamples, by_clip = map(self._matrices, (total, resampled, self.columns))

        @cache
        def weighted() -> tuple[list[NDArray[Any]], NDArray[Any]]:
            sums, another = weighted_sums(in_blocks(self.columns), len(resampled))
            return self._matrices(sums), another

        def estimated(place: int, figure: Callable[[NDArray[Any]], Array]) -> Estimate:
            return estimate_agreement(
                figure,
                by_clip[place],
                resamples[place],
                lambda: (weighted()[0][place], weighted()[1]),
            )

        return Agreement(
            estimated(0, partial(alpha, metric="ordinal")),
            estimated(1, partial(alpha, metric="nominal")),
            tuple(
                PairAgreement(
                    names,
                    estimated(place, weighted_kappa),
                    np.rint(totals[place]).astype(np.int64),
                    np.rint(totals[place + 1]).astype(np.int64),
                )
                for place, names in zip(range(2, len(totals), 2), self._pairs, strict=True)
            ),
        )

    def _matrices(self, sums: NDArray[Any]) -> list[NDArray[Any]]:
        ends = np.cumsum([kinds**2 for kinds in self._kinds])[:-1]
        return [
            part.reshape(*part.shape[:-1], kinds, kinds)
            for part, kinds in zip(np.split(sums, ends, axis=-1), self._kinds, strict=True)
        ]


def verdict_difference(verdicts: Iterable[Verdict]) -> int:
    """Compute how far the readable verdicts on one item differ.

    The range of the gated scores, plus that of the ratings, plus one for each further orientation;
    0 where fewer than two verdicts are readable.
    """
    readable = [verdict for verdict in verdicts if verdict.readable]
    if not readable:
        return 0
    gated = [verdict.gated for verdict in readable]
    ratings = [verdict.rating for verdict in readable if verdict.rating is not None]
    orientations = {verdict.orientation for verdict in readable}
    return max(gated) - min(gated) + max(ratings) - min(ratings) + len(orientations) - 1


def estimate_agreement(
    figure: Callable[[NDArray[Any]], Array],
    by_clip: NDArray[Any],
    resampled: NDArray[Any],
    weighted: Callable[[], tuple[NDArray[Any], NDArray[Any]]],
) -> Estimate:
    """Estimate a coefficient of agreement with its interval.

    Parameters
    ----------
    figure : callable
        :func:`alpha` with a metric, or :func:`weighted_kappa`.
    by_clip : ndarray, shape (clips, kinds, kinds)
        How labels meet on each clip.
    resampled : ndarray, shape (resamples, kinds, kinds)
        Sums over the clips of each resample.
    weighted : callable
        Gives what :func:`~jasco.metrics.bootstrap.weighted_sums` makes of ``by_clip``; called
        where resamples are not enough.
    """
    labels = by_clip.sum(axis=(1, 2))
    clips = int((labels > 0).sum())
    value = float(figure(by_clip.sum(axis=0)))
    differing = int((labels - np.trace(by_clip, axis1=1, axis2=2) > 0.1).sum())
    if np.isnan(value) or clips < LEAST_CLIPS or differing >= LEAST_DIFFERENT:
        return estimate(value, figure(resampled), clips)
    sums, another = weighted()
    by_chance, perfect = (
        added * (in_blocks(labels).max() * another)[:, None, None] for added in _another_clip(sums)
    )
    low = np.quantile(figure(sums + by_chance), TAIL)
    high = np.quantile(figure(sums + perfect), 1 - TAIL)
    return Estimate(value, (float(low), float(high)))


def _another_clip(sums: NDArray[Any]) -> tuple[Array, Array]:
    """Give a clip of one label on which judges agree by chance, and one on which they agree."""
    total = sums.sum(axis=(-2, -1))[..., None]
    rows, columns = sums.sum(axis=-1) / total, sums.sum(axis=-2) / total
    return (
        rows[..., :, None] * columns[..., None, :],
        (rows + columns)[..., None] / 2 * np.eye(sums.shape[-1]),
    )


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
