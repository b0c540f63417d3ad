"""The benchmark's figures, computed from verdicts.

Conventions
-----------
Arrays have the shape (clips, instructions), in the order of the data set and of the instructions.
A missing verdict (not requested yet, failed or unreadable) is NaN, never 0.

Metrics
-------
* *Gated score*: the rating if the orientation is Both, else 0.
* *Best-mean*: the best gated score of a clip over the instructions, averaged over clips.
* *Modality dependence*: the shares of Audio-Oriented, Both and Speech-Oriented among the readable
  verdicts that are not Neither.
* *Best of k*: the expected best score of k of the K instructions, drawn without replacement; the
  mean for k = 1, and best-mean for k = K (8 published instructions). A maximum over
  instructions increases with noise alone, so both ends should be reported.
* *Best of 1*: the same as the mean. It is the only figure of human participants, who hear a clip
  once and answer one instruction, so that one verdict per clip is expected.
* *Sound first*: the mean over the instructions that name the sound before the speech, minus the
  mean over the others, paired over clips; for the published instructions only.

If a model responded to each item several times, figures are computed for each sample and averaged
over the samples, so that best-mean is always that of one response per instruction. The figures of a
panel are the means of its judges' figures. Both also apply to every resample. Agreement is computed
from the verdicts on the responses of all samples.

Wang, Mousavi, Ploujnikov, Ravanelli: *What Are They Doing? Joint Audio-Speech Co-Reasoning*,
ICASSP 2025, section 3.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import accumulate
from math import comb
from typing import Any, Literal, Self, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from jasco.errors import InputError
from jasco.metrics.agreement import Agreement, LabelCounts
from jasco.metrics.bootstrap import (
    NO_ESTIMATE,
    RESAMPLES,
    Estimate,
    Ratios,
    Terms,
    resampled_sums,
)
from jasco.metrics.verdict_matrix import RATINGS, VerdictMatrix, by_sample, nan_mean, ratio
from jasco.protocol.instructions import INSTRUCTIONS, SOUND_FIRST
from jasco.protocol.verdicts import Orientation, Verdict

BoundedFigure = Literal["best_mean", "mean"]


@dataclass(frozen=True)
class Score:
    """The figures of a judge or a panel.

    Scores are from 0 to 2, shares are fractions of 1. The value of an undefined figure is None.

    Attributes
    ----------
    best_mean : Estimate
        The best score of a clip over the instructions, averaged over the clips with a readable
        verdict; undefined with one instruction per clip.
    mean : Estimate
        The mean score of a clip, averaged over the clips.
    audio, both, speech : Estimate
        Modality dependence: the shares of answers that rest on the sound, on both cues and on the
        speech, among those that rest on any cue.
    best_at : tuple of Estimate
        The mean of the best score over k = 1 to K instructions; empty if verdicts are missing.
    by_instruction : tuple of Estimate
        The mean score of each instruction; undefined with one instruction per clip.
    sound_first : Estimate
        The mean score of the instructions that name the sound first, minus that of those that name
        the speech first.
    neither_rate : float or None
        The share of readable verdicts with the orientation Neither.
    unreadable_rate : float
        The share of expected verdicts that were given but could not be read.
    coverage : float
        The share of expected verdicts that are available and readable.
    complete : bool
        Whether every expected verdict is available and readable.
    bounds : tuple of float or None
        Best-mean with all missing verdicts at their worst and at their best; None if best-mean is
        undefined.
    mean_bounds : tuple of float or None
        The bounds of the mean; None if judges are not averaged.
    """

    neither_rate: float | None
    unreadable_rate: float
    coverage: float
    complete: bool
    bounds: tuple[float, float] | None
    mean_bounds: tuple[float, float] | None
    best_mean: Estimate = NO_ESTIMATE
    mean: Estimate = NO_ESTIMATE
    audio: Estimate = NO_ESTIMATE
    both: Estimate = NO_ESTIMATE
    speech: Estimate = NO_ESTIMATE
    best_at: tuple[Estimate, ...] = ()
    by_instruction: tuple[Estimate, ...] = ()
    sound_first: Estimate = NO_ESTIMATE

    @property
    def instruction_spread(self) -> float | None:
        """The mean score of the best instruction minus that of the worst; None if undefined."""
        means = [mean.value for mean in self.by_instruction if mean.value is not None]
        return max(means) - min(means) if means else None


@dataclass(frozen=True)
class PanelScore:
    """The figures of a panel and its judges.

    Attributes
    ----------
    panel : Score
        The means of the judges' figures.
    judges : mapping of str to Score
        The figures of each judge, by its name.
    agreement : Agreement or None
        The agreement between the judges; None for a single judge.
    """

    panel: Score
    judges: Mapping[str, Score]
    agreement: Agreement | None = None


@dataclass(frozen=True)
class ClipScores:
    """The gated scores of a clip, averaged over the judges and samples with a readable verdict.

    Attributes
    ----------
    by_instruction : tuple of float or None
        The score of each instruction; None if no judge has a readable verdict.
    mean, best : float or None
        The mean and the best score by each judge of each sample, averaged over these, as in the
        figures of a panel; None if there is no readable verdict.
    """

    by_instruction: tuple[float | None, ...]
    mean: float | None
    best: float | None


def score_panel(panel: Mapping[str, VerdictMatrix], resamples: int = RESAMPLES) -> PanelScore:
    """Compute the figures of a panel and its judges, with intervals.

    Parameters
    ----------
    panel : mapping of str to VerdictMatrix
        The verdicts by judge; all matrices have the same clips, instructions and samples.
    resamples : int
        Number of resamples for the intervals.
    """
    counts = _label_counts(panel, resamples)
    samples = by_sample(panel.values())
    matrices = [matrix for sample in samples for matrix in sample]
    shape = _Shape.of(matrices)
    terms = [
        _terms(matrix, common)
        for sample in samples
        for common in [np.all([matrix.readable for matrix in sample], axis=0)]
        for matrix in sample
    ]
    figures = Ratios(terms, shape.least, shape.most, counts.columns, resamples)
    places = range(len(matrices))
    judges = {
        name: replace(
            average([_score_without_estimates(sample) for sample in matrix.samples]),
            neither_rate=_average([*map(_neither_rate, matrices[place :: len(panel)])]),
            **shape.by_name(figures.estimates(places[place :: len(panel)])),
        )
        for place, (name, matrix) in enumerate(panel.items())
    }
    mean = shape.by_name(figures.estimates(places))
    differences = [
        shape.common_mean(figures.estimates(places[place :: len(panel)], others))
        for place in range(len(panel))
        if (others := [other for other in places if other % len(panel) != place])
    ]
    return PanelScore(
        replace(average(list(judges.values())), **mean),
        judges,
        counts.agreement(panel, figures.others_resampled, differences),
    )


def score_matrix(
    matrices: VerdictMatrix | Mapping[str, VerdictMatrix], resamples: int = RESAMPLES
) -> PanelScore:
    """Compute the figures of the verdicts of a judge or a panel, with intervals.

    Parameters
    ----------
    matrices : VerdictMatrix or mapping of str to VerdictMatrix
        The verdicts of one judge, or of several judges by name, on the same clips.
    resamples : int
        Number of bootstrap resamples for the intervals.

    Returns
    -------
    PanelScore
        The figures of the panel and of each judge, and their agreement.

    Raises
    ------
    InputError
        There is no judge or no clip, or the judges have different numbers of clips.

    Examples
    --------
    >>> from jasco import score_matrix, verdict_matrix
    >>> verdicts = [
    ...     {"clip": "7", "instruction": n, "rating": n % 3, "orientation": "Both"}
    ...     for n in range(1, 9)
    ... ]
    >>> score_matrix(verdict_matrix(verdicts, clips=["7"])).panel.best_mean.value
    2.0
    """
    panel = {"judge": matrices} if isinstance(matrices, VerdictMatrix) else matrices
    shapes = {matrix.ratings.shape for matrix in panel.values()}
    if len(shapes) != 1 or 0 in min(shapes):
        raise InputError(
            "matrices: expected at least one judge and one clip, and the same clips for each judge"
        )
    return score_panel(panel, resamples)


def score_difference(
    ours: Sequence[VerdictMatrix], theirs: Sequence[VerdictMatrix], resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Compute the figures of a panel minus those of another, paired over clips, by name.

    A panel is given as one matrix per judge and sample.
    """
    matrices = [*ours, *theirs]
    shape = _Shape.of(matrices)
    terms = [_terms(matrix, matrix.readable) for matrix in matrices]
    figures = Ratios(terms, shape.least, shape.most, resamples=resamples)
    places = range(len(matrices))
    return shape.by_name(figures.estimates(places[: len(ours)], places[len(ours) :]))


