"""A human participant as a baseline, from the first clip to the comparison with a model."""

import json
from pathlib import Path
from typing import Any

import pytest

from command import Jasco
from jasco.data.dataset import DataSet
from jasco.data.sources import find_data
from jasco.human.listening_study import CANNOT_TELL, Participant
from jasco.runs.reader import RunReader


@pytest.fixture
def mini() -> DataSet:
    return find_data("mini", print)


@pytest.fixture
def constant_model(tmp_path: Path) -> str:
    """Return the spec of a model that gives the same answer to every item."""
    path = tmp_path / "constant.py"
    path.write_text("def answer(audio, sampling_rate, prompt):\n    return 'Waiting for a bus.'\n")
    return f"python/{path}:answer"


def answer(participant: Participant, clips: int) -> None:
    """Answer clips with the reference, and every fourth one with the audio-only answer."""
    for index in range(clips):
        item = participant.next()
        assert item
        clip = item.clip
        assert participant.answer(item, clip.audio_only if index % 4 == 3 else clip.reference)


def score(jasco: Jasco, *targets: object) -> dict[str, Any]:
    """Return the JSON output of ``score``."""
    result = jasco("score", *targets, "--json")
    assert result.status == 0, result.stderr
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


def test_a_participant_is_judged_scored_and_compared_with_a_model(
    jasco: Jasco, mini: DataSet, constant_model: str, tmp_path: Path
) -> None:
    anna = Participant.open(tmp_path / "listeners", "Anna", mini)
    run = anna.folder
    answer(anna, 5)

    # Some answers: they are judged, and the others are missing.
    result = jasco("judge", run, "--judge", "offline")
    assert result.status == 4
    assert "human/Anna: 11 of 16 items not answered" in result.stdout
    model = score(jasco, run)["models"]["human/Anna"]
    assert model["coverage"] == 5 / 16
    assert model["unreadable_rate"] == 0
    low, high = model["mean_bounds"]
    assert low <= 5 / 16 * model["mean"] <= high == pytest.approx(low + 2 * 11 / 16)

    # All answers.
    answer(Participant.open(tmp_path / "listeners", "Anna", mini), 10)
    last = anna.next()
    assert last
    anna.answer(last, CANNOT_TELL)
    result = jasco("judge", run, "--judge", "offline")
    assert result.status == 0, result.stdout
    assert "16 clips, 16 items" in result.stdout
    assert "INCOMPLETE" not in result.stdout
    summary = score(jasco, run)
    model = summary["models"]["human/Anna"]
    assert (model["complete"], model["coverage"]) == (True, 1)
    assert model["answers"] | {"expected": 16, "answered": 16, "failed": {}} == model["answers"]
    assert model["best_mean"] is None
    assert model["mean"] > 1
    assert model["mean_ci"][0] < model["mean"] < model["mean_ci"][1]
    assert model["modality_dependence"]["both"] > 0.5
    assert model["neither_rate"] >= 1 / 16  # "cannot tell" names no action
    assert summary["data"]["items"] == 16
    with RunReader.open(run) as store:
        assert store.verdict_counts(1, 1).verdicts == 16

    # Compared with a model.
    other = tmp_path / "model"
    result = jasco(
        "eval", constant_model, "--data", "mini", "--run", other,
        "--judge", "offline", "--no-preflight",
    )  # fmt: skip
    assert result.status == 0, result.stderr
    result = jasco("compare", run, other, "--json")
    assert result.status == 0, result.stderr
    comparison = json.loads(result.stdout)
    assert comparison["data"] == score(jasco, other)["data"]
    assert comparison["data"] == summary["data"] | {"items": 128}
    [pair] = comparison["pairs"]
    assert (pair["first"], pair["clips"], pair["tested"]) == ("human/Anna", 16, "mean")
    assert (pair["best_mean"], pair["best_mean_ci"]) == (None, None)
    model_mean = next(v for k, v in comparison["models"].items() if k != "human/Anna")["mean"]
    assert pair["mean"] == pytest.approx(model["mean"] - model_mean)
    assert pair["p"] == pair["p_holm"] < 0.05
    assert pair["minimum_detectable_difference"] > 0
    table = jasco("compare", run, other).stdout
    assert "best of 1" in " ".join(table.split())
    assert " mean  < 0.001" in table or " mean  0.0" in table
    both = score(jasco, run, other)
    assert [model["items_a_clip"] for model in both["models"].values()] == [1, 8]


def test_a_comparison_of_models_does_not_mention_participants(
    jasco: Jasco, constant_model: str, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        jasco(
            "eval", constant_model, "--data", "mini",
            "--run", tmp_path / name, "--judge", "offline", "--no-preflight", "--limit", 1,
        )  # fmt: skip
    table = jasco("compare", tmp_path / "a", tmp_path / "b").stdout
    assert "tested" not in table
    assert "person" not in table
    assert "participant" not in table


def test_the_published_arithmetic_has_no_figure_for_a_participant(
    jasco: Jasco, mini: DataSet, tmp_path: Path
) -> None:
    anna = Participant.open(tmp_path / "listeners", "Anna", mini)
    answer(anna, 1)
    jasco("judge", anna.folder, "--judge", "offline")
    result = jasco("score", anna.folder, "--compat")
    assert result.status == 2
    assert "one instruction" in result.stderr


def test_a_model_cannot_continue_a_participants_run(
    jasco: Jasco, mini: DataSet, constant_model: str, tmp_path: Path
) -> None:
    anna = Participant.open(tmp_path / "listeners", "Anna", mini)
    answer(anna, 1)
    result = jasco("respond", constant_model, "--data", "mini", "--run", anna.folder)
    assert result.status == 3
    assert "answers of human/Anna" in result.stderr
    result = jasco("respond", "human/Anna", "--data", "mini", "--run", tmp_path / "new")
    assert result.status == 2
    assert "provider 'human' is unknown" in result.stderr
