"""One judge's verdicts on one model, as arrays.

Conventions
-----------
Arrays have the shape (clips, instructions), clips in the order of the data set and instructions
in their order. A missing verdict (not there, failed, unreadable) is missing: never 0.
A matrix holds the verdicts on one response to each item. Where a model responded to each item
several times, each further sample has a matrix of its own, in ``further``.
"""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jasco.errors import InputError
from jasco.protocol.clips import Clip
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.verdicts import Orientation, Verdict

RATINGS = (0, 1, 2)
ORIENTATIONS = tuple(Orientation)


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
        Whether a clip was asked about with one of the instructions only, as for human participants:
        then one verdict a clip is expected, whichever the instruction, and no best of several.
    published : bool
        Whether the instructions are the published ones.
    further : tuple of VerdictMatrix
        The judge's verdicts on the model's further samples, if it responded several times.
    """

    ratings: NDArray[np.float32]
    orientations: NDArray[np.int8]
    unreadable: NDArray[np.bool_]
    single_prompt: bool = False
    published: bool = True
    further: tuple["VerdictMatrix", ...] = ()

    @classmethod
    def none_yet(
        cls,
        clips: int,
        *,
        single_prompt: bool = False,
        instructions: Sequence[str] = INSTRUCTIONS,
    ) -> Self:
        """Return the matrix of a judge that has judged nothing."""
        shape = (clips, len(instructions))
        return cls(
            np.full(shape, np.nan, np.float32),
            np.zeros(shape, np.int8),
            np.zeros(shape, bool),
            single_prompt,
            tuple(instructions) == INSTRUCTIONS,
        )

    @classmethod
    def of(
        cls,
        clips: int,
        verdicts: NDArray[np.int64],
        *,
        single_prompt: bool = False,
        instructions: Sequence[str] = INSTRUCTIONS,
    ) -> Self:
        """Return the matrix of a table of verdicts.

        Parameters
        ----------
        clips : int
            Number of clips.
        verdicts : ndarray of int, shape (verdicts, 4)
            Clip by place, instruction by its number from 1, rating, orientation by place; -1 where
            it could not be read.
        single_prompt : bool
            Whether a clip was asked about with one instruction only.
        instructions : sequence of str
            The texts of the instructions.
        """
        matrix = cls.none_yet(clips, single_prompt=single_prompt, instructions=instructions)
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
            self.orientations[cell] = ORIENTATIONS.index(verdict.orientation)

    @property
    def samples(self) -> tuple["VerdictMatrix", ...]:
        """The matrices of all samples, each without further ones."""
        return replace(self, further=()), *self.further

    @classmethod
    def of_samples(cls, samples: Sequence["VerdictMatrix"]) -> "VerdictMatrix":
        """Return the matrix of several samples, each given as a matrix."""
        return replace(samples[0], further=tuple(samples[1:]))

    def is_oriented(self, orientation: Orientation) -> NDArray[np.bool_]:
        """Return where an orientation is given; meaningless where the rating is NaN."""
        return np.asarray(self.orientations == ORIENTATIONS.index(orientation))

    @property
    def readable(self) -> NDArray[np.bool_]:
        """Mask of the items with a readable verdict."""
        return ~np.isnan(self.ratings)

    def gated(self) -> NDArray[np.float32]:
        """Compute the gated scores; NaN where there is no readable verdict."""
        scores = np.where(self.is_oriented(Orientation.BOTH), self.ratings, 0)
        return np.where(self.readable, scores, np.nan).astype(np.float32)

    def best_by_clip(self) -> NDArray[np.float64]:
        """Compute the best gated score of each clip, shape (clips,); NaN without a verdict."""
        best = np.where(self.readable, self.gated(), -1).max(axis=1).astype(float)
        return np.where(best < 0, np.nan, best)

    def mean_by_clip(self) -> NDArray[np.float64]:
        """Compute the mean gated score of each clip, shape (clips,); NaN without a verdict."""
        return nan_mean(self.gated(), axis=1)

    def expected_scores(self) -> NDArray[np.float64]:
        """Compute the gated scores of the expected items; NaN where there is no readable verdict.

        Returns
        -------
        ndarray, shape (clips, instructions), or (clips, 1) with one instruction a clip
        """
        return self.mean_by_clip()[:, None] if self.single_prompt else self.gated().astype(float)

    def labels(self) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Return ratings as given, and orientations by place; -1 without a readable verdict.

        Returns
        -------
        tuple of ndarray of int, shape (clips, samples x instructions)
            The samples lie side by side.
        """
        samples = self.samples
        readable = np.hstack([matrix.readable for matrix in samples])
        ratings = np.hstack([matrix.ratings for matrix in samples])
        orientations = np.hstack([matrix.orientations for matrix in samples])
        return (
            np.where(readable, ratings, -1).astype(np.int8),
            np.where(readable, orientations, -1).astype(np.int8),
        )

    def of_clips(self, kept: NDArray[Any] | Sequence[int]) -> Self:
        """Return the matrix of some clips only, by place or as a mask of shape (clips,)."""
        kept = np.asarray(kept)
        return replace(
            self,
            ratings=self.ratings[kept],
            orientations=self.orientations[kept],
            unreadable=self.unreadable[kept],
            further=tuple(matrix.of_clips(kept) for matrix in self.further),
        )

    def of_items(self, kept: NDArray[np.bool_]) -> Self:
        """Return the matrix with the verdicts on some items only, the others missing."""
        ratings = np.where(kept, self.ratings, np.nan).astype(np.float32)
        further = tuple(matrix.of_items(kept) for matrix in self.further)
        return replace(self, ratings=ratings, further=further)


