"""A model that starts its own server: the requests it gets, and its end in every case."""

import base64
import io
import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from chat_server import Serve, audio_in
from command import Command, Jasco
from jasco.backends.specs import parse_spec, providers
from jasco.backends.vllm_server import serve_command
from jasco.data.audio import read_audio
from jasco.data.dataset import read_data_set
from jasco.models.vllm_model import VllmModel
from jasco.protocol.clips import items_of
from processes import assert_nothing_lives, living, wait_for, wait_for_log
from run_database import query
from synthetic import make_data, tone, write_wav

Spec = Callable[..., str]

pytestmark = pytest.mark.skipif(
    "vllm" not in providers("model"),
    reason="jasco was installed before it had this model: pip install it again",
)


@pytest.fixture
def audio_model(vllm: Spec) -> Spec:
    """Return the spec of a model that starts the stand-in, which accepts audio only."""
    return lambda **flags: vllm("some/model", audio_only="true", **flags)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of the log of requests, for the flag ``log``."""
    return tmp_path / "log"


def start(jasco: Jasco, data: Path, run: Path, model: str, *judges: str, **options: Any) -> Command:
    """Start ``eval`` or ``respond`` without a preflight."""
    name = "eval" if judges else "respond"
    judge_options = [word for judge in judges for word in ("--judge", judge)]
    concurrency = ["--concurrency", options["concurrency"]] if options else []
    return jasco.start(
        name, model, "--data", data, "--run", run, *judge_options, *concurrency, "--no-preflight",
        env={"JASCO_GRACE": "1"},
    )  # fmt: skip


def requests(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def counts_of(run: Path, table: str) -> tuple[int, int]:
    """Return the numbers of rows that succeeded and that failed."""
    sql = f"SELECT count(*) - count(failure_kind), count(failure_kind) FROM {table}"
    (counts,) = query(run, sql)
    return counts


# --- requests ---


def test_the_server_gets_every_clip_byte_for_byte_before_each_prompt_and_ends(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, audio_model: Spec, log: Path
) -> None:
    folder = data / "dataset" / "v0"
    write_wav(folder / "0.wav", tone(0, rate=48_000), rate=48_000)
    stereo = np.stack([tone(1), tone(2)], axis=1)
    soundfile.write(folder / "1.wav", stereo / 32_768, 16_000, "FLOAT")
    run = tmp_path / "run"
    result = start(jasco, data, run, audio_model(log=log, slow=0.3, orphan="true")).finish()
    assert result.status == 0, result.stderr
    assert "starting vllm/some/model" in result.stderr
    assert "32 of 32 items" in result.stderr
    # The stand-in refuses malformed requests; these are the ones that it accepted.
    accepted = [
        (audio_in(request), request["messages"][0]["content"][1]["text"])
        for request in requests(log)
    ]
    data_set = read_data_set(data)
    expected = [
        (read_audio(path).wav, item.instruction)
        for clip in data_set.clips
        for item in items_of(clip)
        if (path := data_set.audio_path(clip))
    ]
    assert sorted(accepted) == sorted(expected)
    assert len({audio for audio, _ in accepted}) == 4
    assert {request["temperature"] for request in requests(log)} == {0.0}
    assert len(pids.read_text().split()) == 2
    assert_nothing_lives(pids)
    assert "INFO loading some/model on 1 GPUs" in (run / "logs/vllm-some-model.log").read_text()


@pytest.mark.parametrize(("concurrency", "clips_at_once"), [(1, 1), (8, 2)])
def test_a_clips_prompts_come_together_so_that_the_prefix_cache_serves_them(
    concurrency: int, clips_at_once: int, jasco: Jasco, tmp_path: Path, audio_model: Spec, log: Path
) -> None:
    data = make_data(tmp_path / "data", clips=12)
    model = audio_model(log=log, latency=0.005)
    result = start(jasco, data, tmp_path / "run", model, concurrency=concurrency).finish()
    assert result.status == 0, result.stderr
    order = [audio_in(request) for request in requests(log)]
    if concurrency == 1:
        assert [len(list(group)) for _, group in itertools.groupby(order)] == [8] * 12
    first = {audio: order.index(audio) for audio in order}
    last = {audio: place for place, audio in enumerate(order)}
    for place in range(len(order)):
        assert sum(first[audio] <= place <= last[audio] for audio in first) <= clips_at_once


TEXT = {"type": "text", "text": "What are they doing?"}


def audio_part(
    samples: Any = None, rate: int = 16_000, length: int | None = None, kind: str = "wav"
) -> Any:
    """Return an audio part of a message, perhaps truncated to a length in bytes."""
    file = io.BytesIO()
    soundfile.write(file, tone(0) if samples is None else samples, rate, "PCM_16", format="WAV")
    data = base64.b64encode(file.getvalue()[:length]).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}


@pytest.mark.parametrize(
    "content",
    [
        "What are they doing?",
        [TEXT],
        [TEXT, audio_part()],
        [audio_part(), audio_part(), TEXT],
        [audio_part(kind="mp3"), TEXT],
        [audio_part(rate=8_000), TEXT],
        [audio_part(np.stack([tone(0), tone(1)], axis=1)), TEXT],
        [audio_part(length=1000), TEXT],
        [audio_part(np.zeros(0, np.int16)), TEXT],
        [audio_part(length=0), TEXT],
    ],
)
def test_the_standin_refuses_malformed_requests(content: Any) -> None:
    with pytest.raises(ValueError, match="no proper audio part"):
        audio_in({"messages": [{"role": "user", "content": content}]})


def test_a_model_that_takes_no_audio_is_refused_at_once_and_its_server_is_ended(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, vllm: Spec
) -> None:
    result = start(jasco, data, tmp_path / "run", vllm("some/reader")).finish()
    assert result.status == 2
    assert "does not accept audio" in result.stderr
    assert counts_of(tmp_path / "run", "responses") == (0, 0)
    assert_nothing_lives(pids)


def test_a_model_that_the_audio_does_not_reach_is_refused_and_ended(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, audio_model: Spec, log: Path
) -> None:
    model, run = audio_model(ignores_audio="true", log=log), tmp_path / "run"
    result = jasco("respond", model, "--data", data, "--run", run, env={"JASCO_GRACE": "1"})
    assert result.status == 3
    assert "same answer" in result.stderr
    assert len(requests(log)) == 12
    assert counts_of(run, "responses") == (0, 0)
    assert_nothing_lives(pids)


# --- judges ---


def test_judges_with_their_own_servers_follow_the_model_one_at_a_time(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, vllm: Spec, audio_model: Spec, log: Path
) -> None:
    gpu = tmp_path / "gpu"  # a second server would not start on it
    judges = [vllm(f"some/judge-{n}", log=log, gpu=gpu) for n in range(2)]
    result = start(jasco, data, tmp_path / "run", audio_model(log=log, gpu=gpu), *judges).finish()
    assert result.status == 0, result.stderr
    models = [request["model"] for request in requests(log)]
    blocks = [(model, len(list(group))) for model, group in itertools.groupby(models)]
    assert blocks == [("some/model", 32), ("some/judge-0", 32), ("some/judge-1", 32)]
    assert len(pids.read_text().split()) == 3
    assert_nothing_lives(pids)


def test_remote_judges_judge_while_the_model_answers(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, audio_model: Spec
) -> None:
    judge = f"openai/judge,base_url={serve().url}"
    model = audio_model(crash_after=24, latency=0.05)
    result = start(jasco, data, tmp_path / "run", model, judge, concurrency=4).finish()
    assert result.status == 4
    assert counts_of(tmp_path / "run", "verdicts")[0] > 0
    # The resumed run repeats no verdict.
    result = start(jasco, data, tmp_path / "run", audio_model(), judge).finish()
    assert result.status == 0, result.stderr
    assert counts_of(tmp_path / "run", "verdicts") == (32, 0)


def test_the_model_is_not_started_where_only_verdicts_are_missing(
    jasco: Jasco,
    serve: Serve,
    data: Path,
    tmp_path: Path,
    pids: Path,
    vllm: Spec,
    audio_model: Spec,
) -> None:
    assert start(jasco, data, tmp_path / "run", audio_model()).finish().status == 0
    judges = f"openai/judge,base_url={serve().url}", vllm("some/judge")
    result = start(
        jasco, data, tmp_path / "run", audio_model(crash_at_start="true"), *judges
    ).finish()
    assert result.status == 0, result.stderr
    assert "starting vllm/some/model" not in result.stderr
    assert counts_of(tmp_path / "run", "verdicts") == (64, 0)
    assert len(pids.read_text().split()) == 2  # of the model in the first run, and of the judge


# --- failures ---


def test_a_crash_at_start_is_reported_with_the_end_of_its_log_and_no_judge_is_started(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, vllm: Spec, audio_model: Spec
) -> None:
    judge = vllm("some/judge")
    result = start(
        jasco, data, tmp_path / "run", audio_model(crash_at_start="true"), judge
    ).finish()
    assert result.status == 4
    assert "ended with status 1" in result.stderr
    assert "No available memory for the cache blocks" in result.stderr
    assert "logs/vllm-some-model.log" in result.stderr
    assert len(pids.read_text().split()) == 1
    assert_nothing_lives(pids)


def test_a_crash_midway_is_reported_at_once_and_resumed(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, audio_model: Spec, log: Path
) -> None:
    began = time.monotonic()
    result = start(
        jasco, data, tmp_path / "run", audio_model(crash_after=20), concurrency=4
    ).finish()
    assert time.monotonic() - began < 15  # before the client's own limit
    assert result.status == 4
    assert "ended with status 7" in result.stderr
    assert "CUDA error" in result.stderr
    assert_nothing_lives(pids)
    kept, _ = counts_of(tmp_path / "run", "responses")
    assert 16 <= kept <= 20
    result = start(jasco, data, tmp_path / "run", audio_model(log=log)).finish()
    assert result.status == 0, result.stderr
    assert len(requests(log)) == 32 - kept


def test_a_proxy_is_not_used_for_the_own_server(
    jasco: Jasco, data: Path, tmp_path: Path, audio_model: Spec
) -> None:
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    result = jasco("respond", audio_model(), "--data", data, "--run", tmp_path / "run", env=proxy)
    assert result.status == 0, result.stderr


def test_a_start_that_takes_too_long_is_given_up(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, audio_model: Spec
) -> None:
    result = start(jasco, data, tmp_path / "run", audio_model(start_timeout=1, slow=60)).finish()
    assert result.status == 4
    assert "within 1 s (start_timeout=" in result.stderr
    assert_nothing_lives(pids)


def test_a_missing_program_is_reported_before_anything_starts(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    model = "vllm/some/model,serve.command=no-such-program"
    result = start(jasco, data, tmp_path / "run", model).finish()
    assert result.status == 2
    assert "'no-such-program'" in result.stderr
    assert "starting" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("phase", ["starting", "answering"])
def test_the_server_ends_with_the_command(
    number: signal.Signals,
    phase: str,
    jasco: Jasco,
    data: Path,
    tmp_path: Path,
    pids: Path,
    audio_model: Spec,
    log: Path,
) -> None:
    run = tmp_path / "run"
    flags: dict[str, object] = {"slow": 60} if phase == "starting" else {"log": log, "latency": 0.5}
    command = start(jasco, data, run, audio_model(immortal="true", orphan="true", **flags))
    if phase == "starting":
        wait_for_log(run, "INFO loading")
    else:
        wait_for(log)
    command.send(number)
    if number == signal.SIGKILL:
        command.kill()
    else:
        assert command.finish().status == 130
    assert len(pids.read_text().split()) == 2
    assert_nothing_lives(pids)


def test_a_killed_server_is_reported_with_the_signal(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, audio_model: Spec, log: Path
) -> None:
    command = start(jasco, data, tmp_path / "run", audio_model(log=log, latency=0.2))
    wait_for(log)
    [server] = living(pids)
    os.kill(server, signal.SIGKILL)
    result = command.finish()
    assert result.status == 4
    assert "signal 9" in result.stderr


# --- with vLLM itself ---


@pytest.mark.slow
@pytest.mark.skipif(
    "JASCO_VLLM" not in os.environ,
    reason="JASCO_VLLM does not name the program of a vllm for CPUs, with vllm[audio]",
)
def test_vllm_itself_answers_as_transformers_does(jasco: Jasco, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs jasco[transformers]")
    from tiny_models import qwen2_audio

    folder = qwen2_audio(tmp_path / "qwen2-audio", hidden=256)  # vLLM wants heads of 64
    flags = {
        "command": os.environ["JASCO_VLLM"],
        "dtype": "float32",
        "enforce-eager": "true",
        "max-model-len": "4096",
    }
    server_options = ",".join(f"serve.{key}={value}" for key, value in flags.items())
    by_model = []
    for number, model in enumerate(
        (
            f"vllm/{folder},max_tokens=16,{server_options}",
            f"hf/{folder},max_tokens=16,dtype=float32",
        )
    ):
        run = tmp_path / f"run-{number}"
        result = jasco(
            "respond", model, "--data", "mini", "--limit", 2, "--run", run,
            env={"VLLM_CPU_KVCACHE_SPACE": "1"}, timeout=600,
        )  # fmt: skip
        assert result.status == 0, result.stderr
        answers = query(run, "SELECT text, usage FROM responses ORDER BY clip, instruction")
        # vLLM and transformers write a truncated character differently.
        by_model.append([(text.rstrip("\ufffd"), json.loads(usage)) for text, usage in answers])
    assert by_model[0] == by_model[1]
    texts = {text for text, _ in by_model[0]}
    assert len(texts) > 12  # they depend on the clip and the prompt
    for process in psutil.process_iter(["cmdline"]):
        assert str(folder) not in " ".join(process.info["cmdline"] or ())


# --- identity ---


def test_server_options_are_not_part_of_the_identity() -> None:
    spec = parse_spec(
        "vllm/a/b,max_tokens=64,timeout=9,serve.max-model-len=4096,serve.command=/opt/vllm",
        VllmModel,
    )
    assert serve_command(spec)[0] == ["/opt/vllm", "serve", "a/b", "--max-model-len", "4096"]
    assert spec.label == "vllm/a/b,max_tokens=64"
    assert spec.identity["max_tokens"] == 64
    assert not {"serve", "timeout", "start_timeout"} & spec.identity.keys()
