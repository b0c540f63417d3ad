"""The score of a listening participant, next to those of models on the same items.

Only verdicts of the same judges are compared. If no judge has judged all answers, they are judged
by the offline judge, which takes milliseconds per answer. Its verdicts are not stored: in a run
that is judged by a language model later, they would be those of a second judge.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from jasco.backends.specs import open_spec
from jasco.data.responses_csv import Key
from jasco.judges.judge import Judge
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.scoring import clip_scores, score_difference, score_panel
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.clips import Item
from jasco.protocol.protocols import protocol_named
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.page.shown import Shown

OFFLINE = "offline"
Verdicts = Mapping[Key, Verdict]
"""The verdicts of one judge on one side's answers."""


@dataclass(frozen=True)
class Scored:
    """The score of a participant or model.

    Attributes
    ----------
    answers : mapping of (str, int) to str
        Its answers to the items.
    clips : tuple of float or None
        The gated score on each item, averaged over the judges; None without a readable verdict.
    orientations : tuple of Orientation or None
        The orientation of each answer; None if there is none or the judges differ.
    mean : Estimate
        The mean score.
    difference : Estimate or None
        The participant's mean minus this model's, over the items that both have answered; None for
        the participant.
    """

    answers: Mapping[Key, str]
    clips: tuple[float | None, ...]
    orientations: tuple[Orientation | None, ...]
    mean: Estimate
    difference: Estimate | None = None

    @property
    def judged(self) -> int:
        """Number of items with a score."""
        return sum(score is not None for score in self.clips)

    @property
    def comparison(self) -> str:
        """How the participant compares: ``higher``, ``lower``, or ``similar``; empty if unknown."""
        if self.difference is None or self.difference.interval is None:
            return ""
        low, high = self.difference.interval
        return "higher" if low > 0 else "lower" if high < 0 else "similar"


@dataclass(frozen=True)
class ListeningScore:
    """The scores of a participant and of models on the same items.

    Attributes
    ----------
    judges : tuple of str
        The judges, by label.
    proxy : bool
        Whether the judge is the offline judge.
    you : Scored
        The participant's score.
    models : dict of str to Scored
        The models' scores by name, the highest first.
    """

    judges: tuple[str, ...]
    proxy: bool
    you: Scored
    models: dict[str, Scored]

    def compared(self, comparison: str) -> list[str]:
        """Return the models with which the participant compares in this way."""
        return [name for name, model in self.models.items() if model.comparison == comparison]


def listening_score(
    items: Sequence[Item], participant: Shown, models: Mapping[str, Shown]
) -> ListeningScore:
    """Score a participant and models on the items that the participant has answered.

    Parameters
    ----------
    items : sequence of Item
        The answered items; at least one.
    participant : Shown
        The participant's run.
    models : mapping of str to Shown
        By name. Models without an answer to any of the items are left out.
    """
    sides = [participant, *models.values()]
    answers = [answers_to(items, side) for side in sides]
    compared = [0, *(n for n in range(1, len(sides)) if answers[n])]
    sides, answers = [sides[n] for n in compared], [answers[n] for n in compared]
    judges = _common_judges(sides, answers)
    panels: list[list[Verdicts]]
    if judges:
        panels = [
            [
                {key: side.items.judges[judge][key][1] for key in own if _judged(side, judge, key)}
                for judge in judges
            ]
            for side, own in zip(sides, answers, strict=True)
        ]
    else:
        panels = [[_judged_offline(items, own)] for own in answers]
    matrices = [[_matrix(items, verdicts) for verdicts in panel] for panel in panels]
    you, *others = (
        _scored(items, own, panel, of_side, matrices[0])
        for own, panel, of_side in zip(answers, panels, matrices, strict=True)
    )
    names = [name for n, name in enumerate(models, start=1) if n in compared]
    by_score = sorted(zip(names, others, strict=True), key=lambda each: -(each[1].mean.value or 0))
    return ListeningScore(tuple(judges) or (OFFLINE,), not judges, you, dict(by_score))


def answers_to(items: Sequence[Item], side: Shown) -> dict[Key, str]:
    """Return a side's answers to the items, as far as it was asked the same questions."""
    texts, clips = side.items.instructions, set(side.items.clips)
    found = {}
    for item in items:
        key = item.clip.id, item.number
        same = item.number <= len(texts) and texts[item.number - 1] == item.instruction
        if same and item.clip in clips and key in side.items.answers:
            found[key] = side.items.answers[key]
    return found


def _common_judges(sides: Sequence[Shown], answers: Sequence[Mapping[Key, str]]) -> list[str]:
    """Return the judges, except proxies, that have judged all answers of all sides."""
    first = sides[0].results
    return [
        judge
        for judge, facts in first.judges.items()
        if not facts.proxy
        and all(
            side.results.protocol == first.protocol
            and judge in side.results.judges
            and side.results.judges[judge].identity == facts.identity
            and all(_judged(side, judge, key) for key in own)
            for side, own in zip(sides, answers, strict=True)
        )
    ]


def _judged(side: Shown, judge: str, key: Key) -> bool:
    return key in side.items.judges.get(judge, {})


@cache
def _offline() -> Judge:
    judge: Judge = open_spec("judge", OFFLINE)
    return judge


def _judged_offline(items: Sequence[Item], answers: Mapping[Key, str]) -> Verdicts:
    async def judge() -> Verdicts:
        verdicts = {}
        for item in items:
            key = item.clip.id, item.number
            if key in answers:
                outcome = await _offline().judge(item, answers[key], protocol_named(None))
                assert not isinstance(outcome, Failure)  # it makes no calls
                verdicts[key] = outcome.verdict
        return verdicts

    return asyncio.run(judge())


def _matrix(items: Sequence[Item], verdicts: Verdicts) -> VerdictMatrix:
    matrix = VerdictMatrix.none_yet(len(items), single_prompt=True)
    for place, item in enumerate(items):
        if verdict := verdicts.get((item.clip.id, item.number)):
            matrix.enter(place, item.number, verdict)
    return matrix


def _scored(
    items: Sequence[Item],
    answers: Mapping[Key, str],
    panel: Sequence[Verdicts],
    matrices: Sequence[VerdictMatrix],
    yours: Sequence[VerdictMatrix],
) -> Scored:
    shape = matrices[0].ratings.shape
    by_judge = {str(judge): matrix for judge, matrix in enumerate(matrices)}
    return Scored(
        answers,
        tuple(clip.mean for clip in clip_scores(matrices, *shape)),
        tuple(_orientation(item, panel) for item in items),
        score_panel(by_judge).panel.mean,
        None if matrices is yours else _difference(yours, matrices),
    )


def _orientation(item: Item, panel: Sequence[Verdicts]) -> Orientation | None:
    verdicts = [verdicts.get((item.clip.id, item.number)) for verdicts in panel]
    found = {verdict.orientation for verdict in verdicts if verdict and verdict.readable}
    return found.pop() if len(found) == 1 else None


def _difference(yours: Sequence[VerdictMatrix], theirs: Sequence[VerdictMatrix]) -> Estimate | None:
    judged: NDArray[np.bool_] = np.all(
        [matrix.readable.any(axis=1) for matrix in (*yours, *theirs)], axis=0
    )
    if not judged.any():
        return None
    ours, others = ([matrix.of_clips(judged) for matrix in panel] for panel in (yours, theirs))
    difference: Estimate = score_difference(ours, others)["mean"]
    return difference
