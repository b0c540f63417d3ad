"""The record of one item: its requests and replies, printed without control characters."""

import json
from pathlib import Path
from typing import Any

import pytest

from chat_server import Serve
from command import Jasco
from jasco.data.dataset import read_data_set
from jasco.protocol.responses import Failure, Response
from jasco.reports.item_text import harmless
from runs import verdict, write_run

HOSTILE = (
    "=== judge openai/kind\nwritten at 1999\n"
    "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202eback\u2028 \r\x08\x7f"
)


def read_item(jasco: Jasco, run: Path, clip: str = "1", prompt: int = 3) -> dict[str, Any]:
    result = jasco("show", run, "--clip", clip, "--prompt", prompt, "--json")
    assert result.status == 0, result.stderr
    record: dict[str, Any] = json.loads(result.stdout)
    return record


def test_what_is_shown_is_what_was_sent_and_answered(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(
        bodies=True, repair_says="Both", judge_says={"": "Rating: 2\nExplanation2: no more."}
    )
    run, address = tmp_path / "run", f"base_url={server.url}"
    spec = f"openai/m,temperature=0.5,seed=3,{address}"
    command = "eval", spec, "--data", data, "--run", run, "--no-preflight", "--limit", 2
    assert jasco(*command, "--judge", f"openai/j,repeats=2,temperature=1,{address}").status == 0
    bodies = [request.body for request in server.requests()]

    item = read_item(jasco, run, "0")
    path = str(data / "dataset" / "v0" / "0.wav")
    assert item["audio"]["path"] == path
    assert item["audio"]["seconds"] == 0.25
    request = item["model"]["request"]
    [audio, text] = request["messages"][0]["content"]
    assert path in audio["input_audio"]["data"]
    assert item["audio"]["sha256"] in audio["input_audio"]["data"]
    assert text["text"] == item["instruction"]
    audio["input_audio"]["data"] = None
    for body in bodies:
        if isinstance(body["messages"][0]["content"], list):
            body["messages"][0]["content"][0]["input_audio"]["data"] = None
    assert request in bodies
    assert item["model"]["reply"]["text"].startswith("They are doing")
    assert item["model"]["reply"]["usage"] == {"prompt_tokens": 7, "completion_tokens": 5}
    assert item["model"]["reply"]["served"] == "m"

    [judge] = item["judges"]
    assert [verdict["repeat"] for verdict in judge["verdicts"]] == [0, 1]
    for repeat in judge["verdicts"]:
        assert (repeat["rating"], repeat["orientation"]) == (2, "Both")
        attempts = repeat["attempts"]
        assert [attempt["asked"] for attempt in attempts] == ["verdict", "repair"]
        assert all(attempt["request"] in bodies for attempt in attempts)
        assert [attempt["text"] for attempt in attempts] == [
            "Rating: 2\nExplanation2: no more.",
            "Both",
        ]
    assert len(read_item(jasco, run, "1")["judges"][0]["verdicts"]) == 1

    text = jasco("show", run, "--clip", "0", "--prompt", "3").stdout
    for part in (
        item["model"]["reply"]["text"],
        "    Rating: 2\n    Explanation2: no more.",
        path,
        "prompt_tokens",
    ):
        assert part in text


def test_what_a_model_wrote_cannot_steer_a_terminal(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    def answer(_: int, number: int) -> Response | Failure:
        return Response(HOSTILE, HOSTILE, {}, HOSTILE) if number < 8 else Failure("server", HOSTILE)

    run = write_run(tmp_path / "run", read_data_set(data), answer, {"j": lambda *_: HOSTILE})
    for prompt in (3, 8):
        for options in ([], ["--json"]):
            out = jasco("show", run, "--clip", "1", "--prompt", prompt, *options).stdout
            assert harmless(out) == out.replace("\x7f", "\\x7f")
            assert "\n=== judge openai/kind" not in out
            assert "\nwritten at 1999" not in out
            assert "\x1b" not in out
            assert "\x9b" not in out
            assert "\u202e" not in out
    assert read_item(jasco, run)["model"]["reply"]["text"] == HOSTILE
    assert read_item(jasco, run, prompt=8)["model"]["failure"]["message"] == HOSTILE
    assert read_item(jasco, run)["judges"][0]["verdicts"][0]["attempts"][0]["text"] == HOSTILE


def test_a_run_of_files_shows_what_there_is(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", read_data_set(data), lambda *_: "They flee.",
        {"j": lambda _, number: Failure("timeout", "too late") if number == 3 else None},
    )  # fmt: skip
    item = read_item(jasco, run)
    assert item["model"]["request"] is None
    assert item["model"]["reply"]["text"] == "They flee."
    [verdict] = item["judges"][0]["verdicts"]
    assert verdict["failure"] == {"kind": "timeout", "message": "too late", "final": False}
    assert verdict["attempts"][0]["request"]["model"] == "j"
    assert "too late" in jasco("show", run, "--clip", "1", "--prompt", "3").stdout


@pytest.mark.parametrize(
    ("clip", "prompt", "expected"),
    [("99", "1", "99"), ("0", "0", "1 to 8"), ("0", "9", "1 to 8"), ("0", "x", "1 to 8"),
     ("0", "-1", "1 to 8"), ("3", "8", "not answered"), ("\x1b[1m", "1", "no clip")],
)  # fmt: skip
def test_a_missing_item_is_an_error_in_one_line(
    jasco: Jasco, data: Path, tmp_path: Path, clip: str, prompt: str, expected: str
) -> None:
    run = write_run(
        tmp_path / "run",
        read_data_set(data),
        lambda clip_index, _: None if clip_index == 3 else "x",
        {},
    )
    result = jasco("show", run, f"--clip={clip}", f"--prompt={prompt}")
    assert result.status == 2
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr
    assert jasco("show", tmp_path / "none", "--clip", "0", "--prompt", "1").status == 2
    assert not (tmp_path / "none").exists()


def test_what_failed_is_listed_with_its_reason(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        read_data_set(data),
        lambda clip, n: Failure("error", "no\nmemory\x1b[2J") if (clip, n) == (0, 3) else "A dog.",
        {
            "fails": lambda clip, n: Failure("server", "HTTP 500") if (clip, n) == (1, 2) else BOTH,
            "mumbles": lambda clip, n: "Well." if (clip, n) == (2, 8) else BOTH,
        },
    )
    listed = jasco("show", run, "--failed")
    assert listed.stdout.splitlines() == [
        "clip 0, instruction 3: error: no\\nmemory\\x1b[2J",
        "clip 1, instruction 2, judge openai/fails: server: HTTP 500",
        "clip 2, instruction 8, judge openai/mumbles: unreadable verdict",
    ]
    rows = json.loads(jasco("show", run, "--failed", "--json").stdout)["failed"]
    assert [row["judge"] for row in rows] == [None, "openai/fails", "openai/mumbles"]
    whole = write_run(tmp_path / "whole", read_data_set(data), lambda *_: "A dog.", {})
    assert jasco("show", whole, "--failed").stdout == ""
    assert jasco("show", run).status == 2


BOTH = verdict(2, "Both")
