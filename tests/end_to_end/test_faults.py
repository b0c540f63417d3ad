"""Faults of servers, disks and processes, and their effect on a run."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_server import FAULTS, NO_ANSWER, ChatServer, Serve
from command import FEW_ATTEMPTS, HASTY, Command, Jasco, error_line, figures_in
from prompts import INSTRUCTIONS
from run_database import query
from synthetic import make_data

pytestmark = pytest.mark.slow


def command_line(url: str, data: Path, run: Path, *more: object, judges: int = 1) -> list[object]:
    """Return an ``eval`` with model and judges on one server and a timeout of 2 s.

    There is no preflight, since tests count requests.
    """
    panel = [f"--judge=openai/judge-{n},base_url={url},timeout=2" for n in range(judges)]
    return [
        "eval", f"openai/ears,base_url={url},timeout=2", "--data", data, "--run", run, *panel,
        "--no-preflight", *more
    ]  # fmt: skip


def count_rows(run: Path) -> tuple[int, int]:
    """Return the numbers of answers and verdicts in a run, without failures."""
    [[answers]] = query(run, "SELECT count(*) FROM responses WHERE failure_kind IS NULL")
    [[verdicts]] = query(run, "SELECT count(*) FROM verdicts WHERE failure_kind IS NULL")
    return answers, verdicts


def repeated(*servers: ChatServer) -> int:
    """Return the number of requests that repeat an earlier one."""
    counts = Counter(request.key for server in servers for request in server.requests())
    return sum(counts.values()) - len(counts)


def wait_for_rows(run: Path, count: int) -> None:
    """Wait until a run has a number of answers and verdicts."""
    deadline = time.monotonic() + 30
    while True:
        try:
            if sum(count_rows(run)) >= count:
                return
        except sqlite3.OperationalError:
            pass  # the table does not exist yet
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- a server that fails occasionally ---


def test_with_a_fifth_of_the_requests_failing_the_run_has_the_same_result(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=12)
    healthy, faulty = serve(), serve(faults=0.2, seed=3)
    expected = jasco(*command_line(healthy.url, data, tmp_path / "healthy", "--json"))
    result = jasco(
        *command_line(faulty.url, data, tmp_path / "faulty", "--json", "--concurrency=64")
    )
    assert (expected.status, result.status) == (0, 0), result
    assert len({request.fault for request in faulty.requests()}) > 12
    assert count_rows(tmp_path / "faulty") == (96, 96)
    assert figures_in(result) == figures_in(expected)


LASTING = tuple(
    kind for kind in FAULTS if kind != "429"
)  # there is no limit on waiting for a rate limit


def test_failed_answers_are_missing_and_retried_by_the_same_command(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    """Requests with some instructions always fail, the others never."""
    answered = {}
    started = {}
    for kinds in (LASTING[:7], LASTING[7:14], LASTING[14:]):
        run = tmp_path / kinds[0]
        faults = dict(zip(INSTRUCTIONS[1:], kinds, strict=False))
        url = serve(fault_by_text=faults).url
        answered[run] = 4 * (8 - len(kinds))
        started[run] = jasco.start(
            "respond", f"openai/ears,base_url={url},timeout=1", "--data", data, "--run", run,
            "--concurrency=32", "--no-preflight", patch=FEW_ATTEMPTS,
        )  # fmt: skip
    for run, command in started.items():
        first = command.finish()
        assert first.status == 4, first
        assert f"{answered[run]} of 32 items" in first.stderr
        assert count_rows(run) == (answered[run], 0)
        failed = query(run, "SELECT * FROM responses WHERE failure_message != ''")
        assert len(failed) == 32 - answered[run]
        healthy = serve()
        assert jasco(*command_line(healthy.url, data, run)).status == 0
        assert count_rows(run) == (32, 32)
        assert len(healthy.requests()) == 32 - answered[run] + 32


def test_completions_without_an_answer_are_failures_with_a_kind_and_not_retried(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    faults = dict(zip(INSTRUCTIONS[1:], NO_ANSWER, strict=False))
    server = serve(fault_by_text=faults)
    jasco(*command_line(server.url, data, tmp_path / "run"))
    answered = 4 * (8 - len(NO_ANSWER))
    assert count_rows(tmp_path / "run") == (answered, answered)
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
        fault_by_text={
            f"watching the weather, clip {n}\n": kind for n, kind in enumerate(NO_ANSWER)
        },
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


def test_failed_verdicts_are_missing_and_not_0(jasco: Jasco, serve: Serve, tmp_path: Path) -> None:
    clips = len(LASTING) + 1
    data = make_data(tmp_path / "data", clips)
    server = serve(
        judge_says={"[": "Rating: 2\nOrientation: Both"},
        fault_by_text={f"watching the weather, clip {n}\n": kind for n, kind in enumerate(LASTING)},
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
    assert count_rows(tmp_path / "run") == (8 * clips, 8)


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
        # A single 403 may concern one input only, and is reported first.
        assert not before or (status == 403 and "rejected: HTTP 403" in before[0])
        assert f"HTTP {status}: " in line
        assert server.url in line
        assert "ears" in line
        assert repeated(server) == 0


def test_a_judge_that_refuses_the_key_ends_the_run_with_the_answers_kept(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    healthy, refusing = serve(), serve(status=401)
    command = (
        "eval", f"openai/ears,base_url={healthy.url}", "--data", data, "--run", tmp_path / "run",
        f"--judge=openai/judge,base_url={refusing.url}",
    )  # fmt: skip
    for more, answered in (((), False), (("--no-preflight",), True)):
        result = jasco(*command, *more)
        assert result.status == 2
        assert refusing.url in error_line(result)
        assert (count_rows(tmp_path / "run")[0] > 0) == answered


def test_a_retry_after_in_seconds_or_as_a_date_is_respected(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    servers = [serve(busy=8, retry_after=value) for value in ("2", "+3")]
    started = [
        jasco.start(
            "respond", f"openai/ears,base_url={server.url}", "--data", data, "--limit", 1,
            "--run", tmp_path / f"run-{server.port}", "--no-preflight",
        )
        for server in servers
    ]  # fmt: skip
    assert [command.finish().status for command in started] == [0, 0]
    for server in servers:
        times: dict[str, list[float]] = {}
        for request in server.requests():
            times.setdefault(request.key, []).append(request.at)
        waits = [second - first for first, second in times.values()]
        assert len(waits) == 8
        assert min(waits) >= 2  # a date has no fractions of seconds
        assert max(waits) < 7


def test_a_dead_server_next_to_a_healthy_one_does_not_stop_the_run(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    healthy, dead = serve(), serve()
    dead.kill()
    result = jasco(*command_line(f"{dead.url},base_url={healthy.url}", data, tmp_path / "run"))
    assert result.status == 0, result


# --- a server that has died ---


def die_and_resume(
    jasco: Jasco, serve: Serve, data: Path, run: Path, patch: dict[str, float]
) -> None:
    """Check that a run whose server dies can be resumed with another server."""
    dying = serve(die_after=50)
    result = jasco(*command_line(dying.url, data, run, "--concurrency=8", "--json"), patch=patch)
    assert result.status == 4, result
    # Earlier lines may report failed calls and progress.
    assert dying.url in result.stderr.splitlines()[-1]
    before = sum(count_rows(run))
    assert 42 <= before <= 50
    [model] = json.loads(result.stdout)["models"].values()  # the figures so far
    assert model["coverage"] == count_rows(run)[1] / 64
    other = serve()
    assert jasco(*command_line(other.url, data, run, "--concurrency=8")).status == 0
    assert count_rows(run) == (64, 64)
    assert len(other.requests()) == 128 - before
    assert repeated(other) == 0


def test_a_run_whose_server_died_resumes_on_another_port_with_no_call_made_twice(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=8)
    die_and_resume(jasco, serve, data, tmp_path / "run", HASTY)
    uninterrupted = serve()
    jasco(*command_line(uninterrupted.url, data, tmp_path / "uninterrupted"))
    scores = [
        figures_in(jasco("score", tmp_path / run, "--json")) for run in ("run", "uninterrupted")
    ]
    assert scores[0] == scores[1]


def test_a_server_that_died_is_given_up_within_a_minute(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=8)
    start_time = time.monotonic()
    die_and_resume(jasco, serve, data, tmp_path / "run", {})
    assert time.monotonic() - start_time < 60


def test_a_server_that_always_fails_is_given_up_with_exit_4(
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
        assert server.url in error_line(result)


# --- signals ---


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
    assert "interrupted" in error_line(result)
    row_count = sum(count_rows(run))
    assert 30 <= row_count < 128
    other = serve()
    assert jasco(*command_line(other.url, data, run)).status == 0
    assert count_rows(run) == (64, 64)
    assert len(other.requests()) == 128 - row_count


def test_an_interruption_does_not_wait_for_a_server_that_hangs(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(latency=60)
    command = jasco.start(
        "respond", f"openai/ears,base_url={server.url}", "--data", data, "--run", tmp_path / "run",
        "--no-preflight",
    )  # fmt: skip
    server.wait_for(requests=8)
    start_time = time.monotonic()
    command.send(signal.SIGINT)
    assert command.finish(10).status == 130
    assert time.monotonic() - start_time < 3


# --- a full disk ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 128 kB."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(mount_point)]
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted: {mounted.stderr.strip()}")
    yield mount_point
    subprocess.run(["umount", "-l", str(mount_point)], check=False)


def test_a_full_disk_is_exit_4_and_the_run_resumes_when_there_is_room(
    jasco: Jasco, serve: Serve, small_disk: Path, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=24)
    run = small_disk / "run"
    server = serve()
    result = jasco(*command_line(server.url, data, run))
    assert result.status == 4, result
    assert "full" in error_line(result)
    row_count = sum(count_rows(run))
    assert 0 < row_count < 384
    again = jasco(*command_line(server.url, data, run))
    assert again.status == 4, again
    row_count = sum(count_rows(run))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    other = serve()
    assert jasco(*command_line(other.url, data, run)).status == 0
    assert count_rows(run) == (192, 192)
    assert len(other.requests()) == 384 - row_count


def test_a_disk_that_is_full_from_the_start_is_exit_4(
    jasco: Jasco, serve: Serve, small_disk: Path, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=24)
    server = serve()
    filler = small_disk / "filler"
    for free in (0, 4096, 50_000):
        filler.unlink(missing_ok=True)
        filler.write_bytes(b"x" * (128 * 1024 - 4096 - free))
        result = jasco(*command_line(server.url, data, small_disk / f"run-{free}"))
        assert result.status == 4, result
        error_line(result)
    filler.unlink()
    assert server.requests() == []


# --- other processes ---


def test_a_second_process_on_a_run_is_refused_with_the_pid_of_the_first(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    server = serve(latency=0.3)
    first = jasco.start(*command_line(server.url, data, run, "--concurrency=2"))
    wait_for_rows(run, 2)
    second = jasco(*command_line(server.url, data, run))
    assert second.status == 3
    line = error_line(second)
    assert f"process {first.pid} on {socket.gethostname()}" in line
    assert str(run) in line
    assert first.is_running()
    first.send(signal.SIGINT)
    assert first.finish().status == 130


def test_a_run_can_be_scored_while_it_is_written(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=16)
    run = tmp_path / "run"
    server = serve(latency=0.02)
    writer: Command = jasco.start(*command_line(server.url, data, run))
    wait_for_rows(run, 16)
    coverages = []
    while writer.is_running():
        scored = jasco("score", run, "--json")
        assert scored.status in (0, 4), scored
        [model] = json.loads(scored.stdout)["models"].values()
        coverages.append(model["coverage"])
    assert len(coverages) >= 2
    assert coverages == sorted(coverages)
    assert coverages[0] < 1
    assert writer.finish().status == 0
