"""A judge that starts its own server, and always ends it."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from chat_server import Serve
from command import Command, Jasco, Result
from folder_contents import folder_contents
from jasco.backends.specs import parse_spec
from jasco.backends.vllm_server import serve_command
from jasco.errors import InputError
from jasco.judges.vllm_judge import VllmJudge
from jasco.protocol.instructions import INSTRUCTIONS
from processes import assert_nothing_lives, living, wait_for, wait_for_log

Judge = Callable[..., str]


@pytest.fixture
def judge(vllm: Judge) -> Judge:
    """Return a function that returns specs of judges served by the vLLM stand-in."""
    return lambda name="some/judge", **flags: vllm(name, **flags)


def start_evaluation(jasco: Jasco, serve: Serve, data: Path, run: Path, *judges: str) -> Command:
    model = f"openai/ears,base_url={serve().url}"
    options = [argument for judge in judges for argument in ("--judge", judge)]
    return jasco.start(
        "eval", model, "--data", data, "--run", run, *options, env={"JASCO_GRACE": "1"}
    )


def test_it_serves_judges_and_ends(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    flags = {"tensor_parallel_size": 4, "enforce_eager": "true", "slow": 0.5, "orphan": "true"}
    result = start_evaluation(jasco, serve, data, tmp_path / "run", judge(**flags)).finish()
    assert result.status == 0, result.stderr
    assert "some/judge" in result.stdout
    assert "served=some/judge" in result.stdout
    assert len(pids.read_text().split()) == 2
    assert_nothing_lives(pids)
    [log] = (tmp_path / "run" / "logs").iterdir()
    assert "INFO loading some/judge on 4 GPUs" in log.read_text()
    # A complete run needs no server.
    repeated = start_evaluation(
        jasco, serve, data, tmp_path / "run", judge(crash_at_start="true")
    ).finish()
    assert repeated.status == 0
    assert len(pids.read_text().split()) == 2


def test_judges_take_turns_on_the_same_gpus(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, judge: Judge
) -> None:
    log = tmp_path / "requests"
    judges = [judge(f"some/judge-{n}", log=log, gpu=tmp_path / "gpu") for n in range(3)]
    result = start_evaluation(jasco, serve, data, tmp_path / "run", *judges).finish()
    assert result.status == 0, result.stderr
    models = [json.loads(line)["model"] for line in log.read_text().splitlines()]
    assert models == sorted(models)
    assert len(models) == 3 * (1 + 32)  # a known question first


def test_no_server_is_started_for_answers_that_are_not_there(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    model = f"openai/ears,base_url={serve(status_by_text={INSTRUCTIONS[2]: 400}).url}"
    arguments = "eval", model, "--data", data, "--run", tmp_path / "run", "--judge", judge()
    for _ in range(2):
        result = jasco(*arguments, env={"JASCO_GRACE": "1"})
        assert result.status == 0, result.stderr
        assert "items not answered" in result.stdout
    assert len(pids.read_text().split()) == 1  # there was nothing to judge the second time


def fail_to_judge(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, spec: str, pids: Path
) -> Result:
    result = start_evaluation(jasco, serve, data, tmp_path / "run", spec).finish()
    assert result.status == 4, result.stderr
    assert_nothing_lives(pids)
    return result


def test_a_crash_at_start_is_reported_with_its_last_words(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    result = fail_to_judge(jasco, serve, data, tmp_path, judge(crash_at_start="true"), pids)
    assert "vllm serve some/judge ended with status 1" in result.stderr
    assert "No available memory for the cache blocks" in result.stderr
    assert "logs/vllm-some-judge.log" in result.stderr
    # The answers are kept, and the next server continues from there.
    result = start_evaluation(jasco, serve, data, tmp_path / "run", judge()).finish()
    assert result.status == 0


def test_one_judge_that_crashes_does_not_keep_the_next_from_judging(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    judges = judge("some/bad", crash_at_start="true"), judge("some/good")
    result = start_evaluation(jasco, serve, data, tmp_path / "run", *judges).finish()
    assert result.status == 4
    assert "vllm serve some/bad ended" in result.stderr
    assert "1 of 2 judges" in result.stderr
    assert (
        "by vllm/some/good" in result.stdout
    )  # the other judge has no verdicts and does not count
    assert "Coverage is 100%" in result.stdout
    assert "some/bad" not in result.stdout
    assert_nothing_lives(pids)


def test_a_crash_midway_is_reported_at_once_and_resumed(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    began = time.monotonic()
    result = fail_to_judge(jasco, serve, data, tmp_path, judge(crash_after=10), pids)
    assert time.monotonic() - began < 15  # without waiting for the client's patience
    assert "ended with status 7" in result.stderr
    assert "CUDA error" in result.stderr
    result = start_evaluation(jasco, serve, data, tmp_path / "run", judge()).finish()
    assert result.status == 0


def test_a_port_that_another_program_took_is_left_to_it(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    spec = judge(port_taken=tmp_path / "tried")
    result = start_evaluation(jasco, serve, data, tmp_path / "run", spec).finish()
    assert result.status == 0, result.stderr
    assert len(pids.read_text().split()) == 2  # the second attempt succeeded
    assert_nothing_lives(pids)


def test_a_start_that_takes_too_long_is_given_up(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    result = fail_to_judge(jasco, serve, data, tmp_path, judge(start_timeout=1, slow=60), pids)
    assert "not ready within 1 s" in result.stderr
    assert "start_timeout=" in result.stderr


def test_a_server_that_refuses_to_die_is_killed(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    spec = judge(immortal="true", orphan="true")
    result = start_evaluation(jasco, serve, data, tmp_path / "run", spec).finish()
    assert result.status == 0, result.stderr
    assert_nothing_lives(pids)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("phase", ["starting", "judging"])
def test_the_server_ends_with_the_command_however_that_ends(
    signal_number: signal.Signals,
    phase: str,
    jasco: Jasco,
    serve: Serve,
    data: Path,
    tmp_path: Path,
    pids: Path,
    judge: Judge,
) -> None:
    log = tmp_path / "requests"
    flags = {"slow": 60} if phase == "starting" else {"log": log}
    command = start_evaluation(
        jasco, serve, data, tmp_path / "run", judge(immortal="true", orphan="true", **flags)
    )
    wait_for(pids if phase == "starting" else log)
    if phase == "starting":
        wait_for_log(tmp_path / "run", "INFO loading")
    command.send(signal_number)
    if signal_number == signal.SIGKILL:
        command.kill()
    elif phase == "starting":
        assert command.finish().status == 130
    else:
        assert command.finish().status in (0, 130)  # it may have finished before the signal
    assert len(pids.read_text().split()) == 2
    assert_nothing_lives(pids)


def test_the_server_ends_even_if_its_supervisor_is_killed(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    log = tmp_path / "requests"
    command = start_evaluation(jasco, serve, data, tmp_path / "run", judge(log=log, latency=0.2))
    wait_for(log)
    [server] = living(pids)
    supervisor = psutil.Process(server).parent()
    assert supervisor is not None
    assert any("supervisor.py" in argument for argument in supervisor.cmdline())
    supervisor.kill()
    result = command.finish()
    assert result.status == 4
    assert "ended by signal 9" in result.stderr
    assert_nothing_lives(pids)


def test_a_server_that_is_killed_is_reported_as_such(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    log = tmp_path / "requests"
    command = start_evaluation(jasco, serve, data, tmp_path / "run", judge(log=log, latency=0.2))
    wait_for(log)
    for pid in living(pids):
        psutil.Process(pid).kill()
    result = command.finish()
    assert result.status == 4
    assert "ended by signal 9" in result.stderr


def test_a_request_to_stop_that_is_lost_is_repeated(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    spec = judge(loses_first_sigterm="true")
    began = time.monotonic()
    result = jasco(
        "eval", f"openai/ears,base_url={serve().url}", "--data", data, "--run", tmp_path / "run",
        "--judge", spec, env={"JASCO_GRACE": "20"},
    )  # fmt: skip
    assert result.status == 0, result.stderr
    assert time.monotonic() - began < 15
    assert_nothing_lives(pids)


def test_the_program_is_looked_for_before_anything_is_started(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve()
    model = f"openai/ears,base_url={server.url}"
    spec = "vllm/some/judge,serve.command=no-such-program"
    result = jasco("eval", model, "--data", data, "--run", tmp_path / "run", "--judge", spec)
    assert result.status == 2
    assert "no-such-program" in result.stderr
    assert "PATH" in result.stderr
    assert "starting" not in result.stderr
    assert server.requests() == []  # no answers are requested that could not be judged


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
    "options", ["serve.=4", "serve.x", "serve.x=", "serve.--x=1", "serve.x=1,serve.x=2"]
)
def test_a_setting_that_is_none_is_refused(options: str) -> None:
    with pytest.raises(InputError, match="serve"):
        parse_spec(f"vllm/a/b,{options}", VllmJudge)


def test_only_a_provider_that_starts_a_server_takes_settings_for_it(
    jasco: Jasco, data: Path
) -> None:
    result = jasco(
        "eval", "csv/x.csv", "--data", data, "--run", data / "r", "--judge", "openai/m,serve.x=1"
    )
    assert result.status == 2
    assert "unknown key 'serve.x'" in result.stderr


KEY = "local-9fQ2xLw7TbV0zKdR4"


def test_its_key_reaches_the_server_and_is_seen_nowhere(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, judge: Judge
) -> None:
    run = tmp_path / "run"
    command = start_evaluation(jasco, serve, data, run, judge(slow=0.5, **{"api-key": KEY}))
    wait_for(pids, "\n")
    command_lines = [psutil.Process(pid).cmdline() for pid in living(pids)]
    command_lines += [process.parent().cmdline() for process in map(psutil.Process, living(pids))]
    assert KEY not in str(command_lines)
    result = command.finish()
    assert result.status == 0, result.stderr
    [log] = (run / "logs").iterdir()
    assert KEY in log.read_text()  # the server writes it itself
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700
    assert KEY[:6] not in result.stdout + result.stderr
    log.unlink()
    assert KEY[:6].encode() not in b"".join(folder_contents(run).values())


def test_its_key_is_not_quoted_when_it_fails(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, judge: Judge
) -> None:
    logs = tmp_path / "run" / "logs"
    logs.mkdir(parents=True)
    log = logs / "vllm-some-judge.log"
    log.touch(0o644)
    spec = judge(crash_at_start="true", **{"api-key": KEY, "hf-token": KEY[::-1]})
    result = start_evaluation(jasco, serve, data, tmp_path / "run", spec).finish()
    assert result.status == 4, result.stderr
    assert "bad key ***" in result.stderr
    assert KEY[:6] not in result.stdout + result.stderr
    assert log.stat().st_mode & 0o777 == 0o600
    assert KEY[::-1] not in log.read_text()


@pytest.mark.parametrize(
    "options", ["serve.api-key=se kret-1", "serve.api-key=a,serve.api-key=sekret"]
)
def test_a_key_that_cannot_be_used_is_not_quoted(
    jasco: Jasco, data: Path, tmp_path: Path, options: str, judge: Judge
) -> None:
    result = jasco("judge", tmp_path / "run", "--judge", f"{judge()},{options}")
    assert result.status == 2
    assert "kret" not in result.stderr
