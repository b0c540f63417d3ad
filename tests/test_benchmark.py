"""The benchmark of the runner works, and the runner keeps up."""

import sys
from pathlib import Path

import pytest
from chat_server import ChatServer

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
def test_the_runner_costs_little_beside_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "runner", raising=False)
    import runner

    with ChatServer() as server:
        rates = runner.measure_rates(server.url, tmp_path, rounds=3)
    assert rates["jasco"] >= 0.5 * rates["bare"], rates
