"""Several answers to each item, and other instructions: what is asked, stored and refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from fake_providers import ALL_ITEMS, FakeJudge, FakeModel
from jasco.backends.specs import open_spec
from jasco.data.audio import Audio
from jasco.errors import InputError, RunConflictError
from jasco.evaluation.item_record import show
from jasco.models.cascade import item_seed
from jasco.protocol.clips import Clip, Item
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure
from jasco.reports.exports import item_rows
from jasco.reports.report import summarise
from jasco.runs.read_run import judged_items_of_run, results_of_run
from jasco.runs.reader import RunReader
from synthetic import tone

CUSTOM = ("What do they do?", "Where are they?", "Why?")
ITEM = Clip("1", "rain", "Run!", "a", "b", "c", "k")


def keys(model: FakeModel) -> list[tuple[str, int, int]]:
    return sorted((item.clip.id, item.number, item.sample) for item in model.asked)


# --- samples ---


def test_every_item_is_asked_and_judged_as_often_as_there_are_samples(
    run_evaluation: Any, tmp_path: Path
) -> None:
    model = FakeModel()
    run_evaluation(model, FakeJudge(), samples=3, preflight=False)
    assert keys(model) == [(*key, sample) for key in ALL_ITEMS for sample in range(3)]
    results = results_of_run(tmp_path / "run")
    assert (results.samples, results.data.items, results.answers.expected) == (3, 32, 96)
    assert results.complete
    [matrix] = results.matrices.values()
    assert [sample.readable.all() for sample in matrix.samples] == [True] * 3
    rows = list(item_rows(judged_items_of_run(tmp_path / "run")))
    assert [row["sample"] for row in rows[:6]] == [1, 2, 3, 1, 2, 3]
    assert {row["answer"] for row in rows[:3]} == {
        "answer 0 1", "answer 0 1 again", "answer 0 1 again again",
    }  # fmt: skip


def test_more_samples_add_only_what_is_missing(run_evaluation: Any, tmp_path: Path) -> None:
    run_evaluation(FakeModel(), FakeJudge())
    model = FakeModel()
    run_evaluation(model, FakeJudge(), samples=2)
    assert keys(model) == [(*key, 1) for key in ALL_ITEMS]
    again = FakeModel()
    lines = run_evaluation(again, FakeJudge())
    assert again.asked == []
    assert not any("--samples" in line for line in lines)
    [line] = [line for line in run_evaluation(FakeModel(), samples=1) if "--samples" in line]
    assert "no effect" in line
    assert results_of_run(tmp_path / "run").samples == 2


def test_samples_that_failed_are_asked_again_alone(run_evaluation: Any, tmp_path: Path) -> None:
    class Failing(FakeModel):
        async def answer(self, item: Item, audio: Audio | None) -> Any:
            if (item.clip.id, item.number, item.sample) == ("2", 3, 1):
                return Failure("timeout", "too late")
            return await super().answer(item, audio)

    run_evaluation(Failing(), FakeJudge(), samples=2)
    results = results_of_run(tmp_path / "run")
    assert (results.answers.answered, results.complete) == (63, False)
    model = FakeModel()
    run_evaluation(model, FakeJudge(), samples=2)
    assert keys(model) == [("2", 3, 1)]
    assert results_of_run(tmp_path / "run").complete


def test_samples_without_an_answer_are_given_up(run_evaluation: Any, tmp_path: Path) -> None:
    run_evaluation(FakeModel(), FakeJudge())

    class Broken(FakeModel):
        async def prepare(self, data: object) -> None:
            raise InputError("broken")

    with pytest.raises(InputError, match="broken"):
        run_evaluation(Broken(), FakeJudge(), samples=5)
    results = results_of_run(tmp_path / "run")
    assert (results.samples, results.complete) == (1, True)


def test_greedy_decoding_is_pointed_out(run_evaluation: Any) -> None:
    lines = run_evaluation(FakeModel(greedy=True), samples=2, limit=1)
    assert sum("greedy" in line for line in lines) == 1
    lines = run_evaluation(FakeModel(), samples=3, limit=1)
    assert not any("greedy" in line for line in lines)


def test_the_seed_of_a_request_differs_by_sample() -> None:
    seeded = open_spec("model", "openai/m,base_url=http://localhost:1/v1,seed=7,temperature=1")
    plain = open_spec("model", "openai/m,base_url=http://localhost:1/v1,temperature=1")
    seeds = [seeded.request(Item(ITEM, 1, sample=sample))["seed"] for sample in range(3)]
    assert seeds == [7, 8, 9]
    assert "seed" not in plain.request(Item(ITEM, 1, sample=2))
    assert not seeded.greedy
    audio = Audio(tone(1, 0.5))
    assert item_seed(7, audio, "?") != item_seed(8, audio, "?")


@pytest.mark.parametrize(
    ("changes", "option"), [({"samples": 2}, "--samples"), ({"instructions": CUSTOM}, "--instruc")]
)
def test_files_hold_one_answer_to_each_published_instruction(
    run_evaluation: Any, changes: dict[str, Any], option: str
) -> None:
    for providers in ((FakeModel(recorded=True),), (FakeModel(), FakeJudge(recorded=True))):
        with pytest.raises(InputError, match=option):
            run_evaluation(*providers, **changes)


def test_one_sample_is_shown_by_its_number(run_evaluation: Any, tmp_path: Path) -> None:
    run_evaluation(FakeModel(), FakeJudge(), samples=2, limit=1)
    item = show(tmp_path / "run", "0", 2, 2)
    assert (item["sample"], item["samples"]) == (2, 2)
    assert item["model"]["reply"]["text"] == "answer 0 2 again"
    assert len(item["judges"][0]["verdicts"]) == 1
    with pytest.raises(InputError, match=r"--sample: .*from 1 to 2"):
        show(tmp_path / "run", "0", 2, 3)


# --- instructions ---


def test_other_instructions_are_asked_and_stored(run_evaluation: Any, tmp_path: Path) -> None:
    model = FakeModel()
    run_evaluation(model, FakeJudge(), instructions=CUSTOM, limit=2)
    assert sorted({(item.number, item.instruction) for item in model.asked}) == [
        *enumerate(CUSTOM, start=1)
    ]
    results = results_of_run(tmp_path / "run")
    assert (results.instructions, results.data.items, results.complete) == (CUSTOM, 6, True)
    report = summarise([results], published=True)
    figures = report.to_json()["models"]["test/model"]
    assert len(figures["best_at_k"]) == len(figures["instructions"]["means"]) == 3
    assert figures["instructions"]["published"] is False
    assert figures["instructions"]["texts"] == list(CUSTOM)
    assert figures["instructions"]["sound_first_minus_speech_first"] is None
    assert "|instructions:custom[3]:" in report.signature
    assert report.published is None
    assert show(tmp_path / "run", "0", 3)["instruction"] == "Why?"
    with pytest.raises(InputError, match="--compat"):
        results_of_run(tmp_path / "run", compat=True)


def test_a_run_keeps_its_instructions(run_evaluation: Any) -> None:
    run_evaluation(FakeModel(), FakeJudge(), instructions=CUSTOM, limit=1)
    model = FakeModel()
    run_evaluation(model, FakeJudge(), limit=2)
    assert {item.instruction for item in model.asked} == {*CUSTOM}
    for other in (CUSTOM[:2], (*CUSTOM[:2], "When?"), INSTRUCTIONS):
        with pytest.raises(RunConflictError, match="instruction"):
            run_evaluation(FakeModel(), FakeJudge(), instructions=other)


def test_a_run_with_the_published_instructions_takes_no_others(
    run_evaluation: Any, tmp_path: Path
) -> None:
    run_evaluation(FakeModel(), FakeJudge(), instructions=INSTRUCTIONS, limit=1)
    with RunReader.open(tmp_path / "run") as run:
        assert run.fact("instructions") is None
    with pytest.raises(RunConflictError, match="8 in the run, 3 given"):
        run_evaluation(FakeModel(), FakeJudge(), instructions=CUSTOM)


def test_without_an_answer_the_instructions_may_change(run_evaluation: Any, tmp_path: Path) -> None:
    failing = FakeModel(failing=[("0", number) for number in range(1, 4)])
    run_evaluation(failing, FakeJudge(), instructions=CUSTOM, limit=1, preflight=False)
    run_evaluation(FakeModel(), FakeJudge(), instructions=("What?",), limit=1)
    with RunReader.open(tmp_path / "run") as run:
        assert json.loads(run.fact("instructions") or "") == ["What?"]
    assert results_of_run(tmp_path / "run").complete