def by_sample(panel: Iterable[VerdictMatrix]) -> list[list[VerdictMatrix]]:
    """Return the matrices of a panel's judges, sample by sample.

    Samples without a readable verdict of each judge are left out, as long as there are others:
    they lower the coverage, and have no figures that could be averaged.
    """
    samples = [
        list(matrices) for matrices in zip(*(matrix.samples for matrix in panel), strict=True)
    ]
    judged = [matrices for matrices in samples if all(matrix.readable.any() for matrix in matrices)]
    return judged or samples


def verdict_matrix(rows: Iterable[Mapping[str, Any]], clips: Sequence[Clip | str]) -> VerdictMatrix:
    """Return the verdict matrix of one judge's verdicts, given as plain rows.

    Parameters
    ----------
    rows : iterable of mapping
        One for each verdict: ``clip`` (its id), ``instruction`` (its number from 1), ``rating``
        (0, 1 or 2) and ``orientation`` (``"Audio-Oriented"``, ``"Speech-Oriented"``, ``"Both"`` or
        ``"Neither"``). A verdict that could not be read has None for either of the two; an item
        without a verdict has no row. Other entries are ignored.
    clips : sequence of Clip or str
        The clips whose verdicts are expected, or their ids.

    Raises
    ------
    InputError
        A row is wrong, is about an unexpected item, or there are two about one item.

    Examples
    --------
    >>> rows = [{"clip": "7", "instruction": 1, "rating": 2, "orientation": "Both"}]
    >>> matrix = verdict_matrix(rows, clips=["7"])
    >>> float(matrix.gated()[0, 0]), int(matrix.readable.sum())
    (2.0, 1)
    """
    ids = [clip if isinstance(clip, str) else clip.id for clip in clips]
    places = {id_: place for place, id_ in enumerate(ids)}
    if len(places) < len(ids):
        raise InputError("clips: an id occurs twice")
    matrix = VerdictMatrix.none_yet(len(ids))
    first_rows: dict[tuple[str, int], int] = {}
    for number, row in enumerate(rows, start=1):
        key, verdict = _read_row(row, number)
        if key[0] not in places or not 1 <= key[1] <= matrix.ratings.shape[1]:
            raise InputError(f"row {number}: unexpected clip {key[0]!r}, instruction {key[1]}")
        if key in first_rows:
            first = first_rows[key]
            raise InputError(
                f"duplicate clip {key[0]}, instruction {key[1]} (rows {first} and {number})"
            )
        first_rows[key] = number
        matrix.enter(places[key[0]], key[1], verdict)
    return matrix


def _read_row(row: Mapping[str, Any], number: int) -> tuple[tuple[str, int], Verdict]:
    values = {}
    for name in ("clip", "instruction", "rating", "orientation"):
        if name not in row:
            raise InputError(f"row {number}: missing {name!r}")
        values[name] = row[name]
    rating, orientation = values["rating"], values["orientation"]
    try:
        instruction = operator.index(values["instruction"])
        rating = None if _is_missing(rating) else RATINGS[RATINGS.index(rating)]
        orientation = None if _is_missing(orientation) else Orientation(orientation)
    except (TypeError, ValueError):
        raise InputError(
            f"row {number}: invalid verdict {values!r} (expected an instruction's number, a rating "
            f"of 0, 1 or 2, and an orientation among {', '.join(Orientation)})"
        ) from None
    return (str(values["clip"]), instruction), Verdict(rating, orientation)


def _is_missing(value: object) -> bool:
    return value is None or value != value  # NaN, in a data frame


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Divide elementwise; NaN where the divisor is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, np.asarray(part, float) / whole, np.nan)


def nan_mean(values: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """Average the defined values along an axis; NaN where there is none."""
    return ratio(np.nansum(values, axis=axis, dtype=float), (~np.isnan(values)).sum(axis=axis))
