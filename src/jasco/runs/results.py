"""The results of a model as typed objects: what is scored, and how it was produced."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from jasco.data.known_issues import KnownIssue, known_issues
from jasco.data.responses_csv import Key
from jasco.errors import InputError, did_you_mean, one_line
from jasco.metrics.agreement import Agreement
from jasco.metrics.bootstrap import NO_ESTIMATE
from jasco.metrics.compat import JudgedRow, score_as_published
from jasco.metrics.corrected import Corrected, correct
from jasco.metrics.reliance import Attribution
from jasco.metrics.scoring import (
    ClipScores,
    PanelScore,
    Score,
    average,
    clip_scores,
    hardest_first,
    mean_by_clip,
    score_panel,
)
from jasco.metrics.variance import VarianceComponents, variance_components
from jasco.metrics.verdict_matrix import VerdictMatrix, by_sample
from jasco.protocol.clips import AnyClip, Clip, Item, annotations_sha256, items_of
from jasco.protocol.conditions import ORIGINAL
from jasco.protocol.failure_reasons import Reason
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Verdict
from jasco.runs.participants import is_single_prompt
from jasco.runs.spending import Spending

Tag = str | int | float
"""The value of a user's tag of a run."""


@dataclass(frozen=True)
class Data:
    """The data that figures are about.

    Attributes
    ----------
    name : str
        Name of the data set.
    annotations_sha256, audio_sha256 : str or None
        Hashes over these clips; None if unknown.
    clips, items : int
        Numbers of clips and items. A participant answers each clip once, so there are as many items
        as clips. Further responses to the same item are not counted.
    """

    name: str
    annotations_sha256: str | None
    audio_sha256: str | None
    clips: int
    items: int

    @classmethod
    def of(
        cls,
        name: str,
        clips: Sequence[AnyClip],
        audio_sha256: str | None = None,
        *,
        single_prompt: bool = False,
        instructions: Sequence[str] = INSTRUCTIONS,
    ) -> Self:
        """Describe clips, each with one item per instruction, or with a single item."""
        items = len(clips) * (1 if single_prompt else len(instructions))
        return cls(name, annotations_sha256(clips), audio_sha256, len(clips), items)


@dataclass(frozen=True)
class Answers:
    """Facts about the responses of a model.

    Attributes
    ----------
    expected, answered, truncated : int
        Numbers of responses to items, over all samples; truncated ones count as answered.
    converted_clips : int
        Number of clips whose audio had to be resampled, mixed down or converted.
    max_audio_seconds : float or None
        Seconds of a clip that the model uses; None if it uses all, or if unknown.
    cut_clips : int
        Number of clips that are longer.
    runtime : sequence of mapping
        How the answers were computed (precision, device, versions), each combination once.
    preflight : mapping or None
        The finding of the preflight; None if there was none.
    clipped : mapping of str to int, or None
        Number of clipped samples, for clips that have any, by clip id; None if not counted.
    audio_warnings : mapping of str to list of str
        Ids of clips by the warning about their audio, for example that they are silent.
    reasons : sequence of Reason
        The most common message of each kind of failure.
    """

    expected: int
    answered: int
    truncated: int = 0
    converted_clips: int = 0
    max_audio_seconds: float | None = None
    cut_clips: int = 0
    runtime: Sequence[Mapping[str, str]] = ()
    preflight: Mapping[str, Any] | None = None
    clipped: Mapping[str, int] | None = None
    audio_warnings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    reasons: Sequence[Reason] = ()

    @property
    def failed(self) -> dict[str, int]:
        """Failures by kind."""
        return _count_by_kind(self.reasons)


@dataclass(frozen=True)
class JudgeFacts:
    """Facts about a judge and its verdicts.

    Attributes
    ----------
    proxy : bool
        Whether it is a proxy for a language model.
    verdicts : int
        Number of verdicts, including unreadable ones.
    cut_off : int
        Number of unreadable verdicts that were cut off at the maximum length.
    repeats : int
        Number of its verdicts on each answer to the clips that it judged repeatedly.
    identity : mapping
        What may change its verdicts; empty if unknown.
    served : tuple of str
        The names that its server reported for it.
    self_agreement : Agreement or None
        Agreement of its repeated verdicts on the same answers; None if there are none.
    exam : mapping or None
        Its exam, in the schema of ``jasco exam --json``; None if it was not examined.
    examined_as : tuple of str
        The names reported in an exam of a different served model; empty if there is none.
    reasons : sequence of Reason
        The most common message of each kind of failure.
    check : mapping or None
        Its verdict on the known question; None if it was not asked.
    adaptations : mapping
        How its requests were adapted to its server.
    """

    proxy: bool = False
    verdicts: int = 0
    cut_off: int = 0
    repeats: int = 1
    identity: Mapping[str, Any] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    self_agreement: Agreement | None = None
    exam: Mapping[str, Any] | None = None
    examined_as: tuple[str, ...] = ()
    reasons: Sequence[Reason] = ()
    check: Mapping[str, Any] | None = None
    adaptations: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, int]:
        """Calls that failed, by kind."""
        return _count_by_kind(self.reasons)

    @property
    def final(self) -> int:
        """Number of failed calls that a retry cannot fix."""
        return sum(reason.final for reason in self.reasons)


