"""The report of causal modality reliance: as JSON, text, Markdown and LaTeX."""

import hashlib
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from jasco.errors import count
from jasco.interventions.reliance_results import RelianceResults, read_reliance
from jasco.metrics.bootstrap import LEAST_CLIPS
from jasco.metrics.reliance import (
    CLIP_CLASSES,
    EFFECTS,
    Effect,
    Reliance,
    RelianceFigures,
)
from jasco.protocol.conditions import ORIGINAL, condition_of
from jasco.reports import markdown
from jasco.reports.exports import DataRow, data_frame, figure_cells
from jasco.reports.formats import number, percent, signed_number, with_interval
from jasco.reports.notes import PROXY
from jasco.reports.reliance_tables import (
    INCOMPLETE,
    ReliancePart,
    parts_of_figures,
    parts_of_judges,
)
from jasco.reports.report import SCHEMA, Json, as_json, pick
from jasco.reports.signature import DIGITS, signature
from jasco.runs.condition_runs import has_conditions
from jasco.runs.results import Data

if TYPE_CHECKING:
    from pandas import DataFrame

UNKNOWN = "unknown"
"""The class of a clip that lacks a value."""
_CLOSE_TO_0 = 0.05

_REQUIRES = {
    "none": "contributions of the cues and no synergy",
    "text": "costs of hearing and of reasoning",
}
"""The figures that require a condition without audio, which some models do not support."""

_CLASSES_IN_WORDS = {
    "prompt": "solved by the instruction alone",
    "sound": "by the sound",
    "speech": "by the speech",
    "either": "by either cue",
    "jointly": "only jointly",
    "harmed": "harmed by a cue",
    "unsolved": "unsolved",
    UNKNOWN: "unknown",
}

_RUBRIC = (
    "v includes the rubric's own rule that an answer based on one modality scores 0; keywords are "
    "given beside it because the rubric does not affect them."
)
_JUDGED = (
    "Judges are given neither the audio nor the condition, but an answer can reveal the condition, "
    'for example "I cannot hear any audio".'
)
_INTERVALS = (
    "Intervals: 95%, paired bootstrap over clips; they do not include variation between judges or "
    "repeated answers."
)


