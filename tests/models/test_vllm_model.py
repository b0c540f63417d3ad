"""A model that starts its own server: it hears every clip, and what is started is always ended."""

import base64
import io
import itertools
import json
import os
import signal
import sqlite3
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
from synthetic import make_data, tone, write_wav

Spec = Callable[..., str]

pytestmark = pytest.mark.skipif(
    "vllm" not in providers("model"),
    reason="jasco was installed before it had this model: pip install it again",
)


@pytest.fixture
def ears(vllm: Spec) -> Spec:
    """Give the spec of a model that starts the stand-in, which takes nothing but audio."""
    return lambda **flags: vllm("some/ears", hears="true", **flags)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Name the file for the requests that a server gets, for the flag ``log``."""
    return tmp_path / "log"


def start(jasco: Jasco, data: Path, run: Path, model: str, *judges: str, **more: Any) -> Command:
    """Begin a command that asks for nothing beside the run's own items."""
    verb = "eval" if judges else "respond"
    chosen = [word for judge in judges for word in ("--judge", judge)]
    concurrency = ["--concurrency", more["concurrency"]] if more else []
    return jasco.start(
        verb, model, "--data", data, "--run", run, *chosen, *concurrency, "--no-preflight",
        env={"JASCO_GRACE": "1"},
    )  # fmt: skip


