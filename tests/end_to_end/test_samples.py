"""Several answers to each item, and other instructions: a Python function and the offline judge."""

import json
from pathlib import Path
from typing import Any

import pytest

from chat_server import Serve
from command import Jasco
from run_database import query

MODEL = """
import hashlib, itertools

_calls = itertools.count()


def answer(audio, sampling_rate, prompt):
    digest = hashlib.sha256(audio.tobytes() + prompt.encode()).hexdigest()
    return f"They are building a sandcastle, {digest[:6]}, {next(_calls) % 3}."
"""


@pytest.fixture
def evaluate(jasco: Jasco, tmp_path: Path) -> Any:
    (tmp_path / "answers.py").write_text(MODEL)

    def evaluate(*options: object) -> Any:
        return jasco(
            "eval", f"python/{tmp_path}/answers.py:answer", "--data", "mini", "--limit", 2,
            "--judge", "offline", "--run", tmp_path / "run", *options,
        )  # fmt: skip

    return evaluate


def test_samples_are_added_to_a_run_and_scored(evaluate: Any, jasco: Jasco, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert evaluate().status == 0
    first = query(run, "SELECT * FROM responses")
    result = evaluate("--samples", 3, "--json")
    assert result.status == 0, result.stderr
    [model] = json.loads(result.stdout)["models"].values()
    assert (model["samples"], model["coverage"], model["complete"]) == (3, 1, True)
    assert model["variance_components"]["clips"] == 2
    assert query(run, "SELECT * FROM responses WHERE sample = 0") == first
    counts = "SELECT sample, count(*) FROM {} GROUP BY 1"
    for table in ("responses", "verdicts"):
        assert query(run, counts.format(table)) == [(0, 16), (1, 16), (2, 16)]
    assert "3 samples per item" in jasco("score", run).stdout
    shown = jasco("show", run, "--clip", "1", "--prompt", 8, "--sample", 3)
    assert "sample 3 of 3" in shown.stdout
    assert "--samples 2 has no effect" in evaluate("--samples", 2).stderr
    assert jasco("score", run, "--compat").status == 2


def test_a_file_of_instructions_makes_a_run_of_its_own(
    evaluate: Any, jasco: Jasco, tmp_path: Path
) -> None:
    file = tmp_path / "instructions.txt"
    file.write_text("What are they doing?\n\nWhere are they?\n")
    result = evaluate("--instructions", file)
    assert result.status == 0, result.stderr
    assert "not the published instructions" in result.stdout
    run = tmp_path / "run"
    assert query(run, "SELECT DISTINCT instruction FROM responses") == [(1,), (2,)]
    file.write_text("What are they doing?\nWhen?\n")
    assert evaluate("--instructions", file).status == 3
    assert evaluate().status == 0
    for form in ("markdown", "latex", "csv", "json"):
        assert jasco("report", run, "--format", form).status == 0
    assert jasco("report", run, "-o", tmp_path / "page.html").status == 0
    file.write_text("\n")
    assert evaluate("--instructions", file).status == 2


def test_each_sample_is_requested_with_a_seed_of_its_own(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(bodies=True)
    for options, seeds in ((",temperature=1,seed=5", {5, 6, 7}), (",temperature=1", {None})):
        before = len(server.requests())
        result = jasco(
            "respond", f"openai/m,base_url={server.url}{options}", "--data", data, "--limit", 1,
            "--samples", 3, "--run", tmp_path / f"run{options}", "--no-preflight",
        )  # fmt: skip
        assert result.status == 0, result.stderr
        assert "greedy" not in result.stderr
        sent = [request.body.get("seed") for request in server.requests()[before:]]
        assert len(sent) == 24
        assert {*sent} == seeds
