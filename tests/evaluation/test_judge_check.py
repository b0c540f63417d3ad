"""The check of a judge, by a question with a known verdict, before it judges a run."""

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

UNREADABLE = "I would rather not say."


class Evaluation:
    """A run of a model that works, and of the judges of each call."""

    def __init__(self, jasco: Jasco, serve: Serve, data: Path, folder: Path) -> None:
        self.jasco, self.data, self.run = jasco, data, folder / "run"
        self.model_server = serve()

    def __call__(self, *judges: ChatServer, options: Any = ()) -> Result:
        specs = [
            argument
            for number, server in enumerate(judges)
            for argument in ("--judge", f"openai/judge-{number},base_url={server.url},timeout=2")
        ]
        return self.jasco(
            "eval", f"openai/ears,base_url={self.model_server.url}", "--data", self.data,
            "--run", self.run, *specs, *options, patch=FEW_ATTEMPTS,
        )  # fmt: skip

    def facts(self) -> dict[str, dict[str, Any]]:
        with closing(sqlite3.connect(self.run / "run.db")) as connection:
            query = "SELECT name, value FROM facts WHERE name LIKE 'check of judge %'"
            return {name: json.loads(value) for name, value in connection.execute(query)}


@pytest.fixture
def evaluation(jasco: Jasco, serve: Serve, data: Path, tmp_path: Path) -> Evaluation:
    return Evaluation(jasco, serve, data, tmp_path)


@pytest.mark.parametrize(
    ("behaviour", "status", "reason"),
    [
        ({"status": 400, "error": "no such <parameter>"}, 3, "no such <parameter>"),
        ({"judge_says": {"[": UNREADABLE}, "repair_says": UNREADABLE}, 3, UNREADABLE),
        ({"fault_by_text": {"[": "filtered"}}, 3, "content filter"),
        (
            {"fault_by_text": {"[": "error beside the choices"}, "error": "disk failure"},
            4,
            "disk failure",
        ),
    ],
)
def test_a_judge_that_cannot_be_used_is_refused_after_few_questions(
    evaluation: Evaluation, serve: Serve, behaviour: dict[str, Any], status: int, reason: str
) -> None:
    judge = serve(**behaviour)
    result = evaluation(judge)
    assert result.status == status, result.stderr
    assert reason in result.stderr
    assert "openai/judge-0" in result.stderr
    assert "Traceback" not in result.stderr
    assert evaluation.model_server.requests() == []
    questions = {request.key for request in judge.requests() if request.kind == "verdict"}
    assert len(questions) == (len(ANSWERS) if reason == UNREADABLE else 1)
    working = serve()
    assert evaluation(working).status == 0  # the run is unharmed
    assert evaluation.facts()["check of judge 1"]["state"] == "passed"


def test_a_judge_that_is_unreadable_once_can_be_used(evaluation: Evaluation, serve: Serve) -> None:
    judge = serve(judge_says={ANSWERS[0]: UNREADABLE}, repair_says=UNREADABLE)
    result = evaluation(judge, options=["--limit", 1])
    assert result.status in (0, 4), result.stderr
    assert evaluation.facts()["check of judge 1"]["state"] in ("passed", "wrong")


def test_it_is_asked_once_and_under_the_runs_protocol(evaluation: Evaluation, serve: Serve) -> None:
    judge = serve(bodies=True)
    assert evaluation(judge, options=["--limit", 1, "--protocol", "v1"]).status == 0
    prompts = [request.body["messages"][-1]["content"] for request in judge.requests()]
    assert prompts[0] == PROTOCOLS["v1"].judge_prompt(ITEM, ANSWERS[0])
    evaluation(judge, options=["--limit", 2])
    prompts = [request.body["messages"][-1]["content"] for request in judge.requests()]
    assert len(prompts) == 1 + 16
    assert sum(KNOWN_QUESTION in prompt for prompt in prompts) == 1


def test_a_readable_verdict_that_is_wrong_is_reported_and_the_run_continues(
    evaluation: Evaluation, serve: Serve, jasco: Jasco
) -> None:
    judge = serve(judge_says={KNOWN_QUESTION: "Rating: 0\nOrientation: Audio-Oriented"})
    result = evaluation(judge, options=["--json"])
    assert result.status == 0
    assert "openai/judge-0: gave rating 0, Audio-Oriented" in result.stderr
    [model] = json.loads(result.stdout)["models"].values()
    check = model["judges"]["openai/judge-0"]["check"]
    assert (check["state"], check["rating"], check["orientation"]) == ("wrong", 0, "Audio-Oriented")
    assert "0, Audio-Oriented (expected 2, Both)" in jasco("score", evaluation.run).stdout


