"""Asking a model and judges: what is missing, few calls at a time, within a capacity."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fake_providers import ALL_ITEMS, FakeJudge, FakeModel
from jasco.data.audio import Audio
from jasco.errors import RunConflictError
from jasco.evaluation.runner import Capacity
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response
from jasco.runs.read_run import results_of_run
from synthetic import tone


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_no_more_calls_are_open_than_allowed(go: Any, concurrency: int) -> None:
    model = FakeModel()
    go(model, FakeJudge(), concurrency=concurrency)
    assert model.most_calls <= concurrency
    assert concurrency == 1 or model.most_calls > 1
    assert sorted(model.audio) == ALL_ITEMS


def test_only_what_failed_is_done_again(go: Any, tmp_path: Path) -> None:
    go(FakeModel(failing=[("1", 3), ("2", 8)]), FakeJudge(failing=[("0", 1)]))
    results = results_of_run(tmp_path / "run")
    assert not results.complete
    assert results.answers.failed == {"timeout": 2}
    assert results.judges["test/judge"].failed == {"server": 1}
    model, judge = FakeModel(), FakeJudge()
    go(model, judge)
    assert sorted(model.audio) == [("1", 3), ("2", 8)]
    assert sorted(judge.responses) == [("0", 1), ("1", 3), ("2", 8)]
    assert results_of_run(tmp_path / "run").complete


def test_audio_that_is_replaced_on_the_way_never_reaches_the_model(
    go: Any, data: Path, tmp_path: Path
) -> None:
    path = data / "dataset" / "v0" / "3.wav"
    there = path.read_bytes()

    class Meddler(FakeModel):
        async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
            if item.clip.id == "1":
                soundfile.write(path, tone(9), 16_000)
            return await super().answer(item, audio)

    model = Meddler()
    with pytest.raises(RunConflictError, match=r"3\.wav: replaced while .* put that one back"):
        go(model, concurrency=1, preflight=False)
    assert model.audio
    assert not any(clip == "3" for clip, _ in model.audio)
    with pytest.raises(RunConflictError, match=r"3\.wav: other audio"):
        go(FakeModel())
    path.write_bytes(there)
    model = FakeModel()
    go(model)
    assert np.array_equal(model.audio["3", 1].samples, tone(3))
    assert results_of_run(tmp_path / "run").answers.answered == 32


# --- capacity ---


async def most_at_once(amounts: list[int], total: int) -> int:
    budget, held, most = Capacity(total), 0, 0

    async def work(amount: int) -> None:
        nonlocal held, most
        async with budget.hold(amount):
            held += amount
            most = max(most, held)
            await asyncio.sleep(0.001)
            held -= amount

    async with asyncio.timeout(10):
        await asyncio.gather(*map(work, amounts))
    return most


def test_no_more_is_held_than_the_total() -> None:
    assert 10 < asyncio.run(most_at_once([3, 4, 5, 1, 9, 2, 7] * 20, 12)) <= 12


def test_what_is_larger_than_the_total_is_held_alone() -> None:
    assert asyncio.run(most_at_once([1, 50, 1, 50, 1], 12)) == 50


def test_a_task_that_is_cancelled_while_waiting_or_holding_frees_everything() -> None:
    async def cancel() -> int:
        budget = Capacity(2)

        async def work() -> None:
            async with budget.hold(2):
                await asyncio.sleep(60)

        tasks = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.sleep(0.01)
        for task in tasks[:2]:
            task.cancel()
        await asyncio.sleep(0.01)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(1), budget.hold(2):
            return 1

    assert asyncio.run(cancel()) == 1
