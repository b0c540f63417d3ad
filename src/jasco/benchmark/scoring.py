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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jasco.benchmark.agreement import Agreement, Compared
from jasco.benchmark.bootstrap import NO_ESTIMATE, RESAMPLES, Estimate, estimate, resampled_sums
from jasco.benchmark.instructions import INSTRUCTIONS, SOUND_FIRST
from jasco.benchmark.marks import RATINGS, Marks, ratio
from jasco.benchmark.verdicts import Orientation


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


@dataclass(frozen=True)
class PanelScore:
    """A panel's figures, each judge's, and how they agree (None for a single judge)."""

    panel: Score
    judges: Mapping[str, Score]
    agreement: Agreement | None = None


def score_panel(panel: Mapping[str, Marks], resamples: int = RESAMPLES) -> PanelScore:
    """Compute the figures of a panel and of its judges, with their intervals.

    Parameters
    ----------
    panel : mapping of str to Marks
        At least one judge; all have marked the same clips.
    resamples : int
        For the intervals.
    """
    compared = Compared({name: marks.labels() for name, marks in panel.items()})
    values, spreads, sums, drawn = _with_resamples(panel.values(), compared.columns, resamples)
    judges = {
        name: replace(_counts(marks), **_estimates(value, spread))
        for (name, marks), value, spread in zip(panel.items(), values, spreads, strict=True)
    }
    mean = _estimates(_mean_of_each(values), _mean_of_each(spreads))
    return PanelScore(
        replace(average(list(judges.values())), **mean), judges, compared.agreement(sums, drawn)
    )


def score_difference(
    ours: Sequence[Marks], theirs: Sequence[Marks], resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Give one panel's figures minus another's, paired over clips: estimates by name."""
    nothing = np.empty((len(ours[0].ratings), 0))
    values, spreads, *_ = _with_resamples([*ours, *theirs], nothing, resamples)

    def apart(figures: Sequence[Figures]) -> Figures:
        means = [_mean_of_each(half) for half in (figures[: len(ours)], figures[len(ours) :])]
        return {name: means[0][name] - means[1][name] for name in means[0]}

    return _estimates(apart(values), apart(spreads))


def score_agreement(panel: Mapping[str, Marks], resamples: int = RESAMPLES) -> Agreement | None:
    """Compute how several judges agree, or one with itself; None where nothing was marked."""
    compared = Compared({name: marks.labels() for name, marks in panel.items()})
    if not len(compared.columns):
        return None
    return compared.agreement(
        compared.columns.sum(axis=0), resampled_sums(compared.columns, resamples)
    )


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


# --- what clips add to sums, and figures from sums ---

Figures = dict[str, NDArray[np.float64]]

_K = len(INSTRUCTIONS)
# With a clip's scores sorted: how probably each is the best of k that are drawn.
_BEST_OF = np.array(
    [[comb(rank, k - 1) / comb(_K, k) for rank in range(_K)] for k in range(1, _K + 1)]
)
_SOUND_FIRST = np.isin(np.arange(1, _K + 1), SOUND_FIRST)
_WIDTHS = {
    "judged": 1, "of_several": 1, "best": 1, "mean": 1, "orientations": len(Orientation),
    "whole": 1, "best_at": _K, "readable": _K, "scores": _K, "paired": 1, "apart": 1,
}  # fmt: skip


def _with_resamples(
    sheets: Iterable[Marks], beside: NDArray[Any], resamples: int
) -> tuple[list[Figures], list[Figures], NDArray[Any], NDArray[Any]]:
    """Compute each judge's figures, and those of the resamples; and the sums of other columns."""
    columns = [*map(_columns, sheets), beside]
    ends = np.cumsum([each.shape[1] for each in columns])[:-1]
    together = np.hstack(columns)  # so that all have the same resamples
    *totals, others = np.split(together.sum(axis=0), ends)
    *drawn, others_drawn = np.split(resampled_sums(together, resamples), ends, axis=1)
    return [*map(_figures, totals)], [*map(_figures, drawn)], others, others_drawn


def _columns(marks: Marks) -> NDArray[np.float64]:
    """Give what each clip adds to sums, in columns as wide as ``_WIDTHS`` says."""
    readable = marks.readable
    scores = np.where(readable, marks.gated(), 0).astype(float)
    best, mean = marks.best_by_clip(), marks.mean_by_clip()
    judged = readable.any(axis=1)
    halves = [
        ratio(scores[:, half].sum(axis=1), readable[:, half].sum(axis=1))
        for half in (_SOUND_FIRST, ~_SOUND_FIRST)
    ]
    apart = halves[0] - halves[1]
    paired = ~np.isnan(apart)
    whole = np.full(len(scores), readable.all())
    several = not marks.once
    parts = {
        "judged": judged,
        "of_several": judged & several,
        "best": np.where(judged, best, 0),
        "mean": np.where(judged, mean, 0),
        "orientations": [
            (readable & (marks.orientations == place)).sum(axis=1)
            for place in range(len(Orientation))
        ],
        "whole": whole,
        "best_at": _BEST_OF @ np.sort(scores, axis=1).T,
        "readable": (readable & several).T,
        "scores": scores.T,
        "paired": paired,
        "apart": np.where(paired, apart, 0),
    }
    return np.vstack([parts[name] for name in _WIDTHS]).T


def _figures(sums: NDArray[Any]) -> Figures:
    """Compute figures from sums over clips, each of shape (..., width); NaN where undefined."""
    ends = np.cumsum(list(_WIDTHS.values()))[:-1]
    parts = dict(zip(_WIDTHS, np.split(np.asarray(sums, float), ends, axis=-1), strict=True))
    places = {o: parts["orientations"][..., i, None] for i, o in enumerate(Orientation)}
    oriented = places[Orientation.AUDIO] + places[Orientation.BOTH] + places[Orientation.SPEECH]
    return {
        "best_mean": ratio(parts["best"], parts["of_several"]),
        "mean": ratio(parts["mean"], parts["judged"]),
        "audio": ratio(places[Orientation.AUDIO], oriented),
        "both": ratio(places[Orientation.BOTH], oriented),
        "speech": ratio(places[Orientation.SPEECH], oriented),
        "best_at": ratio(parts["best_at"], parts["whole"]),
        "by_instruction": ratio(parts["scores"], parts["readable"]),
        "sound_first": ratio(parts["apart"], parts["paired"]),
    }


def _mean_of_each(figures: Sequence[Figures]) -> Figures:
    return {name: np.mean([each[name] for each in figures], axis=0) for name in figures[0]}


def _estimates(values: Figures, spreads: Figures) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        estimates = tuple(map(estimate, value, spreads[name].T))
        found[name] = estimates if len(estimates) > 1 else estimates[0]
    if found["best_at"][0].value is None:
        found["best_at"] = ()
    return found


def _counts(marks: Marks) -> Score:
    """Give what has no interval."""
    oriented = marks.orientations[marks.readable]
    neither = oriented == tuple(Orientation).index(Orientation.NEITHER)
    scores = marks.expected_scores()
    readable = ~np.isnan(scores)
    ends = [np.where(readable, scores, missing) for missing in (RATINGS[0], RATINGS[-1])]
    low, high = (float(each.max(axis=1).mean()) for each in ends)
    return Score(
        neither_rate=float(neither.mean()) if len(neither) else None,
        unreadable_rate=float(marks.unreadable.sum() / scores.size),
        coverage=float(readable.mean()),
        complete=bool(readable.all()),
        bounds=None if marks.once else (low, high),
        mean_bounds=(float(ends[0].mean()), float(ends[1].mean())),
    )
