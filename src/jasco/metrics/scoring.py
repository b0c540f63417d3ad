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
* *Best of k*: what the best of k of the eight instructions, drawn without replacement, scores on
  average; the mean for k = 1, best-mean for k = 8. A maximum over prompts rises with noise alone,
  so both ends belong beside the headline.
* *Best of 1*: the mean once more. Of people there is no other figure: they hear a clip once and
  answer one instruction, so that one verdict a clip is expected.
* *Sound first*: mean over the instructions that name the sound before the speech, minus the mean
  over the others, paired over clips.

A panel's figure is the mean of its judges' figures, in every resample too.

Wang, Mousavi, Ploujnikov, Ravanelli: *What Are They Doing? Joint Audio-Speech Co-Reasoning*,
ICASSP 2025, section 3.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import comb
from typing import Any, Literal, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.agreement import Agreement, Compared
from jasco.metrics.bootstrap import (
    NO_ESTIMATE,
    RESAMPLES,
    Estimate,
    Ratios,
    in_blocks,
    resampled_sums,
)
from jasco.metrics.verdict_matrix import RATINGS, VerdictMatrix, ratio
from jasco.protocol.instructions import INSTRUCTIONS, SOUND_FIRST
from jasco.protocol.verdicts import Orientation


@dataclass(frozen=True)
class Score:
    """The figures of one judge, or of a panel. Fractions of 1; None where there is no figure.

    Attributes
    ----------
    best_mean : Estimate
        Over the clips that have a readable verdict; None where clips were asked about once.
    mean : Estimate
        Mean over clips of a clip's mean gated score.
    audio, both, speech : Estimate
        Modality dependence.
    best_at : tuple of Estimate
        Best of k for k = 1 to 8; empty unless every verdict is there.
    by_instruction : tuple of Estimate
        Mean gated score of each instruction; None where each was asked about other clips.
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
    """A panel's figures, each judge's, and how they agree (None for a single judge)."""

    panel: Score
    judges: Mapping[str, Score]
    agreement: Agreement | None = None


@dataclass(frozen=True)
class ClipScores:
    """Gated scores of a clip, averaged over the judges with a readable verdict.

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
        At least one judge; all have marked the same clips.
    resamples : int
        For the intervals.
    """
    compared = Compared({name: matrix.labels() for name, matrix in panel.items()})
    figures = Ratios(map(_terms, panel.values()), _LEAST, _MOST, compared.columns, resamples)
    judges = {
        name: replace(_counts(matrix), **_named(figures.estimates([place])))
        for place, (name, matrix) in enumerate(panel.items())
    }
    mean = _named(figures.estimates(range(len(panel))))
    return PanelScore(
        replace(average(list(judges.values())), **mean),
        judges,
        compared.agreement(figures.beside_sums, figures.beside_resampled),
    )


def score_difference(
    ours: Sequence[VerdictMatrix], theirs: Sequence[VerdictMatrix], resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Give one panel's figures minus another's, paired over clips: estimates by name."""
    figures = Ratios(map(_terms, [*ours, *theirs]), _LEAST, _MOST, resamples=resamples)
    places = range(len(ours) + len(theirs))
    return _named(figures.estimates(places[: len(ours)], places[len(ours) :]))


def bound_difference(
    ours: Sequence[VerdictMatrix],
    theirs: Sequence[VerdictMatrix],
    figure: Literal["best_mean", "mean"],
) -> tuple[float, float]:
    """Give the least and the most that two panels can differ by once every verdict is there."""
    (low, high), (other_low, other_high) = (
        _mean_ends([_bounds(matrix, figure) for matrix in panel]) for panel in (ours, theirs)
    )
    return low - other_high, high - other_low


def score_agreement(
    panel: Mapping[str, VerdictMatrix], resamples: int = RESAMPLES
) -> Agreement | None:
    """Compute how several judges agree, or one with itself; None where nothing was marked."""
    compared = Compared({name: matrix.labels() for name, matrix in panel.items()})
    if not len(compared.columns):
        return None
    columns = in_blocks(compared.columns)
    return compared.agreement(columns.sum(axis=0), resampled_sums(columns, resamples))


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
    if len(repeats) < 2 or not repeats[1].readable.any():
        return None
    sampled = np.asarray(repeats[1].readable.any(axis=1))
    return score_agreement({str(n): matrix.of_clips(sampled) for n, matrix in enumerate(repeats)})


def clip_scores(matrices: Iterable[VerdictMatrix], clips: int) -> list[ClipScores]:
    """Average the judges' gated scores item by item.

    Parameters
    ----------
    matrices : iterable of VerdictMatrix
        One for each judge, on the same clips.
    clips : int
        The number of clips, for a model without a judge.

    Returns
    -------
    list of ClipScores
        One for each clip, in the order of the data set.
    """
    gated = np.array([matrix.gated() for matrix in matrices], float).reshape(-1, clips, _K)
    scores = ratio(np.nansum(gated, axis=0), (~np.isnan(gated)).sum(axis=0))
    means = ratio(np.nansum(scores, axis=1), (~np.isnan(scores)).sum(axis=1))
    return [
        ClipScores(tuple(_or_none(score) for score in row), _or_none(mean))
        for row, mean in zip(scores, means, strict=True)
    ]


def _or_none(figure: SupportsFloat) -> float | None:
    return None if np.isnan(value := float(figure)) else value


