"""Answering and judging: exit statuses, JSON output, dry runs."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from chat_server import ChatServer, Serve
from command import FEW_ATTEMPTS, HASTY, Jasco, Result, figures_in
from jasco.protocol.instructions import INSTRUCTIONS
from synthetic import make_data

UNREADABLE = "I would rather not say."
READABLE = "Rating: 2\nOrientation: Both"


def evaluate(
    jasco: Jasco, model_server: ChatServer, judge: ChatServer, folder: Path, *options: Any
) -> Result:
    return jasco(
        "eval", f"openai/ears,base_url={model_server.url}",
        "--judge", f"openai/m,base_url={judge.url}",
        "--data", folder / "synthetic", "--run", folder / "run", *options, patch=FEW_ATTEMPTS,
    )  # fmt: skip


def failures(run: Path, table: str) -> list[str]:
    with sqlite3.connect(run / "run.db") as connection:
        query = f"SELECT failure_kind FROM {table} WHERE failure_kind IS NOT NULL"
        return [kind for (kind,) in connection.execute(query)]


def test_unreadable_verdicts_are_final(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model_server = serve()
    judge = serve(judge_says={INSTRUCTIONS[2]: UNREADABLE}, repair_says=UNREADABLE)
    first = evaluate(jasco, model_server, judge, tmp_path, "--json")
    assert first.status == 0
    [model] = json.loads(first.stdout)["models"].values()
    assert (model["complete"], model["unreadable_rate"], model["coverage"]) == (False, 1 / 8, 7 / 8)
    assert "incomplete" in first.stderr
    calls = len(judge.requests())
    assert evaluate(jasco, model_server, judge, tmp_path).status == 0
    assert len(judge.requests()) == calls


def test_what_a_server_refuses_for_an_item_is_final(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model_server, judge = (
        serve(status_by_text={INSTRUCTIONS[4]: 400}),
        serve(status_by_text={INSTRUCTIONS[5]: 400}),
    )
    for _ in range(2):
        result = evaluate(jasco, model_server, judge, tmp_path)
        assert result.status == 0, result.stderr
        assert "4 of 32 items not answered" in result.stderr
    assert len(model_server.requests()) == 12 + 32  # the preflight and each item, once
    assert len(judge.requests()) == 1 + 28  # a known question, and each answer
    assert failures(tmp_path / "run", "responses") == ["rejected"] * 4
    assert failures(tmp_path / "run", "verdicts") == ["rejected"] * 4


def test_what_is_final_is_asked_again_on_demand(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model_server = serve(status_by_text={INSTRUCTIONS[4]: 400})
    judge = serve(judge_says={INSTRUCTIONS[2]: UNREADABLE}, repair_says=UNREADABLE)
    evaluate(jasco, model_server, judge, tmp_path)
    working_model, working_judge = serve(), serve(judge_says={INSTRUCTIONS[2]: READABLE})
    assert evaluate(jasco, working_model, working_judge, tmp_path).status == 0
    assert (len(working_model.requests()), len(working_judge.requests())) == (0, 0)
    result = evaluate(jasco, working_model, working_judge, tmp_path, "--retry-final", "--json")
    assert result.status == 0, result.stderr
    [model] = json.loads(result.stdout)["models"].values()
    assert model["complete"]
    assert len([request for request in working_model.requests() if request.kind == "answer"]) == 4
    assert len(working_judge.requests()) == 4 + 4  # 4 new answers, and 4 with unreadable verdicts


def test_an_unreadable_verdict_does_not_give_way_to_a_failure(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model_server = serve()
    judge = serve(judge_says={INSTRUCTIONS[2]: UNREADABLE}, repair_says=UNREADABLE)
    evaluate(jasco, model_server, judge, tmp_path)
    evaluate(
        jasco, model_server, serve(status_by_text={INSTRUCTIONS[2]: 400}), tmp_path, "--retry-final"
    )
    assert failures(tmp_path / "run", "verdicts") == []


@pytest.mark.parametrize("kind", ["503", "truncated", "no choices"])
def test_what_may_pass_is_work_left(
    kind: str, jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model_server, judge = (
        serve(fault_by_text={INSTRUCTIONS[4]: kind}),
        serve(fault_by_text={INSTRUCTIONS[5]: kind}),
    )
    assert evaluate(jasco, model_server, judge, tmp_path).status == 4
    assert jasco("score", tmp_path / "run").status == 0
    assert evaluate(jasco, serve(), judge, tmp_path).status == 4
    assert evaluate(jasco, model_server, serve(), tmp_path).status == 0


def test_judging_a_run_says_when_answers_may_still_come(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run, judge = tmp_path / "run", f"openai/m,base_url={serve().url}"
    dying_model = f"openai/ears,base_url={serve(die_after=20).url}"
    options = ["--data", data, "--run", run, "--concurrency", 1]
    assert jasco("respond", dying_model, *options, patch=HASTY).status == 4
    assert jasco("judge", run, "--judge", judge).status == 4
    assert jasco("respond", f"openai/ears,base_url={serve().url}", *options).status == 0
    assert jasco("judge", run, "--judge", judge).status == 0


def test_what_can_be_read_is_status_0_however_incomplete(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    jasco("respond", f"openai/ears,base_url={serve().url}", "--data", data, "--run", run)
    for command in (["score", run], ["report", run, "--format", "markdown"]):
        result = jasco(*command)
        assert result.status == 0
        [line] = result.stderr.splitlines()
        assert "not judged yet" in line


def test_a_smaller_limit_on_a_run_has_no_effect(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model_server, judge = serve(), serve()
    assert evaluate(jasco, model_server, judge, tmp_path, "--limit", 3).status == 0
    result = evaluate(jasco, model_server, judge, tmp_path, "--limit", 2)
    assert result.status == 0
    assert "--limit 2 has no effect" in result.stderr
    assert "3 clips" in result.stderr


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
    result = evaluate(jasco, serve(), serve(), tmp_path, "--limit", 2, "--json")
    assert result.status == 0
    assert json.loads(result.stdout)["data"]["clips"] == 2


# --- what is printed ---


def servers(serve: Serve, data: Path, run: Path, **behaviour: Any) -> tuple[Any, list[object]]:
    server = serve(**behaviour)
    address = f"base_url={server.url}"
    arguments = [
        f"openai/m,{address}",
        "--data",
        data,
        "--run",
        run,
        "--judge",
        f"openai/j,{address}",
    ]
    return server, arguments


def test_json_is_one_object_and_nothing_else(jasco: Jasco, serve: Serve, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", clips=1)
    _, arguments = servers(serve, data, tmp_path / "run")
    evaluated = jasco("eval", *arguments, "--json")
    assert evaluated.status == 0
    assert json.loads(evaluated.stdout)["models"]["openai/m"]["complete"] is True
    scored = jasco("score", tmp_path / "run", "--json")
    assert (scored.status, scored.stderr) == (0, "")
    assert json.loads(scored.stdout) == json.loads(evaluated.stdout)


def test_json_is_printed_where_the_run_is_incomplete_too(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=2)
    _, arguments = servers(serve, data, tmp_path / "run", judge_says={"clip 1": "I cannot tell."})
    result = jasco("eval", *arguments, "--json")
    assert result.status == 0  # the same command could do no more
    assert "incomplete" in result.stderr
    summary = json.loads(result.stdout)
    [model] = summary["models"].values()
    assert model["complete"] is False
    assert model["coverage"] == 0.5
    assert model["unreadable_rate"] == 0.5
    assert "NaN" not in result.stdout
    table = jasco("score", tmp_path / "run")
    assert table.status == 0
    assert "INCOMPLETE" in table.stdout


def test_a_dry_run_writes_nothing_and_calls_nothing(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server, arguments = servers(serve, data, tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    result = jasco("eval", *arguments, "--dry-run")
    assert result.status == 0
    assert "4 of 4 clips, 32 items" in result.stdout
    assert "openai/m: 32 calls to make" in result.stdout
    assert "preflight: 12 calls to make" in result.stdout
    assert "openai/j: 32 calls to make" in result.stdout
    answers_only = jasco("respond", *arguments[:5], "--dry-run", "--limit", 2)
    assert "openai/m: 16 calls to make" in answers_only.stdout
    assert "judge" not in answers_only.stdout
    new = set(tmp_path.rglob("*")) - set(before)
    assert {path.name.partition("-")[0] for path in new} <= {
        "command"
    }  # where stdout and stderr go
    assert server.requests() == []


def test_a_dry_run_on_a_run_counts_what_is_left(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server, arguments = servers(serve, data, tmp_path / "run")
    jasco("eval", *arguments, "--limit", 1)
    calls = len(server.requests())
    contents = (tmp_path / "run" / "run.db").read_bytes()
    result = jasco("eval", *arguments, "--dry-run")
    assert "openai/m: 24 calls to make, 8 done" in result.stdout
    assert "openai/j: 24 calls to make" in result.stdout
    assert len(server.requests()) == calls
    assert (tmp_path / "run" / "run.db").read_bytes() == contents


def test_a_function_and_a_judged_file_make_a_whole_evaluation(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    """Evaluate a ``python`` model with a ``csv`` judge, end to end and without a network."""
    (tmp_path / "mine.py").write_text(
        "def answer(audios, sampling_rate, prompts):\n"
        "    lengths = [len(audio) * audio.any() for audio in audios]\n"
        "    return [f'{length} {prompt[:10]}' for length, prompt in zip(lengths, prompts)]\n"
    )
    model = f"python/{tmp_path / 'mine.py'}:answer"
    run, judged = tmp_path / "run", tmp_path / "judged.csv"
    template = jasco("data", "template", data, "-o", tmp_path / "template.csv")
    assert template.status == 0
    responded = jasco("respond", model, "--data", data, "--run", run)
    assert responded.status == 0
    assert "32 of 32 items answered" in responded.stderr

    from jasco.data.csv_files import read_table, write_table

    table = read_table(tmp_path / "template.csv")
    rows = [
        row
        | {"allm_output": f"4000 {row['prompt'][:10]}"}
        | {"judge_output": "Rating: 2\nOrientation: Both"}
        for row in table.rows
    ]
    write_table(judged, [*table.columns, "judge_output"], rows)
    result = jasco(
        "eval", model, "--data", data, "--run", run, "--judge", f"csv/{judged}", "--json"
    )
    assert result.status == 0
    summary = json.loads(result.stdout)
    assert summary["models"][model]["best_mean"] == 2
    assert summary["data"]["clips"] == 4
    assert summary["data"]["audio_sha256"]
    rejudged = jasco("judge", run, "--judge", f"csv/{judged}")
    assert rejudged.status == 0
    assert "2.00" in rejudged.stdout
