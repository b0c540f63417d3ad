"""Results made up on the spot, and what becomes of a report when its names or figures change."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.clips import Clip
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.results import Answers, Data, JudgeFacts, Results

DATA = Data("two", "a" * 64, "b" * 64, 2, 16)
MODEL, OTHER, JUDGE = "openai/MODEL", "openai/OTHER", "openai/JUDGE"


def marked(
    rating: int = 2,
    orientation: Orientation = Orientation.BOTH,
    *,
    missing: int = 0,
    clips: int = DATA.clips,
) -> VerdictMatrix:
    """Mark every item alike, except for the last ones."""
    marks = VerdictMatrix.none_yet(clips)
    for place in range(8 * clips - missing):
        marks.enter(place // 8, place % 8 + 1, Verdict(rating, orientation))
    return marks


def results(
    model: str = MODEL, *marks: VerdictMatrix, facts: dict[str, Any] | None = None, **changes: Any
) -> Results:
    """Give a model's results, by the judges openai/JUDGE, openai/JUDGE1 and so on."""
    names = [f"{JUDGE}{n or ''}" for n in range(len(marks))]
    clips = len(marks[0].ratings) if marks else DATA.clips
    told: dict[str, Any] = {
        "data": replace(DATA, clips=clips, items=8 * clips),
        "protocol": "v2",
        "answers": Answers(8 * clips, 8 * clips),
        "judges": {name: JudgeFacts(**(facts or {})) for name in names},
        "clips": tuple(Clip(str(n), "rain", "Run!", "a", "b", "c", "d") for n in range(clips)),
        "matrices": dict(zip(names, marks, strict=True)),
    }
    return Results(model, **{**told, **changes})


def changed(told: Any, change: Callable[[Any], Any]) -> Any:
    """Change what a report holds, keys and lists too, from the innermost outwards."""
    if isinstance(told, dict):
        return {change(key): changed(value, change) for key, value in told.items()}
    if isinstance(told, list):
        return change([changed(each, change) for each in told])
    return change(told)


def renamed(report: Any, names: Sequence[tuple[str, str]]) -> Any:
    """Put other texts where names stand, wherever that is."""

    def rename(told: Any) -> Any:
        for name, other in names if isinstance(told, str) else ():
            told = told.replace(name, other)
        return told

    return changed(report, rename)


def without_figures(report: Any) -> Any:
    """Take every figure away, as where none can be computed: intervals whole, lists singly."""

    def empty(told: Any) -> Any:
        if isinstance(told, list) and len(told) == 2 and all(each is None for each in told):
            return None
        return None if isinstance(told, float) else told

    return changed(report, empty)
