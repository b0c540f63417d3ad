"""A person as a baseline, from the first clip to the comparison with a model."""

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
def deaf(tmp_path: Path) -> str:
    """Name a model that says the same of everything."""
    path = tmp_path / "deaf.py"
    path.write_text("def answer(audio, sampling_rate, prompt):\n    return 'Waiting for a bus.'\n")
    return f"python/{path}:answer"


def answer(listener: Participant, clips: int) -> None:
    """Answer some clips: with the reference, but every fourth time with the sound's own answer."""
    for place in range(clips):
        item = listener.next()
        assert item
        clip = item.clip
        assert listener.answer(item, clip.audio_only if place % 4 == 3 else clip.reference)


def scored(jasco: Jasco, *targets: object) -> dict[str, Any]:
    done = jasco("score", *targets, "--json")
    assert done.status == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_a_person_is_judged_scored_and_compared_with_a_model(
    jasco: Jasco, mini: DataSet, deaf: str, tmp_path: Path
) -> None:
    anna = Participant.open(tmp_path / "listeners", "Anna", mini)
    run = anna.folder
    answer(anna, 5)

    # Some of it: what there is is judged, and what is missing is missing.
    done = jasco("judge", run, "--judge", "offline")
    assert done.status == 4
    assert "human/Anna: 11 of 16 items not answered" in done.stdout
    model = scored(jasco, run)["models"]["human/Anna"]
    assert model["coverage"] == 5 / 16
    assert model["unreadable_rate"] == 0
    low, high = model["mean_bounds"]
    assert low <= 5 / 16 * model["mean"] <= high == pytest.approx(low + 2 * 11 / 16)

    # All of it.
    answer(Participant.open(tmp_path / "listeners", "Anna", mini), 10)
    last = anna.next()
    assert last
    anna.answer(last, CANNOT_TELL)
    done = jasco("judge", run, "--judge", "offline")
    assert done.status == 0, done.stdout
    assert "16 clips, 16 items" in done.stdout
    assert "INCOMPLETE" not in done.stdout
    summary = scored(jasco, run)
    model = summary["models"]["human/Anna"]
    assert (model["complete"], model["coverage"]) == (True, 1)
    assert model["answers"] | {"expected": 16, "answered": 16, "failed": {}} == model["answers"]
    assert model["best_mean"] is None
    assert model["mean"] > 1
    assert model["mean_ci"][0] < model["mean"] < model["mean_ci"][1]
    assert model["modality_dependence"]["both"] > 0.5
    assert model["neither_rate"] >= 1 / 16  # who cannot tell has named no action
    assert summary["data"]["items"] == 16
    with RunReader.open(run) as store:
        assert store.count_verdicts(1, 1) == 16

    # Beside a model.
    other = tmp_path / "model"
    done = jasco(
        "eval", deaf, "--data", "mini", "--run", other,
        "--judge", "offline", "--no-preflight",
    )  # fmt: skip
    assert done.status == 0, done.stderr
    done = jasco("compare", run, other, "--json")
    assert done.status == 0, done.stderr
    compared = json.loads(done.stdout)
    assert compared["data"] == scored(jasco, other)["data"]
    assert compared["data"] == summary["data"] | {"items": 128}
    [pair] = compared["pairs"]
    assert (pair["first"], pair["clips"], pair["tested"]) == ("human/Anna", 16, "mean")
    assert (pair["best_mean"], pair["best_mean_ci"]) == (None, None)
    their_mean = next(v for k, v in compared["models"].items() if k != "human/Anna")["mean"]
    assert pair["mean"] == pytest.approx(model["mean"] - their_mean)
    assert pair["p"] == pair["p_holm"] < 0.05
    assert pair["minimum_detectable_difference"] > 0
    table = jasco("compare", run, other).stdout
    assert "those of the mean (best of 1)" in table
    assert " mean  < 0.001" in table or " mean  0.0" in table
    both = scored(jasco, run, other)
    assert [each["items_a_clip"] for each in both["models"].values()] == [1, 8]


def test_models_alone_are_compared_without_a_word_of_people(
    jasco: Jasco, deaf: str, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        jasco(
            "eval", deaf, "--data", "mini",
            "--run", tmp_path / name, "--judge", "offline", "--no-preflight", "--limit", 1,
        )  # fmt: skip
    table = jasco("compare", tmp_path / "a", tmp_path / "b").stdout
    assert "tested" not in table
    assert "person" not in table


def test_the_published_arithmetic_has_no_figure_for_a_person(
    jasco: Jasco, mini: DataSet, tmp_path: Path
) -> None:
    anna = Participant.open(tmp_path / "listeners", "Anna", mini)
    answer(anna, 1)
    jasco("judge", anna.folder, "--judge", "offline")
    done = jasco("score", anna.folder, "--compat")
    assert done.status == 2
    assert "answers one prompt a clip" in done.stderr


def test_a_model_does_not_take_a_persons_run(
    jasco: Jasco, mini: DataSet, deaf: str, tmp_path: Path
) -> None:
    anna = Participant.open(tmp_path / "listeners", "Anna", mini)
    answer(anna, 1)
    done = jasco("respond", deaf, "--data", "mini", "--run", anna.folder)
    assert done.status == 3
    assert "the run holds answers of human/Anna" in done.stderr
    done = jasco("respond", "human/Anna", "--data", "mini", "--run", tmp_path / "new")
    assert done.status == 2
    assert "provider 'human' is unknown" in done.stderr
