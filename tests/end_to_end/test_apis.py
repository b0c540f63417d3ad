"""Whole runs with unusual servers: adapted requests, reasoning and secrets."""

import json
from pathlib import Path

import pytest

from chat_server import Serve
from command import Jasco
from prompts import INSTRUCTIONS
from run_database import query

KEY = "sk-proj-Zq83kLmN0pQr7sTuVw-AbCdEf"
REPORTS = ("p.html", "r.md", "r.tex", "r.csv", "r.json")


def test_adaptations_are_in_the_result(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    server = serve(wants="max_completion_tokens")
    judge = f"openai/j,base_url={server.url}"
    first = jasco(
        "eval", f"openai/ears,base_url={server.url}", "--data", data, "--run", run,
        "--judge", judge, "--limit", 1,
    )  # fmt: skip
    assert first.status == 0, first
    again = jasco(
        "eval", f"openai/ears,base_url={server.url}", "--data", data, "--run", run,
        "--judge", judge, "--json",
    )  # fmt: skip
    assert again.status == 0, again
    [model] = json.loads(again.stdout)["models"].values()
    adapted = {"limit_name": "max_completion_tokens"}
    assert model["adaptations"] == model["judges"]["openai/j"]["adaptations"] == adapted
    table = jasco("score", run).stdout
    assert table.count("max_tokens is sent as max_completion_tokens") == 2
    item = json.loads(jasco("show", run, "--clip", "0", "--prompt", "1", "--json").stdout)
    assert item["model"]["request"]["max_completion_tokens"] == 512
    assert "max_tokens" not in item["model"]["request"]


@pytest.mark.parametrize(("option", "shown"), [("", False), (",reasoning=keep", True)])
def test_judges_get_reasoning_only_if_it_is_kept(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, option: str, *, shown: bool
) -> None:
    answer = "<think>\nA siren, or a whistle?\n</think>\n\nThey flee."
    server = serve(answers={INSTRUCTIONS[0]: answer}, bodies=True)
    run = tmp_path / "run"
    result = jasco(
        "eval", f"openai/ears,base_url={server.url}{option}", "--data", data, "--run", run,
        "--judge", f"openai/j,base_url={server.url}", "--limit", 1, "--no-preflight",
    )  # fmt: skip
    assert result.status == 0, result
    [(text, reasoning)] = query(run, "SELECT text, reasoning FROM responses WHERE instruction = 1")
    if shown:
        assert (text, reasoning) == (answer, None)
    else:
        assert text == "They flee."
        assert "A siren, or a whistle?" in reasoning
    prompts = [
        request.body["messages"][-1]["content"]
        for request in server.requests()
        if request.kind == "verdict"
    ]
    assert any("A siren" in prompt for prompt in prompts) == shown
    assert any("They flee." in prompt for prompt in prompts)


def parts(secret: str, size: int) -> set[bytes]:
    """Return all parts of a secret that have a size."""
    return {secret[at : at + size].encode() for at in range(len(secret) - size + 1)}


def test_a_key_that_a_server_repeats_is_neither_stored_nor_printed(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    environment = {"OPENAI_API_KEY": KEY}
    accepting, rejecting = serve(echoes=True), serve(echoes=True, status=400)
    judge_url = accepting.url.replace("//", "//me:hunter2secret@") + "?api_key=querysecret99"
    results = [
        jasco(
            "eval", f"openai/ears,base_url={accepting.url}", "--data", data, "--run", run,
            "--limit", 1, "--judge", f"openai/j,base_url={judge_url}", env=environment,
        ),
        jasco(
            "respond", f"openai/ears,base_url={rejecting.url}", "--data", data, "--run", other,
            "--limit", 1, "--no-preflight", env=environment,
        ),
    ]  # fmt: skip
    assert [result.status for result in results] == [0, 0], results
    results += [jasco("report", run, "-o", tmp_path / name) for name in REPORTS]
    results += [jasco("score", folder, "--json") for folder in (run, other)]
    results.append(jasco("show", run, "--clip", "0", "--prompt", "1"))
    stored = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    del stored[tmp_path / "requests-0.jsonl"], stored[tmp_path / "requests-1.jsonl"]
    printed = {number: str(result).encode() for number, result in enumerate(results)}
    for secret in (KEY, "hunter2secret", "querysecret99"):
        for source, content in (stored | printed).items():
            found = [part for part in parts(secret, 12) if part in content]
            assert not found, source
    [(message,)] = query(other, "SELECT DISTINCT failure_message FROM responses")
    assert "***" in message
    assert not [part for part in parts(KEY, 6) if part in message.encode()]