def _count_by_kind(reasons: Iterable[Reason]) -> dict[str, int]:
    return dict(sorted((reason.kind, reason.of) for reason in reasons))


@dataclass(frozen=True)
class AnswerLabels:
    """Annotators' labels of a model's answers.

    Attributes
    ----------
    scores : ndarray of float, shape (samples, clips, instructions)
        The gated score of each answer, averaged over its annotators; NaN without a label.
    rows, used : int
        Number of rows in the file, and of those that label one of the answers.
    sha256 : str
        The hash of the file.
    """

    scores: NDArray[np.float64]
    rows: int
    used: int
    sha256: str

    @property
    def items(self) -> int:
        """Number of labelled items."""
        return int((~np.isnan(self.scores)).any(axis=0).sum())

    @property
    def clips(self) -> int:
        """Number of clips of which any item is labelled."""
        return int((~np.isnan(self.scores)).any(axis=(0, 2)).sum())


@dataclass(frozen=True)
class Results:
    """The results of one model.

    Attributes
    ----------
    model : str
        Its label.
    name : str
        Its name in tables, if the user gave one; else empty.
    tags : mapping of str to str, int or float
        The user's tags of the run.
    source : tuple of pathlib.Path
        The run's folder, or the judged CSV files.
    identity : mapping
        What may change its answers; empty if unknown.
    served : tuple of str
        The names that its server reported for it.
    data : Data
        The data that the figures are about.
    protocol : str
        The judging protocol.
    answers : Answers
        Facts about the responses.
    judges : mapping of str to JudgeFacts
        By the judge's label; only judges that gave a verdict.
    reasons_without_verdict : mapping of str to sequence of Reason
        By the label of a judge that gave no verdict and does not count: the most common message of
        each kind of failure.
    spent : Spending or None
        What was spent on the run, by model and judge; None for files.
    adaptations : mapping
        How the model's requests were adapted to its server.
    instructions : tuple of str
        The texts of the instructions.
    samples : int
        Expected number of responses to each item.
    clips : tuple of Clip or ClipHash
        In the order of the verdict matrices.
    matrices : mapping of str to VerdictMatrix
        By the judge's label; empty with the published script's arithmetic.
    rows : mapping of str to list of JudgedRow, or None
        By the judge's label; None without the published script's arithmetic.
    condition : str
        The condition under which the model responded.
    labels : AnswerLabels or None
        Annotators' labels of its answers, if figures are to be corrected with them.
    attribution : mapping of str to Attribution
        By the judge's label: how often it attributes answers to a cue that the model was not given;
        only judges for which it was measured.
    """

    model: str
    data: Data
    protocol: str
    answers: Answers
    judges: Mapping[str, JudgeFacts]
    clips: tuple[AnyClip, ...] = ()
    matrices: Mapping[str, VerdictMatrix] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    rows: Mapping[str, list[JudgedRow]] | None = None
    spent: Spending | None = None
    reasons_without_verdict: Mapping[str, Sequence[Reason]] = field(default_factory=dict)
    adaptations: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    tags: Mapping[str, Tag] = field(default_factory=dict)
    source: tuple[Path, ...] = ()
    instructions: tuple[str, ...] = INSTRUCTIONS
    samples: int = 1
    attribution: Mapping[str, Attribution] = field(default_factory=dict)
    condition: str = ORIGINAL
    labels: AnswerLabels | None = None

    @cached_property
    def figures(self) -> PanelScore | None:
        """The figures of the panel and of each judge; None if there is no verdict.

        A mixed panel itself has no figures except its coverage.
        """
        if self.rows is None:
            figures = score_panel(self.matrices) if self.matrices else None
        else:
            figures = _published_figures(self.rows, self.data.items)
        return _without_panel(figures) if figures and self.mixed else figures

    @cached_property
    def corrected(self) -> Corrected | None:
        """The panel's figures, corrected with labels; None without labels or for a mixed panel."""
        if self.labels is None or not self.matrices or self.mixed:
            return None
        return correct(self.matrices.values(), self.labels.scores)

    @cached_property
    def corrected_by_judge(self) -> dict[str, Corrected]:
        """The figures of each judge, corrected with labels; empty without labels."""
        if self.labels is None:
            return {}
        scores = self.labels.scores
        return {label: correct([matrix], scores) for label, matrix in self.matrices.items()}

    @property
    def unit(self) -> str:
        """What :attr:`Answers.expected` counts: ``item``, or ``sample`` if there are several."""
        return "item" if self.samples == 1 else "sample"

    @property
    def published_instructions(self) -> bool:
        """Whether the instructions are the published ones."""
        return self.instructions == INSTRUCTIONS

    @property
    def without_verdict(self) -> dict[str, dict[str, int]]:
        """By the label of a judge that gave no verdict: its failures by kind."""
        reasons = self.reasons_without_verdict
        return {label: _count_by_kind(of_judge) for label, of_judge in reasons.items()}

    @property
    def mixed(self) -> bool:
        """Whether some but not all judges are proxies; the two kinds are never averaged."""
        return len({facts.proxy for facts in self.judges.values()}) > 1

    @property
    def averaged(self) -> dict[str, VerdictMatrix]:
        """The matrices that are averaged, by judge: those of proxies only if all are proxies."""
        return {
            label: matrix
            for label, matrix in self.matrices.items()
            if not (self.mixed and self.judges[label].proxy)
        }

    @cached_property
    def clip_scores(self) -> dict[str, ClipScores]:
        """The scores of each clip by its id, averaged over the judges that are averaged."""
        shape = len(self.clips), len(self.instructions)
        scores = clip_scores(self.averaged.values(), *shape)
        return dict(zip([clip.id for clip in self.clips], scores, strict=True))

    def judged_by(self, names: Sequence[str]) -> Self:
        """Keep the figures of some judges only, or of all if none is named.

        Raises
        ------
        InputError
            No judge, or more than one, has that name.
        """
        if not names:
            return self
        labels = list(dict.fromkeys(judge_named(name, self.judges, self.model) for name in names))
        return replace(
            self,
            judges=_chosen(self.judges, labels),
            matrices=_chosen(self.matrices, labels),
            rows=None if self.rows is None else _chosen(self.rows, labels),
            reasons_without_verdict={},
            attribution=_chosen(self.attribution, labels),
        )

    @property
    def single_prompt(self) -> bool:
        """Whether the model was asked one instruction per clip, as participants are."""
        return is_single_prompt(self.identity)

    @property
    def complete(self) -> bool:
        """Whether every item is answered, and every answer has a readable verdict."""
        return (
            self.answers.answered == self.answers.expected
            and self.figures is not None
            and self.figures.panel.complete
        )

    @cached_property
    def variance_components(self) -> VarianceComponents | None:
        """The variance components of the gated scores; None if they cannot be computed."""
        if not self.matrices or self.single_prompt or self.mixed:
            return None
        samples = by_sample(self.matrices.values())
        gated = np.array([[matrix.gated() for matrix in sample] for sample in samples])
        return variance_components(gated.transpose(2, 3, 1, 0))

    @cached_property
    def known_issues(self) -> tuple[KnownIssue, ...]:
        """The known issues of the data."""
        return known_issues(self.clips)

    @cached_property
    def without_known_issues(self) -> Score | None:
        """The panel's figures without the clips that have known issues; None if none has any."""
        excluded = {issue.clip for issue in self.known_issues}
        kept = np.array([clip.id not in excluded for clip in self.clips])
        if not excluded or not self.matrices or not kept.any() or self.mixed:
            return None
        return score_panel(
            {name: matrix.of_clips(kept) for name, matrix in self.matrices.items()}
        ).panel


