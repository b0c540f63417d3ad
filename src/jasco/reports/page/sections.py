"""The sections of the page: tables, charts and texts for the templates."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

from jasco.data import dataset
from jasco.data.sources import LICENCE
from jasco.errors import count
from jasco.reports import columns
from jasco.reports.comparison import summarise_report
from jasco.reports.findings import Finding, FindingKind, findings
from jasco.reports.notes import NoteKind, explain_pairs, note_lines
from jasco.reports.page import charts
from jasco.reports.page.heat_maps import HeatMap, heat_map
from jasco.reports.page.line_charts import best_of_chart, prompts_chart
from jasco.reports.page.plots import marker_of
from jasco.reports.page.reliance_charts import part_table, steps_of
from jasco.reports.page.shown import Shown, clips_of
from jasco.reports.reliance_report import RelianceReport
from jasco.reports.text import title
from jasco.runs.results import clips_by_score
from jasco.version import __version__

_REMARKS = (NoteKind.MISSING, NoteKind.REASON, NoteKind.DETAIL, NoteKind.KNOWN_ISSUES)


def sections_of(shown: Mapping[str, Shown], sounds: Container[str]) -> dict[str, Any]:
    """Return the variables of the page's template.

    Parameters
    ----------
    shown : mapping of str to Shown
        By the name to show for a model.
    sounds : container of str
        Ids of the clips whose audio is shown.

    Raises
    ------
    InputError
        The results use different data or protocols.
    """
    report = summarise_report([model.results for model in shown.values()])
    models, pairs, data = report.models, report.pairs or (), report.data.name
    reliance = {name: each.reliance for name, each in shown.items() if each.reliance}
    found = findings(report, reliance, clips_of(shown))
    published = report.published or ()
    comparable = published if data == dataset.PUBLISHED else ()
    instructions = max(len(model.results.instructions) for model in models.values())
    remarks = note_lines(report, _REMARKS)
    if missing := [clip.id for clip in clips_of(shown) if clip.id not in sounds]:
        remarks.append(
            f"{count(len(missing), 'clip')} shown without audio (file missing or changed): "
            f"{', '.join(missing[:10])}"
        )
    return {
        "title": "Joint audio-speech co-reasoning",
        "data": data,
        "about": f"{title(report)}. {count(len(models), 'model')}.",
        "best": [each for each in found if each.kind is FindingKind.BEST],
        "difference": _answered(found, FindingKind.DIFFERENCE),
        "questions": _answered(found, FindingKind.CUES, FindingKind.CLIPS, FindingKind.JUDGES),
        "doubts": [each.text for each in found if each.kind is FindingKind.DOUBT],
        "leaderboard": charts.leaderboard(models, comparable),
        "figures": columns.headline(models, columns.with_intervals(columns.FIGURES)),
        "published": columns.published_figures(() if comparable else published),
        "comparable": columns.PUBLISHED_EXPLAINED,
        "intervals": note_lines(report, [NoteKind.INTERVALS]),
        "pairs": charts.differences_table(pairs) if pairs else None,
        "explained": explain_pairs(pairs),
        "not_compared": note_lines(report, [NoteKind.COMPARISON]),
        "best_of": list(best_of_chart(models, instructions)),
        "by_prompt": list(prompts_chart(models, instructions)),
        "dependence": charts.dependence_table(models, comparable),
        "signature": report.signature,
        "participants": any(model.results.single_prompt for model in models.values()),
        "prompts": report.instructions,
        "instruction_count": count(len(report.instructions), "instruction"),
        "published_instructions": report.published_instructions,
        "heat_maps": _heat_maps(shown),
        "agreement": charts.agreement_table(models),
        "judge_agreement": charts.judge_agreement_table(models),
        "pairwise_agreement": charts.pairwise_agreement_table(models),
        "attribution": note_lines(report, [NoteKind.ATTRIBUTION]),
        "reliance": [
            _reliance(name, model.reliance) for name, model in shown.items() if model.reliance
        ],
        "exams": note_lines(report, [NoteKind.JUDGE]),
        "remarks": remarks,
        "licence": licence(data),
        "version": __version__,
    }


class Question(NamedTuple):
    """A question that readers ask first, its answers, and a link to all figures about it."""

    heading: str
    address: str
    link: str
    answers: Sequence[Finding] = ()


_QUESTIONS = {
    FindingKind.DIFFERENCE: Question("Is the difference real?", "models", "All differences"),
    FindingKind.CUES: Question("Sound or speech?", "cues", "All figures about the cues"),
    FindingKind.CLIPS: Question(
        "Which clips are hardest?", "clips?sort=hardest", "All clips, the hardest first"
    ),
    FindingKind.JUDGES: Question("Do the judges agree?", "judges", "All figures about the judges"),
}


def _answered(found: Sequence[Finding], *kinds: FindingKind) -> list[Question]:
    """Return the questions of these kinds that have an answer."""
    questions = [
        _QUESTIONS[kind]._replace(answers=[each for each in found if each.kind is kind])
        for kind in kinds
    ]
    return [each for each in questions if each.answers]


def licence(data: str) -> str:
    """Return the origin and licence of the clips."""
    known = {
        dataset.PUBLISHED: f"Clips and annotations: {LICENCE}.",
        dataset.ALTERED: f"Annotations and original clips (before alteration): {LICENCE}.",
        dataset.MINI: "Clips and annotations: mini, part of jasco; Apache-2.0. Voices: flite.",
    }
    other = f"Clips and annotations: the data set {data}; see its licence."
    return known.get(data, other)


def _reliance(name: str, report: RelianceReport) -> dict[str, Any]:
    return {
        "model": name,
        "warnings": report.cautions,
        "steps": list(steps_of(report)),
        "parts": [
            {"heading": part.heading, "secondary": part.secondary, "below": part.below,
             "table": part_table(part, name)}
            for part in report.parts
        ],
        "notes": report.notes,
        "signature": report.signature,
    }  # fmt: skip


def _heat_maps(shown: Mapping[str, Shown]) -> list[HeatMap]:
    """Return the heat map of each model, with the clips that are hardest for all models first."""
    hardest = clips_by_score([model.results for model in shown.values()])
    order = [*dict.fromkeys([*hardest, *(clip.id for clip in clips_of(shown))])]
    return [
        heat_map(
            name,
            marker_of(place),
            {clip: score.by_instruction for clip, score in model.results.clip_scores.items()},
            order,
        )
        for place, (name, model) in enumerate(shown.items())
    ]
