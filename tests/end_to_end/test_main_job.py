"""The main job, with nothing pretended: the embedded model answers, a real judge rates."""

import json
import sqlite3
from pathlib import Path

import pytest

from command import Jasco
from llama_server import llama_server
from synthetic import make_data

pytestmark = pytest.mark.slow
CLIPS = 1


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, jasco: Jasco) -> dict[str, str]:
    """Keep the weights from one test run to the next, as a user's cache does."""
    from jasco.data.folders import cache_folder

    return {"JASCO_CACHE": str(cache_folder())}


def test_the_cascade_is_judged_by_a_language_model_behind_llama_cpp(
    jasco: Jasco, published: Path, tmp_path: Path, home: dict[str, str]
) -> None:
    run = tmp_path / "run"
    with llama_server() as url:
        command = (
            "eval", "cascade", "--data", published, "--limit", CLIPS, "--run", run, "--json",
            "--judge", f"openai/smollm2,max_tokens=60,base_url={url}",
        )  # fmt: skip
        refused = jasco(*command, env=home, timeout=900)
        first = jasco(*command, "--no-preflight", env=home, timeout=900)
        again = jasco(*command, "--no-preflight", env=home, timeout=60)
    assert refused.status == 3  # no verdict of so small a judge on a known question is readable
    summary = json.loads(first.stdout)
    assert json.loads(again.stdout) == summary
    model = summary["models"]["cascade"]
    judge = model["judges"]["openai/smollm2,max_tokens=60"]
    items = CLIPS * 8
    assert model["answers"]["answered"] == items
    assert first.status == 0  # what could not be read is final

    # So small a judge seldom keeps to the form. What it wrote is kept, and counted as it is.
    rows = sqlite3.connect(run / "run.db").execute(
        "SELECT rating IS NOT NULL AND orientation IS NOT NULL, attempts FROM verdicts "
        "WHERE failure_kind IS NULL"
    )
    readable = [bool(read) for read, attempts in rows if json.loads(attempts)[0]["text"]]
    assert len(readable) == items
    assert judge["coverage"] == pytest.approx(sum(readable) / items)
    assert judge["unreadable_rate"] == pytest.approx(1 - sum(readable) / items)
    low, high = judge["best_mean_bounds"]
    assert 0 <= low <= high <= 2


def test_a_language_model_behind_llama_cpp_takes_the_exam(
    jasco: Jasco, home: dict[str, str], tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", 1, seconds=0.1)
    with llama_server() as url:
        exams = {}
        for output, tokens in (("text", 40), ("json", 250)):
            judge = f"openai/smollm2,max_tokens={tokens},output={output},base_url={url}"
            done = jasco("exam", judge, "--data", data, "--json", env=home, timeout=900)
            assert done.status == 0, done.stderr
            exams[output] = json.loads(done.stdout)
    for exam in exams.values():
        assert exam["complete"]
        assert exam["known_answers"]["judged"] == 4
        assert exam["canaries"]["judged"] == 5
        assert exam["seconds_a_verdict"] > 0
        assert exam["tokens_a_verdict"] > 300
    # Held to a schema, even this one says little that cannot be read.
    assert exams["json"]["unreadable_rate"] <= exams["text"]["unreadable_rate"]