@dataclass(frozen=True, repr=False)
class RelianceReport:
    """Modality reliance of a model, with how it was measured.

    Attributes
    ----------
    model : str
        The name of the model in tables.
    run : pathlib.Path
        The folder of the run.
    data : Data
        The data set.
    protocol : str
        The judging protocol.
    reliance : Reliance
        The figures.
    exact : bool
        Whether the stems are exact.
    stems : mapping
        How the stems were estimated; empty for exact ones.
    gates : mapping of str to int
        Number of clips whose ``sound`` stem, whose ``speech`` stem, and both of whose stems pass
        their gates (``all``); empty for exact stems.
    clips : sequence of str
        The ids of the clips, in the order of ``reliance.clip_classes``.
    proxy : bool
        Whether a judge is a proxy.
    states : mapping of str to str
        By condition: ``complete``, ``incomplete`` or ``skipped``.
    skipped : mapping of str to str
        By skipped condition: the reason.
    signature : str
        How the figures were produced, in one line.
    """

    model: str
    run: Path
    data: Data
    protocol: str
    reliance: Reliance
    exact: bool
    stems: Mapping[str, Any]
    gates: Mapping[str, int]
    clips: Sequence[str]
    proxy: bool
    states: Mapping[str, str]
    skipped: Mapping[str, str]
    signature: str

    @classmethod
    def of(cls, results: RelianceResults) -> Self:
        """Return the report of the results of a run and its conditions."""
        original, stems = results.original, results.stems
        passes = results.gates or {}
        gates: dict[str, int] = {cue: int(passed.sum()) for cue, passed in passes.items()}
        if passes:
            gates["all"] = int(np.all([*passes.values()], axis=0).sum())
        recipe = {} if results.exact else stems.get("recipe", {})
        files = _digest(stems.get("files", {}))
        made = "exact" if results.exact else f"estimated:{files}" if stems else "none"
        how = signature([original], original.data, original.protocol)
        return cls(
            model=original.name or original.model,
            run=results.run,
            data=original.data,
            protocol=original.protocol,
            reliance=results.reliance,
            exact=results.exact,
            stems=recipe,
            gates=gates,
            clips=[clip.id for clip in original.clips],
            proxy=any(judge.proxy for judge in original.judges.values()),
            states=results.states,
            skipped=results.skipped,
            signature=f"{how}|stems:{made}",
        )

    @property
    def complete(self) -> bool:
        """Whether the same command has nothing left to do."""
        return INCOMPLETE not in self.states.values()

    @property
    def main_figures(self) -> RelianceFigures:
        """The figures to report: for the clips whose stems pass the gates, if there are any."""
        return self.passed or self.reliance.figures

    @property
    def passed(self) -> RelianceFigures | None:
        """The figures for the clips whose stems pass the gates; None if there are none."""
        passed = self.reliance.passed
        return passed if passed and passed.clips else None

    @property
    def clip_classes(self) -> dict[str, str]:
        """What suffices to solve each clip, by its id."""
        classes = (each or UNKNOWN for each in self.reliance.clip_classes)
        return dict(zip(self.clips, classes, strict=True))

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of clips by class, one of ``CLIP_CLASSES`` or ``unknown``."""
        counts = Counter(self.clip_classes.values())
        return {each: counts[each] for each in (*CLIP_CLASSES, UNKNOWN)}

    # --- parts of all formats ---

    @property
    def name(self) -> str:
        """The name of the model, with ``(proxy)`` if a judge is a proxy."""
        return f"{self.model} (proxy)" if self.proxy else self.model

    @property
    def title(self) -> str:
        """What the report is about, in one line."""
        clips = count(self.data.clips, "clip")
        about = f"{self.name} on {self.data.name}: {clips}, protocol {self.protocol or 'none yet'}"
        return f"Modality reliance of {about}"

    @property
    def parts(self) -> list[ReliancePart]:
        """The tables; with gates first those about the clips whose stems pass them."""
        reliance, passed, parts = self.reliance, self.passed, list[ReliancePart]()
        if passed is not None:
            clips = f"{count(passed.clips, 'clip')} whose stems pass the gates"
            parts += parts_of_figures(
                passed, self.states, clips, exact=self.exact, suffix="-passed"
            )
        clips = count(reliance.figures.clips, "clip")
        parts += parts_of_figures(
            reliance.figures,
            self.states,
            clips if passed is None else f"all {clips}",
            exact=self.exact,
            secondary=passed is not None,
        )
        return [*parts, *parts_of_judges(reliance.judges, reliance.attribution)]

    @property
    def cautions(self) -> list[str]:
        """What a reader must know before the figures."""
        return [PROXY] * self.proxy + [*self._incomplete()]

    def _incomplete(self) -> Iterator[str]:
        incomplete = [key for key, state in self.states.items() if state == INCOMPLETE]
        if incomplete:
            yield (
                f"INCOMPLETE: {', '.join(map(self._covered, incomplete))}: run the same command "
                "again to resume, or judge their answers with: jasco reliance "
                f"{shlex.quote(str(self.run))} --judge JUDGE"
            )

    def _covered(self, key: str) -> str:
        figures = self.reliance.figures.conditions.get(key)
        coverage = figures.coverage if figures else 0.0
        if coverage == 1 and condition_of(key).swapped:
            return f"{key} (verdicts on the donor's cue)"
        return f"{key} (coverage {percent(coverage)})"

    @property
    def notes(self) -> list[str]:
        """How the figures were produced, and what they cannot show."""
        return [*self._notes(), _RUBRIC, _JUDGED, *self._interval_notes()]

    def _notes(self) -> Iterator[str]:
        yield self.classes_line
        for key, reason in self.skipped.items():
            missing = f"; therefore, no {_REQUIRES[key]}" if key in _REQUIRES else ""
            yield f"condition {key} skipped: {reason}{missing}"
        figures = self.main_figures
        if not self.exact and any(condition_of(key).needs_stems for key in figures.conditions):
            yield from self._stem_notes()
        if "none" not in figures.conditions and "none" not in self.skipped:
            yield f"condition none not measured; therefore, no {_REQUIRES['none']}"
        elif figures.effects.get("shapley_total", Effect()) != Effect():
            without = [
                outcome
                for outcome, share in (
                    ("v", figures.share_sound.v),
                    ("keywords", figures.share_sound.keywords),
                )
                if share.value is None
            ]
            if without:
                yield (
                    f"no shares of the cues for {' and '.join(without)}: the interval of the "
                    "contribution of both includes 0 or is unknown"
                )
        outcomes = [each for each in figures.conditions.values() if each.v.value is not None]
        if outcomes and all(
            (figure.value or 0) <= _CLOSE_TO_0
            for each in outcomes
            for figure in (each.v, each.keywords)
        ):
            yield (
                f"v and keywords are close to 0 (at most {number(_CLOSE_TO_0)} and "
                f"{percent(_CLOSE_TO_0)}) under all conditions: effects cannot show reliance; see "
                "the classes of answers and the column changed"
            )

    def _stem_notes(self) -> Iterator[str]:
        yield (
            f"stems: estimated by jasco data stems (recipe {_digest(self.stems)})"
            if self.stems
            else "stems: estimated elsewhere"
        )
        if self.gates:
            passed = ", ".join(
                f"{'both' if gate == 'all' else gate} {clips}" for gate, clips in self.gates.items()
            )
            yield f"clips whose stems pass the gates, of {self.data.clips}: {passed}"
        else:
            yield "unknown how many stems pass the gates; figures are for all clips"
        figures = self.main_figures
        artefact = figures.effects.get("stem_artefact", Effect()).v
        if figures.full == ORIGINAL:
            yield (
                "remix was not measured, so the complete input is original: differences include "
                "the effect of the stems"
            )
        elif artefact.excludes_0:
            yield (
                f"the stems have an effect on v: {with_interval(artefact, signed_number)} "
                f"(original minus {figures.full}); effects are measured against {figures.full}"
            )

    def _interval_notes(self) -> Iterator[str]:
        measured = {"": self.reliance.figures}
        if self.passed:
            measured = {" for the clips whose stems pass the gates": self.passed} | measured
        for where, figures in measured.items():
            judged = {key: each.clips for key, each in figures.conditions.items() if each.clips}
            few = [key for key, clips in judged.items() if clips < LEAST_CLIPS]
            if few:
                of = "" if len(few) == len(judged) else f" of {', '.join(few)}"
                yield f"no intervals{of}{where}: fewer than {LEAST_CLIPS} clips"
        if any(
            estimate.interval
            for figures in measured.values()
            for each in figures.conditions.values()
            for estimate in (each.v, each.keywords)
        ):
            yield _INTERVALS

    @property
    def classes_line(self) -> str:
        """The number of clips of each class, in one line."""
        parts = [
            f"{number} {_CLASSES_IN_WORDS[each]}"
            for each, number in self.class_counts.items()
            if number
        ]
        return f"clips by what suffices: {', '.join(parts) or 'none'}"

    # --- formats ---

    def render(self, form: str) -> str | Json:
        """Return the report in a format: ``text``, ``markdown``, ``latex`` or ``json``."""
        forms: Mapping[str, Callable[[], str | Json]] = {
            "text": self.to_text,
            "markdown": self.to_markdown,
            "latex": self.to_latex,
            "json": self.to_json,
        }
        return forms[form]()

    def to_json(self) -> Json:
        """Return the documented JSON object of ``jasco reliance --json``."""
        reliance = self.reliance
        return as_json(
            {
                "schema": SCHEMA,
                **pick(self, "signature", "model"),
                "run": str(self.run),
                **pick(self, "protocol", "data", "proxy", "complete"),
                "conditions": self.states,
                "skipped": self.skipped,
                "stems": {"exact": self.exact, "recipe": self.stems, "gates": self.gates},
                "figures": _figures_json(reliance.figures),
                "passed": self.passed and _figures_json(self.passed),
                "judges": {
                    judge: _figures_json(figures) for judge, figures in reliance.judges.items()
                },
                "attribution_without_cue": reliance.attribution,
                "clip_classes": self.class_counts,
                "clips": self._clips_json(),
            }
        )

    def _clips_json(self) -> Json:
        return {
            clip: {
                "class": None if each == UNKNOWN else each,
                "v": {
                    key: None if np.isnan(values[place]) else float(values[place])
                    for key, values in self.reliance.clip_values.items()
                },
            }
            for place, (clip, each) in enumerate(self.clip_classes.items())
        }

    def to_pandas(self) -> "DataFrame":
        """Return the figures of the conditions as a data frame, with one row per condition.

        The columns are ``condition``; ``v``, ``best_v``, ``keywords``, the shares of the classes
        of answers ``joint``, ``sound_led``, ``speech_led``, ``refusal`` and ``other``,
        ``change_rate`` and ``excess_change_rate``, each with ``_low`` and ``_high`` (the ends of
        its 95% interval); ``coverage`` and ``clips``. The figures are those of
        :attr:`main_figures`. Undefined values are None.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame(list(self._condition_rows()))

    def _condition_rows(self) -> Iterator[DataRow]:
        for key, figures in self.main_figures.conditions.items():
            estimates = {
                **pick(figures, "v", "best_v", "keywords"),
                **figures.classes,
                **pick(figures, "change_rate", "excess_change_rate"),
            }
            row = {"condition": key}
            for name, estimate in estimates.items():
                row |= figure_cells(name, estimate)
            yield row | pick(figures, "coverage", "clips")

    def effects_to_pandas(self) -> "DataFrame":
        """Return the effects as a data frame, with one row per difference between conditions.

        The columns are ``effect``; ``v`` and ``keywords``, each with ``_low`` and ``_high`` (the
        ends of its 95% interval); ``robust`` and ``clips``. The figures are those of
        :attr:`main_figures`. Undefined values are None.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame(
            [
                {
                    "effect": name,
                    **figure_cells("v", effect.v),
                    **figure_cells("keywords", effect.keywords),
                    **pick(effect, "robust", "clips"),
                }
                for name, effect in self.main_figures.effects.items()
            ]
        )

    def __str__(self) -> str:
        """Return the output of ``jasco reliance``."""
        return self.to_text()

    def __repr__(self) -> str:
        return f"RelianceReport({self.model!r}, {str(self.run)!r}, {self.data.clips} clips)"

    def to_text(self) -> str:
        """Format the report for the terminal."""
        lines = [self.title]
        for part in self.parts:
            lines += ["", part.heading, "", part.table.to_text()]
            lines += ["", part.caution] if part.caution else []
        return "\n".join([*lines, "", *self.cautions, *self.notes, f"signature: {self.signature}"])

    def to_markdown(self) -> str:
        """Format the report as GitHub-flavored Markdown."""
        blocks = [f"## {markdown.prose(self.title)}"]
        for part in self.parts:
            blocks += [
                f"### {markdown.prose(part.heading)}",
                part.table.to_text("pipe", markdown.cell),
                markdown.prose(part.below),
            ]
        notes = [f"- {markdown.prose(line)}" for line in (*self.cautions, *self.notes)]
        signature = f"Signature: {markdown.code(self.signature)}"
        return "\n\n".join([*blocks, "### Notes", "\n".join(notes), signature]) + "\n"

    def to_latex(self) -> str:
        """Format the report as LaTeX tables for a paper."""
        from jasco.reports.latex import comments, table_float  # loads the LaTeX encoder

        judges = f"Judges: {', '.join(self.reliance.judges) or 'none'}."
        blocks = ["\n".join(comments(self.signature))]
        label = re.sub("[^a-z0-9]+", "-", self.model.lower()).strip("-") or "model"
        below = [_sentence(line).removesuffix(".") for line in self.notes]
        for part in (each.for_paper() for each in self.parts):
            sentences = [self.title, part.heading, judges, part.below, *self.cautions]
            caption = " ".join(f"{sentence.removesuffix('.')}." for sentence in sentences)
            key = f"tab:jasco-reliance-{label}-{part.key}"
            blocks.append(table_float(key, caption, part.table, below, compact=True))
            below = []
        return "\n\n".join(blocks) + "\n"


def reliance_if_measured(target: Path, judges: Sequence[str] = ()) -> RelianceReport | None:
    """Return the report of a judged run; None if the target has no conditions.

    Parameters
    ----------
    target : pathlib.Path
        The folder of a run with verdicts, or a judged CSV file.
    judges : sequence of str
        The judges whose verdicts are used; all that judged every condition if empty.
    """
    return RelianceReport.of(read_reliance(target, judges)) if has_conditions(target) else None


def _digest(recipe: Mapping[str, Any]) -> str:
    text = json.dumps(recipe, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _sentence(text: str) -> str:
    """Capitalize the first letter, unless it is the symbol v."""
    return text if re.match(r"v\b", text) else text[:1].upper() + text[1:]


def _figures_json(figures: RelianceFigures) -> Json:
    return as_json(
        {
            **pick(figures, "clips", "full", "conditions"),
            "effects": {
                name: {**as_json(vars(effect)), "robust": effect.robust}
                for name in EFFECTS
                for effect in [figures.effects.get(name, Effect())]
            },
            "shapley_shares": {"sound": figures.share_sound, "speech": figures.share_speech},
            "swaps": figures.swaps,
        }
    )
