"""Figures of a judge's exam: questions with known verdicts, and its accuracy on them.

Conventions
-----------
There are three kinds of questions. *Known answers* are derived from the annotations of a clip: its
reference answer rests on both cues, its audio-only and speech-only answers on one cue, and a
description of the clip predicts no action. *Canaries* are answers that should score 0: an empty
answer, punctuation, an echoed verdict, instructions to the judge, the question repeated. *Labelled*
rows were labelled by human annotators.

Unreadable verdicts are counted as neither correct nor wrong; their rate is reported separately.

Metrics
-------
* *Accuracy* of the rating, the orientation, and both; for labelled rows, also quadratic weighted
  kappa of the gated score. Intervals are computed over clips.
* *False-credit rate*: the share of canaries or adversarial rows that were given a higher gated
  score than expected, with Wilson's interval (*Journal of the American Statistical Association* 22,
  1927), because 0 of 5 is still compatible with a rate of 43%.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.agreement import LabelCounts, weighted_kappa
from jasco.metrics.bootstrap import NO_ESTIMATE, Estimate, Ratios, Terms
from jasco.metrics.verdict_matrix import ORIENTATIONS, RATINGS
from jasco.protocol.clips import Item
from jasco.protocol.verdicts import Verdict

KNOWN, CANARY, LABELLED = "known answer", "canary", "labelled"


@dataclass(frozen=True)
class ExamQuestion:
    """An answer to be judged, and the expected verdict.

    Attributes
    ----------
    kind, name : str
        The kind of question, and the name of the question within the kind.
    item : Item
        The item to which the answer belongs.
    answer : str
        The answer to be judged.
    expected : Verdict
        The expected verdict; of a canary's, only the gated score of 0 is used.
    adversarial : bool
        Whether the answer tries to obtain a higher score than it should.
    """

    kind: str
    name: str
    item: Item
    answer: str
    expected: Verdict
    adversarial: bool = False


@dataclass(frozen=True)
class Part:
    """The results of a judge on one kind of question.

    Attributes
    ----------
    asked, judged, read : int
        Number of questions, of questions with a verdict, and of readable verdicts.
    accuracy, rating_accuracy, orientation_accuracy : Estimate
        Share of readable verdicts with the expected rating and orientation, the expected rating,
        and the expected orientation.
    kappa : Estimate
        Quadratic weighted kappa of the gated score.
    ratings : ndarray of int, shape (3, 3)
        Number of readable verdicts by the expected (rows) and given (columns) gated score.
    orientations : ndarray of int, shape (4, 4)
        Likewise, in the order of :class:`~jasco.protocol.verdicts.Orientation`.
    tempted : int
        Number of readable verdicts on adversarial answers.
    credited_by_name : mapping of str to int
        Number of those with a higher gated score than expected, by question.
    """

    asked: int
    judged: int
    read: int
    accuracy: Estimate
    rating_accuracy: Estimate
    orientation_accuracy: Estimate
    kappa: Estimate
    ratings: NDArray[np.int64]
    orientations: NDArray[np.int64]
    tempted: int
    credited_by_name: Mapping[str, int]

    @property
    def unreadable(self) -> int:
        """Number of verdicts that could not be read."""
        return self.judged - self.read

    @property
    def credited(self) -> int:
        """Number of adversarial answers with a higher gated score than expected."""
        return sum(self.credited_by_name.values())

    @property
    def false_credit(self) -> Estimate:
        """The false-credit rate, with Wilson's interval."""
        return wilson(self.credited, self.tempted)


def grade(questions: Sequence[ExamQuestion], verdicts: Sequence[Verdict | None]) -> Part:
    """Return the results of verdicts on questions of one kind.

    Parameters
    ----------
    questions : sequence of ExamQuestion
        The questions.
    verdicts : sequence of Verdict or None
        The verdict on each question; None if there is none.
    """
    read = [
        (question, verdict)
        for question, verdict in zip(questions, verdicts, strict=True)
        if verdict and verdict.readable
    ]
    clips = list(dict.fromkeys(question.item.clip for question, _ in read))
    columns = np.zeros((len(clips), 4))
    ratings = np.zeros((len(clips), len(RATINGS), len(RATINGS)))
    orientations = np.zeros((len(ORIENTATIONS), len(ORIENTATIONS)), np.int64)
    credited: Counter[str] = Counter()
    for question, verdict in read:
        expected, clip = question.expected, clips.index(question.item.clip)
        assert expected.orientation and verdict.orientation
        right = (verdict.rating == expected.rating, verdict.orientation is expected.orientation)
        columns[clip] += (1, all(right), *right)
        ratings[clip, expected.gated, verdict.gated] += 1
        places = map(ORIENTATIONS.index, (expected.orientation, verdict.orientation))
        orientations[tuple(places)] += 1
        if question.adversarial:
            credited[question.name] += verdict.gated > expected.gated
    counts = LabelCounts([weighted_kappa], len(clips), lambda kept: [ratings[kept]])
    wholes = np.repeat(columns[:, :1], 3, axis=1)
    terms = Terms.of(len(clips), lambda kept: (columns[kept, 1:], wholes[kept]))
    shares = Ratios([terms], low=0, high=1, others=counts.columns)
    accuracy, rating_accuracy, orientation_accuracy = shares.estimates([0])
    [kappa] = counts.estimates(shares.others_resampled)
    return Part(
        asked=len(questions),
        judged=sum(verdict is not None for verdict in verdicts),
        read=len(read),
        accuracy=accuracy,
        rating_accuracy=rating_accuracy,
        orientation_accuracy=orientation_accuracy,
        kappa=kappa,
        ratings=ratings.sum(axis=0).astype(np.int64),
        orientations=orientations,
        tempted=sum(question.adversarial for question, _ in read),
        credited_by_name=credited,
    )


def unreadable_rate(parts: Iterable[Part]) -> float | None:
    """Compute the share of unreadable verdicts among all verdicts; None if there are none."""
    parts = list(parts)
    judged = sum(part.judged for part in parts)
    return sum(part.unreadable for part in parts) / judged if judged else None


def wilson(hits: int, tries: int) -> Estimate:
    """Return a share with Wilson's 95% score interval; undefined if there are no tries."""
    if not tries:
        return NO_ESTIMATE
    z = 1.959964
    share = hits / tries
    middle = (share + z**2 / (2 * tries)) / (1 + z**2 / tries)
    half = z * (share * (1 - share) / tries + z**2 / (4 * tries**2)) ** 0.5 / (1 + z**2 / tries)
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))
