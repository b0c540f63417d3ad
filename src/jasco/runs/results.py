"""The results of a model, as typed objects: what is scored, and how it came about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from jasco.data.known_issues import KnownIssue, known_issues
from jasco.data.responses_csv import Key
from jasco.errors import InputError, did_you_mean, one_line
from jasco.metrics.agreement import Agreement
from jasco.metrics.bootstrap import NO_ESTIMATE
from jasco.metrics.compat import JudgedRow, score_as_published
from jasco.metrics.scoring import PanelScore, Score, average, score_panel
from jasco.metrics.variance import VarianceComponents, variance_components
from jasco.metrics.verdict_matrix import VerdictMatrix, by_sample
from jasco.protocol.clips import Clip, Item, annotations_sha256, items_of
from jasco.protocol.failure_reasons import Reason
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Verdict
from jasco.runs.participants import is_single_prompt
from jasco.runs.spending import Spending


@dataclass(frozen=True)
class Data:
    """Which clips the figures are about.

    Attributes
    ----------
    name : str
        The data set's.
    annotations_sha256, audio_sha256 : str or None
        Hashes over these clips; None where they are not known.
    clips, items : int
        How many; a participant answers each clip once, which makes as many items as clips. Further
        responses to the same item do not count.
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
        clips: Sequence[Clip],
        audio_sha256: str | None = None,
        *,
        single_prompt: bool = False,
        instructions: Sequence[str] = INSTRUCTIONS,
    ) -> Self:
        """Describe clips, each with an item for each instruction, or with one item."""
        items = len(clips) * (1 if single_prompt else len(instructions))
        return cls(name, annotations_sha256(clips), audio_sha256, len(clips), items)


@dataclass(frozen=True)
class Answers:
    """How the answering went.

    Attributes
    ----------
    expected, answered, truncated : int
        Responses to items, all samples included; truncated answers are answers.
    converted_clips : int
        Clips whose audio had to be resampled, mixed down or converted.
    max_audio_seconds : float or None
        Seconds of a clip that the model uses; None: all, or it is not known.
    cut_clips : int
        Clips that are longer than that.
    runtime : sequence of mapping
        How the answers came about (precision, device, versions), each combination once.
    preflight : mapping or None
        What the preflight found; None where there was none.
    clipped : mapping of str to int, or None
        Clipped samples of the clips that have any, by clip id; None if not counted.
    audio_warnings : mapping of str to list of str
        Ids of clips by the warning about their audio: that they are silent, for example.
    reasons : sequence of Reason
        The commonest message of each kind of failure.
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
    """How a judge's verdicts came about.

    Attributes
    ----------
    proxy : bool
        Whether it only stands in for a judge.
    verdicts : int
        How many it gave, unreadable ones included.
    cut_off : int
        Unreadable verdicts that ended at the longest length allowed.
    identity : mapping
        What may change its verdicts; empty where it is not known.
    served : tuple of str
        What its server called it.
    self_agreement : Agreement or None
        How its verdicts on the same answers agree, where it judged them repeatedly.
    exam : mapping or None
        Its exam, in the schema of ``jasco exam --json``; None where it was not examined.
    examined_as : tuple of str
        What its server called it in an exam of another served model; empty without one.
    reasons : sequence of Reason
        The commonest message of each kind of failure.
    check : mapping or None
        Its verdict on the known question; None where it was not asked.
    adaptations : mapping
        How its requests were adapted to its server.
    """

    proxy: bool = False
    verdicts: int = 0
    cut_off: int = 0
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
        """How many of them a repeat cannot mend."""
        return sum(reason.final for reason in self.reasons)


def _count_by_kind(reasons: Iterable[Reason]) -> dict[str, int]:
    return dict(sorted((reason.kind, reason.of) for reason in reasons))


@dataclass(frozen=True)
class Results:
    """The results of one model.

    Attributes
    ----------
    model : str
        Its label.
    name : str
        Its name in tables, where the user gave one; else empty.
    tags : mapping of str to str
        The user's tags of the run.
    source : tuple of pathlib.Path
        The run's folder, or the judged CSV files.
    identity : mapping
        What may change its answers; empty where it is not known.
    served : tuple of str
        What its server called it.
    data : Data
        What the figures are about.
    protocol : str
        How it was judged.
    answers : Answers
        How the answering went.
    judges : mapping of str to JudgeFacts
        By the judge's label; those that gave a verdict.
    reasons_without_verdict : mapping of str to sequence of Reason
        By the label of a judge that gave none, which does not count: the commonest message of each
        kind of failure.
    spent : Spending or None
        What was spent on the run, by model and judge; None for files.
    adaptations : mapping
        How the model's requests were adapted to its server.
    instructions : tuple of str
        The texts of the instructions.
    samples : int
        How many responses to each item there are to be.
    clips : tuple of Clip
        In the order of the verdict matrices.
    matrices : mapping of str to VerdictMatrix
        By the judge's label; empty with the published arithmetic.
    rows : mapping of str to list of JudgedRow, or None
        By the judge's label, with the published script's arithmetic.
    """

    model: str
    data: Data
    protocol: str
    answers: Answers
    judges: Mapping[str, JudgeFacts]
    clips: tuple[Clip, ...] = ()
    matrices: Mapping[str, VerdictMatrix] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    rows: Mapping[str, list[JudgedRow]] | None = None
    spent: Spending | None = None
    reasons_without_verdict: Mapping[str, Sequence[Reason]] = field(default_factory=dict)
    adaptations: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    source: tuple[Path, ...] = ()
    instructions: tuple[str, ...] = INSTRUCTIONS
    samples: int = 1

    @cached_property
    def figures(self) -> PanelScore | None:
        """The panel's figures and each judge's; None where there is no verdict.

        Of a mixed panel, the panel itself has no figures but its coverage.
        """
        if self.rows is None:
            figures = score_panel(self.matrices) if self.matrices else None
        else:
            figures = _published_figures(self.rows, self.data.items)
        return _without_panel(figures) if figures and self.mixed else figures

    @property
    def unit(self) -> str:
        """What :attr:`Answers.expected` counts: ``item``, or ``sample`` where there are several."""
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
        """Whether there are a proxy and another judge: the two are never averaged."""
        return len({facts.proxy for facts in self.judges.values()}) > 1

    def judged_by(self, names: Sequence[str]) -> Self:
        """Keep the figures of some judges only; of all, where none is named.

        Raises
        ------
        InputError
            There is no judge of that name, or more than one.
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
        )

    @property
    def single_prompt(self) -> bool:
        """Whether it was asked about each clip with one instruction, as participants are."""
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
        """The variance components of the gated scores; None where they cannot be computed."""
        if not self.matrices or self.single_prompt or self.mixed:
            return None
        samples = by_sample(self.matrices.values())
        gated = np.array([[matrix.gated() for matrix in sample] for sample in samples], float)
        return variance_components(gated.transpose(2, 3, 1, 0))

    @cached_property
    def known_issues(self) -> tuple[KnownIssue, ...]:
        """The known issues of the data."""
        return known_issues(self.clips)

    @cached_property
    def without_known_issues(self) -> Score | None:
        """The panel's figures without the clips that have known issues; None where none has."""
        excluded = {issue.clip for issue in self.known_issues}
        kept = np.array([clip.id not in excluded for clip in self.clips])
        if not excluded or not self.matrices or not kept.any() or self.mixed:
            return None
        return score_panel(
            {name: matrix.of_clips(kept) for name, matrix in self.matrices.items()}
        ).panel


