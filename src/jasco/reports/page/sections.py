"""What stands on the page, section by section: tables, charts and sentences, ready to be set."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jasco.data import dataset
from jasco.data.fetching import LICENCE
from jasco.errors import count
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.reports.comparison_table import all_complete, bounds, compared_on, detectable, explain
from jasco.reports.exam import judge_line
from jasco.reports.exports import summarise_report
from jasco.reports.layout import (
    between,
    number,
    p_value,
    percent,
    signed_number,
    with_interval,
)
from jasco.reports.page.charts import (
    SHARES,
    Row,
    Table,
    best_of,
    by_prompt,
    dependence,
    headline,
)
from jasco.reports.page.content import Shown, clips_of
from jasco.reports.table import (
    COMPARABLE,
    LEFT_OUT,
    PUBLISHED,
    cautions,
    faults,
    marked,
    published_rows,
    remarks,
    title,
)
from jasco.version import __version__


def sections_of(shown: Mapping[str, Shown], missing_audio: Sequence[str]) -> dict[str, Any]:
    """Lay out the page.

    Parameters
    ----------
    shown : mapping of str to Shown
        By the name that a model is to have.
    missing_audio : sequence of str
        Clips whose audio could not be shown.

    Raises
    ------
    InputError
        The results are about different data or protocols.
    """
    results = [each.results for each in shown.values()]
    summary = summarise_report(results)
    data, models = summary["data"], summary["models"]
    beside = summary["published"] if data["name"] == dataset.PUBLISHED else []
    published = [Row(cells, "published") for cells in published_rows(summary["published"])]
    warnings = [line for name, model in models.items() for line in cautions(name, model)]
    lines = [
        line
        for name, model in models.items()
        for line in (*remarks(name, model), *faults(name, model))
        if line not in warnings
    ]
    if missing_audio:
        are = "is" if len(missing_audio) == 1 else "are"
        lines.append(
            f"{count(len(missing_audio), 'clip')} {are} shown without their sound, which is not "
            f"where it was, or not what it was: {', '.join(missing_audio[:10])}"
        )
    pairs = summary.get("pairs", ())
    return {
        "title": "Joint audio-speech co-reasoning",
        "about": f"{title(summary)}. {count(len(models), 'model')}.",
        "sections": [
            ("results", "Results"), ("reading", "How to read this"), ("dependence", "Modality"),
            ("prompts", "Prompts"), ("heat", "Clips and prompts"), ("judges", "Judges"),
            ("whole", "Completeness"), ("clips", "Every clip"),
        ],
        "warnings": warnings,
        "headline": Table(_HEADER, list(_headline(models))),
        "published": Table(PUBLISHED, published),
        "comparable": COMPARABLE,
        "left_out": LEFT_OUT,
        "charts": {
            "results": list(headline(models, beside)),
            "dependence": list(dependence(models, beside)),
            "prompts": [*best_of(models), *by_prompt(models)],
        },
        "pairs": _pairs(pairs),
        "not_compared": summary.get("not_compared", ()),
        "explained": explain(pairs),
        "signature": summary["signature"],
        "people": any(each.single_prompt for each in results),
        "prompts": INSTRUCTIONS,
        "heatmaps": [_heatmap(name, each) for name, each in shown.items()],
        "judges": list(_judges(models)),
        "exams": list(dict.fromkeys(_exams(models))),
        "remarks": lines,
        "licence": licence(data["name"]),
        "version": __version__,
    }  # fmt: skip


def licence(data: str) -> str:
    """Say whose the clips are, and on which terms they may be handed on."""
    if data == dataset.PUBLISHED:
        return f"Clips and annotations: {LICENCE}."
    if data == dataset.ALTERED:
        return f"Annotations, and clips before they were altered: {LICENCE}."
    if data == dataset.MINI:
        return "Clips and annotations: mini, which comes with jasco; Apache-2.0. Voices: flite."
    return f"Clips and annotations: the data set {data}; its owner says who may have them."


_HEADER = (
    "model / judge", "best-mean", "mean", "audio", "both", "speech", "neither", "unreadable",
    "coverage",
)  # fmt: skip


def _headline(models: Mapping[str, Any]) -> Iterator[Row]:
    for name, model in models.items():
        judges = model["judges"]
        alone = f", by {next(iter(judges))}" if len(judges) == 1 else ""
        yield _figures(name + alone, model, "")
        if len(judges) > 1:
            for judge, figures in judges.items():
                yield _figures(judge, figures, "judge")


def _figures(name: str, figures: Mapping[str, Any], kind: str) -> Row:
    ends = None if figures["complete"] else figures["best_mean_bounds"]
    bounds = f"bounds {between(ends)}" if ends else ""
    shares, spans = figures["modality_dependence"], figures["modality_dependence_ci"]
    return Row(
        [
            marked(name, figures),
            number(figures["best_mean"]),
            number(figures["mean"]),
            *(percent(shares[key]) for key in SHARES),
            percent(figures["neither_rate"]),
            percent(figures["unreadable_rate"]),
            percent(figures["coverage"]),
        ],
        kind,
        [
            "",
            between(figures["best_mean_ci"]) or bounds,
            between(figures["mean_ci"]),
            *(between(spans[key], percent) for key in SHARES),
            "",
            "",
            bounds if figures["best_mean_ci"] else "",
        ],
    )


def _pairs(pairs: Sequence[Mapping[str, Any]]) -> Table:
    # Bounds stand beside where a verdict is missing.
    beside = [] if all_complete(pairs) else ["bounds"]
    header = ("difference", "clips", "best-mean", "p (Holm)", "detectable", "mean", *beside)
    rows = [
        Row(
            [
                f"{pair['first']} minus {pair['second']}",
                compared_on(pair),
                signed_number(pair["best_mean"]),
                p_value(pair["p_holm"]),
                detectable(pair),
                signed_number(pair["mean"]),
                *(bounds(pair) for _ in beside),
            ],
            below=[
                "", "", between(pair["best_mean_ci"]), "", "", between(pair["mean_ci"]),
                *("" for _ in beside),
            ],
        )
        for pair in pairs
    ]  # fmt: skip
    return Table(header, rows)


def _heatmap(name: str, shown: Shown) -> dict[str, Any]:
    scores = _scores(shown)
    return {
        "model": name,
        "rows": [
            {
                "clip": clip.id,
                "cells": [_cell(score) for score in row],
                "mean": number(None if np.isnan(row).all() else float(np.nanmean(row))),
            }
            for clip, row in zip(clips_of({name: shown}), scores, strict=True)
        ],
    }


def _scores(shown: Shown) -> NDArray[np.float64]:
    """Average the judges' gated scores, shape (clips, instructions); NaN where there is none."""
    shape = len(shown.results.clips), len(INSTRUCTIONS)
    sheets = np.array([matrix.gated() for matrix in shown.results.matrices.values()], float)
    sheets = sheets.reshape(-1, *shape)
    known = ~np.isnan(sheets)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = np.nansum(sheets, axis=0) / known.sum(axis=0)
    return mean


