"""Causal modality reliance: how answers change when a cue is removed, replaced or given as text.

(to be written: outcomes, figures with their formulas, sources)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.bootstrap import NO_ESTIMATE, RESAMPLES, Estimate
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.conditions import Cue

CLASSES = ("joint", "sound_led", "speech_led", "refusal", "other")
"""The classes of answers."""

EFFECTS = (
    "necessity_speech", "necessity_sound", "shapley_sound", "shapley_speech", "shapley_total",
    "synergy", "jointness", "stem_artefact", "perceptual_sound", "perceptual_speech",
    "cost_hearing_sound", "cost_hearing_speech", "cost_hearing", "cost_interaction",
    "cost_reasoning",
)  # fmt: skip
"""The differences between conditions."""

CLIP_CLASSES = ("prompt", "sound", "speech", "either", "jointly", "harmed", "unsolved")
"""What suffices to solve a clip."""


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


@dataclass(frozen=True)
class Effect:
    """A difference between conditions, for both outcomes.

    Attributes
    ----------
    v : Estimate
        For the value of an answer, rating / 2.
    keywords : Estimate
        For the share of answers with a reference keyword.
    """

    v: Estimate = NO_ESTIMATE
    keywords: Estimate = NO_ESTIMATE

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
class Attribution:
    """How often a judge attributes answers to a cue that the model was not given.

    Attributes
    ----------
    sound, speech : Estimate
        Of the answers given without that cue and labelled Audio-Oriented, Both or Speech-Oriented,
        the share whose label includes the cue.
    sound_answers, speech_answers : int
        Numbers of these answers.
    """

    sound: Estimate = NO_ESTIMATE
    speech: Estimate = NO_ESTIMATE
    sound_answers: int = 0
    speech_answers: int = 0


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
    """Causal modality reliance of a model.

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
    gates: Mapping[Cue, NDArray[np.bool_]] | None = None,
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
    raise NotImplementedError


def attribution(
    conditions: Mapping[str, Mapping[str, VerdictMatrix]],
    gates: Mapping[Cue, NDArray[np.bool_]] | None = None,
    resamples: int = RESAMPLES,
) -> dict[str, Attribution]:
    """Compute the attribution without the cue of each judge.

    Parameters
    ----------
    conditions : mapping of str to mapping of str to VerdictMatrix
        The verdicts by condition and judge. Only ``sound``, ``speech``, ``none`` and ``silence``
        are used.
    gates : mapping of str to ndarray of bool, shape (clips,), optional
        Whether the sound stem and the speech stem of each clip pass their gates; answers to stems
        that do not pass are left out.
    resamples : int
        Number of bootstrap resamples.
    """
    raise NotImplementedError
