"""The report of causal modality reliance: as JSON, text, Markdown and LaTeX."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from jasco.errors import count, one_line
from jasco.interventions.reliance_results import RelianceResults
from jasco.metrics.reliance import CLIP_CLASSES, EFFECTS, Effect, Reliance, RelianceFigures
from jasco.protocol.conditions import ORIGINAL, condition_of
from jasco.reports import markdown
from jasco.reports.formats import percent
from jasco.reports.notes import PROXY
from jasco.reports.reliance_tables import (
    INCOMPLETE,
    ReliancePart,
    parts_of_figures,
    parts_of_judges,
)
from jasco.reports.report import SCHEMA, Json, as_json, pick
from jasco.reports.signature import DIGITS, signature
from jasco.runs.results import Data

UNKNOWN = "unknown"
"""The class of a clip that lacks a value."""
_LONGEST_RECIPE = 500

_CLASSES_IN_WORDS = {
    "prompt": "solved by the prompt",
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
    """Causal modality reliance of a model, with how it was measured.

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
        Number of clips whose stems pass, by gate, and ``all`` gates; empty for exact stems.
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
        gates = {f"{cue} stem": int(passed.sum()) for cue, passed in passes.items()}
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
        return [PROXY] * self.proxy + [
            f"INCOMPLETE: {key}: coverage {percent(self._coverage(key))}; repeat the command to "
            "resume"
            for key, state in self.states.items()
            if state == INCOMPLETE
        ]

    def _coverage(self, key: str) -> float | None:
        figures = self.reliance.figures.conditions.get(key)
        return figures.coverage if figures else None

    @property
    def notes(self) -> list[str]:
        """How the figures were produced, and what they cannot show."""
        return [*self._notes(), _RUBRIC, _JUDGED, _INTERVALS]

    def _notes(self) -> Iterator[str]:
        yield self.classes_line
        for key, reason in self.skipped.items():
            yield f"{key} skipped: {reason}"
        figures = self.main_figures
        if not self.exact and any(condition_of(key).needs_stems for key in figures.conditions):
            yield from self._stem_notes()
        if "none" not in figures.conditions:
            yield "none was not measured: no contributions of the cues and no synergy"
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

    def _stem_notes(self) -> Iterator[str]:
        recipe = one_line(_flat(self.stems), _LONGEST_RECIPE) or "unknown recipe"
        yield f"stems: estimated ({recipe})"
        if self.gates:
            passed = ", ".join(f"{gate} {number}" for gate, number in self.gates.items())
            yield f"clips whose stems pass the gates, of {self.data.clips}: {passed}"
        else:
            yield "unknown how many stems pass the gates; figures are for all clips"
        if self.reliance.figures.full == ORIGINAL:
            yield (
                "remix was not measured, so the complete input is original: differences include "
                "the effect of the stems"
            )

    @property
    def classes_line(self) -> str:
        """The number of clips of each class, in one line."""
        parts = [
            f"{number} {_CLASSES_IN_WORDS[each]}"
            for each, number in self.class_counts.items()
            if number
        ]
        return f"clips: {', '.join(parts) or 'none'}"

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
        return "\n".join([*lines, "", *self.cautions, *self.notes, f"signature: {self.signature}"])

    def to_markdown(self) -> str:
        """Format the report as GitHub-flavored Markdown."""
        blocks = [f"## {markdown.prose(self.title)}"]
        for part in self.parts:
            blocks += [
                f"### {markdown.prose(part.heading)}",
                part.table.to_text("pipe", markdown.cell),
                markdown.prose(part.explained),
            ]
        notes = [f"- {markdown.prose(line)}" for line in (*self.cautions, *self.notes)]
        signature = f"Signature: {markdown.code(self.signature)}"
        return "\n\n".join([*blocks, "### Notes", "\n".join(notes), signature]) + "\n"

    def to_latex(self) -> str:
        """Format the report as LaTeX tables for a paper."""
        from jasco.reports.latex import comments, table_float  # loads the LaTeX encoder

        judges = f"Judges: {', '.join(self.reliance.judges) or 'none'}."
        blocks = ["\n".join(comments(self.signature))]
        below = [line.removesuffix(".") for line in self.notes]
        for part in self.parts:
            sentences = [self.title, part.heading, judges, part.explained, *self.cautions]
            caption = " ".join(f"{sentence.removesuffix('.')}." for sentence in sentences)
            blocks.append(table_float(f"tab:jasco-reliance-{part.key}", caption, part.table, below))
            below = []
        return "\n\n".join(blocks) + "\n"


def _digest(recipe: Mapping[str, Any]) -> str:
    text = json.dumps(recipe, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _flat(recipe: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} ({_flat(value)})" if isinstance(value, Mapping) else f"{key} {value}"
        for key, value in recipe.items()
    )


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
