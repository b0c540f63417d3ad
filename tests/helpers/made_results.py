"""Made-up results, and reports with other names or figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.clips import Clip
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.results import Answers, Data, JudgeFacts, Results

DATA = Data("two", "a" * 64, "b" * 64, 2, 16)
MODEL, OTHER, JUDGE = "openai/MODEL", "openai/OTHER", "openai/JUDGE"


def judged(
    rating: int = 2,
    orientation: Orientation = Orientation.BOTH,
    *,
    missing: int = 0,
    clips: int = DATA.clips,
) -> VerdictMatrix:
    """Return a matrix with the same verdict on every item; the last ones may be missing."""
    matrix = VerdictMatrix.none_yet(clips)
    for index in range(8 * clips - missing):
        matrix.enter(index // 8, index % 8 + 1, Verdict(rating, orientation))
    return matrix


def results(
    model: str = MODEL,
    *matrices: VerdictMatrix,
    facts: dict[str, Any] | None = None,
    **changes: Any,
) -> Results:
    """Return a model's results, by the judges openai/JUDGE, openai/JUDGE1 and so on."""
    names = [f"{JUDGE}{n or ''}" for n in range(len(matrices))]
    clips = len(matrices[0].ratings) if matrices else DATA.clips
    parts: dict[str, Any] = {
        "data": replace(DATA, clips=clips, items=8 * clips),
        "protocol": "v2",
        "answers": Answers(8 * clips, 8 * clips),
        "judges": {name: JudgeFacts(**(facts or {})) for name in names},
        "clips": tuple(Clip(str(n), "rain", "Run!", "a", "b", "c", "d") for n in range(clips)),
        "matrices": dict(zip(names, matrices, strict=True)),
    }
    return Results(model, **{**parts, **changes})


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Apply a function to all values of a report, keys and sequences included, innermost first."""
    if isinstance(value, VerdictMatrix):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        return replace(value, **changed(parts, change))
    if isinstance(value, Mapping):
        return {change(key): changed(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return change(type(value)(changed(part, change) for part in value))
    return change(value)


def renamed(report: Any, names: Sequence[tuple[str, str]]) -> Any:
    """Replace names in all texts of a report."""

    def rename(text: Any) -> Any:
        for name, other in names if isinstance(text, str) else ():
            text = text.replace(name, other)
        return text

    return changed(report, rename)


def without_figures(report: Any) -> Any:
    """Replace all figures and intervals of a report by None."""

    def empty(value: Any) -> Any:
        if isinstance(value, list | tuple) and list(value) == [None, None]:
            return None
        return None if isinstance(value, float) else value

    return changed(report, empty)
