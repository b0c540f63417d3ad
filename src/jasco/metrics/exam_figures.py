"""Figures of a judge's exam: questions with known verdicts, and its accuracy on them.

Conventions
-----------
Three kinds of questions. *Known answers* are a clip's own: its reference answer follows from
both cues, its audio-only and its speech-only answer from one, and a bare description predicts no
action. *Canaries* never deserve credit: an empty answer, punctuation, an echoed verdict, orders to
the judge, the question repeated. *Labelled* rows were judged by human annotators.

Unreadable verdicts are not counted as right or wrong: their rate is reported separately.

Metrics
-------
* *Accuracy* of rating, orientation, and both; of labelled rows also quadratic weighted kappa of
  the gated score. Intervals over clips.
* *False-credit rate*: the share of answers given a higher gated score than they deserve, among
  canaries or adversarial rows; with Wilson's interval (*Journal of the American Statistical
  Association* 22, 1927), since none of 5 still allows 43 %.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.agreement import LabelCounts, weighted_kappa
from jasco.metrics.bootstrap import NO_ESTIMATE, Estimate, Ratios
from jasco.metrics.verdict_matrix import ORIENTATIONS, RATINGS
from jasco.protocol.clips import Item
from jasco.protocol.verdicts import Verdict

KNOWN, CANARY, LABELLED = "known answer", "canary", "labelled"


@dataclass(frozen=True)
class ExamQuestion:
    """An answer to be judged, and the verdict that is expected.

    Attributes
    ----------
    kind, name : str
        One of the three kinds, and the name of the question within it.
    item : Item
        The item that is answered.
    answer : str
        The answer to be judged.
    expected : Verdict
        The right verdict; for a canary, only its gated score of 0 counts.
    adversarial : bool
        Whether the answer tries to earn more than it deserves.
    """

    kind: str
    name: str
    item: Item
    answer: str
    expected: Verdict
    adversarial: bool = False


@dataclass(frozen=True)
class Part:
    """Results of a judge on one kind of questions.

    Attributes
    ----------
    asked, judged, read : int
        Numbers of questions, of those with a verdict, and of readable verdicts.
    accuracy, rating_accuracy, orientation_accuracy : Estimate
        Shares of the readable verdicts.
    kappa : Estimate
        Quadratic weighted kappa of the gated score.
    ratings : ndarray of int, shape (3, 3)
        By the gated score that was expected (rows) and given (columns).
    orientations : ndarray of int, shape (4, 4)
        Likewise, in the order of :class:`~jasco.protocol.verdicts.Orientation`.
    tempted : int
        Number of adversarial answers among the readable verdicts.
    credited_by_name : mapping of str to int
        How many of them earned more than they deserve, by question.
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
        """Number of adversarial answers that earned more than they deserve."""
        return sum(self.credited_by_name.values())

    @property
    def false_credit(self) -> Estimate:
        """The false-credit rate, with Wilson's interval."""
        return wilson(self.credited, self.tempted)


def grade(questions: Sequence[ExamQuestion], verdicts: Sequence[Verdict | None]) -> Part:
    """Compare verdicts with those that were expected.

    Parameters
    ----------
    questions : sequence of ExamQuestion
        Questions of one kind.
    verdicts : sequence of Verdict or None
        The verdict on each question; None where there is none.
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
    counts = LabelCounts([weighted_kappa], [ratings])
    wholes = np.repeat(columns[:, :1], 3, axis=1)
    shares = Ratios([(columns[:, 1:], wholes)], low=0, high=1, others=counts.columns)
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
    """Compute the share of unreadable verdicts among all that were given; None without any."""
    parts = list(parts)
    judged = sum(part.judged for part in parts)
    return sum(part.unreadable for part in parts) / judged if judged else None


def wilson(hits: int, tries: int) -> Estimate:
    """Return a share with Wilson's 95 % score interval, for few tries and shares near 0 or 1."""
    if not tries:
        return NO_ESTIMATE
    z = 1.959964
    share = hits / tries
    middle = (share + z**2 / (2 * tries)) / (1 + z**2 / tries)
    half = z * (share * (1 - share) / tries + z**2 / (4 * tries**2)) ** 0.5 / (1 + z**2 / tries)
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))
