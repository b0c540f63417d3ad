"""From verdicts to the benchmark's figures.

Conventions
-----------
Arrays have the shape (clips, instructions), clips in the order of the data set and instructions
in the published order. A missing verdict (not there, failed, unreadable) is missing: never 0.

Metrics
-------
* *Gated score*: the rating where the orientation is Both, else 0.
* *Best-mean*: the mean over clips of a clip's best gated score over the instructions.
* *Modality dependence*: the shares of Audio-Oriented, Both and Speech-Oriented among the
  readable verdicts that are not Neither.

Wang, Mousavi, Ploujnikov, Ravanelli: *What Are They Doing? Joint Audio-Speech Co-Reasoning*,
ICASSP 2025, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from jasco.benchmark.instructions import INSTRUCTIONS
from jasco.benchmark.verdicts import Orientation, Verdict

_BEST_RATING = 2
_ORIENTATIONS = tuple(Orientation)


@dataclass(frozen=True)
class Marks:
    """One judge's verdicts on one model.

    Attributes
    ----------
    ratings : ndarray of float, shape (clips, instructions)
        0, 1 or 2; NaN where there is no readable verdict.
    orientations : ndarray of int, shape (clips, instructions)
        Place in :class:`Orientation`; meaningless where the rating is NaN.
    unreadable : ndarray of bool, shape (clips, instructions)
        A verdict that was given and could not be read.
    """

    ratings: NDArray[np.float32]
    orientations: NDArray[np.int8]
    unreadable: NDArray[np.bool_]

    @classmethod
    def none_yet(cls, clips: int) -> Self:
        """Marks of a judge that has judged nothing."""
        shape = (clips, len(INSTRUCTIONS))
        return cls(
            np.full(shape, np.nan, np.float32), np.zeros(shape, np.int8), np.zeros(shape, bool)
        )

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


@dataclass(frozen=True)
class Score:
    """The figures of one judge, or of a panel. Fractions of 1; None where there is no figure.

    Attributes
    ----------
    best_mean : float or None
        Over the clips that have a readable verdict.
    mean : float or None
        Mean over clips of a clip's mean gated score.
    audio, both, speech : float or None
        Modality dependence.
    neither_rate : float or None
        Share of Neither among the readable verdicts.
    unreadable_rate : float
        Share of the expected verdicts that were given and could not be read.
    coverage : float
        Readable verdicts / expected verdicts.
    complete : bool
        Whether every expected verdict is there and readable.
    bounds : tuple of float
        Best-mean with every missing verdict at its worst and at its best.
    """

    best_mean: float | None
    mean: float | None
    audio: float | None
    both: float | None
    speech: float | None
    neither_rate: float | None
    unreadable_rate: float
    coverage: float
    complete: bool
    bounds: tuple[float, float]


def score_judge(marks: Marks) -> Score:
    """Compute one judge's figures."""
    readable = marks.readable
    judged = readable.any(axis=1)
    gated = marks.gated()
    shares = [
        int(np.count_nonzero(readable & (marks.orientations == place)))
        for place in range(len(_ORIENTATIONS))
    ]
    audio, speech, both, neither = shares
    oriented = audio + speech + both
    worst = np.where(readable, gated, 0).max(axis=1)
    best = np.where(readable, gated, _BEST_RATING).max(axis=1)
    return Score(
        best_mean=float(worst[judged].mean(dtype=float)) if judged.any() else None,
        mean=_mean_over_clips(gated[judged]),
        audio=_share(audio, oriented),
        both=_share(both, oriented),
        speech=_share(speech, oriented),
        neither_rate=_share(neither, oriented + neither),
        unreadable_rate=float(marks.unreadable.mean()),
        coverage=float(readable.mean()),
        complete=bool(readable.all()),
        bounds=(float(worst.mean(dtype=float)), float(best.mean(dtype=float))),
    )


def score_panel(scores: Sequence[Score]) -> Score:
    """Average judges: each figure after it was computed for each judge, never before."""
    means = {
        field.name: _mean([getattr(score, field.name) for score in scores])
        for field in fields(Score)
        if field.name not in ("complete", "bounds")
    }
    low, high = zip(*(score.bounds for score in scores), strict=True)
    return Score(
        **means,  # type: ignore[arg-type]
        complete=all(score.complete for score in scores),
        bounds=(sum(low) / len(low), sum(high) / len(high)),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _mean_over_clips(gated: NDArray[np.float32]) -> float | None:
    return float(np.nanmean(gated, axis=1, dtype=float).mean()) if len(gated) else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
