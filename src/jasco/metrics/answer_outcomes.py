"""The outcomes of answers, from the verdicts of the judges and the texts of the answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.bootstrap import Clips
from jasco.metrics.verdict_matrix import RATINGS, VerdictMatrix, nan_mean
from jasco.protocol.conditions import Cue
from jasco.protocol.verdicts import Orientation

CLASSES = ("joint", "sound_led", "speech_led", "refusal", "other")
"""The classes of answers."""

_ORIENTATIONS = {"sound": Orientation.AUDIO, "speech": Orientation.SPEECH}
_NO_CLASS = -1


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of the answers under one condition.

    Attributes
    ----------
    verdicts : mapping of str to VerdictMatrix
        By judge: the verdicts, for all samples; the same judges, clips and instructions under each
        condition. A clip that was not asked has no verdicts.
    keywords : ndarray, shape (samples, clips, instructions)
        1 if the answer contains a reference keyword, 0 if not, NaN without an answer.
    refusals : ndarray of bool, shape (samples, clips, instructions)
        Whether the text of the answer is that of a refusal.
    donor_verdicts : mapping of str to VerdictMatrix
        If a cue is swapped: the verdicts according to the annotations of the donor's cue, by judge.
    """

    verdicts: Mapping[str, VerdictMatrix]
    keywords: NDArray[np.float32]
    refusals: NDArray[np.bool_]
    donor_verdicts: Mapping[str, VerdictMatrix] = field(default_factory=dict)

    @property
    def clips(self) -> int:
        """The number of clips."""
        return int(self.keywords.shape[1])

    def of_clips(self, kept: NDArray[np.bool_] | Clips) -> "Outcomes":
        """Return the outcomes of some clips, selected by index or by a mask of shape (clips,)."""
        verdicts, donor_verdicts = (
            {judge: matrix.of_clips(kept) for judge, matrix in panel.items()}
            for panel in (self.verdicts, self.donor_verdicts)
        )
        return Outcomes(verdicts, self.keywords[:, kept], self.refusals[:, kept], donor_verdicts)


class JudgedAnswers(NamedTuple):
    """The outcomes of answers according to one judge, shape (samples, clips, instructions).

    Attributes
    ----------
    values : ndarray of float
        The rating divided by its maximum, and 0 for a refusal; NaN without a readable verdict.
    classes : ndarray of int
        The index in :data:`CLASSES`; -1 without a readable verdict.
    """

    values: NDArray[np.float64]
    classes: NDArray[np.int8]

    @classmethod
    def of(cls, verdicts: VerdictMatrix, refusals: NDArray[np.bool_]) -> Self:
        """Return the outcomes of the verdicts on all samples.

        Parameters
        ----------
        verdicts : VerdictMatrix
            The verdicts of a judge.
        refusals : ndarray of bool, shape (samples, clips, instructions)
            Whether the text of each answer is that of a refusal.
        """
        samples = verdicts.samples
        ratings = np.stack([sample.ratings for sample in samples]).astype(float)
        audio, both, speech, neither = (
            np.stack([sample.is_oriented(orientation) for sample in samples])
            for orientation in (
                Orientation.AUDIO,
                Orientation.BOTH,
                Orientation.SPEECH,
                Orientation.NEITHER,
            )
        )
        readable, refused = ~np.isnan(ratings), neither & refusals
        classes = np.select(
            [~readable, both & (ratings >= 1), audio, speech, refused],
            [_NO_CLASS, 0, 1, 2, 3],
            default=4,
        )
        return cls(np.where(readable & refused, 0, ratings / RATINGS[-1]), classes.astype(np.int8))

    def item_values(self) -> NDArray[np.float64]:
        """Return the mean value over samples, shape (clips, instructions); NaN if undefined."""
        return nan_mean(self.values, axis=0)

    def best_values(self) -> NDArray[np.float64]:
        """Return the mean over samples of each clip's best value, shape (clips,)."""
        best = np.where(np.isnan(self.values), -1, self.values).max(axis=2)
        return nan_mean(np.where(best < 0, np.nan, best), axis=0)

    def item_shares(self, name: str) -> NDArray[np.float64]:
        """Return the share of samples with a class, shape (clips, instructions)."""
        shares = np.where(self.classes == _NO_CLASS, np.nan, self.classes == CLASSES.index(name))
        return nan_mean(shares, axis=0)


def changes(ours: NDArray[np.int8], theirs: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the share of samples whose class differs, shape (clips, instructions).

    Parameters
    ----------
    ours, theirs : ndarray of int, shape (samples, clips, instructions)
        The classes; samples without a counterpart are ignored.
    """
    samples = min(len(ours), len(theirs))
    ours, theirs = ours[:samples], theirs[:samples]
    unknown = (ours == _NO_CLASS) | (theirs == _NO_CLASS)
    return nan_mean(np.where(unknown, np.nan, ours != theirs), axis=0)


def names_cue(verdicts: VerdictMatrix, cue: Cue) -> NDArray[np.bool_]:
    """Return a mask of the readable verdicts whose label includes a cue, alone or with the other.

    Further samples are ignored.
    """
    either: NDArray[Any] = verdicts.is_oriented(_ORIENTATIONS[cue]) | verdicts.is_oriented(
        Orientation.BOTH
    )
    return np.asarray(verdicts.readable & either)