def _cell(score: float) -> dict[str, str]:
    if np.isnan(score):
        return {"text": "", "shade": "hx"}
    return {"text": number(score, digits=1).removesuffix(".0"), "shade": f"h{round(2 * score)}"}


def _judges(models: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    rows = [
        Row(
            [name, *(with_interval(agreement[key], agreement[f"{key}_ci"]) for key in _ALPHAS)],
            kind,
        )
        for title, model in models.items()
        for name, kind, agreement in (
            (title, "", model["agreement"]),
            *(
                (f"{judge}, with itself", "judge", figures["agreement_with_itself"])
                for judge, figures in model["judges"].items()
            ),
        )
        if agreement
    ]
    if rows:
        yield {
            "caption": "How the judges agree: Krippendorff's alpha, 1 is perfect, 0 is chance",
            "table": Table(("answers of", "rating", "orientation"), rows),
        }
    pairs = [
        Row([
            " and ".join(pair["judges"]) + f", on {title}",
            with_interval(pair["rating_kappa"], pair["rating_kappa_ci"]),
            f"{_same(pair['ratings'])} of {np.sum(pair['ratings'])}",
            f"{_same(pair['orientations'])} of {np.sum(pair['orientations'])}",
        ])
        for title, model in models.items()
        for pair in (model["agreement"] or {"pairs": ()})["pairs"]
    ]  # fmt: skip
    if pairs:
        yield {
            "caption": "Judges pair by pair: weighted kappa of the rating, and verdicts alike",
            "table": Table(("judges", "kappa", "same rating", "same orientation"), pairs),
        }


_ALPHAS = ("rating_alpha", "orientation_alpha")


def _same(counts: Sequence[Sequence[int]]) -> int:
    return int(np.trace(np.array(counts)))


def _exams(models: Mapping[str, Any]) -> Iterator[str]:
    for model in models.values():
        for judge, figures in model["judges"].items():
            yield judge_line(judge, figures)
