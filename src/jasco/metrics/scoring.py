"""The benchmark's figures, computed from verdicts.

Conventions
-----------
Arrays have the shape (clips, instructions), clips in the order of the data set and instructions
in their order. A missing verdict (not there, failed, unreadable) is missing: never 0.

Metrics
-------
* *Gated score*: the rating where the orientation is Both, else 0.
* *Best-mean*: the mean over clips of a clip's best gated score over the instructions.
* *Modality dependence*: the shares of Audio-Oriented, Both and Speech-Oriented among the
  readable verdicts that are not Neither.
* *Best of k*: what the best of k of the K instructions, drawn without replacement, scores on
  average; the mean for k = 1, best-mean for k = K (8 as published). A maximum over prompts rises
  with noise alone, so both ends belong beside the headline.
* *Best of 1*: the mean once more. Human participants have no other figure: they hear a clip once
  and answer one instruction, so that one verdict a clip is expected.
* *Sound first*: mean over the instructions that name the sound before the speech, minus the mean
  over the others, paired over clips; of the published instructions only.

Where a model responded to each item several times, a figure is computed for each sample and
averaged over the samples: best-mean stays that of one response to each instruction. A panel's
figure is the mean of its judges' figures. Both hold in every resample too. Agreement is computed
from the verdicts on the responses of all samples.

Wang, Mousavi, Ploujnikov, Ravanelli: *What Are They Doing? Joint Audio-Speech Co-Reasoning*,
ICASSP 2025, section 3.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
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
    in_blocks,
    resampled_sums,
)
from jasco.metrics.verdict_matrix import RATINGS, VerdictMatrix, by_sample, nan_mean, ratio
from jasco.protocol.instructions import INSTRUCTIONS, SOUND_FIRST
from jasco.protocol.verdicts import Orientation

BoundedFigure = Literal["best_mean", "mean"]


@dataclass(frozen=True)
class Score:
    """The figures of one judge, or of a panel. Fractions of 1; None where undefined.

    Attributes
    ----------
    best_mean : Estimate
        Over the clips that have a readable verdict; None with one instruction a clip.
    mean : Estimate
        Mean over clips of a clip's mean gated score.
    audio, both, speech : Estimate
        Modality dependence.
    best_at : tuple of Estimate
        Best of k for k = 1 to K; empty unless every verdict is there.
    by_instruction : tuple of Estimate
        Mean gated score of each instruction; None with one instruction a clip.
    sound_first : Estimate
        Instructions that name the sound first, minus those that name the speech first.
    neither_rate : float or None
        Share of Neither among the readable verdicts.
    unreadable_rate : float
        Share of the expected verdicts that were given and could not be read.
    coverage : float
        Readable verdicts / expected verdicts.
    complete : bool
        Whether every expected verdict is there and readable.
    bounds : tuple of float or None
        Best-mean with every missing verdict at its worst and at its best; None without best-mean.
    mean_bounds : tuple of float or None
        The mean, likewise; None where judges are not averaged.
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
        """The best instruction's mean score minus the worst one's; None where there is none."""
        means = [mean.value for mean in self.by_instruction if mean.value is not None]
        return max(means) - min(means) if means else None


@dataclass(frozen=True)
class PanelScore:
    """Figures of a panel and of each judge, and their agreement (None for a single judge)."""

    panel: Score
    judges: Mapping[str, Score]
    agreement: Agreement | None = None


@dataclass(frozen=True)
class ClipScores:
    """Gated scores of a clip, averaged over the judges and samples with a readable verdict.

    Attributes
    ----------
    by_instruction : tuple of float or None
        One for each instruction; None where no judge has a readable verdict.
    mean : float or None
        Their mean; None where there is none.
    """

    by_instruction: tuple[float | None, ...]
    mean: float | None


def score_panel(panel: Mapping[str, VerdictMatrix], resamples: int = RESAMPLES) -> PanelScore:
    """Compute the figures of a panel and of its judges, with their intervals.

    Parameters
    ----------
    panel : mapping of str to VerdictMatrix
        At least one judge; all matrices have the same clips, instructions and samples.
    resamples : int
        Number of resamples for the intervals.
    """
    counts = _label_counts(panel, resamples)
    samples = by_sample(panel.values())
    matrices = [matrix for sample in samples for matrix in sample]
    shape = _Shape.of(matrices)
    figures = Ratios(map(_terms, matrices), shape.least, shape.most, counts.columns, resamples)
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
    return PanelScore(
        replace(average(list(judges.values())), **mean),
        judges,
        counts.agreement(panel, figures.others_resampled),
    )


