"""Runs whose shards are processed by an executor, with real ``jasco`` processes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chat_server import ChatServer, Serve
from run_database import query
from slurm_cluster import slurm_cluster
from synthetic import make_data

CLIPS, SHARDS, CONCURRENCY = 16, 4, 4
EXECUTORS = [
    pytest.param("local,workers=2", id="local"),
    pytest.param("ray,workers=2", id="ray"),
    pytest.param("slurm,workers=2", id="slurm"),
]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.parametrize("on", EXECUTORS)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Path]]:
    """Return a function that starts a Slurm cluster once and returns its configuration."""
    started: list[Any] = []

    def start() -> Path:
        if not started:
            context = slurm_cluster(tmp_path_factory.mktemp("slurm"))
            started.extend((context.__enter__(), context))
        return started[0]

    yield start
    if started:
        started[1].__exit__(None, None, None)


@pytest.fixture
def environment(on: str, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the environment of commands; skip the test if the executor cannot be used."""
    pytest.importorskip({"ray": "ray", "slurm": "submitit"}.get(on.split(",")[0], "json"))
    variables = {name: value for name, value in os.environ.items() if "JASCO" not in name}
    variables |= {"XDG_DATA_HOME": str(tmp_path / "share"), "NO_PROXY": "127.0.0.1"}
    if on.startswith("slurm"):
        variables["SLURM_CONF"] = str(request.getfixturevalue("cluster")())
    return variables


class Evaluation:
    """The command that evaluates a model on a server, with an executor or without."""

    def __init__(self, on: str, server: ChatServer, environment: dict[str, str], tmp: Path) -> None:
        self.on, self.server, self.environment, self.tmp = on, server, environment, tmp
        self.run = tmp / "run"
        self.data = make_data(tmp / "data", CLIPS, seconds=0.02)
        self._started: list[subprocess.Popen[str]] = []

    def start(self, run: Path | None = None) -> "subprocess.Popen[str]":
        """Start the command: with the executor or, in another run, without."""
        names = (f"openai/{name},base_url={self.server.url}" for name in ("ears", "strict"))
        model, judge = names
        options = ["--data", str(self.data), "--judge", judge, "--json"]
        options += ["--concurrency", str(CONCURRENCY), "--run", str(run or self.run)]
        if run is None:
            options += ["--shards", str(SHARDS), "--on", self.on]
        process = subprocess.Popen(
            [sys.executable, "-m", "jasco", "eval", model, *options],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def figures(self, run: Path | None = None) -> dict[str, Any]:
        """Run the command to its end and return its figures, without what depends on the way."""
        process = self.start(run)
        stdout, stderr = process.communicate(timeout=200)
        assert process.returncode == 0, stderr
        assert "Traceback" not in stderr
        summary: dict[str, Any] = json.loads(stdout)
        for model in summary["models"].values():
            del model["spent"], model["answers"]["preflight"]
        return summary

    def workers(self) -> set[int]:
        """Return the processes that write to a shard."""
        found = set()
        for database in self.run.glob("shards/*/run.db"):
            try:
                rows = query(database.parent, "SELECT value FROM facts WHERE name = 'holder'")
            except Exception:  # just created
                continue
            found |= {int(re.findall(r"\d+", value)[0]) for (value,) in rows}
        return {pid for pid in found if is_alive(pid)}

    def wait_until_busy(self, requests: int) -> set[int]:
        """Wait until workers have made some more requests, and return them."""
        self.server.wait_for(len(self.server.requests()) + requests, timeout=60)
        deadline = time.monotonic() + 20
        while not (workers := self.workers()):
            assert time.monotonic() < deadline, "no worker"
            time.sleep(0.05)
        return workers

    def close(self) -> None:
        """Kill what is left."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_ended(pids: set[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, pids
        time.sleep(0.1)


@pytest.fixture
def evaluation(
    on: str, serve: Serve, environment: dict[str, str], tmp_path: Path
) -> Iterator[Evaluation]:
    evaluation = Evaluation(on, serve(latency=0.04), environment, tmp_path)
    yield evaluation
    evaluation.close()


CALLS = CLIPS * 8 * 2
CHECKS = 12 + 1  # the probes of the preflight and the known question, once for all shards


def test_the_figures_are_those_of_a_plain_run(evaluation: Evaluation) -> None:
    divided = evaluation.figures()
    assert len(evaluation.server.requests()) == CALLS + CHECKS
    assert divided == evaluation.figures(evaluation.tmp / "plain")
    assert evaluation.workers() == set()


def test_a_killed_worker_is_replaced(evaluation: Evaluation, on: str) -> None:
    if on.startswith("slurm"):
        pytest.skip("tests of the executor show it: its wait for slow file systems takes long")
    process = evaluation.start()
    killed = evaluation.wait_until_busy(40).pop()
    os.kill(killed, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["models"]["openai/ears"]["complete"]
    repeated = len(evaluation.server.requests()) - CALLS - CHECKS
    assert 0 <= repeated <= CONCURRENCY + CHECKS


def test_an_interrupted_command_stops_its_workers_and_resumes(evaluation: Evaluation) -> None:
    process = evaluation.start()
    workers = evaluation.wait_until_busy(40)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    wait_until_ended(workers, 20)
    made = len(evaluation.server.requests())
    time.sleep(0.5)
    assert len(evaluation.server.requests()) == made < CALLS
    evaluation.figures()
    assert len(evaluation.server.requests()) <= CALLS + 2 * CHECKS + 2 * CONCURRENCY


def test_after_a_killed_command_the_same_one_finishes(evaluation: Evaluation, on: str) -> None:
    process = evaluation.start()
    workers = evaluation.wait_until_busy(40)
    process.kill()
    process.communicate()
    if not on.startswith("slurm"):  # whose jobs go on, and are adopted
        wait_until_ended(workers, 40)
    again = evaluation.start()
    stdout, stderr = again.communicate(timeout=200)
    assert again.returncode == 0, stderr
    assert json.loads(stdout)["models"]["openai/ears"]["complete"]
    assert ("attached to" in stderr) == on.startswith("slurm")
    assert "cancelling" not in stderr
    assert len(evaluation.server.requests()) <= CALLS + 2 * CHECKS + 2 * CONCURRENCY
