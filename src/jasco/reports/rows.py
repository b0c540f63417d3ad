"""Results as rows of plain values, for data frames."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jasco.data.responses_csv import Key
from jasco.protocol.clips import items_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Verdict
from jasco.runs.results import JudgedItems

Row = dict[str, Any]


def figure_rows(summary: Mapping[str, Any]) -> Iterator[Row]:
    """Lay out a summary's figures: a row for each model, and for each of its judges.

    ``judge`` is None in a model's own row, whose figures are its judges' means.
    """
    for name, model in summary["models"].items():
        for judge, figures in ((None, model), *model["judges"].items()):
            yield {"model": name, "judge": judge, **dict(_figures(figures))}


def _figures(figures: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("best_mean", "mean"):
        yield from _estimate(name, figures[name], figures[f"{name}_ci"])
    for name, share in figures["modality_dependence"].items():
        yield from _estimate(name, share, figures["modality_dependence_ci"][name])
    for name in ("neither_rate", "unreadable_rate", "coverage", "complete", "proxy"):
        yield name, figures[name]
    worst, best = figures["best_mean_bounds"] or (None, None)
    yield from (("best_mean_at_worst", worst), ("best_mean_at_best", best))
    yield from _numbered("best_of", figures["best_at_k"])
    yield from _numbered("mean_of_instruction", figures["instructions"]["means"])


def _estimate(
    name: str, value: float | None, ends: Sequence[float] | None
) -> Iterator[tuple[str, Any]]:
    low, high = ends or (None, None)
    yield from ((name, value), (f"{name}_low", low), (f"{name}_high", high))


def _numbered(name: str, values: Sequence[float | None] | None) -> Iterator[tuple[str, Any]]:
    for place in range(len(INSTRUCTIONS)):
        yield f"{name}_{place + 1}", values[place] if values else None


_NOTHING: Mapping[Key, tuple[list[str], Verdict]] = {}


def item_rows(items: JudgedItems) -> Iterator[Row]:
    """Lay out what was answered and marked: a row for each item and judge.

    ``judge`` is None where nobody has judged; ``answer`` and ``rating`` are None where there is
    none. ``score`` is what counts: the rating of an answer that rests on both cues, else 0.
    ``failure`` and ``judge_failure`` say why there is no answer, or no verdict: ``kind: message``.
    """
    # Judges that gave no verdict have rows too: only there it stands why.
    judges = dict.fromkeys([*items.judges, *items.judge_failures])
    for clip in items.clips:
        for item in items_of(clip):
            key = clip.id, item.number
            answer = {
                "clip": clip.id,
                "instruction": item.number,
                "prompt": item.instruction,
                "reference": clip.reference,
                "answer": items.answers.get(key),
                "failure": _why(items.failures.get(key)),
            }
            for judge in judges or [None]:
                texts, verdict = items.judges.get(judge or "", _NOTHING).get(key, ([], None))
                failed = items.judge_failures.get(judge or "", {}).get(key)
                readable = verdict is not None and verdict.readable
                yield {
                    **answer,
                    "judge": judge,
                    "rating": verdict and verdict.rating,
                    "orientation": verdict and verdict.orientation and str(verdict.orientation),
                    "score": verdict.gated if verdict and readable else None,
                    "judge_output": texts[0] if texts else None,
                    "judge_failure": _why(failed),
                }


def _why(failure: Failure | None) -> str | None:
    return f"{failure.kind}: {failure.message}" if failure else None