def bound_difference(
    ours: Sequence[VerdictMatrix], theirs: Sequence[VerdictMatrix], figure: BoundedFigure
) -> tuple[float, float]:
    """Compute the bounds of the difference between two panels, given their missing verdicts."""
    (low, high), (other_low, other_high) = (
        _average([_bounds(sample, figure) for matrix in panel for sample in matrix.samples])
        for panel in (ours, theirs)
    )
    return low - other_high, high - other_low


def score_agreement(
    panel: Mapping[str, VerdictMatrix], resamples: int = RESAMPLES
) -> Agreement | None:
    """Compute the agreement between the judges of a panel; None for a single judge."""
    counts = _label_counts(panel, resamples)
    return counts.agreement(panel, resampled_sums(counts.columns, resamples))


def self_agreement(repeats: Sequence[VerdictMatrix]) -> Agreement | None:
    """Compute the agreement of a judge with itself, on the clips that it judged repeatedly.

    Parameters
    ----------
    repeats : sequence of VerdictMatrix
        The verdicts of the judge on the same responses, one matrix per repeat.

    Returns
    -------
    Agreement or None
        None if there are fewer than two repeats, or the second one has no readable verdict.
    """
    if len(repeats) < 2:
        return None
    sampled = np.asarray((repeats[1].labels()[0] >= 0).any(axis=1))
    if not sampled.any():
        return None
    return score_agreement({str(n): matrix.of_clips(sampled) for n, matrix in enumerate(repeats)})