def judge_named(name: str, judges: Iterable[str], model: str) -> str:
    """Return a judge's label, given as such or, where that is unambiguous, as ``provider/name``.

    Raises
    ------
    InputError
        There is no such judge of the model, or more than one.
    """
    labels = list(judges)
    if name in labels:
        return name
    names = [label.split(",")[0] for label in labels]
    if names.count(name) == 1:
        return labels[names.index(name)]
    known = f"there are: {', '.join(labels)}" if labels else "it has no verdicts"
    if name in names:
        what, meant = "more than one judge of that name", ""
    else:
        what, meant = "no such judge", did_you_mean(name, dict.fromkeys([*labels, *names]))
    raise InputError(f"--judge {one_line(name)}: {what} of {model}; {known}{meant}")


def _without_panel(figures: PanelScore) -> PanelScore:
    """Remove what is averaged over judges, or computed from all of them."""
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
        agreement and replace(agreement, rating_alpha=NO_ESTIMATE, orientation_alpha=NO_ESTIMATE),
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
    """What judges wrote about one response to each item.

    Attributes
    ----------
    clips : tuple of Clip
        Which clips the items are about.
    answers : mapping of (str, int) to str
        By clip id and instruction.
    judges : mapping
        By judge and item: all that the judge wrote, and the verdict.
    failures : mapping of (str, int) to Failure
        Why an item has no answer, where that is known.
    cut_off : frozenset of (str, int)
        Items whose answer ended at the longest length allowed.
    audio : mapping of str to (str, str)
        By clip id: path and SHA-256 of the clip's audio.
    judge_failures : mapping
        By judge and item: why there is no verdict, where that is known; also of judges that gave
        no verdict at all.
    proxies : frozenset of str
        Labels of the judges that only stand in for a language model.
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
        """All samples, each without further ones."""
        return replace(self, further=()), *self.further

    def items_of(self, clip: Clip) -> list[Item]:
        """Return the items of a clip, in the order of the instructions."""
        return items_of(clip, self.instructions)

    def verdicts_on(self, key: Key) -> dict[str, tuple[list[str], Verdict]]:
        """Return what each judge wrote of an answer, and the verdict, by the judge's name."""
        return {judge: written[key] for judge, written in self.judges.items() if key in written}

    def judged_by(self, labels: Iterable[str]) -> Self:
        """Keep what some judges wrote only."""
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