def clips_by_score(models: Iterable[Results]) -> dict[str, float]:
    """Return the mean score of clips over models, by clip id, the hardest clip first.

    Clips on which one of the models has no score are left out. Models without verdicts do not
    count; participants, who answer one instruction per clip, count only if there is no other model.
    """
    judged = [model for model in models if model.averaged and model.clips]
    compared = [model for model in judged if not model.single_prompt] or judged
    if not compared:
        return {}
    ids = [clip.id for clip in compared[0].clips]
    places, means = hardest_first([_means_of(ids, model) for model in compared])
    return dict(zip([ids[place] for place in places], means.tolist(), strict=True))


def _means_of(ids: Sequence[str], model: Results) -> NDArray[np.float64]:
    """Return the mean score of each of these clips; NaN if there is none."""
    means, own = mean_by_clip(model.averaged.values()), [clip.id for clip in model.clips]
    if own == ids:
        return means
    by_id = dict(zip(own, means, strict=True))
    return np.array([by_id.get(id_, np.nan) for id_ in ids])


def judge_named(name: str, judges: Iterable[str], model: str) -> str:
    """Return a judge's label, given in full or, if that is unambiguous, as ``provider/name``.

    Raises
    ------
    InputError
        No judge of the model, or more than one, has that name.
    """
    labels = list(judges)
    if name in labels:
        return name
    names = [label.split(",")[0] for label in labels]
    if names.count(name) == 1:
        return labels[names.index(name)]
    known = f"expected one of: {', '.join(labels)}" if labels else "it has no verdicts"
    if name in names:
        what, meant = "more than one judge", ""
    else:
        what, meant = "no such judge", did_you_mean(name, dict.fromkeys([*labels, *names]))
    raise InputError(f"--judge {one_line(name)}: {what} of {model}; {known}{meant}")


