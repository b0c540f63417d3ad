"""Models side by side: paired differences, as JSON and as a table."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from jasco.backends.specs import identity_key
from jasco.errors import InputError, RunConflictError, count, one_line
from jasco.metrics.comparison import LEAST_CLIPS, Comparison, compare, holm
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.reports.exam import judge_line
from jasco.reports.layout import (
    between,
    interval,
    number,
    p_value,
    signed_number,
    signed_percent,
    table,
)
from jasco.reports.summary import (
    SCHEMA,
    distinct_names,
    identified,
    made_by,
    shared_data,
    shared_protocol,
    signature,
    summarise_data,
    summarise_models,
    unlike,
)
from jasco.reports.table import doubts, failures
from jasco.runs.results import JudgeFacts, Results

Named = tuple[str, Results]
_SHARES = ("audio", "both", "speech")
_HEADER = (
    "difference", "clips", "best-mean", "95 %", "bounds", "tested", "p", "p (Holm)", "detectable",
    "mean", "95 %", *_SHARES,
)  # fmt: skip
_BOUNDS = _HEADER.index("bounds")
_TESTED = _HEADER.index("tested")


def summarise_comparison(
    results: Sequence[Results], *, allow_mismatch: bool = False
) -> dict[str, Any]:
    """Compare each pair of models.

    Parameters
    ----------
    results : sequence of Results
        At least two models.
    allow_mismatch : bool
        Compare even if data, protocol or judges differ: on the clips that both have.

    Raises
    ------
    InputError
        Fewer than two models, nothing in common, or a proxy beside other judges of one model.
    RunConflictError
        Data, protocol or judges differ.
    """
    if len(results) < 2:
        raise InputError("compare needs two models or more")
    for each in results:
        if each.mixed:
            raise InputError(f"{each.model}: {_MIXED}")
    named = dict(zip(distinct_names(results), results, strict=True))
    mismatches = [
        f"{name} and {other_name} differ in {difference}"
        for (name, one), (other_name, other) in combinations(named.items(), 2)
        if (difference := unlike(one, other) or _unlike_judges(one, other))
    ]
    if mismatches and not allow_mismatch:
        raise RunConflictError(
            f"{mismatches[0]}: their difference would not be one of models; --allow-mismatch "
            "compares them all the same, on the clips that both have"
        )
    return {
        "schema": SCHEMA,
        "signature": signature(results),
        "protocol": shared_protocol(results),
        "data": summarise_data(shared_data(results)),
        "models": summarise_models(named),
        "pairs": _pairs(list(combinations(named.items(), 2))),
        "mismatches": mismatches,
    }


_MIXED = "a proxy and other judges are never averaged; --judge chooses whose verdicts are compared"


def summarise_comparable(results: Mapping[str, Results]) -> dict[str, Any]:
    """Compare the pairs of models that can be, and say why the others cannot.

    Parameters
    ----------
    results : mapping of str to Results
        By the model's name; all on the same data, by the same protocol.

    Returns
    -------
    dict
        ``pairs``, as of a comparison, and ``not_compared``: ``first``, ``second`` and ``why``.
    """
    pairs = list(combinations(results.items(), 2))
    why = [_why_not(*one, *other) for one, other in pairs]
    return {
        "pairs": _pairs([pair for pair, reason in zip(pairs, why, strict=True) if not reason]),
        "not_compared": [
            {"first": first, "second": second, "why": reason}
            for ((first, _), (second, _)), reason in zip(pairs, why, strict=True)
            if reason
        ],
    }


def _why_not(name: str, one: Results, other_name: str, other: Results) -> str | None:
    unmarked = [each for each, of in ((name, one), (other_name, other)) if not of.matrices]
    if unmarked:
        return f"no judge has marked {' and '.join(unmarked)} yet"
    if one.mixed or other.mixed:
        return _MIXED
    difference = _unlike_judges(one, other)
    return difference and f"they differ in {difference}"


def _unlike_judges(one: Results, other: Results) -> str | None:
    """Say in what the judges of two models differ; None where they do not."""
    for results in (one, other):
        for name, facts in results.judges.items():
            if len(facts.served) > 1:
                served = one_line(" and ".join(facts.served))
                return f"judges ({name} was served as {served} within the run of {results.model})"
    ours, theirs = (sorted(each.judges.items(), key=_judge_key) for each in (one, other))
    alike = [_judge_key(each) for each in ours] == [_judge_key(each) for each in theirs] and all(
        # A server need not tell what it serves: then no difference is known.
        our.served == their.served or not our.served or not their.served
        for (_, our), (_, their) in zip(ours, theirs, strict=True)
    )
    return None if alike else f"judges ({_listed(ours)} and {_listed(theirs)})"


def _judge_key(judge: tuple[str, JudgeFacts]) -> str:
    # Of judged CSV files nobody may know the judge: those are taken to have had the same one.
    facts = judge[1]
    return identity_key(facts.identity) if facts.identity else f"unknown {facts.proxy}"


def _listed(judges: Sequence[tuple[str, JudgeFacts]]) -> str:
    return " + ".join(
        made_by(identified(name, facts.identity), facts.identity, facts.served)
        if facts.identity
        else f"unknown{' proxy' if facts.proxy else ''}"
        for name, facts in judges
    )


def _pairs(pairs: Sequence[tuple[Named, Named]]) -> list[dict[str, Any]]:
    compared = [_compare(one, other) for (_, one), (_, other) in pairs]
    corrected = iter(holm([each.p for each in compared if each.p is not None]))
    return [
        _pair(first, second, each, next(corrected) if each.p is not None else None)
        for ((first, _), (second, _)), each in zip(pairs, compared, strict=True)
    ]


def _compare(one: Results, other: Results) -> Comparison:
    if not one.matrices or not other.matrices:
        without = one if not one.matrices else other
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
    return compare(_of(one.matrices, places[0]), _of(other.matrices, places[1]))


def _of(matrices: Mapping[str, VerdictMatrix], places: Sequence[int]) -> dict[str, VerdictMatrix]:
    return {judge: each.of_clips(np.array(places)) for judge, each in matrices.items()}


def _pair(first: str, second: str, compared: Comparison, p_holm: float | None) -> dict[str, Any]:
    return {
        "first": first,
        "second": second,
        "clips": compared.clips,
        "clips_left_out": compared.clips_left_out,
        "items": compared.items,
        "items_expected": compared.items_expected,
        "complete": compared.complete,
        "best_mean": compared.best_mean.value,
        "best_mean_ci": interval(compared.best_mean),
        "tested": compared.tested,
        "tested_bounds": list(compared.bounds),
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
            compared_on(pair),
            signed_number(pair["best_mean"]),
            between(pair["best_mean_ci"]),
            bounds(pair),
            pair["tested"].replace("_", "-"),
            p_value(pair["p"]),
            p_value(pair["p_holm"]),
            detectable(pair),
            signed_number(pair["mean"]),
            between(pair["mean_ci"]),
            *(signed_percent(pair["modality_dependence"][name]) for name in _SHARES),
        ]
        for pair in summary["pairs"]
    ]
    with_people = any(pair["tested"] == "mean" for pair in summary["pairs"])
    unneeded = [_TESTED] * (not with_people) + [_BOUNDS] * all_complete(summary["pairs"])
    for row in (header, *rows):
        for place in unneeded:
            del row[place]
    incomplete = [name for name, model in summary["models"].items() if not model["complete"]]
    remarks = [
        f"{name}: INCOMPLETE; compared where every judge of both models has a readable verdict"
        for name in incomplete
    ]
    remarks += [line for name, model in summary["models"].items() for line in failures(name, model)]
    judges = {
        name: figures for model in summary["models"].values()
        for name, figures in model["judges"].items()
    }  # fmt: skip
    exams = [judge_line(name, figures) for name, figures in judges.items()]
    remarks += [line for name, model in summary["models"].items() for line in doubts(name, model)]
    remarks += [
        f"compared all the same (--allow-mismatch): {each}"
        for each in summary.get("mismatches", ())
    ]
    signed = f"signature: {summary['signature']}"
    explained = explain(summary["pairs"])
    return "\n".join([table(header, rows), "", explained, *exams, *remarks, signed])


def compared_on(pair: Mapping[str, Any]) -> str:
    """Say on how many clips two models are compared; where some are missing, on how many items."""
    told = str(pair["clips"])
    if pair["clips_left_out"]:
        told += f" of {pair['clips'] + pair['clips_left_out']}"
    if pair["items"] < pair["items_expected"]:
        told += f" ({pair['items']} of {count(pair['items_expected'], 'item')})"
    return told


def bounds(pair: Mapping[str, Any], write: Callable[[Sequence[float]], str] = between) -> str:
    """Write the bounds of the difference that is tested; nothing where no verdict is missing."""
    return "" if pair["complete"] or not pair["tested_bounds"] else write(pair["tested_bounds"])


def detectable(pair: Mapping[str, Any]) -> str:
    """Write the minimum detectable difference, which is never 0."""
    value = pair["minimum_detectable_difference"]
    return number(value) if value is None or value >= _SMALLEST else f"< {number(_SMALLEST)}"


_SMALLEST = 0.01


def explain(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Say what stands in the columns of a table of differences."""
    told = [_DIFFERENCES]
    if any(pair["clips"] < LEAST_CLIPS for pair in pairs):
        told.append(f"Of fewer than {LEAST_CLIPS} clips there is no p.")
    if not all_complete(pairs):
        told.append(_ABOUT_MISSING)
    if any(pair["tested"] == "mean" for pair in pairs):
        told.append(_ABOUT_PEOPLE)
    return " ".join(told)


def all_complete(pairs: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether no pair of models lacks a verdict: then there is no need for bounds."""
    return all(pair["complete"] for pair in pairs)


_DIFFERENCES = (
    "Paired over clips. p: sign-flip permutation test of best-mean; Holm: corrected for the "
    "number of pairs; detectable: the true difference that this benchmark finds four times out of "
    "five. Judges and decoding are held fixed; how much they vary is not in the intervals."
)

_ABOUT_MISSING = (
    "Where verdicts are missing, models are compared on the items that every judge of both has a "
    "readable verdict on: best-mean is that of the best of the common prompts of each clip, and "
    "clips without any are left out. What is missing is taken to be missing by chance. Bounds: "
    "every missing verdict at its worst for one model and at its best for the other."
)

_ABOUT_PEOPLE = (
    "A person hears a clip once and answers one prompt: compared with one, p, Holm and detectable "
    "are those of the mean (best of 1), a model's over the prompts that have a readable verdict; "
    "p: by exchanging the person's answers with the model's."
)
