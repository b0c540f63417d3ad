"""Where evaluations are called from: an event loop, threads, and callers that are interrupted."""

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import jasco
from audible import answer
from chat_server import Serve
from figures import figures_of


def test_a_training_loop_evaluates_each_checkpoint(data: Path, tmp_path: Path) -> None:
    class Checkpoint:
        """A model whose weights change between evaluations."""

        def __init__(self) -> None:
            self.step = 0

        def answer(self, audio: Any, sampling_rate: int, prompt: str) -> str:
            return f"{answer(audio, sampling_rate, prompt)} at step {self.step}"

    model, history = Checkpoint(), []
    for step in (0, 100):
        model.step = step
        scores = jasco.evaluate(
            model, data=data, judges=["offline"], run=tmp_path / f"step-{step}",
            name=f"step-{step}", tags={"step": step},
        )  # fmt: skip
        history.append({"step": step, **scores.scalars()})
    assert [row["coverage"] for row in history] == [1, 1]
    assert {"best_mean", "best_mean_low", "judges/offline/mean"} < history[0].keys()
    both = jasco.score([tmp_path / "step-0", tmp_path / "step-100"])
    assert set(both.to_pandas()["tag_step"]) == {0, 100}


def test_it_runs_beside_an_event_loop(data: Path) -> None:
    async def main() -> tuple[jasco.Scores, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        ticking = asyncio.create_task(tick())
        scores = await asyncio.to_thread(
            jasco.evaluate, answer, data=data, judges=["offline"], preflight=False
        )
        ticking.cancel()
        return scores, ticks

    scores, ticks = asyncio.run(main())
    assert scores.complete
    assert ticks > 3


def test_threads_evaluate_at_the_same_time(data: Path, tmp_path: Path) -> None:
    def evaluate(number: int) -> jasco.Scores:
        return jasco.evaluate(
            answer, data=data, judges=["offline"], run=tmp_path / str(number), preflight=False
        )

    with ThreadPoolExecutor(3) as threads:
        scores = list(threads.map(evaluate, range(3)))
    assert all(each == scores[0] for each in scores)
    assert scores[0].complete


def exit_by_signal(number: int, frame: FrameType | None) -> None:
    """Handle a preemption signal as training scripts do."""
    raise SystemExit(f"signal {number}")


def test_system_exit_of_a_signal_handler_stops_it_at_once(
    data: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve(latency=0.1)
    before = signal.signal(signal.SIGTERM, exit_by_signal)
    threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGTERM]).start()
    began = time.monotonic()
    try:
        with pytest.raises(SystemExit, match="signal 15"):
            jasco.evaluate(
                f"openai/m,base_url={server.url}", data=data, judges=[], run=tmp_path / "run",
                concurrency=1, preflight=False,
            )  # fmt: skip
    finally:
        signal.signal(signal.SIGTERM, before)
    assert time.monotonic() - began < 2.5
    calls = len(server.requests())
    time.sleep(0.5)
    assert len(server.requests()) == calls < 32
    answered = figures_of(jasco.score(tmp_path / "run"))["answers"]["answered"]
    assert calls - 1 <= answered <= calls


def test_an_exception_of_a_handler_does_not_wait_for_a_busy_function(
    data: Path, tmp_path: Path
) -> None:
    busy = threading.Event()

    def slow(audio: Any, sampling_rate: int, prompt: str) -> str:
        busy.wait(20)
        return "late"

    before = signal.signal(signal.SIGTERM, exit_by_signal)
    threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGTERM]).start()
    began = time.monotonic()
    try:
        with pytest.raises(SystemExit):
            jasco.evaluate(
                slow, data=data, judges=[], run=tmp_path / "run", name="slow", preflight=False
            )
    finally:
        signal.signal(signal.SIGTERM, before)
        busy.set()
    assert time.monotonic() - began < 5