def _label_counts(panel: Mapping[str, VerdictMatrix], resamples: int) -> LabelCounts:
    clips = len(next(iter(panel.values())).ratings)
    return LabelCounts.of_panel(
        len(panel),
        clips,
        lambda kept: [matrix.of_clips(kept).labels() for matrix in panel.values()],
        resamples,
    )


def clip_scores(
    matrices: Iterable[VerdictMatrix], clips: int, instructions: int
) -> list[ClipScores]:
    """Compute the gated score of each item, averaged over all judges and samples.

    Parameters
    ----------
    matrices : iterable of VerdictMatrix
        The verdicts of each judge, on the same clips.
    clips, instructions : int
        The numbers of clips and instructions, for a model without a judge.

    Returns
    -------
    list of ClipScores
        The scores of each clip, in the order of the data set.
    """
    samples = [sample for matrix in matrices for sample in matrix.samples]
    gated = np.array([sample.gated() for sample in samples], float)
    means, best = (
        np.array([by_clip(sample) for sample in samples]).reshape(-1, clips)
        for by_clip in (VerdictMatrix.mean_by_clip, VerdictMatrix.best_by_clip)
    )
    scores = nan_mean(gated.reshape(-1, clips, instructions), axis=0)
    columns = scores, nan_mean(means, axis=0), nan_mean(best, axis=0)
    return [
        ClipScores(tuple(map(_or_none, row)), _or_none(mean), _or_none(best_of_clip))
        for row, mean, best_of_clip in zip(*columns, strict=True)
    ]


def mean_by_clip(matrices: Iterable[VerdictMatrix]) -> NDArray[np.float64]:
    """Compute the mean of :class:`ClipScores` only, for any number of clips.

    Parameters
    ----------
    matrices : iterable of VerdictMatrix
        The verdicts of each judge, of which there is at least one, on the same clips.

    Returns
    -------
    ndarray, shape (clips,)
        The means; NaN for a clip without a readable verdict.
    """
    samples = [sample for matrix in matrices for sample in matrix.samples]
    means = [
        np.concatenate([chunk.mean_by_clip() for chunk in sample.chunks()]) for sample in samples
    ]
    return nan_mean(np.array(means), axis=0)


