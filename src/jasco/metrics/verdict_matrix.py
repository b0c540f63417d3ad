"""The verdicts of one judge on one model, as arrays.

Conventions
-----------
Arrays have the shape (clips, instructions), in the order of the data set and of the instructions.
A missing verdict (not requested yet, failed or unreadable) is NaN, never 0. A matrix contains the
verdicts on one response to each item. If a model responded to each item several times, each further
sample has a separate matrix, in ``further``.
"""

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
PACKED = 15  # instructions per integer
BITS = 4  # bits per instruction
UNREADABLE = 2**BITS - 1
_CHUNK = 10_000  # clips at once


@dataclass(frozen=True)
class VerdictMatrix:
    """The verdicts of one judge on one model.

    Attributes
    ----------
    ratings : ndarray of float, shape (clips, instructions)
        The ratings 0, 1 or 2; NaN if there is no readable verdict.
    orientations : ndarray of int, shape (clips, instructions)
        The index in :class:`Orientation`; undefined if the rating is NaN.
    unreadable : ndarray of bool, shape (clips, instructions)
        Whether a verdict was given but could not be read.
    single_prompt : bool
        Whether each clip was combined with only one of the instructions, as for human participants.
        One verdict per clip is then expected, for any instruction, and there is no best-mean.
    published : bool
        Whether the instructions are the published ones.
    further : tuple of VerdictMatrix
        The verdicts on further samples, if the model responded to each item several times.
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
        """Return a matrix without verdicts."""
        shape = (clips, len(instructions))
        return cls(
            np.full(shape, np.nan, np.float32),
            np.zeros(shape, np.int8),
            np.zeros(shape, bool),
            single_prompt,
            tuple(instructions) == INSTRUCTIONS,
        )

    def enter(self, clip: int, number: int, verdict: Verdict) -> None:
        """Set the verdict on an item.

        Parameters
        ----------
        clip : int
            The index of the clip.
        number : int
            The number of the instruction, from 1.
        verdict : Verdict
            The verdict.
        """
        cell = clip, number - 1
        if verdict.rating is None or verdict.orientation is None:
            self.unreadable[cell] = True
        else:
            self.ratings[cell] = verdict.rating
            self.orientations[cell] = ORIENTATIONS.index(verdict.orientation)

    def enter_packed(self, packed: NDArray[np.int64]) -> None:
        """Set the verdicts on some clips; items without a verdict are unchanged.

        Parameters
        ----------
        packed : ndarray of int, shape (clips, 1 + integers)
            The index of each clip, and its verdicts in one integer per ``PACKED`` instructions. An
            integer holds ``BITS`` bits per instruction, the first in the lowest bits: 0 if there is
            no verdict, ``UNREADABLE``, or 1 + 4 x rating + index of the orientation.
        """
        for start in range(0, len(packed), _CHUNK):
            clips, integers = np.hsplit(packed[start : start + _CHUNK], [1])
            codes = (integers[:, :, None] >> BITS * np.arange(PACKED)) & 2**BITS - 1
            codes = codes.reshape(len(codes), -1)
            rows, columns = codes.nonzero()
            cells, given = (clips[rows, 0], columns), codes[rows, columns]
            unreadable = given == UNREADABLE
            rating, orientation = divmod(given - 1, len(ORIENTATIONS))
            self.ratings[cells] = np.where(unreadable, np.nan, rating)
            self.orientations[cells] = np.where(unreadable, 0, orientation)
            self.unreadable[cells] = unreadable

    @property
    def samples(self) -> tuple["VerdictMatrix", ...]:
        """The matrices of all samples, each without further samples."""
        return replace(self, further=()), *self.further

    @classmethod
    def of_samples(cls, samples: Sequence["VerdictMatrix"]) -> "VerdictMatrix":
        """Return the matrix of several samples, given as one matrix each."""
        return replace(samples[0], further=tuple(samples[1:]))

    def is_oriented(self, orientation: Orientation) -> NDArray[np.bool_]:
        """Return a mask of the items with an orientation; undefined if the rating is NaN."""
        return np.asarray(self.orientations == ORIENTATIONS.index(orientation))

    @property
    def readable(self) -> NDArray[np.bool_]:
        """A mask of the items with a readable verdict."""
        return ~np.isnan(self.ratings)

    def gated(self) -> NDArray[np.float32]:
        """Return the gated scores: the rating if the orientation is Both, else 0.

        Returns
        -------
        ndarray of float, shape (clips, instructions)
            The scores; NaN if there is no readable verdict.
        """
        scores = np.where(self.is_oriented(Orientation.BOTH), self.ratings, 0)
        return np.where(self.readable, scores, np.nan).astype(np.float32)

    def best_by_clip(self) -> NDArray[np.float64]:
        """Return the best gated score of each clip, shape (clips,); NaN if it has no verdict."""
        best = np.where(self.readable, self.gated(), -1).max(axis=1).astype(float)
        return np.where(best < 0, np.nan, best)

    def mean_by_clip(self) -> NDArray[np.float64]:
        """Return the mean gated score of each clip, shape (clips,); NaN if it has no verdict."""
        return nan_mean(self.gated(), axis=1)

    def expected_scores(self) -> NDArray[np.float64]:
        """Return the gated scores of the expected items; NaN if there is no readable verdict.

        Returns
        -------
        ndarray of float, shape (clips, instructions)
            The scores; shape (clips, 1) with one instruction per clip.
        """
        return self.mean_by_clip()[:, None] if self.single_prompt else self.gated().astype(float)

    @property
    def readable_expected(self) -> NDArray[np.bool_]:
        """A mask of the expected items with a readable verdict, as in :meth:`expected_scores`."""
        readable = self.readable
        judged = np.asarray(readable.any(axis=1, keepdims=True))
        return judged if self.single_prompt else readable

    def labels(self) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Return the ratings and orientations of all samples as integers.

        Returns
        -------
        ratings, orientations : ndarray of int, shape (clips, samples x instructions)
            The ratings, and the indices in :class:`Orientation`; -1 if there is no readable
            verdict.
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
        """Return the matrix of some clips, selected by index or by a mask of shape (clips,)."""
        kept = np.asarray(kept)
        return replace(
            self,
            ratings=self.ratings[kept],
            orientations=self.orientations[kept],
            unreadable=self.unreadable[kept],
            further=tuple(matrix.of_clips(kept) for matrix in self.further),
        )

    def resized(self, clips: int) -> Self:
        """Return the matrix of the first clips; clips beyond its own have no verdicts."""
        kept = self.of_clips(np.arange(min(clips, len(self.ratings))))
        added = (0, clips - len(kept.ratings)), (0, 0)
        return replace(
            kept,
            ratings=np.pad(kept.ratings, added, constant_values=np.nan),
            orientations=np.pad(kept.orientations, added),
            unreadable=np.pad(kept.unreadable, added),
            further=tuple(matrix.resized(clips) for matrix in kept.further),
        )

    def chunks(self) -> Iterator[Self]:
        """Yield the matrices of at most 10,000 consecutive clips each."""
        clips = len(self.ratings)
        for start in range(0, clips, _CHUNK):
            yield self.of_clips(np.arange(start, min(start + _CHUNK, clips)))

    def of_items(self, kept: NDArray[np.bool_]) -> Self:
        """Return the matrix with the verdicts on the selected items; the others are missing."""
        ratings = np.where(kept, self.ratings, np.nan).astype(np.float32)
        further = tuple(matrix.of_items(kept) for matrix in self.further)
        return replace(self, ratings=ratings, further=further)


def by_sample(panel: Iterable[VerdictMatrix]) -> list[list[VerdictMatrix]]:
    """Return the matrices of a panel's judges, sample by sample.

    Samples for which a judge has no readable verdict are excluded if there are others: they have no
    figures to average, but lower the coverage.
    """
    samples = [
        list(matrices) for matrices in zip(*(matrix.samples for matrix in panel), strict=True)
    ]
    judged = [matrices for matrices in samples if all(matrix.readable.any() for matrix in matrices)]
    return judged or samples


def verdict_matrix(
    rows: Iterable[Mapping[str, Any]],
    clips: Sequence[Clip | str],
    instructions: Sequence[str] = INSTRUCTIONS,
) -> VerdictMatrix:
    """Return the matrix of one judge's verdicts, given as rows.

    Parameters
    ----------
    rows : iterable of mapping
        One row per verdict, with the keys ``clip`` (its id), ``instruction`` (its number, from 1),
        ``rating`` (0, 1 or 2) and ``orientation`` (``"Audio-Oriented"``, ``"Speech-Oriented"``,
        ``"Both"`` or ``"Neither"``). A rating or orientation that could not be read is None. An
        item without a verdict has no row. Other keys are ignored.
    clips : sequence of Clip or str
        The clips for which verdicts are expected, or their ids.
    instructions : sequence of str
        The instructions that each clip is combined with; the published ones by default.

    Returns
    -------
    VerdictMatrix
        The verdicts, for :func:`score_matrix`.

    Raises
    ------
    InputError
        A row is invalid, is about an unexpected item, or is a duplicate.

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
        raise InputError(f"clips: duplicate id {next(id_ for id_ in ids if ids.count(id_) > 1)!r}")
    matrix = VerdictMatrix.none_yet(len(ids), instructions=instructions)
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
            f"row {number}: invalid verdict {values!r} (expected the number of an instruction, a "
            f"rating of 0, 1 or 2, and one of the orientations {', '.join(Orientation)})"
        ) from None
    return (str(values["clip"]), instruction), Verdict(rating, orientation)


def _is_missing(value: object) -> bool:
    return value is None or value != value  # NaN, in a data frame


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Return the elementwise quotient; NaN where the divisor is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, np.asarray(part, float) / whole, np.nan)


def nan_mean(values: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """Return the mean of the defined values along an axis; NaN where there are none."""
    return ratio(np.nansum(values, axis=axis, dtype=float), (~np.isnan(values)).sum(axis=axis))
