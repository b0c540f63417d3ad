"""When a command says that it is done, and when the same command again may do more."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from chat_server import ChatServer, Serve
from command import FEW_ATTEMPTS, HASTY, Jasco, Result, figures_in
from jasco.protocol.instructions import INSTRUCTIONS

UNREADABLE = "I would rather not say."
GOOD = "Rating: 2\nOrientation: Both"


def evaluate(jasco: Jasco, ears: ChatServer, judge: ChatServer, place: Path, *more: Any) -> Result:
    return jasco(
        "eval", f"openai/ears,base_url={ears.url}", "--judge", f"openai/m,base_url={judge.url}",
        "--data", place / "synthetic", "--run", place / "run", *more, patch=FEW_ATTEMPTS,
    )  # fmt: skip


def failures(run: Path, table: str) -> list[str]:
    with sqlite3.connect(run / "run.db") as connection:
        query = f"SELECT failure_kind FROM {table} WHERE failure_kind IS NOT NULL"
        return [kind for (kind,) in connection.execute(query)]


def test_unreadable_verdicts_are_final(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    ears = serve()
    judge = serve(judge_says={INSTRUCTIONS[2]: UNREADABLE}, repair_says=UNREADABLE)
    first = evaluate(jasco, ears, judge, tmp_path, "--json")
    assert first.status == 0
    [model] = json.loads(first.stdout)["models"].values()
    assert (model["complete"], model["unreadable_rate"], model["coverage"]) == (False, 1 / 8, 7 / 8)
    assert "incomplete" in first.stderr
    asked = len(judge.requests())
    assert evaluate(jasco, ears, judge, tmp_path).status == 0
    assert len(judge.requests()) == asked


def test_what_a_server_refuses_for_an_item_is_final(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    ears, judge = serve(refused={INSTRUCTIONS[4]: 400}), serve(refused={INSTRUCTIONS[5]: 400})
    for _ in range(2):
        done = evaluate(jasco, ears, judge, tmp_path)
        assert done.status == 0, done.stderr
        assert "4 of 32 items not answered" in done.stderr
    assert len(ears.requests()) == 12 + 32  # the preflight and each item, once
    assert len(judge.requests()) == 1 + 28  # a known question, and each answer
    assert failures(tmp_path / "run", "responses") == ["rejected"] * 4
    assert failures(tmp_path / "run", "verdicts") == ["rejected"] * 4


def test_what_is_final_is_asked_again_on_demand(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    ears = serve(refused={INSTRUCTIONS[4]: 400})
    judge = serve(judge_says={INSTRUCTIONS[2]: UNREADABLE}, repair_says=UNREADABLE)
    evaluate(jasco, ears, judge, tmp_path)
    well, fit = serve(), serve(judge_says={INSTRUCTIONS[2]: GOOD})
    assert evaluate(jasco, well, fit, tmp_path).status == 0
    assert (len(well.requests()), len(fit.requests())) == (0, 0)
    done = evaluate(jasco, well, fit, tmp_path, "--retry-final", "--json")
    assert done.status == 0, done.stderr
    [model] = json.loads(done.stdout)["models"].values()
    assert model["complete"]
    assert len([each for each in well.requests() if each.kind == "answer"]) == 4
    assert len(fit.requests()) == 4 + 4  # of the new answers, and of those with unreadable verdicts


def test_an_unreadable_verdict_does_not_give_way_to_a_failure(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    ears = serve()
    judge = serve(judge_says={INSTRUCTIONS[2]: UNREADABLE}, repair_says=UNREADABLE)
    evaluate(jasco, ears, judge, tmp_path)
    evaluate(jasco, ears, serve(refused={INSTRUCTIONS[2]: 400}), tmp_path, "--retry-final")
    assert failures(tmp_path / "run", "verdicts") == []


@pytest.mark.parametrize("kind", ["503", "truncated", "no choices"])
def test_what_may_pass_is_work_left(
    kind: str, jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    ears, judge = serve(bewitched={INSTRUCTIONS[4]: kind}), serve(bewitched={INSTRUCTIONS[5]: kind})
    assert evaluate(jasco, ears, judge, tmp_path).status == 4
    assert jasco("score", tmp_path / "run").status == 0
    assert evaluate(jasco, serve(), judge, tmp_path).status == 4
    assert evaluate(jasco, ears, serve(), tmp_path).status == 0


def test_judging_a_run_says_when_answers_may_still_come(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run, judge = tmp_path / "run", f"openai/m,base_url={serve().url}"
    dying = f"openai/ears,base_url={serve(die_after=20).url}"
    given = ["--data", data, "--run", run, "--concurrency", 1]
    assert jasco("respond", dying, *given, patch=HASTY).status == 4
    assert jasco("judge", run, "--judge", judge).status == 4
    assert jasco("respond", f"openai/ears,base_url={serve().url}", *given).status == 0
    assert jasco("judge", run, "--judge", judge).status == 0


def test_what_can_be_read_is_status_0_however_incomplete(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    jasco("respond", f"openai/ears,base_url={serve().url}", "--data", data, "--run", run)
    for command in (["score", run], ["report", run, "--format", "markdown"]):
        done = jasco(*command)
        assert done.status == 0
        [line] = done.stderr.splitlines()
        assert "not judged yet" in line


def test_a_smaller_limit_on_a_run_is_told_to_have_no_effect(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    ears, judge = serve(), serve()
    assert evaluate(jasco, ears, judge, tmp_path, "--limit", 3).status == 0
    done = evaluate(jasco, ears, judge, tmp_path, "--limit", 2)
    assert done.status == 0
    assert "--limit 2 has no effect" in done.stderr
    assert "3 clips" in done.stderr


def test_a_command_that_extends_a_run_and_comes_to_nothing_leaves_it_as_it_was(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    judge, run = serve(), tmp_path / "run"
    assert evaluate(jasco, serve(), judge, tmp_path, "--limit", 2).status == 0
    before = figures_in(jasco("score", run, "--json"))
    dead = serve()
    dead.kill()
    assert evaluate(jasco, dead, judge, tmp_path).status == 4
    assert figures_in(jasco("score", run, "--json")) == before


def test_a_command_that_came_to_nothing_binds_no_later_one(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    dead = serve()
    dead.kill()
    assert evaluate(jasco, dead, serve(), tmp_path).status == 4
    done = evaluate(jasco, serve(), serve(), tmp_path, "--limit", 2, "--json")
    assert done.status == 0
    assert json.loads(done.stdout)["data"]["clips"] == 2
