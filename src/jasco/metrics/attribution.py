"""Attribution without the cue: how often a judge relates answers to a cue that was not given.

Modality dependence is a judge's opinion about the text of an answer, not evidence of what the model
used. It can be checked with answers to inputs that lack a cue: a label that names the cue is then
due to the wording of the answer, to a guess of the model or to the annotations that the judge sees.
For the speech, these are the answers to the sound alone, to silence and to the instruction
without audio; for the sound likewise. Conditions in which the cue is given as text or comes from
another clip are not used.

The share is over all such answers with the label Audio-Oriented, Both or Speech-Oriented, as in
modality dependence; Neither and unreadable verdicts are not counted. Intervals are those of
:mod:`jasco.metrics.bootstrap`, over clips.

Mousavi et al., arXiv 2509.22363 (labels of answers to JASCO clips with masked speech).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.answer_outcomes import names_cue
from jasco.metrics.bootstrap import NO_ESTIMATE, RESAMPLES, Clips, Estimate, Ratios, Terms
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.conditions import CUES, Cue

Gates = Mapping[Cue, NDArray[np.bool_]]
"""By stem: whether that of each clip passes its gates."""
_WITHOUT_AUDIO = ("none", "silence")
WITHOUT_A_CUE = (*CUES, *_WITHOUT_AUDIO)
"""The conditions whose verdicts are used."""
_OTHER: Mapping[Cue, Cue] = {"sound": "speech", "speech": "sound"}


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
    sound_judged, speech_judged : int
        Numbers of all answers given without that cue that have a readable verdict, including those
        labelled Neither.
    """

    sound: Estimate = NO_ESTIMATE
    speech: Estimate = NO_ESTIMATE
    sound_answers: int = 0
    speech_answers: int = 0
    sound_judged: int = 0
    speech_judged: int = 0


def attribution(
    conditions: Mapping[str, Mapping[str, VerdictMatrix]],
    gates: Gates | None = None,
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
    judges = dict.fromkeys(judge for panel in conditions.values() for judge in panel)
    return {
        judge: _of_judge(
            {key: panel[judge] for key, panel in conditions.items() if judge in panel},
            gates,
            resamples,
        )
        for judge in judges
    }


def _of_judge(
    conditions: Mapping[str, VerdictMatrix], gates: Gates | None, resamples: int
) -> Attribution:
    clips = len(next(iter(conditions.values())).ratings)

    def terms(kept: Clips) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        named, labelled, judged = np.stack(
            [_counts(conditions, cue, gates, kept) for cue in CUES], axis=-1
        )
        return np.hstack([named, labelled]), np.hstack([labelled, judged])

    summed = Terms.of(clips, terms)
    sound, speech, *_ = Ratios([summed], 0, 1, resamples=resamples).estimates([0])
    return Attribution(sound, speech, *summed.wholes.sum(axis=0).astype(int).tolist())


def _counts(
    conditions: Mapping[str, VerdictMatrix], cue: Cue, gates: Gates | None, kept: Clips
) -> NDArray[np.int64]:
    """Count the answers of each clip given without a cue.

    Returns
    -------
    ndarray of int, shape (3, clips)
        The answers related to the cue, those related to any cue, and all with a readable verdict.
    """
    stem = _OTHER[cue]
    counts = np.zeros((3, len(kept)), np.int64)
    for key in (stem, *_WITHOUT_AUDIO):
        if key not in conditions:
            continue
        used = gates[stem][kept] if gates and key == stem else np.ones(len(kept), bool)
        for sample in conditions[key].of_clips(kept).samples:
            named, other = names_cue(sample, cue), names_cue(sample, stem)
            masks = named, named | other, sample.readable
            counts += used * np.array([mask.sum(axis=1) for mask in masks])
    return counts
