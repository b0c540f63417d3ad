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
from jasco.reports.page.content import content_of, open_shown


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
    assert model["scores"] == [
        {"best": 1.0, "mean": 0.25, "prompts": [1.0, 1.0, *[0.0] * 6]},
        {"best": 1.5, "mean": 0.3125, "prompts": [1.5, 1.0, *[0.0] * 6]},
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
    assert (
        content["models"][0]["scores"] == [{"best": None, "mean": None, "prompts": [None] * 8}] * 2
    )
    assert len(content["items"]) == 1  # what was not asked is no item


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
    items = content_of(open_shown([run]), {})["items"]
    assert [item["lacking"] for item in items[:4]] == [[], [(1, "refused: no")], [(1, "")], []]
    assert [len(item["verdicts"]) for item in items[:4]] == [0, 1, 1, 2]