def score_matrix(
    matrices: VerdictMatrix | Mapping[str, VerdictMatrix], resamples: int = RESAMPLES
) -> PanelScore:
    """Compute the figures of one judge's verdicts, or of a panel's, with their intervals.

    Parameters
    ----------
    matrices : VerdictMatrix or mapping of str to VerdictMatrix
        A judge's verdicts, or those of several by the judges' names, on the same clips.
    resamples : int
        Number of bootstrap resamples for the intervals.

    Returns
    -------
    PanelScore
        ``panel``, the mean over the judges; ``judges`` by name; ``agreement``.

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
        raise InputError("matrices: expected at least one judge, and the same clips for each")
    return score_panel(panel, resamples)


def score_difference(
    ours: Sequence[VerdictMatrix], theirs: Sequence[VerdictMatrix], resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Estimate one panel's figures minus another's, paired over clips, by name.

    A panel is given as the matrices of each judge and sample, without further ones.
    """
    matrices = [*ours, *theirs]
    shape = _Shape.of(matrices)
    figures = Ratios(map(_terms, matrices), shape.least, shape.most, resamples=resamples)
    places = range(len(matrices))
    return shape.by_name(figures.estimates(places[: len(ours)], places[len(ours) :]))


def bound_difference(
    ours: Sequence[VerdictMatrix], theirs: Sequence[VerdictMatrix], figure: BoundedFigure
) -> tuple[float, float]:
    """Compute the least and the greatest difference that missing verdicts allow two panels."""
    (low, high), (other_low, other_high) = (
        _average([_bounds(sample, figure) for matrix in panel for sample in matrix.samples])
        for panel in (ours, theirs)
    )
    return low - other_high, high - other_low


def score_agreement(
    panel: Mapping[str, VerdictMatrix], resamples: int = RESAMPLES
) -> Agreement | None:
    """Compute how the judges of a panel agree; None for a single judge."""
    counts = _label_counts(panel, resamples)
    return counts.agreement(panel, resampled_sums(in_blocks(counts.columns), resamples))


def self_agreement(repeats: Sequence[VerdictMatrix]) -> Agreement | None:
    """Compute how the repeated verdicts of one judge agree, on the clips judged twice or more.

    Parameters
    ----------
    repeats : sequence of VerdictMatrix
        The judge's verdicts on the same responses, repeat by repeat.

    Returns
    -------
    Agreement or None
        None where there are fewer than two repeats, or the second one has no readable verdict.
    """
    if len(repeats) < 2:
        return None
    sampled = np.asarray((repeats[1].labels()[0] >= 0).any(axis=1))
    if not sampled.any():
        return None
    return score_agreement({str(n): matrix.of_clips(sampled) for n, matrix in enumerate(repeats)})


def _label_counts(panel: Mapping[str, VerdictMatrix], resamples: int) -> LabelCounts:
    return LabelCounts.of_panel([matrix.labels() for matrix in panel.values()], resamples)


def clip_scores(
    matrices: Iterable[VerdictMatrix], clips: int, instructions: int
) -> list[ClipScores]:
    """Average the gated scores of all judges and samples item by item.

    Parameters
    ----------
    matrices : iterable of VerdictMatrix
        One for each judge, on the same clips.
    clips, instructions : int
        Their numbers, for a model without a judge.

    Returns
    -------
    list of ClipScores
        One for each clip, in the order of the data set.
    """
    samples = [sample for matrix in matrices for sample in matrix.samples]
    shape = -1, clips, instructions
    gated = np.array([sample.gated() for sample in samples], float).reshape(shape)
    scores = nan_mean(gated, axis=0)
    return [
        ClipScores(tuple(map(_or_none, row)), _or_none(mean))
        for row, mean in zip(scores, nan_mean(scores, axis=1), strict=True)
    ]


def _or_none(figure: SupportsFloat) -> float | None:
    return None if np.isnan(value := float(figure)) else value


