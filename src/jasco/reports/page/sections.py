"""The sections of the page: tables, charts and texts for the templates."""

from collections.abc import Container, Mapping
from typing import Any

from jasco.data import dataset
from jasco.data.sources import LICENCE
from jasco.errors import count
from jasco.metrics.scoring import clip_scores
from jasco.reports import columns
from jasco.reports.comparison import summarise_report
from jasco.reports.formats import number
from jasco.reports.notes import CAUTIONS, NoteKind, explain_pairs, note_lines
from jasco.reports.page.charts import CHARTS, draw
from jasco.reports.page.content import Shown, clips_of
from jasco.reports.page.reliance_chart import draw_reliance
from jasco.reports.reliance_report import RelianceReport
from jasco.reports.text import title
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
    published = report.published or ()
    comparable = published if data == dataset.PUBLISHED else ()
    remarks = note_lines(report, _REMARKS)
    if missing := [clip.id for clip in clips_of(shown) if clip.id not in sounds]:
        remarks.append(
            f"{count(len(missing), 'clip')} shown without audio (file missing or changed): "
            f"{', '.join(missing[:10])}"
        )
    charts = {
        name: list(draw(name, models, comparable if name in ("headline", "dependence") else ()))
        for name in CHARTS
    }
    return {
        "title": "Joint audio-speech co-reasoning",
        "about": f"{title(report)}. {count(len(models), 'model')}.",
        "warnings": note_lines(report, CAUTIONS),
        "headline": columns.headline(models, columns.with_intervals(columns.FIGURES)),
        "published": columns.published_figures(published),
        "comparable": columns.PUBLISHED_EXPLAINED,
        "intervals": note_lines(report, [NoteKind.INTERVALS]),
        "charts": charts,
        "pairs": columns.differences(pairs),
        "explained": explain_pairs(pairs),
        "not_compared": note_lines(report, [NoteKind.COMPARISON]),
        "signature": report.signature,
        "participants": any(model.results.single_prompt for model in models.values()),
        "prompts": report.instructions,
        "published_instructions": report.published_instructions,
        "heatmaps": [_heatmap(name, model) for name, model in shown.items()],
        "agreement": columns.agreement(models),
        "pairwise_agreement": columns.pairwise_agreement(models),
        "attribution": note_lines(report, [NoteKind.ATTRIBUTION]),
        "reliance": [
            _reliance(name, model.reliance) for name, model in shown.items() if model.reliance
        ],
        "exams": note_lines(report, [NoteKind.JUDGE]),
        "remarks": remarks,
        "licence": licence(data),
        "version": __version__,
    }


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
        "charts": list(draw_reliance(report)),
        "parts": report.parts,
        "notes": report.notes,
        "signature": report.signature,
    }


def _heatmap(name: str, shown: Shown) -> dict[str, Any]:
    clips = shown.results.clips
    matrices, prompts = shown.results.matrices.values(), len(shown.results.instructions)
    scores = clip_scores(matrices, len(clips), prompts)
    rows = [
        {"clip": clip.id, "cells": map(_cell, score.by_instruction), "mean": number(score.mean)}
        for clip, score in zip(clips, scores, strict=True)
    ]
    return {"model": name, "rows": rows}


def _cell(score: float | None) -> dict[str, str]:
    if score is None:
        return {"text": "", "shade": "hx"}
    return {"text": number(score, digits=1).removesuffix(".0"), "shade": f"h{round(2 * score)}"}
