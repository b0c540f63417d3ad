"""The cascade: with stand-ins, and (slow) with the real models."""

import asyncio
import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command import Jasco
from jasco.backends.specs import open_spec, parse_spec
from jasco.data.audio import Audio
from jasco.data.folders import cache_folder
from jasco.errors import InputError
from jasco.models import cascade, clip_cache
from jasco.models.cascade import Cascade, item_seed
from jasco.models.cascade.language import make_bare_prompt, make_prompt
from jasco.protocol.clips import Clip, Item, items_of
from jasco.protocol.responses import Failure, Response
from run_database import query


def clip(number: int = 1) -> Clip:
    return Clip(str(number), "rain", "Come in!", "a", "b", "c", "d")


def audio(number: int = 1) -> Audio:
    return Audio(np.full(16_000, number, dtype=np.int16))


class AudioStandin:
    """Stand-in for the tagger and the transcriber."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False

    def tags(self, samples: Any) -> list[str]:
        return ["Rain", "Water"]

    def transcript(self, samples: Any) -> str:
        self.calls += 1
        time.sleep(0.01)
        if self.fails:
            raise RuntimeError("no model")
        return "Come in!"


class LanguageModelStandin:
    """Stand-in for the language model; counts simultaneous calls."""

    def __init__(self) -> None:
        self.current, self.most, self.lock = 0, 0, threading.Lock()
        self.requests: list[Any] = []

    def reply(self, prompt: Any, max_tokens: int, temperature: float, seed: int) -> Response:
        with self.lock:
            self.current += 1
            self.most = max(self.most, self.current)
            self.requests.append((prompt, max_tokens, temperature, seed))
        time.sleep(0.02)
        with self.lock:
            self.current -= 1
        return Response("", "stop")


def stubbed(text: str = "cascade") -> tuple[Cascade, AudioStandin, LanguageModelStandin]:
    model = Cascade(parse_spec(text, Cascade))
    audio_standin, language_model = AudioStandin(), LanguageModelStandin()
    model._tagger = model._transcriber = audio_standin  # type: ignore[assignment]
    model._language_model = language_model  # type: ignore[assignment]
    return model, audio_standin, language_model


def test_opening_the_spec_imports_no_heavy_library() -> None:
    code = (
        "import sys, jasco.models.cascade;"
        "heavy = {'faster_whisper', 'onnxruntime', 'xllamacpp', 'ctranslate2', 'huggingface_hub'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert isinstance(open_spec("model", "cascade"), Cascade)


def test_identity_is_what_may_change_a_number() -> None:
    spec = parse_spec("cascade,weights=/somewhere,max_tokens=32", Cascade)
    assert spec.label == "cascade,max_tokens=32"
    assert set(spec.identity) == {"provider", "name", "max_tokens", "temperature", "seed"}
    assert parse_spec("cascade,seed=3", Cascade).label == "cascade,seed=3"
    assert parse_spec("cascade,seed=0", Cascade).label == "cascade"


@pytest.mark.parametrize("seed", ["-1", "0.5", "x"])
def test_a_seed_is_a_whole_number(seed: str) -> None:
    with pytest.raises(InputError, match=f"seed={seed}"):
        parse_spec(f"cascade,seed={seed}", Cascade)


def test_a_missing_library_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(InputError, match=r"faster_whisper; run: pip install 'jasco\[cascade\]'"):
        asyncio.run(Cascade(parse_spec("cascade", Cascade)).prepare([]))


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC \n\nmodel name\t: other\n", "AMD EPYC"),
        ("model name\t: \nflags\t: fpu\n", platform.machine()),
        ("Features : asimd\n", platform.machine()),
    ],
)
def test_the_processor_is_named(tmp_path: Path, text: str, name: str) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    assert cascade.processor(cpuinfo) == platform.machine()
    cpuinfo.write_text(text)
    assert cascade.processor(cpuinfo) == name


def test_a_clip_is_described_once(four_cores: None) -> None:
    model, audio_standin, language_model = stubbed("cascade,max_tokens=9,temperature=0.5,seed=7")

    async def run() -> list[Response | Failure]:
        answers = await asyncio.gather(*(model.answer(item, audio()) for item in items_of(clip())))
        await model.close()
        return answers

    assert asyncio.run(run()) == [Response("", "stop")] * 8
    assert audio_standin.calls == 1
    assert 1 < language_model.most <= 4  # one per core
    assert {prompt for prompt, *_ in language_model.requests} == {
        make_prompt(["Rain", "Water"], "Come in!", item.instruction) for item in items_of(clip())
    }
    assert {(tokens, temperature) for _, tokens, temperature, _ in language_model.requests} == {
        (9, 0.5)
    }
    assert {seed for *_, seed in language_model.requests} == {
        item_seed(7, audio(), item.instruction) for item in items_of(clip())
    }


def test_without_audio_nothing_is_described() -> None:
    model, audio_standin, language_model = stubbed("cascade,seed=7")

    async def run() -> list[Response | Failure]:
        answers = await asyncio.gather(*(model.answer(item, None) for item in items_of(clip())))
        await model.close()
        return answers

    assert model.accepts_no_audio
    assert asyncio.run(run()) == [Response("", "stop")] * 8
    assert audio_standin.calls == 0
    assert {(prompt, seed) for prompt, _, _, seed in language_model.requests} == {
        (make_bare_prompt(item.instruction), item_seed(7, None, item.instruction))
        for item in items_of(clip())
    }


def test_the_number_of_servers_is_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert stubbed()[0]._servers == 8


@given(
    st.tuples(st.integers(0), st.integers(-9, 9), st.text(st.characters(codec="utf-8"))),
    st.tuples(st.integers(0), st.integers(-9, 9), st.text(st.characters(codec="utf-8"))),
)
def test_each_question_has_a_seed_of_its_own(
    one: tuple[int, int, str], other: tuple[int, int, str]
) -> None:
    first, second = (item_seed(seed, audio(clip), text) for seed, clip, text in (one, other))
    assert (first == second) == (one == other)
    assert 0 <= first < 2**32 - 1  # llama.cpp takes this number for a random seed


def test_seeds_do_not_change() -> None:
    """They must not change between versions: an interrupted run is resumed with them."""
    assert item_seed(0, audio(), "What?") == 1_152_675_374


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_cache, "MOST", 3)
    model, audio_standin, _ = stubbed()

    async def run() -> None:
        for number in (1, 2, 3, 4, 4, 2, 1):
            await model.answer(Item(clip(number), 1), audio(number))
            assert len(model._descriptions._values) <= 3
        await model.close()

    asyncio.run(run())
    assert audio_standin.calls == 5  # clip 1 was no longer in the cache


def test_a_failure_is_a_value_and_is_not_cached() -> None:
    model, audio_standin, _ = stubbed()
    audio_standin.fails = True

    async def run() -> Response | Failure:
        first = await asyncio.gather(*(model.answer(item, audio()) for item in items_of(clip())))
        assert set(first) == {Failure("error", "RuntimeError: no model")}
        assert audio_standin.calls == 1
        audio_standin.fails = False
        again = await model.answer(Item(clip(), 1), audio())
        await model.close()
        return again

    assert asyncio.run(run()) == Response("", "stop")


def test_a_cancelled_item_does_not_affect_the_others() -> None:
    model, audio_standin, _ = stubbed()

    async def run() -> Response | Failure:
        first = asyncio.create_task(model.answer(Item(clip(), 1), audio()))
        second = asyncio.create_task(model.answer(Item(clip(), 2), audio()))
        await asyncio.sleep(0)
        first.cancel()
        answer = await second
        await model.close()
        return answer

    assert asyncio.run(run()) == Response("", "stop")
    assert audio_standin.calls == 1


def test_the_event_loop_stays_free() -> None:
    model, _, _ = stubbed()

    async def run() -> int:
        ticks = 0
        answers = asyncio.gather(*(model.answer(item, audio()) for item in items_of(clip())))
        while not answers.done():
            await asyncio.sleep(0.001)
            ticks += 1
        await model.close()
        return ticks

    assert asyncio.run(run()) > 5


# Real models


def noise(seconds: float, low: float, high: float) -> np.ndarray:
    count = int(16_000 * seconds)
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / 16_000)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    samples = np.fft.irfft(spectrum, count)
    return np.asarray(samples / np.abs(samples).max())


def audio_of(samples: np.ndarray) -> Audio:
    return Audio((samples * 20_000).astype(np.int16))


def siren(seconds: float) -> np.ndarray:
    times = np.arange(int(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(900 + 350 * np.sin(np.pi * times)) / 16_000
    samples = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.3 * np.sin(3 * phase)
    return np.asarray(samples / np.abs(samples).max())


def waves(seconds: float) -> np.ndarray:
    times = np.arange(int(16_000 * seconds)) / 16_000
    return noise(seconds, 200, 4_000) * (0.15 + 0.85 * np.sin(np.pi * times / 6) ** 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_cascade(real_models: None, capfd: pytest.CaptureFixture[str]) -> None:
    """End to end: the right tags, answers with text, and no output on stdout."""
    model = Cascade(parse_spec("cascade,max_tokens=24", Cascade))

    async def run() -> list[Response | Failure]:
        await model.prepare([])
        items = items_of(clip())[:3]
        answers = await asyncio.gather(
            *(model.answer(item, audio_of(siren(4))) for item in items),
            model.answer(items[0], audio_of(waves(6))),
            model.answer(items[0], Audio(np.zeros(0, dtype=np.int16))),
        )
        descriptions = [future.result() for future in model._descriptions._values.values()]
        tags = [description[0] for description in descriptions]  # type: ignore[index]
        assert "Siren" in tags[0]
        assert "Water" in tags[1]
        assert not tags[2]
        await model.close()
        return answers

    for answer in asyncio.run(run()):
        assert isinstance(answer, Response)
        assert answer.text
        assert answer.finish_reason in ("stop", "length")
        assert 0 < answer.usage["completion_tokens"] <= 24
        assert answer.usage["prompt_tokens"] > 100
    assert capfd.readouterr().out == ""


Answers = dict[tuple[int, int], tuple[str, str]]
"""Text and finish reason, by position of the clip and number of the instruction."""


def answers_of(run: Path) -> Answers:
    if not (run / "run.db").is_file():
        return {}
    try:
        rows = query(run, "SELECT clip, instruction, text, finish_reason FROM responses")
    except sqlite3.OperationalError:  # it is being created
        return {}
    return {(clip, instruction): (text, reason) for clip, instruction, text, reason in rows}


CLIPS = 2  # of mini's 16: an eighth of the time, and as many interruptions

# Asks a cascade, without the command line, some items in another order; prints the answers.
_ASK = """
import asyncio, json, os, random, sys
cores, spec, seed, share, concurrency, clips_asked = json.loads(sys.argv[1])
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
from jasco.protocol.clips import items_of
from jasco.data.audio import read_audio
from jasco.data.sources import find_data
from jasco.backends.specs import open_spec

