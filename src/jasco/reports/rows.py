"""Results as rows of plain values, for data frames."""

from collections.abc import Iterator, Mapping
from typing import Any

from jasco.benchmark.clips import items_of
from jasco.benchmark.filled import Key
from jasco.benchmark.verdicts import Verdict
from jasco.evaluation.results import JudgedItems

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
        low, high = figures[f"{name}_ci"] or (None, None)
        yield from ((name, figures[name]), (f"{name}_low", low), (f"{name}_high", high))
    yield from figures["modality_dependence"].items()
    for name in ("neither_rate", "unreadable_rate", "coverage", "complete", "proxy"):
        yield name, figures[name]


_NOTHING: Mapping[Key, tuple[list[str], Verdict]] = {}


def item_rows(items: JudgedItems) -> Iterator[Row]:
    """Lay out what was answered and marked: a row for each item and judge.

    ``judge`` is None where nobody has judged; ``answer`` and ``rating`` are None where there is
    none. ``score`` is what counts: the rating of an answer that rests on both cues, else 0.
    """
    for clip in items.clips:
        for item in items_of(clip):
            key = clip.id, item.number
            answer = {
                "clip": clip.id,
                "instruction": item.number,
                "prompt": item.instruction,
                "reference": clip.reference,
                "answer": items.answers.get(key),
            }
            for judge, said in items.judges.items() or [(None, _NOTHING)]:
                texts, verdict = said.get(key, ([], None))
                readable = verdict is not None and verdict.readable
                yield {
                    **answer,
                    "judge": judge,
                    "rating": verdict and verdict.rating,
                    "orientation": verdict and verdict.orientation and str(verdict.orientation),
                    "score": verdict.gated if verdict and readable else None,
                    "judge_output": texts[0] if texts else None,
                }
