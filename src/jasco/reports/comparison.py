"""Models side by side: paired differences, as JSON and as a table."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from jasco.benchmark.comparison import Comparison, compare, holm
from jasco.benchmark.errors import InputError, Refused
from jasco.benchmark.marks import Marks
from jasco.evaluation.results import Results
from jasco.reports.exam import exam_line
from jasco.reports.layout import between, interval, number, percent, table
from jasco.reports.summary import (
    SCHEMA,
    data_of,
    made_by,
    signature,
    summarise_data,
    summarise_models,
)

_SHARES = ("audio", "both", "speech")
_HEADER = (
    "difference", "clips", "best-mean", "95 %", "tested", "p", "p (Holm)", "detectable", "mean",
    "95 %", *_SHARES,
)  # fmt: skip
_TESTED = _HEADER.index("tested")


def summarise_comparison(results: Sequence[Results], *, anyway: bool = False) -> dict[str, Any]:
    """Compare each pair of models.

    Parameters
    ----------
    results : sequence of Results
        At least two models.
    anyway : bool
        Compare even if data, protocol or judges differ: on the clips that both have.

    Raises
    ------
    InputError
        Fewer than two models, or nothing in common.
    Refused
        Data, protocol or judges differ.
    """
    if len(results) < 2:
        raise InputError("compare needs two models or more")
    if not anyway:
        for other in results[1:]:
            _refuse_unlike(results[0], other)
    names = _names(results)
    pairs = list(combinations(range(len(results)), 2))
    compared = [_compare(results[one], results[other]) for one, other in pairs]
    corrected = iter(holm([each.p for each in compared if each.p is not None]))
    return {
        "schema": SCHEMA,
        "signature": signature(results),
        "protocol": results[0].protocol,
        "data": summarise_data(data_of(results)),
        "models": summarise_models(dict(zip(names, results, strict=True))),
        "pairs": [
            _pair(names[one], names[other], each, next(corrected) if each.p is not None else None)
            for (one, other), each in zip(pairs, compared, strict=True)
        ],
    }


def _refuse_unlike(one: Results, other: Results) -> None:
    for what, ours, theirs in (
        ("data", _brief(one.data.annotations_sha256), _brief(other.data.annotations_sha256)),
        ("audio", _brief(one.data.audio_sha256), _brief(other.data.audio_sha256)),
        ("protocol", one.protocol, other.protocol),
        ("judges", _judges(one), _judges(other)),
    ):
        if ours != theirs and not (what == "audio" and None in (ours, theirs)):
            raise Refused(
                f"{one.model} and {other.model} differ in {what} ({ours or 'none'} and "
                f"{theirs or 'none'}): their difference would not be one of models; --anyway "
                "compares them all the same, on the clips that both have"
            )


def _judges(results: Results) -> str:
    # Of judged CSV files nobody knows the judge: they are taken to have had the same one.
    known = [
        made_by(name, facts.identity) for name, facts in results.judges.items() if facts.identity
    ]
    return " + ".join(sorted(known)) if known else f"{len(results.judges)} unknown"


def _brief(sha256: str | None) -> str | None:
    return sha256 and sha256[:12]


def _names(results: Sequence[Results]) -> list[str]:
    """Name models; by number as well, where two runs are of the same one."""
    names = [each.model for each in results]
    return [
        f"{name} ({place})" if names.count(name) > 1 else name
        for place, name in enumerate(names, start=1)
    ]


def _compare(one: Results, other: Results) -> Comparison:
    if not one.marks or not other.marks:
        without = one if not one.marks else other
        raise InputError(f"{without.model}: no judge has marked it yet; see: jasco judge --help")
    theirs = {clip.sha256: place for place, clip in enumerate(other.clips)}
    shared = [
        (place, theirs[clip.sha256])
        for place, clip in enumerate(one.clips)
        if clip.sha256 in theirs
    ]
    if not shared:
        raise InputError(f"{one.model} and {other.model} have no clip in common")
    places = list(zip(*shared, strict=True))
    return compare(_of(one.marks, places[0]), _of(other.marks, places[1]))


def _of(marks: Mapping[str, Marks], places: Sequence[int]) -> dict[str, Marks]:
    return {judge: each.of_clips(np.array(places)) for judge, each in marks.items()}


def _pair(first: str, second: str, compared: Comparison, p_holm: float | None) -> dict[str, Any]:
    return {
        "first": first,
        "second": second,
        "clips": compared.clips,
        "best_mean": compared.best_mean.value,
        "best_mean_ci": interval(compared.best_mean),
        "tested": compared.tested,
        "p": compared.p,
        "p_holm": p_holm,
        "minimum_detectable_difference": compared.detectable,
        "mean": compared.mean.value,
        "mean_ci": interval(compared.mean),
        "modality_dependence": {name: getattr(compared, name).value for name in _SHARES},
        "modality_dependence_ci": {name: interval(getattr(compared, name)) for name in _SHARES},
    }


def render_comparison(summary: Mapping[str, Any]) -> str:
    """Lay a comparison out for people."""
    header = list(_HEADER)
    rows = [
        [
            f"{pair['first']}\n  minus {pair['second']}",
            str(pair["clips"]),
            _signed(pair["best_mean"]),
            between(pair["best_mean_ci"]),
            pair["tested"].replace("_", "-"),
            _p(pair["p"]),
            _p(pair["p_holm"]),
            number(pair["minimum_detectable_difference"]),
            _signed(pair["mean"]),
            between(pair["mean_ci"]),
            *(_signed_percent(pair["modality_dependence"][name]) for name in _SHARES),
        ]
        for pair in summary["pairs"]
    ]
    with_people = any(pair["tested"] == "mean" for pair in summary["pairs"])
    if not with_people:  # then all is about best-mean
        for row in (header, *rows):
            del row[_TESTED]
    incomplete = [name for name, model in summary["models"].items() if not model["complete"]]
    remarks = [
        f"{name}: INCOMPLETE; compared on the clips that have a verdict of every judge"
        for name in incomplete
    ]
    judges = {
        name: figures for model in summary["models"].values()
        for name, figures in model["judges"].items()
    }  # fmt: skip
    exams = [f"{name}: {exam_line(figures['exam'])}" for name, figures in judges.items()]
    signed = f"signature: {summary['signature']}"
    explained = [_EXPLAINED, _ABOUT_PEOPLE] if with_people else [_EXPLAINED]
    return "\n".join([table(header, rows), "", *explained, *exams, *remarks, signed])


_EXPLAINED = (
    "Paired over clips. p: sign-flip permutation test of best-mean; Holm: corrected for the "
    "number of pairs; detectable: the true difference that this benchmark finds four times out of "
    "five. Judges and decoding are held fixed; how much they vary is not in the intervals."
)

_ABOUT_PEOPLE = (
    "A person hears a clip once and answers one prompt: compared with one, p, Holm and detectable "
    "are those of the mean (best of 1)."
)


def _signed(value: float | None) -> str:
    return number(value) if value is None else f"{value:+.2f}"


def _signed_percent(value: float | None) -> str:
    return percent(value) if value is None else f"{100 * value:+.1f} %"


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
