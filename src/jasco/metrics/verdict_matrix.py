"""One judge's verdicts on one model, as arrays.

Conventions
-----------
Arrays have the shape (clips, instructions), clips in the order of the data set and instructions
in the published order. A missing verdict (not there, failed, unreadable) is missing: never 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.verdicts import Orientation, Verdict

RATINGS = (0, 1, 2)
_ORIENTATIONS = tuple(Orientation)


@dataclass(frozen=True)
class VerdictMatrix:
    """One judge's verdicts on one model.

    Attributes
    ----------
    ratings : ndarray of float, shape (clips, instructions)
        0, 1 or 2; NaN where there is no readable verdict.
    orientations : ndarray of int, shape (clips, instructions)
        Place in :class:`Orientation`; meaningless where the rating is NaN.
    unreadable : ndarray of bool, shape (clips, instructions)
        A verdict that was given and could not be read.
    single_prompt : bool
        Whether a clip was asked about with one of the instructions only, as people are: then one
        verdict a clip is expected, whichever the instruction, and there is no best of several.
    """

    ratings: NDArray[np.float32]
    orientations: NDArray[np.int8]
    unreadable: NDArray[np.bool_]
    single_prompt: bool = False

    @classmethod
    def none_yet(cls, clips: int, *, single_prompt: bool = False) -> Self:
        """Return the matrix of a judge that has judged nothing."""
        shape = (clips, len(INSTRUCTIONS))
        return cls(
            np.full(shape, np.nan, np.float32),
            np.zeros(shape, np.int8),
            np.zeros(shape, bool),
            single_prompt,
        )

    @classmethod
    def of(cls, clips: int, verdicts: NDArray[np.int64], *, single_prompt: bool = False) -> Self:
        """VerdictMatrix from a table.

        Parameters
        ----------
        clips : int
            How many clips there are.
        verdicts : ndarray of int, shape (verdicts, 4)
            Clip by place, instruction by its number from 1, rating, orientation by place; -1 for
            what could not be read.
        single_prompt : bool
            Whether a clip was asked about once only.
        """
        matrix = cls.none_yet(clips, single_prompt=single_prompt)
        clip, number, rating, orientation = verdicts.T
        read = (rating >= 0) & (orientation >= 0)
        cells = clip[read], number[read] - 1
        matrix.ratings[cells] = rating[read]
        matrix.orientations[cells] = orientation[read]
        matrix.unreadable[clip[~read], number[~read] - 1] = True
        return matrix

    def enter(self, clip: int, number: int, verdict: Verdict) -> None:
        """Enter the verdict on an item: clip by place, instruction by its number from 1."""
        cell = clip, number - 1
        if verdict.rating is None or verdict.orientation is None:
            self.unreadable[cell] = True
        else:
            self.ratings[cell] = verdict.rating
            self.orientations[cell] = _ORIENTATIONS.index(verdict.orientation)

    @property
    def readable(self) -> NDArray[np.bool_]:
        """Where there is a verdict that counts."""
        return ~np.isnan(self.ratings)

    def gated(self) -> NDArray[np.float32]:
        """Gated scores; NaN where there is no readable verdict."""
        both = self.orientations == _ORIENTATIONS.index(Orientation.BOTH)
        return np.where(self.readable, np.where(both, self.ratings, 0), np.nan).astype(np.float32)

    def best_by_clip(self) -> NDArray[np.float64]:
        """Best gated score of each clip; NaN where it has no readable verdict. Shape (clips,)."""
        best = np.where(self.readable, self.gated(), -1).max(axis=1).astype(float)
        return np.where(best < 0, np.nan, best)

    def mean_by_clip(self) -> NDArray[np.float64]:
        """Mean gated score of each clip; NaN where it has no readable verdict. Shape (clips,)."""
        return ratio(np.nansum(self.gated(), axis=1, dtype=float), self.readable.sum(axis=1))

    def expected_scores(self) -> NDArray[np.float64]:
        """Gated scores of the items that are expected; NaN where one has no readable verdict.

        Returns
        -------
        ndarray, shape (clips, instructions), or (clips, 1) where clips were asked about once
        """
        return self.mean_by_clip()[:, None] if self.single_prompt else self.gated().astype(float)

    def labels(self) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Ratings as given, and orientations by place; -1 where there is no readable verdict."""
        missing = ~self.readable
        ratings = np.where(missing, -1, self.ratings).astype(np.int8)
        return ratings, np.where(missing, -1, self.orientations).astype(np.int8)

    def of_clips(self, kept: NDArray[Any] | Sequence[int]) -> Self:
        """Return the matrix of some clips only, by place or as a mask of shape (clips,)."""
        kept = np.asarray(kept)
        return replace(
            self,
            ratings=self.ratings[kept],
            orientations=self.orientations[kept],
            unreadable=self.unreadable[kept],
        )

    def of_items(self, kept: NDArray[np.bool_]) -> Self:
        """Keep the verdicts on some items only; those on the others are missing."""
        return replace(self, ratings=np.where(kept, self.ratings, np.nan).astype(np.float32))


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Divide; NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, np.asarray(part, float) / whole, np.nan)