def hardest_first(
    by_model: Sequence[NDArray[np.float64]],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Sort clips by their mean score over models.

    Clips on which one of the models has no score are left out: a clip on which only the weakest
    model is scored is not the hardest. Models without any score do not count.

    Parameters
    ----------
    by_model : sequence of ndarray, shape (clips,)
        The mean score of each clip by each model; NaN if there is none.

    Returns
    -------
    clips : ndarray of int
        The indices of the clips, the hardest first; equally hard ones in their given order.
    means : ndarray of float
        Their mean scores.
    """
    scored = [means for means in by_model if not np.isnan(means).all()]
    if not scored:
        return np.arange(0), np.empty(0)
    means = np.mean(scored, axis=0)
    order = np.argsort(means, kind="stable")[: int((~np.isnan(means)).sum())]  # NaN is last
    return order, means[order]


def item_score(verdicts: Iterable[Verdict]) -> float | None:
    """Compute the mean gated score of an answer over the readable verdicts; None without any."""
    scores = [verdict.gated for verdict in verdicts if verdict.readable]
    return sum(scores) / len(scores) if scores else None


def _or_none(figure: SupportsFloat) -> float | None:
    return None if np.isnan(value := float(figure)) else value


def average(scores: Sequence[Score]) -> Score:
    """Return the mean of each figure over judges or samples, without intervals."""
    figures = {
        field.name: _average([getattr(score, field.name) for score in scores])
        for field in fields(Score)
        if field.name not in ("complete", "best_at", "by_instruction")
    }
    return Score(**figures, complete=all(score.complete for score in scores))


def _average(values: Sequence[Any]) -> Any:
    """Return the mean of numbers, estimates (without intervals) or tuples; None if one is None."""
    if None in values:
        return None
    if isinstance(values[0], Estimate):
        return Estimate(_average([estimate.value for estimate in values]))
    if isinstance(values[0], tuple):
        return tuple(map(_average, zip(*values, strict=True)))
    return sum(values) / len(values)


# --- contributions of clips to the figures ---

_SOUND_FIRST = np.isin(np.arange(1, len(INSTRUCTIONS) + 1), SOUND_FIRST)
_DEPENDENCE = {"audio": Orientation.AUDIO, "both": Orientation.BOTH, "speech": Orientation.SPEECH}
_WORST, _BEST = RATINGS[0], RATINGS[-1]
# The lower and upper bound of each figure on a clip.
_FIGURES = {
    "best_mean": (_WORST, _BEST),
    "mean": (_WORST, _BEST),
    **dict.fromkeys(_DEPENDENCE, (0, 1)),
    "best_at": (_WORST, _BEST),
    "by_instruction": (_WORST, _BEST),
    "sound_first": (_WORST - _BEST, _BEST - _WORST),
    # For differences between judges: the mean over the items on which all have a readable verdict.
    "common_mean": (_WORST, _BEST),
}
_BY_INSTRUCTION = ("best_at", "by_instruction")


class _Shape:
    """The arrangement of the figures in an array.

    Parameters
    ----------
    instructions : int
        The number of instructions.

    Attributes
    ----------
    least, most : ndarray, shape (figures,)
        The lower and upper bounds of each figure on a clip.
    """

    def __init__(self, instructions: int) -> None:
        widths = [instructions if name in _BY_INSTRUCTION else 1 for name in _FIGURES]
        ends = map(np.array, zip(*_FIGURES.values(), strict=True))
        self.least, self.most = (np.repeat(end, widths) for end in ends)
        last = accumulate(widths)
        self._places = {
            name: slice(end - width, end)
            for name, width, end in zip(_FIGURES, widths, last, strict=True)
        }

    @classmethod
    def of(cls, matrices: Sequence[VerdictMatrix]) -> Self:
        """Return the arrangement for matrices with the same instructions."""
        return cls(matrices[0].ratings.shape[1])

    def by_name(self, estimates: Sequence[Estimate]) -> dict[str, Any]:
        """Return the estimates of the figures of a Score, given in the order of all, by name."""
        named: dict[str, Any] = {
            name: tuple(estimates[places]) if name in _BY_INSTRUCTION else estimates[places.start]
            for name, places in self._places.items()
            if name != "common_mean"
        }
        if named["best_at"][0].value is None:
            named["best_at"] = ()
        return named

    def common_mean(self, estimates: Sequence[Estimate]) -> Estimate:
        """Return the estimate of the mean over common items, given those of all figures."""
        return estimates[self._places["common_mean"].start]


@cache
def _best_of(instructions: int) -> NDArray[np.float64]:
    """Compute the probability that each of a clip's sorted scores is the best of k drawn ones.

    Returns
    -------
    ndarray, shape (instructions, instructions)
        One row per k, from 1.
    """
    ranks = range(instructions)
    return np.array(
        [[comb(rank, k) / comb(instructions, k + 1) for rank in ranks] for k in ranks], float
    )


def _terms(matrix: VerdictMatrix, common: NDArray[np.bool_]) -> Terms:
    """Compute the parts and the wholes of the figures, given the common items of all judges."""
    # The best of k is undefined unless all verdicts of all clips are readable.
    complete = bool(matrix.readable.all())
    return Terms.of(
        len(matrix.ratings),
        lambda kept: _terms_by_clip(matrix.of_clips(kept), common[kept], complete=complete),
    )


def _terms_by_clip(
    matrix: VerdictMatrix, common: NDArray[np.bool_], *, complete: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the contributions of each clip to the parts and the wholes of the figures."""
    readable, several = matrix.readable, not matrix.single_prompt
    scores = np.where(readable, matrix.gated(), 0).astype(float)
    judged = readable.any(axis=1)
    oriented = {
        name: (readable & matrix.is_oriented(orientation)).sum(axis=1)
        for name, orientation in _DEPENDENCE.items()
    }
    oriented_any = sum(oriented.values())
    order_effect = _order_effect(scores, readable, published=matrix.published)
    terms = {
        "best_mean": (matrix.best_by_clip(), judged & several),
        "mean": (matrix.mean_by_clip(), judged),
        **{name: (count, oriented_any) for name, count in oriented.items()},
        "best_at": (
            np.sort(scores, axis=1) @ _best_of(scores.shape[1]).T,
            np.full(scores.shape, complete),
        ),
        "by_instruction": (scores, readable & several),
        "sound_first": (order_effect, ~np.isnan(order_effect)),
        "common_mean": (matrix.of_items(common).mean_by_clip(), common.any(axis=1)),
    }
    parts, wholes = (
        np.column_stack([terms[name][side] for name in _FIGURES]).astype(float) for side in (0, 1)
    )
    return np.where(wholes > 0, parts, 0), wholes


def _order_effect(
    scores: NDArray[np.float64], readable: NDArray[np.bool_], *, published: bool
) -> NDArray[np.float64]:
    """Compute the mean of each clip with the sound named first minus that with the speech first.

    The result is NaN if one half has no readable verdict, and for custom instructions.
    """
    if not published:
        return np.full(len(scores), np.nan)
    sound_first, speech_first = (
        ratio(scores[:, half].sum(axis=1), readable[:, half].sum(axis=1))
        for half in (_SOUND_FIRST, ~_SOUND_FIRST)
    )
    return sound_first - speech_first


def _score_without_estimates(matrix: VerdictMatrix) -> Score:
    expected = matrix.readable_expected
    return Score(
        neither_rate=_neither_rate(matrix),
        unreadable_rate=float(matrix.unreadable.sum() / expected.size),
        coverage=float(expected.mean()),
        complete=bool(expected.all()),
        bounds=None if matrix.single_prompt else _bounds(matrix, "best_mean"),
        mean_bounds=_bounds(matrix, "mean"),
    )


def _neither_rate(matrix: VerdictMatrix) -> float | None:
    neither = matrix.is_oriented(Orientation.NEITHER)[matrix.readable]
    return float(neither.mean()) if len(neither) else None


def _bounds(matrix: VerdictMatrix, figure: BoundedFigure) -> tuple[float, float]:
    """Compute a figure with all missing verdicts at their worst and at their best."""
    sums = np.zeros(2)
    for chunk in matrix.chunks():
        scores = chunk.expected_scores()
        for place, missing in enumerate((_WORST, _BEST)):
            filled = np.where(np.isnan(scores), missing, scores)
            by_clip = filled.max(axis=1) if figure == "best_mean" else filled.mean(axis=1)
            sums[place] += by_clip.sum()
    low, high = (sums / len(matrix.ratings)).tolist()
    return low, high
