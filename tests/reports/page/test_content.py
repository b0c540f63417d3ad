"""The content for the page's scripts: scores, marked keywords, and verdicts that are missing."""

from dataclasses import replace
from pathlib import Path

import pytest

from runs import verdict, write_run
from synthetic import make_data

pytest.importorskip("jinja2", reason="needs the extra viewer")

from jasco.data.dataset import DataSet, read_data_set
from jasco.human.listening_study import Participant
from jasco.protocol.responses import Failure
from jasco.reports.page.content import content_of
from jasco.reports.page.sections import sections_of
from jasco.reports.page.shown import open_shown
from jasco.runs.writer import RunWriter


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return read_data_set(make_data(tmp_path / "data", clips=2))


def test_scores_are_those_of_the_report(data: DataSet, tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        data,
        lambda *_: "They flee.",
        {
            "strict": lambda clip, prompt: verdict(clip, "Both" if prompt == 1 else "Neither"),
            "mild": lambda clip, prompt: verdict(2, "Both" if prompt < 3 else "Neither"),
        },
    )
    shown = open_shown([run])
    model = content_of(shown, {})["models"][0]
    neither = ("s0 neither differ", "n", "0, neither, judges differ")
    assert model["scores"] == [
        {
            "best": 1.0,
            "mean": 0.25,
            "cells": [*[("s4 differ", "", "1.00, judges differ")] * 2, *[neither] * 6],
        },
        {
            "best": 1.5,
            "mean": 0.3125,
            "cells": [
                ("s6 differ", "", "1.50, judges differ"),
                ("s4 differ", "", "1.00, judges differ"),
                *[neither] * 6,
            ],
        },
    ]
    figures = next(iter(shown.values())).results.figures
    assert figures
    best_mean = figures.panel.best_mean
    assert best_mean
    assert best_mean.value == 1.25  # the average of the clips' best scores


def test_without_verdicts_there_are_no_scores(data: DataSet, tmp_path: Path) -> None:
    participant = Participant.open(tmp_path / "participants", "Ada", data)
    participant.answer(participant.items[0], "They flee.")
    content = content_of(open_shown([participant.folder]), {})
    [item] = content["items"]  # what was not asked is no item
    for place, score in enumerate(content["models"][0]["scores"]):
        cells = [None] * 8
        if place == item["clip"]:
            cells[item["prompt"] - 1] = ("missing", "", "no verdict")
        assert score == {"best": None, "mean": None, "cells": cells}


def test_keywords_are_marked_where_they_are(data: DataSet, tmp_path: Path) -> None:
    clips = tuple(replace(clip, keywords="surfing,sandcastle") for clip in data.clips)
    texts = {1: "They surf.", 2: "A sand castle \N{WATER WAVE} surfing", 3: "Nothing."}
    run = write_run(
        tmp_path / "run",
        DataSet("data", clips),
        lambda _, prompt: texts.get(prompt, Failure("timeout", "after 60 s")),
        {},
    )
    marks = [item["keywords"] for item in content_of(open_shown([run]), {})["items"][:4]]
    assert marks == [[(5, 9)], [(2, 13), (16, 23)], [], []]


def test_a_verdict_that_is_missing_has_its_reason(data: DataSet, tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        data,
        lambda clip, prompt: Failure("timeout", "after 60 s") if prompt == 1 else "They flee.",
        {
            "whole": lambda *_: verdict(2, "Both"),
            "partial": lambda _, prompt: (
                Failure("refused", "no")
                if prompt == 2
                else None
                if prompt == 3
                else verdict(2, "Both")
            ),
        },
    )
    content = content_of(open_shown([run]), {})
    items = content["items"]
    cells = content["models"][0]["scores"][0]["cells"]
    assert cells[:2] == [("missing failed", "×", "failed"), ("s8", "", "2.00")]
    assert [item["lacking"] for item in items[:4]] == [[], [(1, "refused: no")], [(1, "")], []]
    assert [len(item["verdicts"]) for item in items[:4]] == [0, 1, 1, 2]


def test_a_proxy_is_not_averaged_with_a_judge(data: DataSet, tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        data,
        lambda *_: "They flee.",
        {
            "judge": lambda clip, prompt: verdict(2 if clip else 0, "Both") if prompt < 8 else None,
            "proxy": lambda *_: verdict(1, "Neither"),
        },
    )
    with RunWriter.open(run) as store:
        store.set_proxy(2, True)
    content = content_of(open_shown([run]), {})
    easy = content["models"][0]["scores"][1]
    assert (easy["best"], easy["mean"]) == (2.0, 2.0)
    differs = ("s8 differ", "", "2.00, judges differ")
    assert easy["cells"] == [differs] * 7 + [("missing", "", "no verdict")]
    hard = content["models"][0]["scores"][0]["cells"][0]
    assert hard == ("s0 both differ", "b", "0, both, judges differ")
    assert [item["score"] for item in content["items"][8:]] == [2.0] * 7 + [None]
    assert [clip["mean"] for clip in content["clips"]] == [0.0, 2.0]


def test_best_is_at_least_the_mean_where_verdicts_are_missing(
    data: DataSet, tmp_path: Path
) -> None:
    run = write_run(
        tmp_path / "run",
        data,
        lambda *_: "They flee.",
        {
            "first": lambda _, prompt: verdict(0, "Both") if prompt == 1 else None,
            "rest": lambda _, prompt: verdict(2, "Both") if prompt > 1 else None,
        },
    )
    content = content_of(open_shown([run]), {})
    score = content["models"][0]["scores"][0]
    assert (score["best"], score["mean"]) == (1.0, 1.0)
    assert [item["score"] for item in content["items"][:3]] == [0.0, 2.0, 2.0]


def test_a_clip_on_which_one_model_has_no_score_has_no_mean(data: DataSet, tmp_path: Path) -> None:
    weak = write_run(
        tmp_path / "weak", data, lambda *_: "Hm.", {"judge": lambda *_: verdict(0, "Both")}, "weak"
    )
    strong = write_run(
        tmp_path / "strong",
        data,
        lambda *_: "They flee.",
        {"judge": lambda clip, _: verdict(2, "Both") if clip else None},
        "strong",
    )
    shown = open_shown([weak, strong])
    assert [clip["mean"] for clip in content_of(shown, {})["clips"]] == [None, 1.0]
    assert [chart.clips for chart in sections_of(shown, {})["heat_maps"]] == [["1", "0"]] * 2


def test_names_and_markers_are_those_of_the_rest_of_the_page(data: DataSet, tmp_path: Path) -> None:
    judges = {name: lambda *_: verdict(2, "Both") for name in ("a,seed=1", "b,seed=1", "b,seed=2")}
    runs = [write_run(tmp_path / name, data, lambda *_: "Hm.", judges, name) for name in "mn"]
    content = content_of(open_shown(runs), {})
    assert content["judge_names"] == ["openai/a", "openai/b,seed=1", "openai/b,seed=2"]
    assert [model["mark"] for model in content["models"]] == [1, 2]
