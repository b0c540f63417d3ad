"""Figures of judges, corrected with annotators' labels: prediction-powered inference.

Annotators have labelled the answers to some of the clips. The judge's scores of all clips are used
as predictions of the annotators' scores, and the labels to correct the predictions.

Conventions
-----------
The unit is the clip, as for all intervals: the answers to a clip are dependent. *N* clips have a
prediction *f*, the judge's score of the clip; *n* of them are labelled and have an annotators'
score *Y*, and the judge's score *g* of the same labelled answers. *g* equals *f* if all answers to
the clip are labelled. The labelled clips are assumed to be a random sample of the clips.

Method
------
The estimate is ``w * mean(f) + mean(Y - w * g)``, the first mean over all clips, the second over
the labelled ones. It is consistent for every weight *w*, whatever the judge's errors. A weight of 0
uses the labels alone, and a weight of 1 subtracts the judge's mean bias. The weight with the least
variance is estimated from the covariances over the labelled clips and limited to 0 to 1 (power
tuning). It is the slope of the regression of Y on f if all answers of the labelled clips are
labelled. If all clips are labelled, the estimate is the mean of the labels; if the judge agrees
with all labels, it is the judge's figure.

The usual form of the estimate has separate means over labelled and unlabelled clips. It is the same
estimate, with the weight ``w * (1 - n / N)``.

*Interval.* Student's, with n - 2 degrees of freedom (the weight is a second parameter), from the
variances of the contributions of labelled and unlabelled clips. If the annotators' scores of fewer
than 5 labelled clips differ from the most frequent one, these understate the variance: all errors
of the judge may be on clips that are not labelled. The interval is then that of Gaffke (see
:mod:`jasco.metrics.bootstrap`): one hypothetical clip is added, whose labels and predictions are
the worst possible ones. Both were chosen by simulation (``tests/metrics/test_corrected.py``).

Angelopoulos, Bates, Fannjiang, Jordan and Zrnic: *Prediction-Powered Inference*, arXiv 2301.09633;
Angelopoulos, Duchi and Zrnic: *PPI++*, arXiv 2311.01453 (power tuning).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.bootstrap import (
    LEAST_CLIPS,
    NO_ESTIMATE,
    RESAMPLES,
    TAIL,
    Clips,
    Estimate,
    differing,
    in_blocks,
    student_quantile,
    weighted_sums,
)
from jasco.metrics.verdict_matrix import RATINGS, VerdictMatrix, nan_mean

_LOWEST, _HIGHEST = RATINGS[0], RATINGS[-1]
_LEAST_DIFFERENT = 5  # minimum number of labelled clips that differ, for Student's interval
_SAME = 1e-12  # variance of equal scores, with rounding errors

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CorrectedFigure:
    """A figure of a judge or a panel, corrected with annotators' labels.

    Attributes
    ----------
    estimate : Estimate
        The estimate of the annotators' figure; undefined with fewer than 5 labelled clips.
    bias : float or None
        The judge's score minus the annotators' score, averaged over the labelled clips; None if
        there are none.
    weight : float or None
        The weight of the judge's scores in the estimate, from 0 (labels alone) to 1; None if there
        is no estimate.
    clips : int
        Number of labelled clips that count.
    """

    estimate: Estimate
    bias: float | None
    weight: float | None
    clips: int


@dataclass(frozen=True)
class Corrected:
    """The corrected figures of a judge or a panel.

    Attributes
    ----------
    best_mean : CorrectedFigure
        Best-mean. Clips count as labelled if the answers to all their instructions are labelled.
    mean : CorrectedFigure
        The mean. Clips count as labelled if any of their answers is.
    """

    best_mean: CorrectedFigure
    mean: CorrectedFigure


def correct(
    panel: Iterable[VerdictMatrix], labels: NDArray[Any], resamples: int = RESAMPLES
) -> Corrected:
    """Compute the corrected figures of a judge or a panel.

    Scores of a panel are averaged over its judges, and scores of a clip over the samples of a model
    that answered each item several times.

    Parameters
    ----------
    panel : iterable of VerdictMatrix
        The verdicts of each judge on the same answers.
    labels : ndarray of float, shape (samples, clips, instructions)
        The annotators' gated scores of the answers; NaN without a label.
    resamples : int
        Number of resamples for intervals with a hypothetical clip.
    """
    samples = list(zip(*(matrix.samples for matrix in panel), strict=True))
    best = [np.mean([matrix.best_by_clip() for matrix in sample], axis=0) for sample in samples]
    items = [np.mean([matrix.gated() for matrix in sample], axis=0) for sample in samples]
    if samples[0][0].single_prompt:  # there is no best-mean
        best_mean = CorrectedFigure(NO_ESTIMATE, None, None, 0)
    else:
        best_mean = _correct(np.transpose(best), labels.max(axis=2).T, resamples)
    return Corrected(best_mean, _correct(np.hstack(items), np.hstack(list(labels)), resamples))


def _correct(predicted: Array, labels: NDArray[Any], resamples: int) -> CorrectedFigure:
    """Correct the mean over clips, given scores and labels of the same shape (clips, scores)."""
    both = ~np.isnan(predicted) & ~np.isnan(labels)
    by_clip = nan_mean(predicted, axis=1)
    given, expected = (
        nan_mean(np.where(both, scores, np.nan), axis=1) for scores in (predicted, labels)
    )
    kept = ~np.isnan(by_clip)
    return corrected_mean(by_clip[kept], expected[kept], given[kept], resamples)


def corrected_mean(
    predicted: NDArray[Any],
    labels: NDArray[Any],
    predicted_labelled: NDArray[Any] | None = None,
    resamples: int = RESAMPLES,
) -> CorrectedFigure:
    """Compute the prediction-powered estimate of the mean of scores from 0 to 2.

    Parameters
    ----------
    predicted : ndarray, shape (clips,)
        The judge's score of each clip.
    labels : ndarray, shape (clips,)
        The annotators' score of each clip; NaN without a label.
    predicted_labelled : ndarray, shape (clips,), optional
        The judge's score of the labelled answers of each clip, if they are not all of its answers.
    resamples : int
        Number of resamples for an interval with a hypothetical clip.

    Examples
    --------
    >>> labels = np.array([0, 1, 2, 0, 2, 1, *[np.nan] * 34])
    >>> figure = corrected_mean(np.tile([0.0, 1, 2, 0], 10), labels)
    >>> figure.clips, round(figure.bias, 2)
    (6, -0.33)
    """
    labelled = ~np.isnan(labels)
    judged = predicted if predicted_labelled is None else predicted_labelled
    y, f, g = (np.asarray(scores, float)[labelled] for scores in (labels, predicted, judged))
    clips, n = len(predicted), len(y)
    bias = float((g - y).mean()) if n else None
    if n < LEAST_CLIPS:
        return CorrectedFigure(NO_ESTIMATE, bias, None, n)
    weight = _weight(y, f, g, clips)
    rectifier = y - weight * g
    value = weight * float(np.mean(predicted)) + float(rectifier.mean())
    if differing(y) < _LEAST_DIFFERENT:
        low, high = _bounded_interval(predicted, labelled, rectifier, weight, resamples)
    else:
        of_labelled = weight * f / clips + rectifier / n
        of_others = weight * np.asarray(predicted, float)[~labelled] / clips
        variance = n / (n - 2) * _squares(of_labelled) + _squares(of_others)
        margin = student_quantile(n - 2) * sqrt(variance)
        low, high = value - margin, value + margin
    value, low, high = np.clip([value, low, high], _LOWEST, _HIGHEST).tolist()
    return CorrectedFigure(Estimate(value, low, high), bias, weight, n)


def _weight(y: Array, f: Array, g: Array, clips: int) -> float:
    """Compute the weight of the predictions with the least variance of the estimate."""
    n = len(y)
    y, f, g = (scores - scores.mean() for scores in (y, f, g))
    gain = (y * g).mean() / n - (y * f).mean() / clips
    cost = (g * g).mean() / n + (f * f).mean() / clips - 2 * (f * g).mean() / clips
    return float(np.clip(gain / cost, 0, 1)) if cost > _SAME else 0.0


def _squares(contributions: Array) -> float:
    """Compute the sum of the squared differences from the mean; 0 without contributions."""
    return float(np.var(contributions)) * len(contributions) if len(contributions) else 0.0


def _bounded_interval(
    predicted: NDArray[Any],
    labelled: NDArray[np.bool_],
    rectifier: Array,
    weight: float,
    resamples: int,
) -> tuple[float, float]:
    """Compute the interval with a hypothetical clip, which makes no assumption but the bounds."""
    scores = weight * predicted[~labelled]

    def contributions(kept: Clips) -> Array:
        one, none = np.ones(len(kept)), np.zeros(len(kept))
        return np.column_stack([scores[kept], none, one, none])

    one = np.ones(len(rectifier))
    of_labelled = np.column_stack([weight * predicted[labelled], rectifier, one, one])
    columns = np.vstack([of_labelled, in_blocks(len(scores), contributions)])
    sums, added = weighted_sums(columns, resamples)
    all_clips, labelled_clips = sums[:, 2] + added, sums[:, 3] + added
    ends = []
    for label, prediction, tail in ((_LOWEST, _HIGHEST, TAIL), (_HIGHEST, _LOWEST, 1 - TAIL)):
        total = (sums[:, 0] + weight * prediction * added) / all_clips
        total += (sums[:, 1] + (label - weight * prediction) * added) / labelled_clips
        ends.append(float(np.quantile(total, tail)))
    return ends[0], ends[1]