def _without_panel(figures: PanelScore) -> PanelScore:
    """Remove figures that are averaged over judges or computed from all of them."""
    panel, agreement = figures.panel, figures.agreement
    return PanelScore(
        Score(
            neither_rate=None,
            unreadable_rate=panel.unreadable_rate,
            coverage=panel.coverage,
            complete=panel.complete,
            bounds=None,
            mean_bounds=None,
        ),
        figures.judges,
        agreement
        and replace(agreement, rating_alpha=NO_ESTIMATE, orientation_alpha=NO_ESTIMATE, judges=()),
    )


def _published_figures(rows: Mapping[str, list[JudgedRow]], expected: int) -> PanelScore | None:
    scores = {}
    for label, judged in rows.items():
        try:
            scores[label] = score_as_published(judged, expected)
        except InputError as error:
            raise InputError(f"{label}: {error}") from None
    return PanelScore(average(list(scores.values())), scores) if scores else None


@dataclass(frozen=True)
class JudgedItems:
    """The texts and verdicts of judges about one response to each item.

    Attributes
    ----------
    clips : tuple of Clip
        The clips that the items are about.
    answers : mapping of (str, int) to str
        The responses, by clip id and number of the instruction.
    judges : mapping
        By judge and item: all texts of the judge, and the verdict.
    failures : mapping of (str, int) to Failure
        By item: why it has no answer, if known.
    cut_off : frozenset of (str, int)
        Items whose answer was cut off at the maximum length.
    audio : mapping of str to (str, str)
        By clip id: path and SHA-256 of the clip's audio.
    judge_failures : mapping
        By judge and item: why there is no verdict, if known; includes judges without any verdict.
    proxies : frozenset of str
        Labels of the judges that are proxies for a language model.
    instructions : tuple of str
        The texts of the instructions.
    further : tuple of JudgedItems
        The same for the model's further samples, if it responded to each item several times.
    """

    clips: tuple[Clip, ...]
    answers: Mapping[Key, str]
    judges: Mapping[str, Mapping[Key, tuple[list[str], Verdict]]]
    failures: Mapping[Key, Failure] = field(default_factory=dict)
    cut_off: frozenset[Key] = frozenset()
    audio: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    judge_failures: Mapping[str, Mapping[Key, Failure]] = field(default_factory=dict)
    proxies: frozenset[str] = frozenset()
    instructions: tuple[str, ...] = INSTRUCTIONS
    further: tuple["JudgedItems", ...] = ()

    @property
    def samples(self) -> tuple["JudgedItems", ...]:
        """All samples, each without :attr:`further`."""
        return replace(self, further=()), *self.further

    def items_of(self, clip: Clip) -> list[Item]:
        """Return the items of a clip, in the order of the instructions."""
        return items_of(clip, self.instructions)

    def verdicts_on(self, key: Key) -> dict[str, tuple[list[str], Verdict]]:
        """Return each judge's texts about an answer, and its verdict, by name of the judge."""
        return {judge: written[key] for judge, written in self.judges.items() if key in written}

    def judged_by(self, labels: Iterable[str]) -> Self:
        """Keep the texts and verdicts of some judges only."""
        kept = list(labels)
        return replace(
            self,
            judges=_chosen(self.judges, kept),
            judge_failures=_chosen(self.judge_failures, kept),
            further=tuple(sample.judged_by(kept) for sample in self.further),
        )


T = TypeVar("T")


def _chosen(by_judge: Mapping[str, T], labels: Sequence[str]) -> dict[str, T]:
    return {label: by_judge[label] for label in labels if label in by_judge}