def average(scores: Sequence[Score]) -> Score:
    """Average judges: each figure after it was computed for each judge. Without intervals."""

    def mean_of(name: str) -> Any:
        values = [getattr(score, name) for score in scores]
        if isinstance(values[0], Estimate):
            known = [value.value for value in values]
            return Estimate(None if None in known else sum(known) / len(known))
        return None if None in values else sum(values) / len(values)

    figures: dict[str, Any] = {
        field.name: mean_of(field.name)
        for field in fields(Score)
        if field.name not in ("complete", "bounds", "mean_bounds", "best_at", "by_instruction")
    }
    bounds = [score.bounds for score in scores if score.bounds]
    mean_bounds = [score.mean_bounds for score in scores if score.mean_bounds]
    return Score(
        **figures,
        complete=all(score.complete for score in scores),
        bounds=_mean_ends(bounds) if len(bounds) == len(scores) else None,
        mean_bounds=_mean_ends(mean_bounds) if len(mean_bounds) == len(scores) else None,
    )


def _mean_ends(bounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    low, high = zip(*bounds, strict=True)
    return sum(low) / len(low), sum(high) / len(high)


# --- what clips add to the figures ---

_K = len(INSTRUCTIONS)
# With a clip's scores sorted: how probably each is the best of k that are drawn.
_BEST_OF = np.array(
    [[comb(rank, k - 1) / comb(_K, k) for rank in range(_K)] for k in range(1, _K + 1)]
)
_SOUND_FIRST = np.isin(np.arange(1, _K + 1), SOUND_FIRST)
_DEPENDENCE = {"audio": Orientation.AUDIO, "both": Orientation.BOTH, "speech": Orientation.SPEECH}
_WORST, _BEST = RATINGS[0], RATINGS[-1]
# How many figures of each name there are, and the least and the most that a clip has of each.
_FIGURES = {
    "best_mean": (1, _WORST, _BEST),
    "mean": (1, _WORST, _BEST),
    **dict.fromkeys(_DEPENDENCE, (1, 0, 1)),
    "best_at": (_K, _WORST, _BEST),
    "by_instruction": (_K, _WORST, _BEST),
    "sound_first": (1, _WORST - _BEST, _BEST - _WORST),
}
_WIDTHS, _LEAST, _MOST = map(np.array, zip(*_FIGURES.values(), strict=True))
_LEAST, _MOST = np.repeat(_LEAST, _WIDTHS), np.repeat(_MOST, _WIDTHS)


def _terms(matrix: VerdictMatrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give what each clip adds to the parts and the wholes of the figures, in their order."""
    readable, several = matrix.readable, not matrix.single_prompt
    scores = np.where(readable, matrix.gated(), 0).astype(float)
    judged = readable.any(axis=1)
    oriented = {
        name: (readable & (matrix.orientations == tuple(Orientation).index(orientation))).sum(
            axis=1
        )
        for name, orientation in _DEPENDENCE.items()
    }
    halves = [
        ratio(scores[:, half].sum(axis=1), readable[:, half].sum(axis=1))
        for half in (_SOUND_FIRST, ~_SOUND_FIRST)
    ]
    apart = halves[0] - halves[1]
    every = sum(oriented.values())
    whole = np.full((len(scores), _K), readable.all())
    terms = {
        "best_mean": (matrix.best_by_clip(), judged & several),
        "mean": (matrix.mean_by_clip(), judged),
        **{name: (count, every) for name, count in oriented.items()},
        "best_at": (np.sort(scores, axis=1) @ _BEST_OF.T, whole),
        "by_instruction": (scores, readable & several),
        "sound_first": (apart, ~np.isnan(apart)),
    }
    parts, wholes = (
        np.column_stack([terms[name][side] for name in _FIGURES]).astype(float) for side in (0, 1)
    )
    return np.where(wholes > 0, parts, 0), wholes


def _named(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Name estimates of the figures, which stand in their order."""
    ends = np.cumsum(_WIDTHS)
    found: dict[str, Any] = {
        name: tuple(estimates[end - width : end]) if width > 1 else estimates[end - 1]
        for name, width, end in zip(_FIGURES, _WIDTHS, ends, strict=True)
    }
    if found["best_at"][0].value is None:
        found["best_at"] = ()
    return found


def _counts(matrix: VerdictMatrix) -> Score:
    """Give what has no interval."""
    oriented = matrix.orientations[matrix.readable]
    neither = oriented == tuple(Orientation).index(Orientation.NEITHER)
    readable = ~np.isnan(matrix.expected_scores())
    return Score(
        neither_rate=float(neither.mean()) if len(neither) else None,
        unreadable_rate=float(matrix.unreadable.sum() / readable.size),
        coverage=float(readable.mean()),
        complete=bool(readable.all()),
        bounds=None if matrix.single_prompt else _bounds(matrix, "best_mean"),
        mean_bounds=_bounds(matrix, "mean"),
    )


def _bounds(matrix: VerdictMatrix, figure: Literal["best_mean", "mean"]) -> tuple[float, float]:
    """Give a figure with every missing verdict at its worst, and at its best."""
    scores = matrix.expected_scores()
    by_clip = np.max if figure == "best_mean" else np.mean
    low, high = (
        float(by_clip(np.where(np.isnan(scores), missing, scores), axis=1).mean())
        for missing in (_WORST, _BEST)
    )
    return low, high
