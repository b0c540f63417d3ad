"""A judge that starts its own server: what is started is always ended."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from chat_server import Serve
from command import Command, Jasco, Result
from jasco.backends.specs import parse_spec
from jasco.backends.vllm_server import serve_command
from jasco.errors import InputError
from jasco.judges.vllm_judge import VllmJudge
from jasco.protocol.instructions import INSTRUCTIONS
from processes import assert_nothing_lives, living, wait_for, wait_for_log

Judge = Callable[..., str]


@pytest.fixture
def judge(vllm: Judge) -> Judge:
    """Give a spec that starts the stand-in, with flags of its own."""
    return lambda name="some/judge", **flags: vllm(name, **flags)


def eval_(jasco: Jasco, serve: Serve, data: Path, run: Path, *judges: str) -> Command:
    model = f"openai/ears,base_url={serve().url}"
    chosen = [word for judge in judges for word in ("--judge", judge)]
    return jasco.start(
        "eval", model, "--data", data, "--run", run, *chosen, env={"JASCO_GRACE": "1"}
    )


def test_it_serves_judges_and_ends(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    flags = {"tensor_parallel_size": 4, "enforce_eager": "true", "slow": 0.5, "orphan": "true"}
    done = eval_(jasco, serve, data, tmp_path / "run", judge(**flags)).finish()
    assert done.status == 0, done.stderr
    assert "some/judge" in done.stdout
    assert "served=some/judge" in done.stdout
    assert len(pids.read_text().split()) == 2
    assert_nothing_lives(pids)
    [log] = (tmp_path / "run" / "logs").iterdir()
    assert "INFO loading some/judge on 4 GPUs" in log.read_text()
    # What is judged needs no server.
    again = eval_(jasco, serve, data, tmp_path / "run", judge(crash_at_start="true")).finish()
    assert again.status == 0
    assert len(pids.read_text().split()) == 2


def test_judges_take_turns_on_the_same_gpus(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, judge: Judge
) -> None:
    log = tmp_path / "requests"
    judges = [judge(f"some/judge-{n}", log=log, gpu=tmp_path / "gpu") for n in range(3)]
    done = eval_(jasco, serve, data, tmp_path / "run", *judges).finish()
    assert done.status == 0, done.stderr
    asked = [json.loads(line)["model"] for line in log.read_text().splitlines()]
    assert asked == sorted(asked)
    assert len(asked) == 3 * (1 + 32)  # a known question first


def test_no_server_is_started_for_answers_that_are_not_there(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    model = f"openai/ears,base_url={serve(refused={INSTRUCTIONS[2]: 400}).url}"
    arguments = "eval", model, "--data", data, "--run", tmp_path / "run", "--judge", judge()
    for _ in range(2):
        done = jasco(*arguments, env={"JASCO_GRACE": "1"})
        assert done.status == 0, done.stderr
        assert "items not answered" in done.stdout
    assert len(pids.read_text().split()) == 1  # the second time there was nothing to judge


def failing(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, spec: str, pids: Path
) -> Result:
    done = eval_(jasco, serve, data, tmp_path / "run", spec).finish()
    assert done.status == 4, done.stderr
    assert_nothing_lives(pids)
    return done


def test_a_crash_at_start_is_reported_with_its_last_words(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    done = failing(jasco, serve, data, tmp_path, judge(crash_at_start="true"), pids)
    assert "vllm serve some/judge ended with status 1 while it was starting" in done.stderr
    assert "No available memory for the cache blocks" in done.stderr
    assert "logs/vllm-some-judge.log" in done.stderr
    # The answers are kept, and a server that starts goes on from there.
    done = eval_(jasco, serve, data, tmp_path / "run", judge()).finish()
    assert done.status == 0


def test_one_judge_that_crashes_does_not_keep_the_next_from_judging(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    judges = judge("some/bad", crash_at_start="true"), judge("some/good")
    done = eval_(jasco, serve, data, tmp_path / "run", *judges).finish()
    assert done.status == 4
    assert "vllm serve some/bad ended" in done.stderr
    assert "1 of 2 judges did not get through" in done.stderr
    assert "by vllm/some/good" in done.stdout  # the other gave no verdict, and does not count
    assert "100.0%" in done.stdout
    assert "some/bad" not in done.stdout
    assert_nothing_lives(pids)


def test_a_crash_midway_is_reported_at_once_and_resumed(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    began = time.monotonic()
    done = failing(jasco, serve, data, tmp_path, judge(crash_after=10), pids)
    assert time.monotonic() - began < 15  # not after the client's patience
    assert "ended with status 7 while it was judging" in done.stderr
    assert "CUDA error" in done.stderr
    done = eval_(jasco, serve, data, tmp_path / "run", judge()).finish()
    assert done.status == 0


def test_a_port_that_another_program_took_is_left_to_it(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    spec = judge(port_taken=tmp_path / "tried")
    done = eval_(jasco, serve, data, tmp_path / "run", spec).finish()
    assert done.status == 0, done.stderr
    assert len(pids.read_text().split()) == 2  # the second try was good
    assert_nothing_lives(pids)


def test_a_start_that_takes_too_long_is_given_up(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    done = failing(jasco, serve, data, tmp_path, judge(start_timeout=1, slow=60), pids)
    assert "not ready within 1 s (start_timeout=SECONDS allows more)" in done.stderr


def test_a_server_that_refuses_to_die_is_killed(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    spec = judge(immortal="true", orphan="true")
    done = eval_(jasco, serve, data, tmp_path / "run", spec).finish()
    assert done.status == 0, done.stderr
    assert_nothing_lives(pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("when", ["starting", "judging"])
def test_it_ends_with_us_however_we_end(
    number: signal.Signals,
    when: str,
    jasco: Jasco,
    serve: Serve,
    data: Path,
    tmp_path: Path,
    pids: Path,
    judge: Judge,
) -> None:
    log = tmp_path / "requests"
    flags = {"slow": 60} if when == "starting" else {"log": log}
    command = eval_(
        jasco, serve, data, tmp_path / "run", judge(immortal="true", orphan="true", **flags)
    )
    wait_for(pids if when == "starting" else log)
    if when == "starting":
        wait_for_log(tmp_path / "run", "INFO loading")
    command.send(number)
    if number == signal.SIGKILL:
        command.kill()
    elif when == "starting":
        assert command.finish().status == 130
    else:
        assert command.finish().status in (0, 130)  # it may have been done by then
    assert len(pids.read_text().split()) == 2
    assert_nothing_lives(pids)


def test_it_ends_even_if_its_guard_is_killed(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    log = tmp_path / "requests"
    command = eval_(jasco, serve, data, tmp_path / "run", judge(log=log, latency=0.2))
    wait_for(log)
    [server] = living(pids)
    guard = psutil.Process(server).parent()
    assert guard is not None
    assert any("supervisor.py" in word for word in guard.cmdline())
    guard.kill()
    done = command.finish()
    assert done.status == 4
    assert "ended by signal 9 while it was judging" in done.stderr
    assert_nothing_lives(pids)


def test_a_server_that_is_killed_is_reported_as_such(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    log = tmp_path / "requests"
    command = eval_(jasco, serve, data, tmp_path / "run", judge(log=log, latency=0.2))
    wait_for(log)
    for pid in living(pids):
        psutil.Process(pid).kill()
    done = command.finish()
    assert done.status == 4
    assert "ended by signal 9 while it was judging" in done.stderr


def test_a_request_to_stop_that_is_lost_is_repeated(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    spec = judge(loses_first_sigterm="true")
    began = time.monotonic()
    done = jasco(
        "eval", f"openai/ears,base_url={serve().url}", "--data", data, "--run", tmp_path / "run",
        "--judge", spec, env={"JASCO_GRACE": "20"},
    )  # fmt: skip
    assert done.status == 0, done.stderr
    assert time.monotonic() - began < 15
    assert_nothing_lives(pids)


def test_the_program_is_looked_for_before_anything_is_started(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve()
    model = f"openai/ears,base_url={server.url}"
    spec = "vllm/some/judge,serve.command=no-such-program"
    done = jasco("eval", model, "--data", data, "--run", tmp_path / "run", "--judge", spec)
    assert done.status == 2
    assert "there is no program 'no-such-program' on the PATH" in done.stderr
    assert "starting" not in done.stderr
    assert server.requests() == []  # no answer is paid for that could not be judged


def test_what_is_for_the_server_is_handed_on() -> None:
    spec = parse_spec(
        "vllm/a/b,temperature=1,serve.tensor-parallel-size=4,serve.enforce-eager=true,"
        "serve.enable-prefix-caching=false,serve.a-config.on=true,serve.command=/opt/vllm",
        VllmJudge,
    )
    assert serve_command(spec)[0] == [
        "/opt/vllm", "serve", "a/b", "--tensor-parallel-size", "4", "--enforce-eager",
        "--no-enable-prefix-caching", "--a-config.on", "true",
    ]  # fmt: skip
    assert spec.label == "vllm/a/b,temperature=1.0"
    assert "serve" not in str(spec.identity)


@pytest.mark.parametrize(
    "pair", ["serve.=4", "serve.x", "serve.x=", "serve.--x=1", "serve.x=1,serve.x=2"]
)
def test_a_setting_that_is_none_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match="serve"):
        parse_spec(f"vllm/a/b,{pair}", VllmJudge)


def test_only_a_provider_that_starts_a_server_takes_settings_for_it(
    jasco: Jasco, data: Path
) -> None:
    done = jasco(
        "eval", "csv/x.csv", "--data", data, "--run", data / "r", "--judge", "openai/m,serve.x=1"
    )
    assert done.status == 2
    assert "unknown key 'serve.x'" in done.stderr


KEY = "local-9fQ2xLw7TbV0zKdR4"


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_its_key_reaches_the_server_and_is_seen_nowhere(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    run = tmp_path / "run"
    running = eval_(jasco, serve, data, run, judge(slow=0.5, **{"api-key": KEY}))
    wait_for(pids, "\n")
    seen = [psutil.Process(pid).cmdline() for pid in living(pids)]
    seen += [each.parent().cmdline() for each in map(psutil.Process, living(pids))]
    assert KEY not in str(seen)
    done = running.finish()
    assert done.status == 0, done.stderr
    [log] = (run / "logs").iterdir()
    assert KEY in log.read_text()  # the server's own words
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700
    assert KEY[:6] not in done.stdout + done.stderr
    log.unlink()
    assert KEY[:6].encode() not in contents(run)


def test_its_key_is_not_quoted_when_it_fails(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, judge: Judge
) -> None:
    logs = tmp_path / "run" / "logs"
    logs.mkdir(parents=True)
    old = logs / "vllm-some-judge.log"
    old.touch(0o644)
    spec = judge(crash_at_start="true", **{"api-key": KEY, "hf-token": KEY[::-1]})
    done = eval_(jasco, serve, data, tmp_path / "run", spec).finish()
    assert done.status == 4, done.stderr
    assert "bad key ***" in done.stderr
    assert KEY[:6] not in done.stdout + done.stderr
    assert old.stat().st_mode & 0o777 == 0o600
    assert KEY[::-1] not in old.read_text()


@pytest.mark.parametrize(
    "more", ["serve.api-key=se kret-1", "serve.api-key=a,serve.api-key=sekret"]
)
def test_a_key_that_cannot_be_used_is_not_quoted(
    jasco: Jasco, data: Path, tmp_path: Path, more: str, judge: Judge
) -> None:
    done = jasco("judge", tmp_path / "run", "--judge", f"{judge()},{more}")
    assert done.status == 2
    assert "kret" not in done.stderr