def average(scores: Sequence[Score]) -> Score:
    """Average the scores of judges, or of samples, figure by figure, without intervals."""
    figures = {
        field.name: _average([getattr(score, field.name) for score in scores])
        for field in fields(Score)
        if field.name not in ("complete", "best_at", "by_instruction")
    }
    return Score(**figures, complete=all(score.complete for score in scores))


def _average(values: Sequence[Any]) -> Any:
    """Average numbers, estimates (without intervals) or tuples; None where one is missing."""
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
# The least and the most that a clip has of each figure.
_FIGURES = {
    "best_mean": (_WORST, _BEST),
    "mean": (_WORST, _BEST),
    **dict.fromkeys(_DEPENDENCE, (0, 1)),
    "best_at": (_WORST, _BEST),
    "by_instruction": (_WORST, _BEST),
    "sound_first": (_WORST - _BEST, _BEST - _WORST),
}
_BY_INSTRUCTION = ("best_at", "by_instruction")


class _Shape:
    """How the figures lie side by side.

    Parameters
    ----------
    instructions : int
        The number of instructions.

    Attributes
    ----------
    least, most : ndarray, shape (figures,)
        The least and the most that a clip has of each figure.
    """

    def __init__(self, instructions: int) -> None:
        self._widths = [instructions if name in _BY_INSTRUCTION else 1 for name in _FIGURES]
        ends = map(np.array, zip(*_FIGURES.values(), strict=True))
        self.least, self.most = (np.repeat(end, self._widths) for end in ends)

    @classmethod
    def of(cls, matrices: Sequence[VerdictMatrix]) -> Self:
        """Return the shape of the figures of matrices, which have the same instructions."""
        return cls(matrices[0].ratings.shape[1])

    def by_name(self, estimates: Sequence[Estimate]) -> dict[str, Any]:
        """Return estimates of all figures, which stand in order, by the names of the figures."""
        ends = np.cumsum(self._widths)
        named: dict[str, Any] = {
            name: tuple(estimates[end - width : end])
            if name in _BY_INSTRUCTION
            else estimates[end - 1]
            for name, width, end in zip(_FIGURES, self._widths, ends, strict=True)
        }
        if named["best_at"][0].value is None:
            named["best_at"] = ()
        return named


@cache
def _best_of(instructions: int) -> NDArray[np.float64]:
    """Compute the probability of each of a clip's sorted scores to be the best of k drawn ones.

    Returns
    -------
    ndarray, shape (instructions, instructions)
        A row for each k from 1.
    """
    ranks = range(instructions)
    return np.array(
        [[comb(rank, k) / comb(instructions, k + 1) for rank in ranks] for k in ranks], float
    )


def _terms(matrix: VerdictMatrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
            np.full(scores.shape, readable.all()),
        ),
        "by_instruction": (scores, readable & several),
        "sound_first": (order_effect, ~np.isnan(order_effect)),
    }
    parts, wholes = (
        np.column_stack([terms[name][side] for name in _FIGURES]).astype(float) for side in (0, 1)
    )
    return np.where(wholes > 0, parts, 0), wholes


def _order_effect(
    scores: NDArray[np.float64], readable: NDArray[np.bool_], *, published: bool
) -> NDArray[np.float64]:
    """Compute each clip's mean with the sound named first, minus that with the speech first.

    NaN where a half has no readable verdict, and for other than the published instructions.
    """
    if not published:
        return np.full(len(scores), np.nan)
    sound_first, speech_first = (
        ratio(scores[:, half].sum(axis=1), readable[:, half].sum(axis=1))
        for half in (_SOUND_FIRST, ~_SOUND_FIRST)
    )
    return sound_first - speech_first


def _score_without_estimates(matrix: VerdictMatrix) -> Score:
    expected = ~np.isnan(matrix.expected_scores())
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
    """Compute a figure with every missing verdict at its worst, and at its best."""
    scores = matrix.expected_scores()
    bounds = []
    for missing in (_WORST, _BEST):
        filled = np.where(np.isnan(scores), missing, scores)
        by_clip = filled.max(axis=1) if figure == "best_mean" else filled.mean(axis=1)
        bounds.append(float(by_clip.mean()))
    return bounds[0], bounds[1]
