"""Rows that are removed, so that the same command makes them again."""

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
    """Give who answered or judged what: label, clip, prompt."""
    with closing(sqlite3.connect(run / "run.db")) as db:
        return set(
            db.execute(
                "SELECT label, clip, instruction FROM responses JOIN models USING (model) UNION "
                "SELECT label, clip, instruction FROM verdicts JOIN judges USING (judge)"
            )
        )


def backups(run: Path) -> list[Path]:
    return list(run.glob("run-*.db"))


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    """Clip 0 has no answer to prompt 1; the judge a fails on prompt 2, b is unreadable on 3."""

    def answer(place: int, number: int) -> str | Failure:
        failed = Failure("content filter", "no", final=True)
        return failed if (place, number) == (0, 1) else "They flee."

    def a(_: int, number: int) -> str | Failure:
        return Failure("timeout", "too late") if number == 2 else verdict(2, "Both")

    def b(_: int, number: int) -> str:
        return "Well." if number == 3 else verdict(1, "Both")

    return write_run(tmp_path / "run", read_data_set(data), answer, {"a": a, "b": b})


A, B, M = "openai/a", "openai/b", "csv/model"
FIRST = {(who, clip, number) for who in (M, A, B) for clip, number in ALL} - {
    (who, 0, 1) for who in (A, B)
}


@pytest.mark.parametrize(
    ("arguments", "gone"),
    [
        (["--clip", "2"], {each for each in FIRST if each[1] == 2}),
        (["--clip", "2", "--clip", "0"], {each for each in FIRST if each[1] in (0, 2)}),
        (["--failed"], {(M, 0, 1)} | {(w, c, n) for c in range(4) for w, n in ((A, 2), (B, 3))}),
        (["--failed", "--clip", "0"], {(M, 0, 1), (A, 0, 2), (B, 0, 3)}),
        (["--judge", A, "--failed"], {(A, clip, 2) for clip in range(4)}),
        (["--judge", B, "--clip", "1"], {(B, 1, number) for number in range(1, 9)}),
        (["--judge", B, "--clip", "1", "--failed"], {(B, 1, 3)}),
        (["--judge", A], {each for each in FIRST if each[0] == A}),
    ],
)  # fmt: skip
def test_what_was_named_is_removed_and_nothing_else(
    jasco: Jasco, run: Path, arguments: list[str], gone: Rows
) -> None:
    assert rows(run) == FIRST
    result = jasco("forget", run, *arguments)
    assert result.status == 0
    assert rows(run) == FIRST - gone
    assert count(sum(each[0] != M for each in gone), "verdict") in result.stderr
    if "--judge" not in arguments:
        assert count(sum(each[0] == M for each in gone), "answer") in result.stderr
    [backup] = backups(run)
    assert backup.name in result.stderr
    with RunReader.open(run) as store:
        assert store.covered == 4


def test_nothing_to_remove_is_said_and_leaves_no_backup(jasco: Jasco, run: Path) -> None:
    assert forget(run, failed=True).backup
    before = backups(run)
    result = jasco("forget", run, "--failed")
    assert result.status == 0
    assert "nothing to remove" in result.stderr
    assert backups(run) == before


@pytest.mark.parametrize(
    "arguments", [[], ["--clip", "99"], ["--judge", "openai/c", "--failed"], ["--clip", "\x1b[2J"]]
)
def test_what_is_not_there_is_said_and_nothing_is_removed(
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
def evaluated(jasco: Jasco, data: Path, tmp_path: Path) -> Callable[..., Result]:
    def evaluate(server: ChatServer, *more: object) -> Result:
        at = f"base_url={server.url}"
        arguments = "eval", f"openai/m,{at}", "--data", data, "--run", tmp_path / "asked"
        return jasco(*arguments, "--judge", f"openai/j,{at}", "--no-preflight", *more)

    return evaluate


def kinds(server: ChatServer) -> Counter[str]:
    return Counter(each.kind for each in server.requests())


@pytest.mark.parametrize("more", [[], ["--limit", 1]])
def test_the_same_command_makes_them_again(
    evaluated: Callable[..., Result], serve: Serve, jasco: Jasco, tmp_path: Path, more: list[object]
) -> None:
    first, run = serve(), tmp_path / "asked"
    assert evaluated(first, *more).status == 0
    last = "0" if more else "3"
    assert jasco("forget", run, "--clip", last).status == 0
    again = serve()
    assert evaluated(again, *more).status == 0
    assert kinds(again) == {"answer": 8, "verdict": 8}
    assert results_of_run(run).complete


def test_failures_that_are_final_are_asked_again_by_the_same_command(
    evaluated: Callable[..., Result], serve: Serve, jasco: Jasco, tmp_path: Path
) -> None:
    run = tmp_path / "asked"
    moderated = serve(refused={INSTRUCTIONS[4]: 400})
    assert evaluated(moderated, "--limit", 2).status == 0
    well = serve()
    assert evaluated(well).status == 0
    assert kinds(well)["answer"] == 2 * 8  # of the other two clips
    assert jasco("forget", run, "--failed").status == 0
    later = serve()
    assert evaluated(later).status == 0
    assert kinds(later)["answer"] == 2
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
