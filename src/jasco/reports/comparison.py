"""Comparison of models: the pairs that can be compared, and their differences."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from jasco.backends.specs import identity_key
from jasco.errors import InputError, RunConflictError, one_line
from jasco.metrics.comparison import Comparison, compare, holm
from jasco.reports.report import NotCompared, Pair, Report, collate, data_difference, summarise
from jasco.reports.signature import describe, identity_name
from jasco.runs.results import JudgeFacts, Results

_MIXED = "a proxy is never averaged with other judges; select judges with --judge"


def summarise_comparison(results: Sequence[Results], *, allow_mismatch: bool = False) -> Report:
    """Return the report of a comparison of each pair of models.

    Parameters
    ----------
    results : sequence of Results
        The results of at least two models.
    allow_mismatch : bool
        Whether to compare models on their common clips even if data, protocol or judges differ.

    Raises
    ------
    InputError
        Two models have no clips in common, or the judges of a model include a proxy and others.
    RunConflictError
        Data, protocol or judges differ.
    """
    for model in results:
        _check_judged(model)
        if model.mixed:
            raise InputError(f"{model.model}: {_MIXED}")
    report = collate(results)
    pairs = list(combinations(report.models, 2))
    mismatches = [
        f"{first} and {second} differ in {difference}"
        for first, second in pairs
        if (difference := _difference(report, first, second))
    ]
    if mismatches and not allow_mismatch:
        raise RunConflictError(
            f"{mismatches[0]}, so differences cannot be attributed to the models; to compare them "
            "anyway, on their common clips, use --allow-mismatch"
        )
    return replace(report, pairs=_compare_pairs(report, pairs), mismatches=mismatches)


def summarise_report(results: Sequence[Results]) -> Report:
    """Return the report of models for a page or file.

    It includes the published results and, for several models, the differences of the pairs that can
    be compared and the reasons why the other pairs cannot.

    Raises
    ------
    InputError
        The results use different data or protocols.
    """
    report = summarise(results, published=True)
    if len(results) < 2:
        return report
    pairs, not_compared = [], []
    for first, second in combinations(report.models, 2):
        if why := _why_not_compared(report, first, second):
            not_compared.append(NotCompared(first, second, why))
        else:
            pairs.append((first, second))
    return replace(report, pairs=_compare_pairs(report, pairs), not_compared=not_compared)


def _why_not_compared(report: Report, *names: str) -> str | None:
    if not_judged := [name for name in names if not report.models[name].results.matrices]:
        return f"{' and '.join(not_judged)}: not judged yet"
    if any(report.models[name].results.mixed for name in names):
        return _MIXED
    difference = _difference(report, *names)
    return difference and f"they differ in {difference}"


def _difference(report: Report, *names: str) -> str | None:
    one, other = (report.models[name].results for name in names)
    return data_difference(one, other) or judge_difference(one, other)


def judge_difference(one: Results, other: Results) -> str | None:
    """Return the difference between the judges of two models; None if they are the same."""
    for results in (one, other):
        for name, facts in results.judges.items():
            if len(facts.served) > 1:
                served = one_line(" and ".join(facts.served))
                return f"judges ({name} was served as {served} within the run of {results.model})"
    ours, theirs = (sorted(model.judges.items(), key=_judge_key) for model in (one, other))
    alike = [*map(_judge_key, ours)] == [*map(_judge_key, theirs)] and all(
        # A server may not report which model it serves, so that a difference is unknown.
        our.served == their.served or not our.served or not their.served
        for (_, our), (_, their) in zip(ours, theirs, strict=True)
    )
    return None if alike else f"judges ({_names_of(ours)} and {_names_of(theirs)})"


def _judge_key(judge: tuple[str, JudgeFacts]) -> str:
    # The judge of a CSV file may be unknown; such files are assumed to have the same judge.
    facts = judge[1]
    return identity_key(facts.identity) if facts.identity else f"unknown {facts.proxy}"


def _names_of(judges: Sequence[tuple[str, JudgeFacts]]) -> str:
    return " + ".join(
        describe(identity_name(name, facts.identity), facts.identity, facts.served)
        if facts.identity
        else f"unknown{' proxy' if facts.proxy else ''}"
        for name, facts in judges
    )


def _compare_pairs(report: Report, pairs: Sequence[tuple[str, str]]) -> list[Pair]:
    compared = [_compare(*(report.models[name].results for name in pair)) for pair in pairs]
    corrected = iter(holm([comparison.p for comparison in compared if comparison.p is not None]))
    return [
        Pair(*pair, comparison, next(corrected) if comparison.p is not None else None)
        for pair, comparison in zip(pairs, compared, strict=True)
    ]


def _check_judged(model: Results) -> None:
    if not model.matrices:
        raise InputError(f"{model.model}: not judged yet; run: jasco judge RUN --judge JUDGE")


def _compare(one: Results, other: Results) -> Comparison:
    _check_judged(one)
    _check_judged(other)
    if one.instructions != other.instructions:
        raise InputError(
            f"{one.model} and {other.model} have different instructions, so they have no item in "
            "common; compare models with the same instructions"
        )
    places = [{clip.sha256: n for n, clip in enumerate(model.clips)} for model in (one, other)]
    shared = [clip for clip in places[0] if clip in places[1]]
    if not shared:
        raise InputError(
            f"{one.model} and {other.model} have no clips in common; use models on the same data"
        )
    ours, theirs = (
        {
            judge: matrix.of_clips(np.array([own[clip] for clip in shared]))
            for judge, matrix in results.matrices.items()
        }
        for results, own in zip((one, other), places, strict=True)
    )
    return compare(ours, theirs)
