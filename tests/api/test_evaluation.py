"""Evaluating a model from Python: in a notebook, in a training loop."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jasco
from audible import BatchModel, answer
from chat_server import Serve
from figures import figures_of
from jasco.backends.specs import open_spec
from jasco.data.dataset import read_data_set
from jasco.judges.panel import open_judges


def test_a_function_is_evaluated(data: Path, tmp_path: Path) -> None:
    scores = jasco.evaluate(answer, data=data, judges=["offline"], run=tmp_path / "run")
    assert scores.model == "python/audible:answer"
    assert scores.complete
    assert figures_of(scores)["answers"]["answered"] == 32
    assert scores.best_mean.value == figures_of(scores)["best_mean"]
    assert scores.to_json()["data"]["clips"] == 4
    rescored = jasco.score(tmp_path / "run")
    assert rescored == scores
    assert hash(rescored) == hash(scores)
    assert str(rescored) == str(scores)
    assert "python/audible:answer" in str(scores)
    assert "<table>" in scores._repr_html_()


def test_an_object_is_evaluated_under_a_name_of_its_own(data: Path, tmp_path: Path) -> None:
    model = BatchModel()
    scores = jasco.evaluate(
        model, data=read_data_set(data), judges="offline", run=tmp_path / "run", name="step-1000"
    )
    assert scores.model == "step-1000"
    assert max(model.batches) == 8
    with pytest.raises(jasco.RunConflictError, match="python/step-1000"):
        jasco.evaluate(BatchModel(), data=data, judges=[], run=tmp_path / "run", name="step-2000")


def test_a_spec_is_evaluated_as_on_the_command_line(data: Path, serve: Serve) -> None:
    spec = f"openai/m,base_url={serve().url}"
    one = jasco.evaluate(spec, data=str(data), judges=[], limit=2)
    other = jasco.evaluate(open_spec("model", spec), data=data, judges=[], limit=2)
    assert one == other
    assert figures_of(one)["answers"]["answered"] == 16
    named = jasco.evaluate(spec, data=data, judges=[], limit=2, name="mine")
    assert named.model == "mine"
    assert figures_of(named)["model"] == "openai/m"


def test_a_model_that_ignores_the_audio_is_refused(data: Path, tmp_path: Path) -> None:
    def constant(audio: Any, sampling_rate: int, prompt: str) -> str:
        return f"I was asked {prompt}"

    with pytest.raises(jasco.RunConflictError, match="same answer"):
        jasco.evaluate(constant, data=data, judges=[], run=tmp_path / "run", name="constant")
    scores = jasco.evaluate(
        constant, data=data, judges=[], run=tmp_path / "run", name="constant", preflight=False
    )
    assert figures_of(scores)["answers"]["preflight"]["overridden"]


def test_judges_may_be_made_already(data: Path) -> None:
    judges = open_judges("offline")
    assert jasco.evaluate(answer, data=data, judges=judges).complete


def test_a_run_that_was_begun_goes_on(data: Path, tmp_path: Path) -> None:
    prompts = []

    def counting(audio: Any, sampling_rate: int, prompt: str) -> str:
        prompts.append(prompt)
        return answer(audio, sampling_rate, prompt)

    for limit in (1, 3):
        scores = jasco.evaluate(
            counting, data=data, judges=[], run=tmp_path / "run", name="counting",
            limit=np.int64(limit), preflight=False,
        )  # fmt: skip
        assert figures_of(scores)["answers"]["answered"] == 8 * limit
    assert len(prompts) == 24


def test_without_a_run_nothing_is_left(data: Path, temporary_folder: Path) -> None:
    scores = jasco.evaluate(answer, data=data, judges=["offline"], limit=1)
    assert list(temporary_folder.iterdir()) == []
    assert len(scores.items_to_pandas()) == 8  # the items stay in memory
    with pytest.raises(jasco.InputError, match="no-such-folder: "):
        jasco.evaluate(answer, data="no-such-folder", judges=[])
    assert list(temporary_folder.iterdir()) == []


def test_what_was_done_is_kept_where_it_ends_early(
    data: Path, temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise jasco.IncompleteError("the judge is gone")

    monkeypatch.setattr("jasco.judges.offline.Offline.judge", fail)
    with pytest.raises(jasco.IncompleteError, match="the judge is gone") as error:
        jasco.evaluate(answer, data=data, judges=["offline"], limit=1)
    [note] = error.value.__notes__
    [run] = temporary_folder.iterdir()
    assert f"run={str(run)!r}" in note
    assert figures_of(jasco.score(run))["answers"]["answered"] == 8


def test_it_works_where_a_loop_of_events_is_running(data: Path) -> None:
    async def notebook() -> jasco.Scores:
        return jasco.evaluate(answer, data=data, judges=["offline"], limit=1)

    assert asyncio.run(notebook()).complete


def test_signals_stay_the_callers(data: Path) -> None:
    def handler(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, handler)
    try:
        jasco.evaluate(answer, data=data, judges=[], limit=1)
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ctrl_c_ends_it_in_good_order(data: Path, tmp_path: Path) -> None:
    prompts = []

    def interrupting(audio: Any, sampling_rate: int, prompt: str) -> str:
        prompts.append(prompt)
        if len(prompts) == 20:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(0.5)
        return answer(audio, sampling_rate, prompt)

    with pytest.raises(KeyboardInterrupt):
        jasco.evaluate(
            interrupting, data=data, judges=[], run=tmp_path / "run", name="x", concurrency=1
        )
    answered = figures_of(jasco.score(tmp_path / "run"))["answers"]["answered"]
    assert 0 < answered < 32


def test_importing_it_loads_no_library() -> None:
    modules = subprocess.run(
        [sys.executable, "-c", "import jasco, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for library in ("numpy", "openai", "pandas", "rich", "sqlite3", "asyncio"):
        assert library not in modules
