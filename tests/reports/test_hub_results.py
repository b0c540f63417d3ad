"""Results for a model's page on the Hub, which proxies and incomplete runs do not get."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import jasco
from cue_models import JOINT, CueJudge
from jasco.data.dataset import DataSet
from jasco.data.sources import find_data
from jasco.errors import InputError
from runs import verdict, write_run

TASK: dict[str, Any] = {"format": "hf", "hub_task": "org/data/default"}
JUDGES = {"org/j": lambda *_: verdict(2, "Both")}


@pytest.fixture
def mini() -> DataSet:
    return find_data("mini", print)


def values_in(text: str) -> dict[str, Any]:
    """Return the scalars of a file for the Hub by their name, whatever their level."""
    lines = re.findall(r"^[ -]+(\w+):(?: (.+))?$", text, re.MULTILINE)
    assert len(lines) == len(text.splitlines())
    return {name: json.loads(value) for name, value in lines if value}


def test_the_value_is_best_mean_with_the_task_the_source_and_the_signature(
    tmp_path: Path, mini: DataSet
) -> None:
    run = write_run(tmp_path / "run", mini, lambda *_: "x", JUDGES)
    output, name = tmp_path / "jasco.yaml", 'A "quoted": #name'
    source = {"source_url": "https://example.org/x?a=b#c", "evaluator": name}
    assert jasco.report(run, output, hub_task="org/data/default", **source) == ""  # type: ignore[arg-type]
    values = values_in(output.read_text("utf-8"))
    assert (values["id"], values["task_id"], values["value"]) == ("org/data", "default", 2.0)
    assert (values["url"], values["name"]) == (source["source_url"], name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", values["date"])
    assert "16 clips" in values["notes"]
    assert jasco.score(run).signature in values["notes"]


def test_figures_that_a_leaderboard_must_not_show_are_refused(
    tmp_path: Path, mini: DataSet
) -> None:
    def refuse(run: Path, why: str) -> None:
        with pytest.raises(InputError, match=why) as error:
            jasco.report(run, **TASK)
        assert "\n" not in str(error.value)

    def answer(audio: Any, sampling_rate: int, prompt: str) -> str:
        return "They run."

    settings = {"data": "mini", "name": "runner", "limit": 1, "preflight": False}
    jasco.evaluate(answer, judges=["offline"], run=tmp_path / "proxy", **settings)  # type: ignore[arg-type]
    refuse(tmp_path / "proxy", "proxy")
    few = {"org/j": lambda clip, _: None if clip else verdict(2, "Both")}
    refuse(write_run(tmp_path / "few", mini, lambda *_: "x", few), "incomplete")
    refuse(write_run(tmp_path / "unjudged", mini, lambda *_: "x", {}), "no verdicts to publish")
    limited = {"data": mini, "name": JOINT.name, "limit": 2, "preflight": False}
    jasco.evaluate(JOINT.answer, judges=[CueJudge()], run=tmp_path / "part", **limited)  # type: ignore[arg-type]
    refuse(tmp_path / "part", "part of the data set")
