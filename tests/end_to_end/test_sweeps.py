"""Sweeps as a user runs them: interrupted, resumed, and watching a folder of checkpoints."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat_server import Serve
from command import FEW_ATTEMPTS, HASTY, Jasco
from processes import assert_nothing_lives
from sweep_files import safetensors, write_toml
from synthetic import make_data

pytestmark = pytest.mark.slow

CLIPS, CONCURRENCY = 6, 4
ITEMS = CLIPS * 8

FUNCTIONS = """
import os, time

with open(os.environ["CALLS"] + ".loads", "a") as file:
    file.write("load\\n")

def log(name, prompt):
    with open(os.environ["CALLS"], "a") as file:
        file.write(f"{name}\\n")
    time.sleep(0.01)
    return f"They flee, says {name}, asked: {prompt}"

def first(audio, sampling_rate, prompt): return log("first", prompt)
def second(audio, sampling_rate, prompt): return log("second", prompt)
def third(audio, sampling_rate, prompt): return log("third", prompt)
"""


def write_plan(folder: Path, **changes: Any) -> Path:
    """Write a plan with three functions, two data sets and two judges; return its path."""
    (folder / "functions.py").write_text(FUNCTIONS)
    values: dict[str, Any] = {
        "run_root": "runs",
        "judges": ["offline"],
        "data": ["one", "two"],
        "models": [
            {"spec": f"python/{folder / 'functions.py'}:{name}", "name": name}
            for name in ("first", "second", "third")
        ],
        "options": {"concurrency": CONCURRENCY, "preflight": False},
    } | changes
    return write_toml(folder / "plan.toml", values)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_data(tmp_path / "one", CLIPS, seconds=0.02)
    make_data(tmp_path / "two", CLIPS, seconds=0.03)
    return tmp_path


def calls_in(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_sweep_that_is_interrupted_twice_ends_in_one_table_without_repeating_calls(
    jasco: Jasco, serve: Serve, folder: Path
) -> None:
    server, calls = serve(latency=0.01), folder / "calls"
    judges = ["offline", f"openai/judge,base_url={server.url}"]
    plan, env = write_plan(folder, judges=judges), {"CALLS": str(calls)}
    for until in (ITEMS // 2, 3 * ITEMS):
        process = jasco.start("sweep", plan, env=env)
        while calls_in(calls) < until:
            assert process.is_running()
            time.sleep(0.01)
        process.send(signal.SIGINT)
        interrupted = process.finish()
        assert interrupted.status == 130, interrupted
    status = json.loads(jasco("sweep", plan, "--status", "--json", env=env).stdout)
    assert not status["complete"]
    assert {"complete", "not started"} <= {cell["state"] for cell in status["cells"]}
    assert calls_in(calls) < 6 * ITEMS  # --status starts nothing

    finished = jasco("sweep", plan, "--json", env=env)
    assert finished.status == 0, finished
    result = json.loads(finished.stdout)
    assert result["complete"]
    assert [cell["state"] for cell in result["cells"]] == ["complete"] * 6
    for report in result["scores"]["reports"]:
        assert list(report["models"]) == ["first", "second", "third"]
        for model in report["models"].values():
            assert model["complete"]
            assert len(model["judges"]) == 2
    in_flight = 2 * (CONCURRENCY + 1)
    assert 0 <= calls_in(calls) - 6 * ITEMS <= in_flight
    assert 0 <= len(server.requests()) - 6 * ITEMS <= 2 * CONCURRENCY
    done = calls_in(calls), len(server.requests())
    again = jasco("sweep", plan, env=env)
    assert again.status == 0
    assert "first" in again.stdout
    assert "two [95%]" in again.stdout
    assert (calls_in(calls), len(server.requests())) == done


def test_a_model_that_fails_does_not_stop_the_others(
    jasco: Jasco, serve: Serve, folder: Path
) -> None:
    server = serve()
    function = f"python/{folder / 'functions.py'}:first"
    models = [
        {"spec": "python/nowhere:answer", "name": "wrong"},
        {"spec": f"openai/ears,base_url={server.url}", "name": "gone"},
        {"spec": function, "name": "good"},
    ]
    server.kill()
    plan, env = write_plan(folder, models=models), {"CALLS": str(folder / "calls")}
    result = jasco("sweep", plan, "--json", env=env, patch=HASTY | FEW_ATTEMPTS)
    assert result.status == 4, result
    states = [(cell["model"], cell["state"]) for cell in json.loads(result.stdout)["cells"]]
    assert states == [
        ("wrong", "failed"), ("wrong", "failed"), ("gone", "failed"), ("gone", "failed"),
        ("good", "complete"), ("good", "complete"),
    ]  # fmt: skip
    assert "nowhere" in result.stderr

    plan = write_plan(folder, models=[models[0], models[2]])
    result = jasco("sweep", plan, env=env)
    assert result.status == 2, result
    assert "failed" in result.stdout
    (folder / "nowhere.py").write_text("def answer(audio, sampling_rate, prompt): return 'yes'")
    models[0]["spec"] = f"python/{folder / 'nowhere.py'}:answer"
    result = jasco("sweep", write_plan(folder, models=[models[0], models[2]]), env=env)
    assert result.status == 0, result
    assert not list((folder / "runs" / "wrong").rglob("failure.json"))


def test_a_wrong_plan_is_refused_in_one_line(jasco: Jasco, folder: Path) -> None:
    plan = write_plan(folder, jugdes=["offline"])
    result = jasco("sweep", plan)
    assert result.status == 2
    [line] = result.stderr.splitlines()
    assert "plan.toml" in line
    assert "did you mean judges?" in line
    result = jasco("sweep", write_plan(folder, data=["one", "three"]))
    assert result.status == 2
    assert "three" in result.stderr
    assert not (folder / "runs").exists()


def write_checkpoint(path: Path, step: int, *, cut: int = 0) -> None:
    """Write a checkpoint with a model and its weights, without the last ``cut`` bytes of these."""
    path.mkdir(parents=True, exist_ok=True)
    answer = f"They flee, says step {step}."
    (path / "model.py").write_text(f"def answer(audio, sampling_rate, prompt): return {answer!r}")
    weights = safetensors(b"weights" * 100)
    (path / "model.safetensors").write_bytes(weights[: len(weights) - cut])


def test_new_checkpoints_are_evaluated_once_they_are_completely_written(
    jasco: Jasco, folder: Path
) -> None:
    models = [{"spec": "python/{checkpoint}/model.py:answer", "checkpoints": "steps/step-*"}]
    plan = write_plan(folder, models=models, settle=1, data=["one"])
    runs = folder / "runs"
    write_checkpoint(folder / "steps" / "step-9", 9)
    page = folder / "page.html"
    process = jasco.start("sweep", plan, "--watch", "-o", page)

    def wait_for_answers(name: str) -> None:
        deadline = time.monotonic() + 30
        while True:
            status = json.loads(jasco("sweep", plan, "--status", "--json").stdout)
            states = {cell["model"]: cell["state"] for cell in status["cells"]}
            if states.get(name) == "complete":
                return
            assert process.is_running()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    wait_for_answers("step-9")
    write_checkpoint(folder / "steps" / "step-10", 10, cut=1)
    write_checkpoint(folder / "steps" / "step-11", 11)
    (folder / "steps" / "step-12").mkdir()
    wait_for_answers("step-11")
    assert not (runs / "step-10").exists()
    write_checkpoint(folder / "steps" / "step-10", 10)
    wait_for_answers("step-10")
    process.send(signal.SIGTERM)
    ended = process.finish()
    assert ended.status == 130, ended
    assert "step-10/model.safetensors" not in ended.stdout
    assert "model.safetensors is incomplete" in ended.stderr
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert [row[0] for row in rows if row and row[0].isdigit()] == ["9", "10", "11"]
    assert "<svg" in page.read_text()

    shutil.rmtree(folder / "steps" / "step-9")
    result = jasco("sweep", plan, "--json")
    assert result.status == 4, result  # step-12 is empty
    [curve] = json.loads(result.stdout)["curves"]
    assert [point["step"] for point in curve["points"]] == [9, 10, 11]
    assert curve["points"][0]["change"] is None
    assert curve["points"][1]["change_ci"]
    with sqlite3.connect(runs / "step-9" / "one" / "run.db") as run:
        [tags] = run.execute("SELECT value FROM facts WHERE name = 'tags'").fetchone()
    assert json.loads(tags) == {"step": 9}


def test_a_judge_with_its_own_server_is_started_once_for_all_runs(
    jasco: Jasco, folder: Path, vllm: Callable[..., str], pids: Path
) -> None:
    plan = write_plan(folder, judges=["offline", vllm("judge"), vllm("other")])
    result = jasco("sweep", plan, "--json", env={"CALLS": str(folder / "calls")})
    assert result.status == 0, result
    assert [*Counter(pids.read_text().split()).values()] == [1, 1]
    assert_nothing_lives(pids)
    result = jasco("sweep", plan, "--json", env={"CALLS": str(folder / "calls")})
    assert result.status == 0, result
    assert len(pids.read_text().split()) == 2
    assert calls_in(folder / "calls") == 6 * ITEMS
    assert calls_in(folder / "calls.loads") == 3  # each model once for both data sets


def test_a_sweep_on_worker_processes_is_interrupted_and_resumed(serve: Serve, folder: Path) -> None:
    server, calls = serve(latency=0.01), folder / "calls"
    judges = ["offline", f"openai/judge,base_url={server.url}"]
    plan = write_plan(folder, judges=judges)
    command = [sys.executable, "-m", "jasco", "sweep", plan, "--on", "local,workers=2", "--json"]
    settings: Any = {"env": os.environ | {"CALLS": str(calls)}, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **settings) as process:  # a daemon cannot have children
        while calls_in(calls) < ITEMS:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finished = subprocess.run(command, timeout=120, check=False, **settings)
    assert finished.returncode == 0
    assert json.loads(finished.stdout)["complete"]
    assert 0 <= calls_in(calls) - 6 * ITEMS <= 2 * (CONCURRENCY + 1)
    assert {*calls.read_text().split()} == {"first", "second", "third"}
