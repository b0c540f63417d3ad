"""What goes wrong in the world outside, and what becomes of the run."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat_server import FAULTS, NO_ANSWER, ChatServer, Serve
from command import FEW_ATTEMPTS, HASTY, Command, Jasco, Result, figures_in
from places import PROMPTS
from synthetic import make_data

INSTRUCTIONS = (PROMPTS / "instructions.txt").read_text("utf-8").splitlines()


def command_line(url: str, data: Path, run: Path, *more: object, judges: int = 1) -> list[object]:
    """Give an ``eval`` with model and judges on one server; calls may take 2 s.

    Without a preflight: tests count requests, and kill servers after so many.
    """
    panel = [f"--judge=openai/judge-{n},base_url={url},timeout=2" for n in range(judges)]
    return [
        "eval", f"openai/ears,base_url={url},timeout=2", "--data", data, "--run", run, *panel,
        "--no-preflight", *more
    ]  # fmt: skip


def query(run: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(run / "run.db", timeout=30)) as connection:
        return connection.execute(sql).fetchall()


def rows(run: Path) -> tuple[int, int]:
    """Count the answers and verdicts that a run holds, failures apart."""
    [[answers]] = query(run, "SELECT count(*) FROM responses WHERE failure_kind IS NULL")
    [[verdicts]] = query(run, "SELECT count(*) FROM verdicts WHERE failure_kind IS NULL")
    return answers, verdicts


def repeated(*servers: ChatServer) -> int:
    """Count the requests that were made before."""
    counts = Counter(request.key for server in servers for request in server.requests())
    return sum(counts.values()) - len(counts)


def one_line_of_complaint(result: Result) -> str:
    [line] = result.stderr.splitlines()
    assert line.startswith("jasco: ")
    return line


def wait_for_rows(run: Path, count: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            if sum(rows(run)) >= count:
                return
        except sqlite3.OperationalError:
            pass  # not there yet
        assert time.monotonic() < until
        time.sleep(0.02)


# --- a server that fails now and then ---


def test_with_a_fifth_of_the_requests_failing_the_run_is_complete_and_as_without(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=12)
    well, faulty = serve(), serve(faults=0.2, seed=3)
    smooth = jasco(*command_line(well.url, data, tmp_path / "smooth", "--json"))
    rough = jasco(*command_line(faulty.url, data, tmp_path / "rough", "--json", "--concurrency=64"))
    assert (smooth.status, rough.status) == (0, 0), rough
    assert len({request.fault for request in faulty.requests()}) > 12
    assert rows(tmp_path / "rough") == (96, 96)
    assert figures_in(rough) == figures_in(smooth)


LASTING = tuple(kind for kind in FAULTS if kind != "429")  # a rate limit is waited for, even long


def test_answers_that_never_come_are_missing_and_asked_for_again_by_the_same_command(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    """Some instructions always meet a fault, the others never."""
    answered = {}
    started = {}
    for kinds in (LASTING[:7], LASTING[7:14], LASTING[14:]):
        run = tmp_path / kinds[0]
        bewitched = dict(zip(INSTRUCTIONS[1:], kinds, strict=False))
        url = serve(bewitched=bewitched).url
        answered[run] = 4 * (8 - len(kinds))
        started[run] = jasco.start(
            "respond", f"openai/ears,base_url={url},timeout=1", "--data", data, "--run", run,
            "--concurrency=32", "--no-preflight", patch=FEW_ATTEMPTS,
        )  # fmt: skip
    for run, command in started.items():
        first = command.finish()
        assert first.status == 4, first
        assert f"{answered[run]} of 32 items are answered" in first.stderr
        assert rows(run) == (answered[run], 0)
        failed = query(run, "SELECT * FROM responses WHERE failure_message != ''")
        assert len(failed) == 32 - answered[run]
        well = serve()
        assert jasco(*command_line(well.url, data, run)).status == 0
        assert rows(run) == (32, 32)
        assert len(well.requests()) == 32 - answered[run] + 32


def test_completions_without_an_answer_are_failures_with_a_kind_and_not_asked_for_again_at_once(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    bewitched = dict(zip(INSTRUCTIONS[1:], NO_ANSWER, strict=False))
    server = serve(bewitched=bewitched)
    jasco(*command_line(server.url, data, tmp_path / "run"))
    left = 4 * (8 - len(NO_ANSWER))
    assert rows(tmp_path / "run") == (left, left)
    sql = "SELECT instruction, failure_kind FROM responses WHERE text IS NULL GROUP BY 1, 2"
    kinds = dict(query(tmp_path / "run", sql))
    assert kinds == dict(enumerate(NO_ANSWER.values(), start=2))
    assert repeated(server) == 0


def test_a_judges_completions_without_an_answer_are_failures_and_not_unreadable_verdicts(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", len(NO_ANSWER) + 1)
    server = serve(
        judge_says={"[": "Rating: 2\nOrientation: Both"},
        bewitched={f"watching the weather, clip {n}\n": kind for n, kind in enumerate(NO_ANSWER)},
    )
    result = jasco(*command_line(server.url, data, tmp_path / "run", "--json"))
    [model] = json.loads(result.stdout)["models"].values()
    assert (model["best_mean"], model["unreadable_rate"], model["coverage"]) == (
        2,
        0,
        1 / (len(NO_ANSWER) + 1),
    )
    sql = "SELECT clip, failure_kind FROM verdicts WHERE failure_kind IS NOT NULL GROUP BY 1, 2"
    assert dict(query(tmp_path / "run", sql)) == dict(enumerate(NO_ANSWER.values()))
    assert repeated(server) == 0


def test_verdicts_that_never_come_are_missing_and_never_0(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    clips = len(LASTING) + 1
    data = make_data(tmp_path / "data", clips)
    server = serve(
        judge_says={"[": "Rating: 2\nOrientation: Both"},
        bewitched={f"watching the weather, clip {n}\n": kind for n, kind in enumerate(LASTING)},
    )
    result = jasco(
        "eval", f"openai/ears,base_url={server.url}", "--data", data, "--run", tmp_path / "run",
        f"--judge=openai/judge,base_url={server.url},timeout=1", "--json", "--concurrency=64",
        patch=FEW_ATTEMPTS,
    )  # fmt: skip
    assert result.status == 4, result
    [model] = json.loads(result.stdout)["models"].values()
    assert (model["best_mean"], model["mean"], model["best_at_k"]) == (2, 2, None)
    assert (model["coverage"], model["complete"]) == (1 / clips, False)
    assert model["best_mean_bounds"] == [2 / clips, 2]
    assert rows(tmp_path / "run") == (8 * clips, 8)


def test_a_refused_key_or_an_unknown_model_is_exit_2_in_one_line(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    servers = {status: serve(status=status, error="not\nyou") for status in (401, 403, 404)}
    started = {
        status: jasco.start(*command_line(server.url, data, tmp_path / f"run-{status}"))
        for status, server in servers.items()
    }
    for status, server in servers.items():
        result = started[status].finish()
        assert result.status == 2
        assert result.stdout == ""
        *before, line = result.stderr.splitlines()
        # A single 403 may be about one input: that is reported first.
        assert not before or (status == 403 and "rejected: HTTP 403" in before[0])
        assert f"HTTP {status}: " in line
        assert server.url in line
        assert "ears" in line
        assert repeated(server) == 0


def test_a_judge_that_refuses_the_key_ends_the_run_with_the_answers_kept(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    well, wrong = serve(), serve(status=401)
    command = (
        "eval", f"openai/ears,base_url={well.url}", "--data", data, "--run", tmp_path / "run",
        f"--judge=openai/judge,base_url={wrong.url}",
    )  # fmt: skip
    for more, answered in (((), False), (("--no-preflight",), True)):
        result = jasco(*command, *more)
        assert result.status == 2
        assert wrong.url in one_line_of_complaint(result)
        assert (rows(tmp_path / "run")[0] > 0) == answered


def test_a_retry_after_is_waited_for_as_seconds_or_as_a_date(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    servers = [serve(busy=8, retry_after=told) for told in ("2", "+3")]
    started = [
        jasco.start(
            "respond", f"openai/ears,base_url={server.url}", "--data", data, "--limit", 1,
            "--run", tmp_path / f"run-{server.port}", "--no-preflight",
        )
        for server in servers
    ]  # fmt: skip
    assert [command.finish().status for command in started] == [0, 0]
    for server in servers:
        came: dict[str, list[float]] = {}
        for request in server.requests():
            came.setdefault(request.key, []).append(request.at)
        waits = [second - first for first, second in came.values()]
        assert len(waits) == 8
        assert min(waits) >= 2  # a date has no fractions of seconds
        assert max(waits) < 7


def test_a_dead_server_beside_a_well_one_does_not_stop_the_run(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    well, dead = serve(), serve()
    dead.kill()
    result = jasco(*command_line(f"{dead.url},base_url={well.url}", data, tmp_path / "run"))
    assert result.status == 0, result


# --- a server that is gone ---


def die_and_resume(
    jasco: Jasco, serve: Serve, data: Path, run: Path, patch: dict[str, float]
) -> None:
    dying = serve(die_after=50)
    result = jasco(*command_line(dying.url, data, run, "--concurrency=8", "--json"), patch=patch)
    assert result.status == 4, result
    # Calls that failed, and progress, may have been reported before.
    assert dying.url in result.stderr.splitlines()[-1]
    before = sum(rows(run))
    assert 42 <= before <= 50
    [model] = json.loads(result.stdout)["models"].values()  # what there is, is shown
    assert model["coverage"] == rows(run)[1] / 64
    other = serve()
    assert jasco(*command_line(other.url, data, run, "--concurrency=8")).status == 0
    assert rows(run) == (64, 64)
    assert len(other.requests()) == 128 - before
    assert repeated(other) == 0


def test_a_run_whose_server_died_resumes_on_another_port_with_no_call_made_twice(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=8)
    die_and_resume(jasco, serve, data, tmp_path / "run", HASTY)
    straight = serve()
    jasco(*command_line(straight.url, data, tmp_path / "straight"))
    scores = [figures_in(jasco("score", tmp_path / run, "--json")) for run in ("run", "straight")]
    assert scores[0] == scores[1]


@pytest.mark.slow
def test_a_server_that_died_is_given_up_within_a_minute(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=8)
    began = time.monotonic()
    die_and_resume(jasco, serve, data, tmp_path / "run", {})
    assert time.monotonic() - began < 60


def test_a_server_that_only_fails_is_given_up_with_exit_4(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    servers = [serve(faults=1.0, kinds=(kind,)) for kind in ("500", "hang", "reset")]
    started = [
        jasco.start(
            "respond", f"openai/ears,base_url={server.url},timeout=0.3", "--data", data,
            "--run", tmp_path / f"run-{server.port}", patch=HASTY,
        )
        for server in servers
    ]  # fmt: skip
    for server, command in zip(servers, started, strict=True):
        result = command.finish()
        assert result.status == 4, result
        assert server.url in one_line_of_complaint(result)


# --- told to stop ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_resumes_with_no_call_made_twice(
    number: signal.Signals, jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=8)
    run = tmp_path / "run"
    server = serve(latency=0.1)
    command = jasco.start(*command_line(server.url, data, run, "--concurrency=8"))
    wait_for_rows(run, 30)
    command.send(number)
    result = command.finish(10)
    assert result.status == 130
    assert result.stdout == ""
    assert "interrupted" in one_line_of_complaint(result)
    kept = sum(rows(run))
    assert 30 <= kept < 128
    other = serve()
    assert jasco(*command_line(other.url, data, run)).status == 0
    assert rows(run) == (64, 64)
    assert len(other.requests()) == 128 - kept


def test_an_interruption_does_not_wait_for_a_server_that_hangs(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(latency=60)
    command = jasco.start(
        "respond", f"openai/ears,base_url={server.url}", "--data", data, "--run", tmp_path / "run",
        "--no-preflight",
    )  # fmt: skip
    server.wait_for(requests=8)
    began = time.monotonic()
    command.send(signal.SIGINT)
    assert command.finish(10).status == 130
    assert time.monotonic() - began < 3


# --- no room ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 128 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    tried = subprocess.run(mount, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no small disk can be mounted: {tried.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_full_disk_is_exit_4_and_the_run_resumes_when_there_is_room(
    jasco: Jasco, serve: Serve, small_disk: Path, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=24)
    run = small_disk / "run"
    server = serve()
    result = jasco(*command_line(server.url, data, run))
    assert result.status == 4, result
    assert "full" in one_line_of_complaint(result)
    kept = sum(rows(run))
    assert 0 < kept < 384
    still = jasco(*command_line(server.url, data, run))
    assert still.status == 4, still
    kept = sum(rows(run))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    other = serve()
    assert jasco(*command_line(other.url, data, run)).status == 0
    assert rows(run) == (192, 192)
    assert len(other.requests()) == 384 - kept


def test_a_disk_that_is_full_from_the_start_is_exit_4(
    jasco: Jasco, serve: Serve, small_disk: Path, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=24)
    server = serve()
    filler = small_disk / "filler"
    for room in (0, 4096, 50_000):
        filler.unlink(missing_ok=True)
        filler.write_bytes(b"x" * (128 * 1024 - 4096 - room))
        result = jasco(*command_line(server.url, data, small_disk / f"run-{room}"))
        assert result.status == 4, result
        one_line_of_complaint(result)
    filler.unlink()
    assert server.requests() == []


# --- others ---


def test_a_second_process_on_a_run_is_refused_and_told_who_has_it(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    server = serve(latency=0.3)
    first = jasco.start(*command_line(server.url, data, run, "--concurrency=2"))
    wait_for_rows(run, 2)
    second = jasco(*command_line(server.url, data, run))
    assert second.status == 3
    line = one_line_of_complaint(second)
    assert f"process {first.pid} on {socket.gethostname()}" in line
    assert str(run) in line
    assert first.is_running()
    first.send(signal.SIGINT)
    assert first.finish().status == 130


def test_readers_may_look_on_while_a_run_is_going(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=16)
    run = tmp_path / "run"
    server = serve(latency=0.02)
    writer: Command = jasco.start(*command_line(server.url, data, run))
    wait_for_rows(run, 16)
    coverages = []
    while writer.is_running():
        looked = jasco("score", run, "--json")
        assert looked.status in (0, 4), looked
        [model] = json.loads(looked.stdout)["models"].values()
        coverages.append(model["coverage"])
    assert len(coverages) >= 2
    assert coverages == sorted(coverages)
    assert coverages[0] < 1
    assert writer.finish().status == 0
