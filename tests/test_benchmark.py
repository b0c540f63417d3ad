"""The benchmarks run, and their results stay within limits."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from places import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.mark.slow
def test_the_whole_command_is_faster_than_a_loop_over_another_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "runner", raising=False)
    import loopback
    import runner

    with loopback.LoopbackServer() as server:
        seconds = runner.measure_seconds(server.url, tmp_path, rounds=1)
    assert 1.2 * seconds["command"] <= seconds["loop"], seconds


@pytest.mark.slow
def test_scoring_costs_little_and_grows_no_faster_than_the_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "scoring", raising=False)
    import scoring

    costs = {
        clips: scoring.score(scoring.make_run(tmp_path / str(clips), clips))
        for clips in (80, 10_000, 100_000)
    }
    assert costs[80].cpu < 1.5, costs
    assert costs[100_000].cpu < 10 * costs[10_000].cpu, costs
    # A million clips require 120 s and 4 GiB at most.
    assert costs[100_000].cpu - costs[10_000].cpu < 10, costs
    assert costs[100_000].megabytes - costs[10_000].megabytes < 350, costs


@pytest.mark.slow
def test_the_gpu_benchmark_runs_without_a_gpu() -> None:
    pytest.importorskip("torch", reason="needs the extra native")
    command = [sys.executable, BENCHMARKS / "gpu.py", "--device", "cpu", "--size", "tiny"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    report = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert "same answers with prefix cache on: 8 of 8" in report
    rows = [line.split("|")[1:-1] for line in report.splitlines() if line.startswith("|")]
    assert len(rows) == 5 + 3 + 8 + 2 * 3
    assert "out of" not in report
    assert "Error" not in report


@pytest.mark.slow
def test_a_configuration_without_memory_or_time_has_no_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra native")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    def fail(number: int) -> list[str]:
        raise torch.OutOfMemoryError

    plan = gpu.Plan("cpu", "tiny", 1, 1, 3, time.monotonic() + 60)
    cells = gpu.measure(plan, {"fits": lambda number: ["a", number], "large": fail})
    assert cells["fits"].identical(gpu.Cell(answers={0: ["b", 0], 2: ["a", 0]})) == "2 of 4"
    assert len(cells["fits"].rates) == 2
    assert cells["large"].row(cells["fits"]) == ["out of memory", "", ""]
    late = gpu.measure(replace(plan, end=0.0), {"fits": lambda number: ["a"]})
    assert late["fits"].row(cells["fits"]) == ["out of time", "", ""]
