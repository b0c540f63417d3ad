"""A judge is asked one question with a known verdict before it is asked hundreds."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat_server import KNOWN_QUESTION, ChatServer, Serve
from command import FEW_ATTEMPTS, Jasco, Result
from jasco.evaluation.judge_check import ANSWERS, ITEM
from jasco.protocol.protocols import PROTOCOLS

GOOD, ODD = "Rating: 2\nOrientation: Both", "I would rather not say."


class Place:
    """A run whose model is well, judged by servers of any behaviour."""

    def __init__(self, jasco: Jasco, serve: Serve, data: Path, folder: Path) -> None:
        self.jasco, self.data, self.run = jasco, data, folder / "run"
        self.ears = serve()

    def __call__(self, *judges: ChatServer, more: Any = ()) -> Result:
        specs = [
            word
            for place, server in enumerate(judges)
            for word in ("--judge", f"openai/judge-{place},base_url={server.url},timeout=2")
        ]
        return self.jasco(
            "eval", f"openai/ears,base_url={self.ears.url}", "--data", self.data,
            "--run", self.run, *specs, *more, patch=FEW_ATTEMPTS,
        )  # fmt: skip

    def facts(self) -> dict[str, dict[str, Any]]:
        with closing(sqlite3.connect(self.run / "run.db")) as connection:
            query = "SELECT name, value FROM facts WHERE name LIKE 'check of judge %'"
            return {name: json.loads(value) for name, value in connection.execute(query)}


@pytest.fixture
def place(jasco: Jasco, serve: Serve, data: Path, tmp_path: Path) -> Place:
    return Place(jasco, serve, data, tmp_path)


@pytest.mark.parametrize(
    ("behaviour", "status", "quoted"),
    [
        ({"status": 400, "error": "no such <parameter>"}, 3, "no such <parameter>"),
        ({"judge_says": {"[": ODD}, "repair_says": ODD}, 3, ODD),
        ({"bewitched": {"[": "filtered"}}, 3, "content filter"),
        (
            {"bewitched": {"[": "error beside the choices"}, "error": "out of luck"},
            4,
            "out of luck",
        ),
    ],
)
def test_a_judge_that_cannot_be_used_is_refused_after_few_questions(
    place: Place, serve: Serve, behaviour: dict[str, Any], status: int, quoted: str
) -> None:
    judge = serve(**behaviour)
    done = place(judge)
    assert done.status == status, done.stderr
    assert quoted in done.stderr
    assert "openai/judge-0" in done.stderr
    assert "Traceback" not in done.stderr
    assert place.ears.requests() == []
    asked = {request.key for request in judge.requests() if request.kind == "verdict"}
    assert len(asked) == (len(ANSWERS) if quoted == ODD else 1)
    well = serve()
    assert place(well).status == 0  # the run is none the worse
    assert place.facts()["check of judge 1"]["state"] == "passed"


def test_a_judge_that_is_unreadable_once_can_be_used(place: Place, serve: Serve) -> None:
    judge = serve(judge_says={ANSWERS[0]: ODD}, repair_says=ODD)
    done = place(judge, more=["--limit", 1])
    assert done.status in (0, 4), done.stderr
    assert place.facts()["check of judge 1"]["state"] in ("passed", "wrong")


def test_it_is_asked_once_and_under_the_runs_protocol(place: Place, serve: Serve) -> None:
    judge = serve(bodies=True)
    assert place(judge, more=["--limit", 1, "--protocol", "v1"]).status == 0
    prompts = [request.body["messages"][-1]["content"] for request in judge.requests()]
    assert prompts[0] == PROTOCOLS["v1"].judge_prompt(ITEM, ANSWERS[0])
    place(judge, more=["--limit", 2])
    prompts = [request.body["messages"][-1]["content"] for request in judge.requests()]
    assert len(prompts) == 1 + 16
    assert sum(KNOWN_QUESTION in prompt for prompt in prompts) == 1


def test_a_readable_verdict_that_is_wrong_is_reported_and_the_run_continues(
    place: Place, serve: Serve, jasco: Jasco
) -> None:
    judge = serve(judge_says={KNOWN_QUESTION: "Rating: 0\nOrientation: Audio-Oriented"})
    done = place(judge, more=["--json"])
    assert done.status == 0
    assert "openai/judge-0: gave rating 0, Audio-Oriented" in done.stderr
    [model] = json.loads(done.stdout)["models"].values()
    check = model["judges"]["openai/judge-0"]["check"]
    assert (check["state"], check["rating"], check["orientation"]) == ("wrong", 0, "Audio-Oriented")
    assert "gave rating 0, Audio-Oriented to a known question" in jasco("score", place.run).stdout


def test_of_a_panel_all_that_fail_are_named_in_one_message(place: Place, serve: Serve) -> None:
    refuses, well = serve(status=400, error="gone to lunch"), serve()
    babbles = serve(judge_says={"[": ODD}, repair_says=ODD)
    done = place(refuses, well, babbles)
    assert done.status == 3
    [line] = done.stderr.splitlines()
    assert "gone to lunch" in line
    assert ODD in line
    assert "openai/judge-1" not in line
    assert len(well.requests()) == 1
    states = {name: fact["state"] for name, fact in place.facts().items()}
    assert states == {
        "check of judge 1": "failed", "check of judge 2": "passed", "check of judge 3": "unreadable"
    }  # fmt: skip


def test_a_wrong_key_of_one_judge_beside_another_failure_is_wrong_input(
    place: Place, serve: Serve
) -> None:
    done = place(serve(status=401, error="bad key"), serve(status=400, error="too odd"))
    assert done.status == 2
    [line] = done.stderr.splitlines()
    assert "bad key" in line
    assert "too odd" in line


def test_without_a_preflight_nothing_is_asked_first(
    place: Place, serve: Serve, jasco: Jasco
) -> None:
    judge = serve(judge_says={"[": ODD}, repair_says=ODD)
    assert place(judge, more=["--no-preflight", "--limit", 1]).status == 0
    assert place.facts() == {}
    again = f"openai/other,base_url={judge.url}"
    assert jasco("judge", place.run, "--judge", again).status == 3
    asked = len(judge.requests())
    assert jasco("judge", place.run, "--judge", again, "--no-preflight").status == 0
    assert len(judge.requests()) == asked + 8 * 2


def test_nothing_is_asked_where_nothing_is_to_be_judged(
    place: Place, serve: Serve, jasco: Jasco
) -> None:
    well = serve()
    place(well, more=["--limit", 1])
    dead = serve(status=400)
    assert place(dead, more=["--limit", 1]).status == 0
    assert dead.requests() == []


def test_judges_that_compute_verdicts_here_are_not_asked(place: Place, jasco: Jasco) -> None:
    place(more=["--judge", "offline", "--limit", 1])
    assert place.facts() == {}


def test_a_removed_judge_takes_its_check_with_it(place: Place, serve: Serve, jasco: Jasco) -> None:
    place(serve(), serve(), more=["--limit", 1])
    assert jasco("forget", place.run, "--judge", "openai/judge-1").status == 0
    assert list(place.facts()) == ["check of judge 1"]


def test_a_judge_with_a_server_of_its_own_is_asked_once_that_is_ready(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, vllm: Any
) -> None:
    log = tmp_path / "requests"
    judges = [word for n in (1, 2) for word in ("--judge", vllm(f"some/judge-{n}", log=log))]
    done = jasco(
        "eval", f"openai/ears,base_url={serve().url}", "--data", data, "--limit", 1,
        "--run", tmp_path / "run", *judges,
    )  # fmt: skip
    assert done.status == 0, done.stderr
    models = [json.loads(line)["model"] for line in log.read_text("utf-8").splitlines()]
    assert models == ["some/judge-1"] * 9 + ["some/judge-2"] * 9


def test_a_judge_that_cannot_be_used_does_not_keep_the_next_one_from_judging(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, vllm: Any
) -> None:
    judges = ["--judge", vllm("some/odd", hears="true"), "--judge", vllm("some/well")]
    command = (
        "eval", f"openai/ears,base_url={serve().url}", "--data", data, "--limit", 1,
        "--run", tmp_path / "run",
    )  # fmt: skip
    done = jasco(*command, *judges)
    assert done.status == 3, done.stderr
    assert "vllm/some/odd" in done.stderr.splitlines()[-1]
    [model] = json.loads(jasco("score", tmp_path / "run", "--json").stdout)["models"].values()
    assert [(name, each["verdicts"]) for name, each in model["judges"].items()] == [
        ("vllm/some/well", 8)
    ]