def requests(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def query(run: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(run / "run.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def counted(run: Path, table: str) -> tuple[int, int]:
    """Count what is there and what failed."""
    sql = f"SELECT count(*) - count(failure_kind), count(failure_kind) FROM {table}"
    (found,) = query(run, sql)
    return found


# --- what the server hears ---


def test_it_gets_every_clip_byte_for_byte_before_each_prompt_and_ends(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, ears: Spec, log: Path
) -> None:
    place = data / "dataset" / "v0"
    write_wav(place / "0.wav", tone(0, rate=48_000), rate=48_000)
    stereo = np.stack([tone(1), tone(2)], axis=1)
    soundfile.write(place / "1.wav", stereo / 32_768, 16_000, "FLOAT")
    run = tmp_path / "run"
    done = start(jasco, data, run, ears(log=log, slow=0.3, orphan="true")).finish()
    assert done.status == 0, done.stderr
    assert "starting vllm/some/ears" in done.stderr
    assert "32 of 32 items are answered" in done.stderr
    # The stand-in has refused whatever is no proper question about audio; here is which it got.
    heard = [(audio_in(each), each["messages"][0]["content"][1]["text"]) for each in requests(log)]
    whole = read_data_set(data)
    expected = [
        (read_audio(path).wav, item.instruction)
        for clip in whole.clips
        for item in items_of(clip)
        if (path := whole.audio_path(clip))
    ]
    assert sorted(heard) == sorted(expected)
    assert len({audio for audio, _ in heard}) == 4
    assert {each["temperature"] for each in requests(log)} == {0.0}
    assert len(pids.read_text().split()) == 2
    assert_nothing_lives(pids)
    assert "INFO loading some/ears on 1 GPUs" in (run / "logs/vllm-some-ears.log").read_text()


@pytest.mark.parametrize(("concurrency", "clips_at_once"), [(1, 1), (8, 2)])
def test_a_clips_prompts_come_together_so_that_the_prefix_cache_serves_them(
    concurrency: int, clips_at_once: int, jasco: Jasco, tmp_path: Path, ears: Spec, log: Path
) -> None:
    data = make_data(tmp_path / "data", clips=12)
    model = ears(log=log, latency=0.005)
    done = start(jasco, data, tmp_path / "run", model, concurrency=concurrency).finish()
    assert done.status == 0, done.stderr
    order = [audio_in(each) for each in requests(log)]
    if concurrency == 1:
        assert [len(list(group)) for _, group in itertools.groupby(order)] == [8] * 12
    first = {audio: order.index(audio) for audio in order}
    last = {audio: place for place, audio in enumerate(order)}
    for place in range(len(order)):
        assert sum(first[each] <= place <= last[each] for each in first) <= clips_at_once


TEXT = {"type": "text", "text": "What are they doing?"}


def part(samples: Any = None, rate: int = 16_000, cut: int | None = None, form: str = "wav") -> Any:
    file = io.BytesIO()
    soundfile.write(file, tone(0) if samples is None else samples, rate, "PCM_16", format="WAV")
    data = base64.b64encode(file.getvalue()[:cut]).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": form}}


@pytest.mark.parametrize(
    "content",
    [
        "What are they doing?",
        [TEXT],
        [TEXT, part()],
        [part(), part(), TEXT],
        [part(form="mp3"), TEXT],
        [part(rate=8_000), TEXT],
        [part(np.stack([tone(0), tone(1)], axis=1)), TEXT],
        [part(cut=1000), TEXT],
        [part(np.zeros(0, np.int16)), TEXT],
        [part(cut=0), TEXT],
    ],
)
def test_the_standin_refuses_what_is_no_proper_question_about_audio(content: Any) -> None:
    with pytest.raises(ValueError, match="no proper audio part"):
        audio_in({"messages": [{"role": "user", "content": content}]})


def test_a_model_that_takes_no_audio_is_refused_at_once_and_its_server_is_ended(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, vllm: Spec
) -> None:
    done = start(jasco, data, tmp_path / "run", vllm("some/reader")).finish()
    assert done.status == 2
    assert "takes no audio" in done.stderr
    assert counted(tmp_path / "run", "responses") == (0, 0)
    assert_nothing_lives(pids)


def test_one_that_the_audio_does_not_reach_is_refused_and_ended(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, ears: Spec, log: Path
) -> None:
    model, run = ears(deaf="true", log=log), tmp_path / "run"
    done = jasco("respond", model, "--data", data, "--run", run, env={"JASCO_GRACE": "1"})
    assert done.status == 3
    assert "gives the same answer to a clip, to another one and to silence" in done.stderr
    assert len(requests(log)) == 12
    assert counted(run, "responses") == (0, 0)
    assert_nothing_lives(pids)


# --- judges beside it and after it ---


def test_judges_with_servers_of_their_own_come_after_it_one_at_a_time(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, vllm: Spec, ears: Spec, log: Path
) -> None:
    gpu = tmp_path / "gpu"  # a second server on it would not start
    judges = [vllm(f"some/judge-{n}", log=log, gpu=gpu) for n in range(2)]
    done = start(jasco, data, tmp_path / "run", ears(log=log, gpu=gpu), *judges).finish()
    assert done.status == 0, done.stderr
    asked = [each["model"] for each in requests(log)]
    in_turn = [(model, len(list(group))) for model, group in itertools.groupby(asked)]
    assert in_turn == [("some/ears", 32), ("some/judge-0", 32), ("some/judge-1", 32)]
    assert len(pids.read_text().split()) == 3
    assert_nothing_lives(pids)


def test_judges_elsewhere_mark_its_answers_meanwhile(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, ears: Spec
) -> None:
    judge = f"openai/judge,base_url={serve().url}"
    model = ears(crash_after=24, latency=0.05)
    done = start(jasco, data, tmp_path / "run", model, judge, concurrency=4).finish()
    assert done.status == 4
    assert counted(tmp_path / "run", "verdicts")[0] > 0
    # It goes on from there, and what is marked already is not marked again.
    done = start(jasco, data, tmp_path / "run", ears(), judge).finish()
    assert done.status == 0, done.stderr
    assert counted(tmp_path / "run", "verdicts") == (32, 0)


def test_it_is_not_started_where_all_is_answered_and_judges_go_on(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, pids: Path, vllm: Spec, ears: Spec
) -> None:
    assert start(jasco, data, tmp_path / "run", ears()).finish().status == 0
    judges = f"openai/judge,base_url={serve().url}", vllm("some/judge")
    done = start(jasco, data, tmp_path / "run", ears(crash_at_start="true"), *judges).finish()
    assert done.status == 0, done.stderr
    assert "starting vllm/some/ears" not in done.stderr
    assert counted(tmp_path / "run", "verdicts") == (64, 0)
    assert len(pids.read_text().split()) == 2  # the model's first, and the judge's


# --- trouble ---


def test_a_crash_at_start_is_reported_with_its_last_words_and_no_judge_is_started(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, vllm: Spec, ears: Spec
) -> None:
    judge = vllm("some/judge")
    done = start(jasco, data, tmp_path / "run", ears(crash_at_start="true"), judge).finish()
    assert done.status == 4
    assert "vllm serve some/ears ended with status 1 while it was starting" in done.stderr
    assert "No available memory for the cache blocks" in done.stderr
    assert "logs/vllm-some-ears.log" in done.stderr
    assert len(pids.read_text().split()) == 1
    assert_nothing_lives(pids)


def test_a_crash_midway_is_reported_at_once_and_resumed(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, ears: Spec, log: Path
) -> None:
    began = time.monotonic()
    done = start(jasco, data, tmp_path / "run", ears(crash_after=20), concurrency=4).finish()
    assert time.monotonic() - began < 15  # not after the client's patience
    assert done.status == 4
    assert "ended with status 7 while it was answering" in done.stderr
    assert "CUDA error" in done.stderr
    assert_nothing_lives(pids)
    kept, _ = counted(tmp_path / "run", "responses")
    assert 16 <= kept <= 20
    done = start(jasco, data, tmp_path / "run", ears(log=log)).finish()
    assert done.status == 0, done.stderr
    assert len(requests(log)) == 32 - kept


def test_a_proxy_in_the_environment_is_for_what_is_outside(
    jasco: Jasco, data: Path, tmp_path: Path, ears: Spec
) -> None:
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    done = jasco("respond", ears(), "--data", data, "--run", tmp_path / "run", env=proxy)
    assert done.status == 0, done.stderr


def test_a_start_that_takes_too_long_is_given_up(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, ears: Spec
) -> None:
    done = start(jasco, data, tmp_path / "run", ears(start_timeout=1, slow=60)).finish()
    assert done.status == 4
    assert "not ready within 1 s (start_timeout=SECONDS allows more)" in done.stderr
    assert_nothing_lives(pids)


def test_the_program_is_looked_for_before_anything_is_started(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    model = "vllm/some/ears,serve.command=no-such-program"
    done = start(jasco, data, tmp_path / "run", model).finish()
    assert done.status == 2
    assert "there is no program 'no-such-program' on the PATH" in done.stderr
    assert "starting" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("when", ["starting", "answering"])
def test_it_ends_with_us_however_we_end(
    number: signal.Signals,
    when: str,
    jasco: Jasco,
    data: Path,
    tmp_path: Path,
    pids: Path,
    ears: Spec,
    log: Path,
) -> None:
    run = tmp_path / "run"
    flags: dict[str, object] = {"slow": 60} if when == "starting" else {"log": log, "latency": 0.5}
    command = start(jasco, data, run, ears(immortal="true", orphan="true", **flags))
    if when == "starting":
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


def test_a_server_that_is_killed_is_reported_as_such(
    jasco: Jasco, data: Path, tmp_path: Path, pids: Path, ears: Spec, log: Path
) -> None:
    command = start(jasco, data, tmp_path / "run", ears(log=log, latency=0.2))
    wait_for(log)
    [server] = living(pids)
    os.kill(server, signal.SIGKILL)
    done = command.finish()
    assert done.status == 4
    assert "ended by signal 9 while it was answering" in done.stderr


# --- with vLLM itself ---


@pytest.mark.slow
@pytest.mark.skipif(
    "JASCO_VLLM" not in os.environ,
    reason="JASCO_VLLM names no program: a vllm for processors, with vllm[audio]",
)
def test_vllm_itself_answers_as_transformers_does(jasco: Jasco, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs jasco[transformers]")
    from tiny_models import qwen2_audio

    folder = qwen2_audio(tmp_path / "qwen2-audio", hidden=256)  # vLLM wants heads of 64
    serving = {
        "command": os.environ["JASCO_VLLM"],
        "dtype": "float32",
        "enforce-eager": "true",
        "max-model-len": "4096",
    }
    told = ",".join(f"serve.{key}={value}" for key, value in serving.items())
    said = []
    for name, model in enumerate(
        (f"vllm/{folder},max_tokens=16,{told}", f"hf/{folder},max_tokens=16,dtype=float32")
    ):
        run = tmp_path / f"run-{name}"
        done = jasco(
            "respond", model, "--data", "mini", "--limit", 2, "--run", run,
            env={"VLLM_CPU_KVCACHE_SPACE": "1"}, timeout=600,
        )  # fmt: skip
        assert done.status == 0, done.stderr
        answers = query(run, "SELECT text, usage FROM responses ORDER BY clip, instruction")
        # A character that is cut off in its middle is written in two ways.
        said.append([(text.rstrip("\ufffd"), json.loads(usage)) for text, usage in answers])
    assert said[0] == said[1]
    assert len({text for text, _ in said[0]}) > 12  # it depends on clip and prompt
    for process in psutil.process_iter(["cmdline"]):
        assert str(folder) not in " ".join(process.info["cmdline"] or ())


# --- how it is named ---


def test_how_it_is_served_is_no_part_of_its_identity() -> None:
    spec = parse_spec(
        "vllm/a/b,max_tokens=64,timeout=9,serve.max-model-len=4096,serve.command=/opt/vllm",
        VllmModel,
    )
    assert serve_command(spec)[0] == ["/opt/vllm", "serve", "a/b", "--max-model-len", "4096"]
    assert spec.label == "vllm/a/b,max_tokens=64"
    assert spec.identity["max_tokens"] == 64
    assert not {"serve", "timeout", "start_timeout"} & spec.identity.keys()