def test_of_a_panel_all_that_fail_are_named_in_one_message(
    evaluation: Evaluation, serve: Serve
) -> None:
    refusing, working = serve(status=400, error="invalid schema"), serve()
    unreadable = serve(judge_says={"[": UNREADABLE}, repair_says=UNREADABLE)
    result = evaluation(refusing, working, unreadable)
    assert result.status == 3
    [line] = result.stderr.splitlines()
    assert "invalid schema" in line
    assert UNREADABLE in line
    assert "openai/judge-1" not in line
    assert len(working.requests()) == 1
    states = {name: fact["state"] for name, fact in evaluation.facts().items()}
    assert states == {
        "check of judge 1": "failed", "check of judge 2": "passed", "check of judge 3": "unreadable"
    }  # fmt: skip


def test_a_wrong_key_of_one_judge_and_a_failure_of_another_are_wrong_input(
    evaluation: Evaluation, serve: Serve
) -> None:
    result = evaluation(
        serve(status=401, error="bad key"), serve(status=400, error="invalid prompt")
    )
    assert result.status == 2
    [line] = result.stderr.splitlines()
    assert "bad key" in line
    assert "invalid prompt" in line


def test_without_a_preflight_nothing_is_asked_first(
    evaluation: Evaluation, serve: Serve, jasco: Jasco
) -> None:
    judge = serve(judge_says={"[": UNREADABLE}, repair_says=UNREADABLE)
    assert evaluation(judge, options=["--no-preflight", "--limit", 1]).status == 0
    assert evaluation.facts() == {}
    other_judge = f"openai/other,base_url={judge.url}"
    assert jasco("judge", evaluation.run, "--judge", other_judge).status == 3
    calls = len(judge.requests())
    assert jasco("judge", evaluation.run, "--judge", other_judge, "--no-preflight").status == 0
    assert len(judge.requests()) == calls + 8 * 2


def test_nothing_is_asked_where_nothing_is_to_be_judged(
    evaluation: Evaluation, serve: Serve, jasco: Jasco
) -> None:
    working = serve()
    evaluation(working, options=["--limit", 1])
    failing = serve(status=400)
    assert evaluation(failing, options=["--limit", 1]).status == 0
    assert failing.requests() == []


def test_judges_that_compute_verdicts_here_are_not_asked(
    evaluation: Evaluation, jasco: Jasco
) -> None:
    evaluation(options=["--judge", "offline", "--limit", 1])
    assert evaluation.facts() == {}


def test_a_removed_judge_takes_its_check_with_it(
    evaluation: Evaluation, serve: Serve, jasco: Jasco
) -> None:
    evaluation(serve(), serve(), options=["--limit", 1])
    assert jasco("forget", evaluation.run, "--judge", "openai/judge-1").status == 0
    assert list(evaluation.facts()) == ["check of judge 1"]


def test_a_judge_with_a_server_of_its_own_is_asked_once_that_is_ready(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, vllm: Any
) -> None:
    log = tmp_path / "requests"
    judges = [word for n in (1, 2) for word in ("--judge", vllm(f"some/judge-{n}", log=log))]
    result = jasco(
        "eval", f"openai/ears,base_url={serve().url}", "--data", data, "--limit", 1,
        "--run", tmp_path / "run", *judges,
    )  # fmt: skip
    assert result.status == 0, result.stderr
    models = [json.loads(line)["model"] for line in log.read_text("utf-8").splitlines()]
    assert models == ["some/judge-1"] * 9 + ["some/judge-2"] * 9


def test_a_judge_that_cannot_be_used_does_not_keep_the_next_one_from_judging(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, vllm: Any
) -> None:
    judges = ["--judge", vllm("some/odd", audio_only="true"), "--judge", vllm("some/well")]
    command = (
        "eval", f"openai/ears,base_url={serve().url}", "--data", data, "--limit", 1,
        "--run", tmp_path / "run",
    )  # fmt: skip
    result = jasco(*command, *judges)
    assert result.status == 3, result.stderr
    assert "vllm/some/odd" in result.stderr.splitlines()[-1]
    [model] = json.loads(jasco("score", tmp_path / "run", "--json").stdout)["models"].values()
    assert [(name, judge["verdicts"]) for name, judge in model["judges"].items()] == [
        ("vllm/some/well", 8)
    ]
