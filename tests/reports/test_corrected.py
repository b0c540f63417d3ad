"""Raw and corrected figures in the terminal."""

from typing import Any

import numpy as np

from jasco.reports.corrected import label_lines
from jasco.reports.report import Report, summarise
from jasco.reports.text import render
from jasco.runs.results import AnswerLabels, JudgeFacts
from made_results import results
from matrices import random_matrix


def labels(labelled: int = 20, clips: int = 40, rows: int = 160, items: int = 8) -> AnswerLabels:
    """Return labels of the first items of the first clips."""
    scores = np.full((1, clips, 8), np.nan)
    scores[0, :labelled, :items] = random_matrix(9, clips).gated()[:labelled, :items]
    return AnswerLabels(scores, rows, labelled * items, "c" * 64)


def report(*seeds: int, **changes: Any) -> Report:
    matrices = [random_matrix(seed) for seed in seeds]
    return summarise([results("qwen", *matrices, **{"labels": labels(), **changes})])


def rows_of(text: str) -> list[str]:
    """Return the lines of the table of corrected figures."""
    return text.partition("\nfigure")[2].partition("\nCorrected")[0].splitlines()


def test_raw_and_corrected_figures_are_side_by_side() -> None:
    made = report(1)
    model = made.models["qwen"]
    [judge] = model.judges.values()
    assert judge.corrected
    text = render(made)
    for figure, heading in (("best_mean", "best-mean of qwen"), ("mean", "mean of qwen")):
        corrected = getattr(judge.corrected, figure)
        [line] = [line for line in rows_of(text) if line.startswith(heading)]
        cells = line.removeprefix(heading).split("  ")
        assert [cell.strip() for cell in cells if cell.strip()] == [
            str(getattr(model.score, figure)), str(corrected.estimate), f"{corrected.bias:+.2f}",
            "20",
        ]  # fmt: skip
    assert "random sample of all clips" in " ".join(text.split())


def test_a_panel_and_each_judge_have_a_row() -> None:
    text = "\n".join(rows_of(render(report(1, 2))))
    assert text.count("of qwen") == 2
    assert text.count("by openai/JUDGE ") == text.count("by openai/JUDGE1") == 2


def test_judges_of_a_mixed_panel_are_corrected_one_by_one() -> None:
    facts = {"openai/JUDGE": JudgeFacts(), "openai/JUDGE1": JudgeFacts(proxy=True)}
    made = report(1, 2, judges=facts)
    assert made.models["qwen"].corrected is None
    assert all(judge.corrected for judge in made.models["qwen"].judges.values())
    lines = rows_of(render(made))
    assert sum("of qwen" in line for line in lines) == 4
    assert sum("(proxy)" in line for line in lines) == 2


def test_rows_that_are_not_used_are_counted() -> None:
    assert list(label_lines(report(1).models)) == ["qwen: 160 labelled items of 20 clips"]
    [line] = label_lines(report(1, labels=labels(rows=256)).models)
    assert line.endswith("; 96 of 256 rows label other answers and are not used")


def test_labelled_clips_without_verdicts_are_counted() -> None:
    kept = np.ones((40, 8), bool)
    kept[:3] = False  # of the labelled clips
    failing = results("qwen", random_matrix(1).of_items(kept), random_matrix(2), labels=labels())
    _, *lines = label_lines(summarise([failing]).models)
    named = [line.partition(": 3 labelled clips without a verdict")[0] for line in lines]
    assert named == ["qwen", "openai/JUDGE"]


def test_without_an_estimate_the_reason_is_given() -> None:
    made = report(1, labels=labels(items=7))
    assert made.models["qwen"].to_json()["corrected"]["best_mean"]["estimate"] is None
    [_, line] = label_lines(made.models)
    assert line.startswith("best-mean of qwen by openai/JUDGE: no estimate; 0 clips")
    assert "at least 5" in line
    assert "–" in "\n".join(rows_of(render(made)))
    assert len([*label_lines(report(1, labels=labels(labelled=3)).models)]) == 3


def test_without_labels_nothing_is_added() -> None:
    made = report(1, labels=None)
    assert "orrected" not in render(made)
    model = made.to_json()["models"]["qwen"]
    assert not {"labels", "corrected"} & {*model, *model["judges"]["openai/JUDGE"]}


def test_the_json_holds_labels_and_corrected_figures() -> None:
    made = report(1, 2, labels=labels(rows=200))
    model = made.to_json()["models"]["qwen"]
    counts = {"rows": 200, "rows_used": 160, "items": 160, "clips": 20}
    assert model["labels"] == {"labels_sha256": "c" * 64, **counts}
    figure = model["judges"]["openai/JUDGE"]["corrected"]["best_mean"]
    fields = {"estimate", "estimate_ci", "bias", "weight", "labelled_clips"}
    assert figure.keys() == model["corrected"]["mean"].keys() == fields
    assert figure["labelled_clips"] == 20
