"""Causal modality reliance: how answers change when a cue is removed, replaced or given as text.

The published modality dependence is a judge's opinion about the text of an answer. The figures of
this module are differences between conditions, that is, effects of an intervention on the input
(:mod:`jasco.protocol.conditions`).

Outcomes of an answer
---------------------
* *v*: rating / 2, without the gate on the orientation; 0 for a refusal.
* *k*: 1 if the answer contains a reference keyword, else 0. It complements v, which is not fully
  ungated: according to the rubric, an answer based on one modality should be rated 0, so that v of
  a single cue depends on the judge's opinion. k does not depend on a judge. A conclusion is robust
  if both agree.
* *Class*: *joint* (a rating of at least 1 and Both), *sound-led* (Audio-Oriented), *speech-led*
  (Speech-Oriented), *refusal* (Neither, and the text is that of a refusal) or *other*.

Conventions
-----------
The outcome of an item is the mean over the samples that have one, and the outcome of a clip is the
mean over its instructions. A figure that involves several conditions is computed from the items
with an outcome under all of them; clips without such an item are excluded. All Shapley values and
the synergy are computed from the same items. Missing verdicts are excluded, never 0.

The figures of a panel are the means of its judges' figures, also in every resample. Intervals are
those of :mod:`jasco.metrics.bootstrap`, paired over clips. The bounds that Gaffke's interval
requires are the lowest and highest possible difference.

Figures
-------
``full`` is the complete input: ``original`` if the stems are exact, ``remix`` if they are
estimated (``original`` if there is no verdict on ``remix``).

* *Necessity* of the speech: v(full) - v(sound); of the sound: v(full) - v(speech).
* *Shapley values* of the game with two players, sound and speech, and the value v: sound:
  [v(sound) - v(none) + v(full) - v(speech)] / 2, speech likewise. Their sum is v(full) - v(none).
  Their shares in the sum are given only if the interval of the sum excludes 0; the interval of a
  share is the percentile interval of the quotient in the resamples. If a cue reduces v, its share
  is negative and that of the other cue is more than 1.
* *Synergy*: v(full) - v(sound) - v(speech) + v(none).
* *Jointness*: v(full) - max(v(sound), v(speech)), with the maximum of each clip. A maximum of two
  noisy means is too high on average, so that jointness tends to be too low.
* *Artefact of the stems*: v(original) - v(remix). If the stems are exact, both are the same input,
  and the difference shows the repeatability.
* *Perceptual score* of a cue: v(full) minus the mean of v over the donors of the cue. Inputs with
  a swapped cue are sums of stems, so the same artefacts are in both terms.
* *Costs*: of hearing the sound: v(text) - v(text-sound), where ``text-sound`` has the sound as
  audio and the speech as text; of hearing the speech: v(text) - v(text-speech); of hearing both:
  v(text) - v(original). Their interaction is the third minus the first two; with estimated stems,
  it also includes their artefacts, which are in the first two, but not in the third. Cost of
  reasoning: 1 - v(text), which includes the limits of the judge and of the references.
* *Change rate*: the share of answers whose class differs from that of the same item and sample
  under ``original``. The *excess* is the change rate minus the share that changes when the same
  input is asked again: in the next sample of ``original`` if there are several, else under
  ``remix`` if the stems are exact.
* *Swaps*: the shares of answers that name only the donor's cue, only the clip's own, both
  (undecided) or neither, over all answers with both verdicts, of all samples and donors. A verdict
  names a cue if its orientation is that of the cue or Both.
* *Classes of clips*: see :func:`jasco.metrics.clip_classes.classify_clips`, for v averaged over the
  available verdicts of all judges and samples.

Limits
------
The figures show what the answers depend on, not what the model perceived: a model may recognise a
cue and not use it. A removed cue also makes an input unusual, and estimated stems have artefacts.
``none`` and ``silence`` are different inputs, and neither is a neutral baseline. The judges and the
decoding are fixed; their variance is not part of the intervals.

Shapley, *A value for n-person games* (1953); Parcalabescu and Frank, arXiv 2212.08158 (Shapley
values of modalities); Gat et al., arXiv 2110.14375 (perceptual score); Mousavi et al., arXiv
2509.22363 (JASCO clips with masked speech).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.answer_outcomes import CLASSES, JudgedAnswers, Outcomes
from jasco.metrics.attribution import Attribution, Gates, attribution
from jasco.metrics.bootstrap import NO_ESTIMATE, RESAMPLES, Estimate, Ratios
from jasco.metrics.clip_classes import CLIP_CLASSES, classify_clips
from jasco.metrics.contrasts import EFFECTS, contrasts, swap_draws
from jasco.metrics.reliance_terms import (
    EFFECT,
    FigureName,
    figure_bounds,
    judge_columns,
    keyword_columns,
    summed_terms,
)
from jasco.metrics.verdict_matrix import nan_mean
from jasco.protocol.conditions import CUES, ORIGINAL, Cue

__all__ = [
    "CLASSES",
    "CLIP_CLASSES",
    "EFFECTS",
    "Attribution",
    "ConditionFigures",
    "Effect",
    "Outcomes",
    "Reliance",
    "RelianceFigures",
    "SwapFigures",
    "attribution",
    "reliance",
]


@dataclass(frozen=True)
class Effect:
    """A difference between conditions, for both outcomes.

    Attributes
    ----------
    v : Estimate
        For the value of an answer, rating / 2.
    keywords : Estimate
        For the share of answers with a reference keyword.
    clips : int
        Number of clips that contribute to v; if it differs between judges, the smallest.
    """

    v: Estimate = NO_ESTIMATE
    keywords: Estimate = NO_ESTIMATE
    clips: int = 0

    @property
    def robust(self) -> bool | None:
        """Whether both intervals exclude 0 on the same side; None if there is no interval."""
        ends = self.v.interval, self.keywords.interval
        if ends[0] is None or ends[1] is None:
            return None
        return min(end[0] for end in ends if end) > 0 or max(end[1] for end in ends if end) < 0


@dataclass(frozen=True)
class ConditionFigures:
    """The figures of one condition.

    Attributes
    ----------
    v : Estimate
        Mean of rating / 2 over instructions and clips.
    best_v : Estimate
        The best instruction of each clip instead of the mean over instructions.
    keywords : Estimate
        Share of answers that contain a reference keyword.
    classes : mapping of str to Estimate
        Shares of answers by class, one of :data:`CLASSES`.
    change_rate : Estimate
        Share of answers whose class differs from that under ``original``; undefined for it.
    excess_change_rate : Estimate
        The same, minus the share that changes when the same input is asked again; undefined if
        nothing was asked again.
    coverage : float
        Share of the expected verdicts that are available and readable.
    clips : int
        Number of clips with a readable verdict.
    """

    v: Estimate = NO_ESTIMATE
    best_v: Estimate = NO_ESTIMATE
    keywords: Estimate = NO_ESTIMATE
    classes: Mapping[str, Estimate] = field(default_factory=dict)
    change_rate: Estimate = NO_ESTIMATE
    excess_change_rate: Estimate = NO_ESTIMATE
    coverage: float = 0.0
    clips: int = 0


@dataclass(frozen=True)
class SwapFigures:
    """Which clip's cue the answers name when a cue is swapped: shares of the answers.

    Attributes
    ----------
    donor : Estimate
        Only the donor's cue.
    own : Estimate
        Only the clip's own cue, which the model did not hear.
    undecided : Estimate
        Both: the verdicts do not distinguish them.
    neither : Estimate
        Neither.
    """

    donor: Estimate = NO_ESTIMATE
    own: Estimate = NO_ESTIMATE
    undecided: Estimate = NO_ESTIMATE
    neither: Estimate = NO_ESTIMATE


@dataclass(frozen=True)
class RelianceFigures:
    """The figures of a panel, or of one judge, on some clips.

    Attributes
    ----------
    clips : int
        Number of clips that the figures are about.
    full : str
        The condition that stands for the complete input: ``original`` or ``remix``.
    conditions : mapping of str to ConditionFigures
        By key, in the order of the conditions. Draws of a swapped cue are separate conditions.
    effects : mapping of str to Effect
        By name, one of :data:`EFFECTS`, as far as their conditions are available.
    share_sound, share_speech : Effect
        Shares of the Shapley values in their sum; undefined unless the interval of the sum
        excludes 0.
    swaps : mapping of str to SwapFigures
        By the swapped cue.
    """

    clips: int
    full: str
    conditions: Mapping[str, ConditionFigures]
    effects: Mapping[str, Effect]
    share_sound: Effect = Effect()
    share_speech: Effect = Effect()
    swaps: Mapping[Cue, SwapFigures] = field(default_factory=dict)


@dataclass(frozen=True)
class Reliance:
    """Modality reliance of a model.

    Attributes
    ----------
    figures : RelianceFigures
        The panel's figures, for all clips.
    passed : RelianceFigures or None
        The same for the clips whose stems pass all gates; None if the stems are exact or not used.
    judges : mapping of str to RelianceFigures
        Each judge's figures, for all clips.
    attribution : mapping of str to Attribution
        By judge.
    clip_classes : tuple of str or None
        What suffices to solve each clip, one of :data:`CLIP_CLASSES`; None if unknown.
    clip_values : mapping of str to ndarray
        By condition: the mean of v of each clip; NaN if unknown.
    """

    figures: RelianceFigures
    passed: RelianceFigures | None
    judges: Mapping[str, RelianceFigures]
    attribution: Mapping[str, Attribution]
    clip_classes: tuple[str | None, ...]
    clip_values: Mapping[str, NDArray[np.float64]]


def reliance(
    conditions: Mapping[str, Outcomes],
    *,
    exact: bool,
    gates: Gates | None = None,
    resamples: int = RESAMPLES,
) -> Reliance:
    """Compute causal modality reliance from the outcomes under each condition.

    Parameters
    ----------
    conditions : mapping of str to Outcomes
        By the key of the condition; ``original`` is required.
    exact : bool
        Whether the stems are exact, so that ``remix`` is the same input as ``original``.
    gates : mapping of str to ndarray of bool, shape (clips,), optional
        Whether the sound stem and the speech stem of each clip pass their gates.
    resamples : int
        Number of bootstrap resamples.
    """
    gates = None if exact else gates
    panel, judges = _figures(conditions, exact=exact, resamples=resamples)
    passed = None
    if gates is not None:
        kept = gates["sound"] & gates["speech"]
        of_passed = {key: outcomes.of_clips(kept) for key, outcomes in conditions.items()}
        passed, _ = _figures(of_passed, exact=exact, resamples=resamples)
    verdicts = {key: outcomes.verdicts for key, outcomes in conditions.items()}
    clip_values = {key: _clip_values(outcomes) for key, outcomes in conditions.items()}
    return Reliance(
        panel,
        passed,
        judges,
        attribution(verdicts, gates, resamples),
        classify_clips(clip_values, panel.full),
        clip_values,
    )


_CHUNK = 10_000  # clips at once


def _clip_values(outcomes: Outcomes) -> NDArray[np.float64]:
    """Return the mean value of each clip, over judges, samples and instructions."""
    clips = outcomes.clips
    values = [np.empty(0)]
    for start in range(0, clips, _CHUNK):
        chunk = outcomes.of_clips(np.arange(start, min(start + _CHUNK, clips)))
        answers = [JudgedAnswers.of(matrix, chunk.refusals) for matrix in chunk.verdicts.values()]
        items = nan_mean(np.concatenate([one.values for one in answers]), axis=0)
        values.append(nan_mean(items, axis=1))
    return np.concatenate(values)


# --- figures ---


def _figures(
    conditions: Mapping[str, Outcomes], *, exact: bool, resamples: int
) -> tuple[RelianceFigures, dict[str, RelianceFigures]]:
    """Compute the figures of the panel and of each judge."""
    full = _full(conditions, exact=exact)
    differences = contrasts(conditions, full)
    bounds = figure_bounds(conditions, differences)
    names = list(bounds)
    clips = conditions[ORIGINAL].clips
    judges = list(conditions[ORIGINAL].verdicts)
    again = _asked_again(conditions, exact=exact)
    terms = [
        summed_terms(clips, names, partial(judge_columns, conditions, judge, differences, again))
        for judge in judges
    ]
    # Keywords are treated as a further judge.
    terms.append(summed_terms(clips, names, partial(keyword_columns, conditions, differences)))
    counts = np.array([each.clips for each in terms])
    low, high = np.array(list(bounds.values())).T
    ratios = Ratios(terms, low, high, resamples=resamples)

    def estimates(members: Sequence[int]) -> dict[FigureName, Estimate]:
        """Compute the figures of some judges, and the shares of the Shapley values."""
        found = dict(zip(names, ratios.estimates(members), strict=True))
        total = EFFECT, "shapley_total"
        if found.get(total, NO_ESTIMATE).excludes_0:
            for cue in CUES:
                part = names.index((EFFECT, f"shapley_{cue}"))
                share = ratios.quotient(part, names.index(total), members)
                found[EFFECT, f"share_{cue}"] = share
        return found

    keywords = estimates([len(judges)])

    def figures(members: Sequence[int]) -> RelianceFigures:
        v = estimates(members)
        panel = [judges[member] for member in members]
        clips_of = dict(zip(names, counts[list(members)].min(axis=0).tolist(), strict=True))

        def effect(name: str, counted: str = "") -> Effect:
            of_v, of_keywords = (each.get((EFFECT, name), NO_ESTIMATE) for each in (v, keywords))
            return Effect(of_v, of_keywords, clips_of.get((EFFECT, counted or name), 0))

        def share(cue: Cue) -> Effect:
            found = effect(f"share_{cue}", "shapley_total")
            return found if found.v.value is not None else replace(found, clips=0)

        return RelianceFigures(
            clips,
            full,
            {
                key: _condition_figures(outcomes, panel, _part(v, key), keywords[key, "v"])
                for key, outcomes in conditions.items()
            },
            {name: effect(name) for name in differences},
            share("sound"),
            share("speech"),
            {
                cue: SwapFigures(**_part(v, f"swap-{cue}"))
                for cue in CUES
                if swap_draws(conditions, cue)
            },
        )

    places = range(len(judges))
    return figures(places), {judge: figures([place]) for place, judge in enumerate(judges)}


def _full(conditions: Mapping[str, Outcomes], *, exact: bool) -> str:
    """Return the condition that stands for the complete input."""
    remixed = "remix" in conditions and any(
        sample.readable.any()
        for matrix in conditions["remix"].verdicts.values()
        for sample in matrix.samples
    )
    return "remix" if remixed and not exact else ORIGINAL


def _asked_again(conditions: Mapping[str, Outcomes], *, exact: bool) -> str | None:
    """Return the condition in which the input of ``original`` is asked again, if any."""
    if any(
        sample.readable.any()
        for matrix in conditions[ORIGINAL].verdicts.values()
        for sample in matrix.further
    ):
        return ORIGINAL
    return "remix" if exact and "remix" in conditions else None


def _part(found: Mapping[FigureName, Estimate], group: str) -> dict[str, Estimate]:
    return {name: value for (key, name), value in found.items() if key == group}


def _condition_figures(
    outcomes: Outcomes,
    judges: Sequence[str],
    estimates: Mapping[str, Estimate],
    keywords: Estimate,
) -> ConditionFigures:
    samples = [sample for judge in judges for sample in outcomes.verdicts[judge].samples]
    readable = np.array([sample.readable for sample in samples])
    return ConditionFigures(
        **{name: value for name, value in estimates.items() if name not in CLASSES},
        keywords=keywords,
        classes={name: estimates[name] for name in CLASSES},
        coverage=float(readable.mean()) if readable.size else 0.0,
        clips=int(readable.any(axis=(0, 2)).sum()),
    )
