"""The benchmarks run, and their results stay within limits."""

import sys
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
    assert seconds["command"] <= seconds["loop"], seconds


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
