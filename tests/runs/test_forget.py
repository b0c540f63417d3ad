"""Removing rows, so that the same command requests them again."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from chat_server import ChatServer, Serve
from command import Jasco, Result
from jasco.data.dataset import read_data_set
from jasco.errors import InputError, count
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response
from jasco.runs.forget import forget
from jasco.runs.read_run import results_of_run
from jasco.runs.reader import RunReader
from runs import verdict, write_run

Rows = set[tuple[str, int, int]]
ALL = {(clip, number) for clip in range(4) for number in range(1, 9)}


def rows(run: Path) -> Rows:
    """Return the rows of a run, as the label of the model or judge, the clip and the prompt."""
    with closing(sqlite3.connect(run / "run.db")) as connection:
        return set(
            connection.execute(
                "SELECT label, clip, instruction FROM responses JOIN models USING (model) UNION "
                "SELECT label, clip, instruction FROM verdicts JOIN judges USING (judge)"
            )
        )


def backups(run: Path) -> list[Path]:
    return list(run.glob("run-*.db"))


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    """Write a run: an answer failed, as did judge a on prompt 2; judge b is unreadable on 3."""

    def answer(clip: int, number: int) -> str | Failure:
        failure = Failure("content filter", "no", final=True)
        return failure if (clip, number) == (0, 1) else "They flee."

    def judge_a(_: int, number: int) -> str | Failure:
        return Failure("timeout", "too late") if number == 2 else verdict(2, "Both")

    def judge_b(_: int, number: int) -> str:
        return "Well." if number == 3 else verdict(1, "Both")

    return write_run(tmp_path / "run", read_data_set(data), answer, {"a": judge_a, "b": judge_b})


A, B, M = "openai/a", "openai/b", "csv/model"
FIRST = {(label, clip, number) for label in (M, A, B) for clip, number in ALL} - {
    (label, 0, 1) for label in (A, B)
}


@pytest.mark.parametrize(
    ("arguments", "removed"),
    [
        (["--clip", "2"], {row for row in FIRST if row[1] == 2}),
        (["--clip", "2", "--clip", "0"], {row for row in FIRST if row[1] in (0, 2)}),
        (["--failed"], {(M, 0, 1), *((A, clip, 2) for clip in range(4)),
                        *((B, clip, 3) for clip in range(4))}),
        (["--failed", "--clip", "0"], {(M, 0, 1), (A, 0, 2), (B, 0, 3)}),
        (["--judge", A, "--failed"], {(A, clip, 2) for clip in range(4)}),
        (["--judge", B, "--clip", "1"], {(B, 1, number) for number in range(1, 9)}),
        (["--judge", B, "--clip", "1", "--failed"], {(B, 1, 3)}),
        (["--judge", A], {row for row in FIRST if row[0] == A}),
    ],
)  # fmt: skip
def test_what_was_named_is_removed_and_nothing_else(
    jasco: Jasco, run: Path, arguments: list[str], removed: Rows
) -> None:
    assert rows(run) == FIRST
    result = jasco("forget", run, *arguments)
    assert result.status == 0
    assert rows(run) == FIRST - removed
    assert count(sum(row[0] != M for row in removed), "verdict") in result.stderr
    if "--judge" not in arguments:
        assert count(sum(row[0] == M for row in removed), "answer") in result.stderr
    [backup] = backups(run)
    assert backup.name in result.stderr
    with RunReader.open(run) as store:
        assert store.covered == 4


def test_nothing_to_remove_is_reported_and_leaves_no_backup(jasco: Jasco, run: Path) -> None:
    assert forget(run, failed=True).backup
    before = backups(run)
    result = jasco("forget", run, "--failed")
    assert result.status == 0
    assert "nothing to remove" in result.stderr
    assert backups(run) == before


@pytest.mark.parametrize(
    "arguments", [[], ["--clip", "99"], ["--judge", "openai/c", "--failed"], ["--clip", "\x1b[2J"]]
)
def test_what_is_not_there_is_reported_and_nothing_is_removed(
    jasco: Jasco, run: Path, arguments: list[str]
) -> None:
    result = jasco("forget", run, *arguments)
    assert result.status == 2
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr
    assert rows(run) == FIRST
    assert not backups(run)


def test_no_run_is_made_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        forget(tmp_path / "none", failed=True)
    assert not (tmp_path / "none").exists()


@pytest.fixture
def evaluate(jasco: Jasco, data: Path, tmp_path: Path) -> Callable[..., Result]:
    def run_evaluation(server: ChatServer, *options: object) -> Result:
        address = f"base_url={server.url}"
        arguments = "eval", f"openai/m,{address}", "--data", data, "--run", tmp_path / "asked"
        return jasco(*arguments, "--judge", f"openai/j,{address}", "--no-preflight", *options)

    return run_evaluation


def count_kinds(server: ChatServer) -> Counter[str]:
    return Counter(request.kind for request in server.requests())


@pytest.mark.parametrize("options", [[], ["--limit", 1]])
def test_the_same_command_makes_them_again(
    evaluate: Callable[..., Result],
    serve: Serve,
    jasco: Jasco,
    tmp_path: Path,
    options: list[object],
) -> None:
    first, run = serve(), tmp_path / "asked"
    assert evaluate(first, *options).status == 0
    last = "0" if options else "3"
    assert jasco("forget", run, "--clip", last).status == 0
    second = serve()
    assert evaluate(second, *options).status == 0
    assert count_kinds(second) == {"answer": 8, "verdict": 8}
    assert results_of_run(run).complete


def test_failures_that_are_final_are_asked_again_by_the_same_command(
    evaluate: Callable[..., Result], serve: Serve, jasco: Jasco, tmp_path: Path
) -> None:
    run = tmp_path / "asked"
    moderated = serve(status_by_text={INSTRUCTIONS[4]: 400})
    assert evaluate(moderated, "--limit", 2).status == 0
    working = serve()
    assert evaluate(working).status == 0
    assert count_kinds(working)["answer"] == 2 * 8  # the other two clips
    assert jasco("forget", run, "--failed").status == 0
    later = serve()
    assert evaluate(later).status == 0
    assert count_kinds(later)["answer"] == 2
    assert results_of_run(run).complete


def test_what_the_rows_of_an_older_run_tell_of_its_spending_stays(
    data: Path, tmp_path: Path
) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    run = write_run(
        tmp_path / "old", read_data_set(data), lambda *_: Response("x", "stop", usage, "m"), {}
    )
    before = results_of_run(run).spent
    assert forget(run, clips=["0"]).answers == 8
    assert results_of_run(run).spent == before


def test_repeats_none_of_which_can_be_read_are_no_agreement(
    jasco: Jasco, data: Path, tmp_path: Path, serve: Serve
) -> None:
    judge = serve(judge_says={"": "Well."}, repair_says="Well.")
    run = write_run(tmp_path / "mute", read_data_set(data), lambda *_: "x", {})
    arguments = f"openai/j,repeats=2,temperature=1,base_url={judge.url}"
    assert jasco("judge", run, "--judge", arguments, "--no-preflight").status == 0
