"""The result as a table in the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jasco.backends.requests import change_in_words
from jasco.errors import count, one_line
from jasco.reports.exam import judge_line
from jasco.reports.layout import (
    between,
    kinds,
    number,
    percent,
    reason_lines,
    table,
    with_interval,
)
from jasco.reports.spending import spending_line

_HEADER = (
    "model / judge", "best-mean", "95 %", "bounds", "mean", "audio", "both", "speech",
    "neither", "unreadable", "coverage",
)  # fmt: skip
_BOUNDS = _HEADER.index("bounds")

FIGURES = (
    "Best-mean: a clip's best score over the 8 instructions, averaged over the clips, 0 to 2. "
    "Mean: averaged over the instructions as well. Audio, both, speech: on which cue the answers "
    "rest, among those that rest on any. Neither: answers that name no action at all. Coverage: "
    "readable verdicts among the expected ones."
)
COMPARABLE = (
    "Published on the 80 clips of What Are They Doing, with large language models as judges: "
    "comparable with figures on the same clips by the same judges only."
)


def render(summary: Mapping[str, Any]) -> str:
    """Lay out a summary for people, with what is missing said in words."""
    rows = [row for name, model in summary["models"].items() for row in _rows(name, model)]
    header = list(_HEADER)
    if not any(row[_BOUNDS] for row in rows):  # nothing is missing anywhere
        for row in (header, *rows):
            del row[_BOUNDS]
    laid_out = table(header, rows)
    published = _published(summary["published"]) if "published" in summary else []
    models = summary["models"].items()
    told = [line for name, model in models for line in remarks(name, model)]
    behind = [
        line for name, model in models for line in (*_details(name, model), *backing(name, model))
    ]
    if any(each["mean_ci"] for _, model in models for each in (model, *model["judges"].values())):
        behind.append(LEFT_OUT)
    signed = f"signature: {summary['signature']}"
    return "\n".join([title(summary), "", laid_out, "", *behind, *told, signed, *published])


def title(summary: Mapping[str, Any]) -> str:
    """Say which data the figures are about."""
    data = summary["data"]
    return (
        f"JASCO on {data['name']}: {count(data['clips'], 'clip')}, "
        f"{count(data['items'], 'item')}, "
        f"protocol {summary['protocol'] or 'none yet'}"
    )


LEFT_OUT = (
    "Intervals: bootstrap over the clips. Judges and decoding are held fixed; how much they vary "
    "is not in them."
)


def _details(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    """Say what lies behind the headline: the prompts, the panel's agreement."""
    if model["items_a_clip"] == 1 and model["judges"]:
        mean = with_interval(model["mean"], model["mean_ci"])
        yield (
            f"{name}: asked one prompt a clip, as people are: no best-mean; best of 1 (mean) {mean}"
        )
    if curve := model["best_at_k"]:
        yield f"{name}: best of 1 to {len(curve)} prompts: {' '.join(map(number, curve))}"
    prompts = model["instructions"]
    if prompts["spread"] is not None:
        means = [mean for mean in prompts["means"] if mean is not None]
        apart = with_interval(
            prompts["sound_first_minus_speech_first"],
            prompts["sound_first_minus_speech_first_ci"],
        )
        yield (
            f"{name}: mean by prompt: {number(min(means))} to {number(max(means))}; "
            f"sound named first minus speech named first: {apart}"
        )
    agreement = model["agreement"]
    if agreement and not model["mixed"]:
        yield f"{name}: the judges agree (Krippendorff's alpha): {_alphas(agreement)}"


