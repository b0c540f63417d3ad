"""The exam of a judge: questions whose verdict is known, and how well it did.

Conventions
-----------
Three kinds of questions. *Known answers* are a clip's own: its reference answer follows from
both cues, its audio-only and its speech-only answer from one, and a bare description predicts no
action. *Canaries* deserve no credit whatever a judge is told: nothing, punctuation, an echoed
verdict, orders to the judge, the question repeated. *Labelled* rows were judged by people.

Verdicts that could not be read are not counted as right or wrong: their rate stands beside.

Metrics
-------
* *Accuracy* of rating, orientation, and both; of labelled rows also quadratic weighted kappa of
  the gated score. Intervals over clips.
* *False-credit rate*: the share of answers given a higher gated score than they deserve, among
  canaries or adversarial rows; with Wilson's interval (*Journal of the American Statistical
  Association* 22, 1927), since none of 5 still allows 43 %.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.agreement import estimate_agreement, weighted_kappa
from jasco.metrics.bootstrap import NO_ESTIMATE, Estimate, Ratios, in_blocks, weighted_sums
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.clips import Item
from jasco.protocol.verdicts import Orientation, Verdict

KNOWN, CANARY, LABELLED = "known answer", "canary", "labelled"


@dataclass(frozen=True)
class Question:
    """Something to be judged, and what the verdict should be.

    Attributes
    ----------
    kind, name : str
        One of the three kinds, and which question of it.
    item : Item
        What the answer is an answer to.
    answer : str
        What is to be judged.
    expected : Verdict
        What a fit judge says; of a canary only that it earns nothing counts.
    adversarial : bool
        Whether it tries to earn more than it deserves.
    """

    kind: str
    name: str
    item: Item
    answer: str
    expected: Verdict
    adversarial: bool = False


@dataclass(frozen=True)
class Part:
    """How a judge did on one kind of questions.

    Attributes
    ----------
    asked, judged, read : int
        Questions; those that it gave a verdict on; verdicts that could be read.
    accuracy, rating_accuracy, orientation_accuracy : Estimate
        Shares of the verdicts that were read.
    kappa : Estimate
        Quadratic weighted kappa of the gated score.
    ratings : ndarray of int, shape (3, 3)
        By the gated score that was expected (rows) and given (columns).
    orientations : ndarray of int, shape (4, 4)
        Likewise, in the order of :class:`~jasco.protocol.verdicts.Orientation`.
    tempted, credited : int
        Adversarial answers among the verdicts read, and how many earned more than they deserve.
    credited_by_name : mapping of str to int
        The same, by question.
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
    credited: int
    credited_by_name: Mapping[str, int]

    @property
    def unreadable(self) -> int:
        """Verdicts that could not be read."""
        return self.judged - self.read

    @property
    def false_credit(self) -> Estimate:
        """The false-credit rate, with Wilson's interval."""
        return wilson(self.credited, self.tempted)


def mark(questions: Sequence[Question], verdicts: Sequence[Verdict | None]) -> Part:
    """Hold verdicts against what was expected.

    Parameters
    ----------
    questions : sequence of Question
        Of one kind.
    verdicts : sequence of Verdict or None
        On each question; None where there is none.
    """
    read = [
        (question, verdict)
        for question, verdict in zip(questions, verdicts, strict=True)
        if verdict and verdict.readable
    ]
    clips = {clip: place for place, clip in enumerate(dict.fromkeys(q.item.clip for q, _ in read))}
    columns = np.zeros((len(clips), 4))
    ratings = np.zeros((len(clips), len(RATINGS), len(RATINGS)))
    orientations = np.zeros((len(clips), len(Orientation), len(Orientation)))
    places = {orientation: place for place, orientation in enumerate(Orientation)}
    credited: dict[str, int] = {}
    for question, verdict in read:
        expected, clip = question.expected, clips[question.item.clip]
        assert expected.orientation and verdict.orientation
        right = (verdict.rating == expected.rating, verdict.orientation is expected.orientation)
        columns[clip] += (1, all(right), *right)
        deserved, given = expected.gated, verdict.gated
        ratings[clip, deserved, given] += 1
        orientations[clip, places[expected.orientation], places[verdict.orientation]] += 1
        if question.adversarial:
            credited[question.name] = credited.get(question.name, 0) + (given > deserved)
    flat = ratings.reshape(len(clips), len(RATINGS) ** 2)
    shares = Ratios(
        [(columns[:, 1:], np.repeat(columns[:, :1], 3, axis=1))], low=0, high=1, beside=flat
    )
    accuracy, rating_accuracy, orientation_accuracy = shares.estimates([0])

    def weighted() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        sums, another = weighted_sums(in_blocks(flat))
        return sums.reshape(-1, *ratings.shape[1:]), another

    return Part(
        asked=len(questions),
        judged=sum(verdict is not None for verdict in verdicts),
        read=len(read),
        accuracy=accuracy,
        rating_accuracy=rating_accuracy,
        orientation_accuracy=orientation_accuracy,
        kappa=estimate_agreement(
            weighted_kappa,
            ratings,
            shares.beside_resampled.reshape(-1, *ratings.shape[1:]),
            weighted,
        ),
        ratings=ratings.sum(axis=0).astype(np.int64),
        orientations=orientations.sum(axis=0).astype(np.int64),
        tempted=sum(question.adversarial for question, _ in read),
        credited=sum(credited.values()),
        credited_by_name=credited,
    )


def unreadable_rate(parts: Iterable[Part]) -> float | None:
    """Compute the share of unreadable verdicts among all that were given; None without any."""
    parts = list(parts)
    judged = sum(part.judged for part in parts)
    return sum(part.unreadable for part in parts) / judged if judged else None


def wilson(hits: int, tries: int) -> Estimate:
    """Give a share with Wilson's 95 % score interval, for few tries and shares near 0 or 1."""
    if not tries:
        return NO_ESTIMATE
    z = 1.959964
    share = hits / tries
    middle = (share + z**2 / (2 * tries)) / (1 + z**2 / tries)
    half = z * (share * (1 - share) / tries + z**2 / (4 * tries**2)) ** 0.5 / (1 + z**2 / tries)
    return Estimate(share, (max(0.0, middle - half), min(1.0, middle + half)))