async def main():
    data, model = find_data("mini", print), open_spec("model", spec)
    await model.prepare(data)
    clips = enumerate(data.clips[:clips_asked])
    items = [(position, item) for position, clip in clips for item in items_of(clip)]
    items = random.Random(seed).sample(items, round(share * len(items)))
    slots = asyncio.Semaphore(concurrency)
    async def ask(position, item):
        async with slots:
            answer = await model.answer(item, read_audio(data.audio_path(item.clip)))
        return [position, item.number, answer.text, answer.finish_reason]
    print(json.dumps(await asyncio.gather(*(ask(*pair) for pair in items))))
    await model.close()

asyncio.run(main())
"""


def ask(cores: int, spec: str, seed: int, share: float, concurrency: int) -> Answers:
    arguments = json.dumps([cores, spec, seed, share, concurrency, CLIPS])
    result = subprocess.run(
        [sys.executable, "-c", _ASK, arguments], check=True, capture_output=True, text=True
    )
    rows = json.loads(result.stdout)
    return {(clip, instruction): (text, reason) for clip, instruction, text, reason in rows}


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_answers_are_the_same_byte_for_byte(
    real_models: None, jasco: Jasco, tmp_path: Path
) -> None:
    """In order; interrupted and resumed; shuffled, many at once, and on one core."""
    cache = {"JASCO_CACHE": str(cache_folder())}
    command = ("respond", "cascade", "--data", "mini", "--limit", CLIPS, "--run")
    complete, interrupted = tmp_path / "complete", tmp_path / "interrupted"
    assert jasco(*command, complete, "--concurrency", 1, env=cache, timeout=900).status == 0
    answers = answers_of(complete)
    assert len(answers) == CLIPS * 8

    for share, number in ((0.3, signal.SIGINT), (0.6, signal.SIGKILL)):
        running = jasco.start(*command, interrupted, "--concurrency", 16, env=cache)
        while len(answers_of(interrupted)) < share * CLIPS * 8:
            assert running.is_running()
            time.sleep(0.05)
        running.send(number)
        assert running.finish(60).status == (130 if number == signal.SIGINT else -number)
    assert len(answers_of(interrupted)) < CLIPS * 8
    assert jasco(*command, interrupted, "--no-preflight", env=cache, timeout=900).status == 0
    assert answers_of(interrupted) == answers

    assert ask(1, "cascade", 1, 1.0, 16) == answers


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_samples_depend_on_the_seed_only(real_models: None) -> None:
    """At a temperature above 0, too, the other questions change nothing."""
    some = ask(1, "cascade,temperature=1,seed=3", 1, 0.5, 1)
    more = ask(2, "cascade,temperature=1,seed=3", 2, 0.8, 16)
    other = ask(2, "cascade,temperature=1,seed=4", 1, 0.5, 16)
    common = some.keys() & more.keys()
    assert len(common) >= 4
    assert all(some[position] == more[position] for position in common)
    assert some.keys() == other.keys()
    assert sum(some[position] != other[position] for position in some) > len(some) / 2