def backing(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    """Say what a model's figures rest on: how fit the judges are, faults of the data."""
    for judge, figures in model["judges"].items():
        yield judge_line(judge, figures)
        if itself := figures["agreement_with_itself"]:
            yield f"{judge}: agrees with itself (alpha): {_alphas(itself)}"
    yield from faults(name, model)


def faults(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    """Say what is known to be wrong with the data, and what it does to the figures."""
    if known := model["known_issues"]:
        figure = "mean" if model["items_a_clip"] == 1 else "best_mean"
        without = with_interval(known[f"{figure}_without"], known[f"{figure}_without_ci"])
        yield (
            f"{name}: without the clips that have known faults ({', '.join(known['clips'])}; "
            f"see: jasco data verify): {figure.replace('_', '-')} {without}"
        )


def _alphas(agreement: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{what} {with_interval(agreement[f'{what}_alpha'], agreement[f'{what}_alpha_ci'])}"
        for what in ("rating", "orientation")
    )


PUBLISHED = ("published", "best-mean", "audio", "both", "speech")


def published_rows(results: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Write what was published, a row for each model."""
    return [
        [each["model"], number(each["best_mean"])]
        + [percent(each[name]) for name in ("audio", "both", "speech")]
        for each in results
    ]


def _published(results: Sequence[Mapping[str, Any]]) -> list[str]:
    return ["", table(PUBLISHED, published_rows(results)), "", COMPARABLE]


def _rows(name: str, model: Mapping[str, Any]) -> Iterator[list[str]]:
    judges = model["judges"]
    if len(judges) != 1:
        yield [marked(name, model), *_cells(model)]
        for judge, figures in judges.items():
            yield [f"  {marked(judge, figures)}", *_cells(figures)]
    else:
        ((judge, figures),) = judges.items()
        by = marked(judge, figures)
        yield [by if judge == name else f"{name}\n  by {by}", *_cells(figures)]


def marked(name: str, figures: Mapping[str, Any]) -> str:
    """Name a model or a judge, and say so where it is a stand-in's figures."""
    # Beside other judges a stand-in has figures of its own only: the model has none to be marked.
    return f"{name} (proxy)" if figures["proxy"] and not figures.get("mixed") else name


def _cells(figures: Mapping[str, Any]) -> list[str]:
    shares = figures["modality_dependence"]
    return [
        number(figures["best_mean"]),
        between(figures["best_mean_ci"]),
        "" if figures["complete"] else between(figures["best_mean_bounds"]),
        number(figures["mean"]),
        *(percent(shares[name]) for name in ("audio", "both", "speech")),
        percent(figures["neither_rate"]),
        percent(figures["unreadable_rate"]),
        percent(figures["coverage"]),
    ]


def remarks(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    """Say in words what is missing, failed, was cut off or is in doubt."""
    answers = model["answers"]
    unanswered = answers["expected"] - answers["answered"]
    if unanswered:
        why = f" ({kinds(answers['failed'])})" if answers["failed"] else ""
        expected = count(answers["expected"], "item")
        are = "is" if unanswered == 1 else "are"
        yield f"{name}: {unanswered} of {expected} {are} not answered{why}"
    yield from reason_lines(name, answers["reasons"])
    if cut := answers["truncated"]:
        were = "was" if cut == 1 else "were"
        yield f"{name}: {count(cut, 'answer')} {were} cut off at the longest length allowed"
    if answers["treated_clips"]:
        treated = answers["treated_clips"]
        yield f"{name}: converted to 16 kHz mono PCM16: {count(treated, 'clip')}"
    if most := answers["most_clipped"]:
        clipped = answers["clipped_clips"]
        yield (
            f"{name}: clipped samples: {count(clipped, 'clip')} (most: clip "
            f"{one_line(most['clip'], 40)}, {count(most['samples'], 'sample')})"
        )
    for warning, clips in answers["audio_warnings"].items():
        named = one_line(", ".join(clips), 80)
        yield f"{name}: {warning}: {count(len(clips), 'clip')} ({named})"
    if cut := answers["cut_clips"]:
        yield (
            f"{name}: {count(cut, 'clip')} {'is' if cut == 1 else 'are'} longer than the "
            f"{answers['max_audio_seconds']:g} s that it hears, and cut off there"
        )
    for runtime in answers["runtime"]:
        told = ", ".join(f"{key} {value}" for key, value in runtime.items())
        yield f"{name}: computed with {one_line(told, 500)}"
    if not model["judges"]:
        yield f"{name}: no judge has marked it yet"
    for judge, figures in model["judges"].items():
        failed = sum(figures["failed"].values())
        left = answers["answered"] - figures["verdicts"] - figures["failed_final"]
        if left > 0 and len(model["judges"]) > 1:
            yield (
                f"{judge}: {left} of {count(answers['answered'], 'answer')} have no verdict of "
                "this judge: finish it with the command that began it, leave it out with --judge, "
                f"or remove it: jasco forget RUN --judge {judge}"
            )
        if failed:
            yield f"{judge}: {count(failed, 'verdict')} failed ({kinds(figures['failed'])})"
            yield from reason_lines(judge, figures["reasons"])
        if check := check_doubt(figures["check"]):
            yield f"{judge}: {check}"
        if cut := figures["unreadable_cut_off"]:
            yield (
                f"{judge}: {cut} of its unreadable verdicts were cut off at the longest length "
                "allowed; max_tokens=... allows more"
            )
    for judge, failures in model["judges_without_verdict"].items():
        yield f"{judge}: gave no verdict ({kinds(failures)}), and is left out of the figures"
        yield from reason_lines(judge, model["judges_without_verdict_reasons"].get(judge, ()))
    for who, figures in ((name, model), *model["judges"].items()):
        if words := change_in_words(figures["adaptations"]):
            yield f"{who}: {words}, because its server asked for it"
    if line := spending_line(model["spent"]):
        yield f"{name}: {line}"
    yield from cautions(name, model)


def failures(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    """Quote the commonest messages of a model's failures, and of its judges' failures."""
    yield from reason_lines(name, model["answers"]["reasons"])
    for judge, figures in model["judges"].items():
        yield from reason_lines(judge, figures["reasons"])
    for judge, reasons in model["judges_without_verdict_reasons"].items():
        yield from reason_lines(judge, reasons)


def check_doubt(check: Mapping[str, Any] | None) -> str:
    """Format that a judge got the known question wrong; empty if it did not."""
    if check is None or check["state"] != "wrong":
        return ""
    return (
        f"gave rating {check['rating']}, {check['orientation']} to a known question whose verdict "
        "is 2, Both"
    )


def missing(summary: Mapping[str, Any]) -> Iterator[str]:
    """Say in a few words what each incomplete model lacks."""
    for name, model in summary["models"].items():
        answers = model["answers"]
        unanswered = answers["expected"] - answers["answered"]
        lacking = []
        if unanswered:
            why = f" ({kinds(answers['failed'])})" if answers["failed"] else ""
            lacking.append(
                f"{unanswered} of {count(answers['expected'], 'item')} not answered{why}"
            )
        if not model["judges"] and (answers["answered"] or not lacking):
            lacking.append("not judged yet")
        if not model["complete"] and model["judges"]:
            lacking.append(f"coverage {percent(model['coverage'])}")
        if lacking:
            yield f"{name}: {', '.join(lacking)}"


def cautions(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    """Say what must be known before any of a model's figures is believed."""
    yield from doubts(name, model)
    if not model["complete"] and model["judges"]:
        if model["items_a_clip"] == 1:
            yield (
                f"{name}: INCOMPLETE. The mean counts the clips that have a readable verdict; with "
                "every missing verdict at its worst and at its best it is "
                f"{between(model['mean_bounds'])}."
            )
        else:
            yield (
                f"{name}: INCOMPLETE. Best-mean counts the clips that have a readable verdict; the "
                "bounds put every missing verdict at its worst and at its best."
            )


def doubts(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    """Say what speaks against a model's figures, complete or not."""
    if doubt := preflight_doubt(model["answers"]["preflight"]):
        yield f"{name}: {doubt}"
    yield from mixtures(name, model)
    if model["proxy"]:
        proxies = [judge for judge, figures in model["judges"].items() if figures["proxy"]]
        whose = ", ".join(proxies) if model["mixed"] else name
        yield (
            f"{whose}: PROXY figures. A small classifier stands in for the protocol's judges: to "
            "try things and to compare your own runs, not to publish; see: jasco judges"
        )


def mixtures(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    """Say where figures are, or would be, of more than one model or of unlike judges."""
    for who, served in (
        (name, model["served"]),
        *((judge, figures["served"]) for judge, figures in model["judges"].items()),
    ):
        if len(served) > 1:
            yield (
                f"{who}: its server called it {one_line(' and '.join(served))} within this run: "
                "the figures may be of a mixture of models"
            )
    if model["mixed"]:
        yield (
            f"{name}: a proxy and other judges are never averaged: the figures are each judge's "
            "own; --judge chooses whose are shown"
        )


def preflight_doubt(preflight: Mapping[str, Any] | None) -> str:
    """Say what speaks against the model's hearing, or that nobody knows."""
    if preflight is None or preflight["state"] == "passed":
        return ""
    reason = one_line(preflight.get("reason", ""), 500)
    doubt = {
        "refused": f"NOT HEARING, by the preflight: it {reason}",
        "inconclusive": f"nobody knows whether it hears: of the preflight, {reason}",
        "skipped": "nobody knows whether it hears: there was no preflight (--no-preflight)",
    }[preflight["state"]]
    return doubt + ("; overridden by --no-preflight" if preflight.get("overridden") else "")
