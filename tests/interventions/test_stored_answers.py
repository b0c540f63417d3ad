"""The answers in a run as a model, for judging them again."""

import asyncio
import pickle
from pathlib import Path
from typing import Any

import jasco
from fake_providers import fake_spec
from jasco.interventions.stored_answers import StoredAnswers
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response


def answers_of(folder: Path) -> tuple[StoredAnswers, list[Item]]:
    """Return the model of a run with two samples, in which one instruction always fails."""

    def answer(audio: Any, sampling_rate: int, prompt: str) -> str:
        if prompt == items[2].instruction:
            raise ValueError("no")
        return f"{len(audio)} {prompt}"

    data = jasco.load_dataset("mini")
    items = data.items()
    jasco.respond(answer, data=data, run=folder, name="m", limit=2, samples=2, preflight=False)
    return StoredAnswers(fake_spec("m"), folder), items


def test_answers_and_failures_are_those_of_the_run(tmp_path: Path) -> None:
    model, items = answers_of(tmp_path / "run")
    item = items[9]  # of the second clip
    found = asyncio.run(model.answer(item, None))
    assert isinstance(found, Response)
    assert found.text.endswith(item.instruction)
    assert isinstance(asyncio.run(model.answer(items[2], None)), Failure)
    sampled = Item(item.clip, item.number, item.instruction, sample=1)
    assert asyncio.run(model.answer(sampled, None)) == found


def test_another_answer_than_that_in_the_run_is_disowned(tmp_path: Path) -> None:
    model, items = answers_of(tmp_path / "run")
    found = asyncio.run(model.answer(items[0], None))
    assert isinstance(found, Response)
    assert not model.disowns(items[0], found.text)
    assert model.disowns(items[0], "something else")


def test_models_of_different_runs_are_not_equal_and_reach_workers(tmp_path: Path) -> None:
    model, items = answers_of(tmp_path / "run")
    assert model == StoredAnswers(model.spec, tmp_path / "run")
    assert model != StoredAnswers(model.spec, tmp_path / "other")
    sent = pickle.loads(pickle.dumps(model))
    assert asyncio.run(sent.answer(items[0], None)) == asyncio.run(model.answer(items[0], None))
