"""Differences between stored figures and the same figures, computed again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jasco.runs.bundles.row_checks import Difference

_TOLERANCE = 1e-6
"""Largest difference of a figure that rounding can cause.

Scores of clips are held in single precision (relative error 6e-8), and sums may be computed in
another order by another version of NumPy. Tables print two decimals.
"""
_SCORES = "scores.json"
_ALWAYS = {
    "schema", "signature", "protocol", "data", "models", "judges", "answers", "best_mean",
    "best_mean_ci", "mean", "mean_ci", "modality_dependence", "coverage", "complete",
}  # fmt: skip
"""Fields that every version writes; others were or may be added by a later version."""


@dataclass(frozen=True)
class ScoreDifferences:
    """What a comparison of figures found.

    Attributes
    ----------
    differences : list of Difference
        The fields that differ.
    unknown : list of str
        Stored fields that this version of jasco does not compute, if another version wrote them.
    """

    differences: list[Difference] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def score_differences(stored: Mapping[str, Any], recomputed: Mapping[str, Any]) -> ScoreDifferences:
    """Compare two objects of ``jasco score --json``, field by field.

    Versions are not compared. If they differ, fields that a later version added may be missing.

    Parameters
    ----------
    stored, recomputed : mapping
        The object that was stored, and the one that was computed from the rows.
    """
    found = ScoreDifferences()
    same_version = _version(stored) == _version(recomputed)
    _compare(found, (), _comparable(stored), _comparable(recomputed), same_version=same_version)
    return found


def _version(scores: Mapping[str, Any]) -> object:
    versions = scores.get("versions")
    return versions.get("jasco") if isinstance(versions, Mapping) else None


def _comparable(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object without the versions, which are also at the beginning of the signature."""
    parts = {name: value for name, value in scores.items() if name != "versions"}
    signature = parts.get("signature")
    if isinstance(signature, str) and signature.startswith("jasco:"):
        parts["signature"] = signature.partition("|")[2]
    return parts


def _compare(
    found: ScoreDifferences,
    path: tuple[str, ...],
    stored: Any,
    recomputed: Any,
    *,
    same_version: bool,
) -> None:
    what = ".".join(path)
    if isinstance(stored, Mapping) and isinstance(recomputed, Mapping):
        for name in {**stored, **recomputed}:
            within = *path, str(name)
            if name in stored and name in recomputed:
                parts = stored[name], recomputed[name]
                _compare(found, within, *parts, same_version=same_version)
            elif same_version or name in _ALWAYS or path[-1:] in (("models",), ("judges",)):
                parts = stored.get(name), recomputed.get(name)
                found.differences.append(Difference(_SCORES, ".".join(within), *parts))
            elif name in stored:
                found.unknown.append(".".join(within))
    elif isinstance(stored, list) and isinstance(recomputed, list):
        if len(stored) != len(recomputed):
            lengths = len(stored), len(recomputed)
            found.differences.append(Difference(_SCORES, f"{what} (number of entries)", *lengths))
            return
        for place, parts in enumerate(zip(stored, recomputed, strict=True)):
            within = *path[:-1], f"{path[-1]}[{place}]"
            _compare(found, within, *parts, same_version=same_version)
    elif not _is_same(stored, recomputed):
        found.differences.append(Difference(_SCORES, what, stored, recomputed))


def _is_same(stored: Any, recomputed: Any) -> bool:
    numbers = [type(value) in (int, float) for value in (stored, recomputed)]
    if all(numbers):
        return math.isclose(stored, recomputed, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return type(stored) is type(recomputed) and bool(stored == recomputed)
