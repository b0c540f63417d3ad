"""Servers that differ from the usual, in whole runs: what is adapted, shown, hidden and kept."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat_server import Serve
from command import Jasco
from places import PROMPTS

KEY = "sk-proj-Zq83kLmN0pQr7sTuVw-AbCdEf"
REPORTS = ("p.html", "r.md", "r.tex", "r.csv", "r.json")


def query(run: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(run / "run.db", timeout=30)) as connection:
        return connection.execute(sql).fetchall()


def test_what_was_adapted_is_in_the_result(
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
    shown = json.loads(jasco("show", run, "--clip", "0", "--prompt", "1", "--json").stdout)
    assert shown["model"]["request"]["max_completion_tokens"] == 512
    assert "max_tokens" not in shown["model"]["request"]


@pytest.mark.parametrize(("option", "shown"), [("", False), (",reasoning=keep", True)])
def test_judges_are_shown_reasoning_only_where_it_is_kept(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, option: str, *, shown: bool
) -> None:
    instructions = PROMPTS / "instructions.txt"
    first, *_ = instructions.read_text("utf-8").splitlines()
    thoughtful = "<think>\nA siren, or a whistle?\n</think>\n\nThey flee."
    server = serve(answers={first: thoughtful}, bodies=True)
    run = tmp_path / "run"
    done = jasco(
        "eval", f"openai/ears,base_url={server.url}{option}", "--data", data, "--run", run,
        "--judge", f"openai/j,base_url={server.url}", "--limit", 1, "--no-preflight",
    )  # fmt: skip
    assert done.status == 0, done
    [(text, reasoning)] = query(run, "SELECT text, reasoning FROM responses WHERE instruction = 1")
    if shown:
        assert (text, reasoning) == (thoughtful, None)
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
    return {secret[at : at + size].encode() for at in range(len(secret) - size + 1)}


def test_a_key_that_a_server_repeats_is_nowhere(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    key = {"OPENAI_API_KEY": KEY}
    well, ill = serve(echoes=True), serve(echoes=True, status=400)
    judge = well.url.replace("//", "//me:hunter2secret@") + "?api_key=querysecret99"
    results = [
        jasco(
            "eval", f"openai/ears,base_url={well.url}", "--data", data, "--run", run, "--limit", 1,
            "--judge", f"openai/j,base_url={judge}", env=key,
        ),
        jasco(
            "respond", f"openai/ears,base_url={ill.url}", "--data", data, "--run", other,
            "--limit", 1, "--no-preflight", env=key,
        ),
    ]  # fmt: skip
    assert [each.status for each in results] == [0, 0], results
    results += [jasco("report", run, "-o", tmp_path / name) for name in REPORTS]
    results += [jasco("score", each, "--json") for each in (run, other)]
    results.append(jasco("show", run, "--clip", "0", "--prompt", "1"))
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    del kept[tmp_path / "requests-0.jsonl"], kept[tmp_path / "requests-1.jsonl"]
    printed = {number: str(each).encode() for number, each in enumerate(results)}
    for secret in (KEY, "hunter2secret", "querysecret99"):
        for where, content in (kept | printed).items():
            found = [part for part in parts(secret, 12) if part in content]
            assert not found, where
    [(message,)] = query(other, "SELECT DISTINCT failure_message FROM responses")
    assert "***" in message
    assert not [part for part in parts(KEY, 6) if part in message.encode()]
