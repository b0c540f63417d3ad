"""The runner: missing items only, bounded concurrency, and a capacity for audio in memory."""

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


def test_a_concurrency_that_does_not_fill_batches_is_pointed_out(run_evaluation: Any) -> None:
    model = FakeModel()
    model.batch_size = 8
    assert not any("batches" in line for line in run_evaluation(model, limit=1, concurrency=8))
    model.batch_size = 32
    lines = run_evaluation(model, concurrency=16)
    assert sum("--concurrency 64" in line for line in lines) == 1


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_no_more_calls_are_open_than_allowed(run_evaluation: Any, concurrency: int) -> None:
    model = FakeModel()
    run_evaluation(model, FakeJudge(), concurrency=concurrency)
    assert model.most_calls <= concurrency
    assert concurrency == 1 or model.most_calls > 1
    assert sorted(model.audio) == ALL_ITEMS


def test_only_what_failed_is_done_again(run_evaluation: Any, tmp_path: Path) -> None:
    run_evaluation(FakeModel(failing=[("1", 3), ("2", 8)]), FakeJudge(failing=[("0", 1)]))
    results = results_of_run(tmp_path / "run")
    assert not results.complete
    assert results.answers.failed == {"timeout": 2}
    assert results.judges["test/judge"].failed == {"server": 1}
    model, judge = FakeModel(), FakeJudge()
    run_evaluation(model, judge)
    assert sorted(model.audio) == [("1", 3), ("2", 8)]
    assert sorted(judge.responses) == [("0", 1), ("1", 3), ("2", 8)]
    assert results_of_run(tmp_path / "run").complete


def test_audio_that_is_replaced_on_the_way_never_reaches_the_model(
    run_evaluation: Any, data: Path, tmp_path: Path
) -> None:
    path = data / "dataset" / "v0" / "3.wav"
    original = path.read_bytes()

    class ReplacingModel(FakeModel):
        async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
            if item.clip.id == "1":
                soundfile.write(path, tone(9), 16_000)
            return await super().answer(item, audio)

    model = ReplacingModel()
    with pytest.raises(RunConflictError, match=r"3\.wav: replaced"):
        run_evaluation(model, concurrency=1, preflight=False)
    assert model.audio
    assert not any(clip == "3" for clip, _ in model.audio)
    with pytest.raises(RunConflictError, match=r"3\.wav: the audio differs"):
        run_evaluation(FakeModel())
    path.write_bytes(original)
    model = FakeModel()
    run_evaluation(model)
    assert np.array_equal(model.audio["3", 1].samples, tone(3))
    assert results_of_run(tmp_path / "run").answers.answered == 32


# --- capacity ---


async def highest_use(amounts: list[int], total: int) -> int:
    capacity, in_use, highest = Capacity(total), 0, 0

    async def work(amount: int) -> None:
        nonlocal in_use, highest
        async with capacity.hold(amount):
            in_use += amount
            highest = max(highest, in_use)
            await asyncio.sleep(0.001)
            in_use -= amount

    async with asyncio.timeout(10):
        await asyncio.gather(*map(work, amounts))
    return highest


def test_no_more_is_held_than_the_total() -> None:
    assert 10 < asyncio.run(highest_use([3, 4, 5, 1, 9, 2, 7] * 20, 12)) <= 12


def test_what_is_larger_than_the_total_is_held_alone() -> None:
    assert asyncio.run(highest_use([1, 50, 1, 50, 1], 12)) == 50


def test_a_task_that_is_cancelled_while_waiting_or_holding_frees_everything() -> None:
    async def cancel() -> int:
        capacity = Capacity(2)

        async def work() -> None:
            async with capacity.hold(2):
                await asyncio.sleep(60)

        tasks = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.sleep(0.01)
        for task in tasks[:2]:
            task.cancel()
        await asyncio.sleep(0.01)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(1), capacity.hold(2):
            return 1

    assert asyncio.run(cancel()) == 1
