"""The cascade: its parts one by one, its wiring with stand-ins, and (slow) the real models."""

import asyncio
import importlib.util
import json
import math
import os
import platform
import queue
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command import Jasco
from jasco.backends.specs import open_spec, parse_spec
from jasco.backends.weights import SMOLLM2, WHISPER, find_weight
from jasco.data.audio import Audio, read_audio
from jasco.data.folders import cache_folder
from jasco.errors import InputError
from jasco.models import cascade, recent_clips
from jasco.models.cascade import Cascade, item_seed, language, sounds
from jasco.models.cascade.language import make_prompt
from jasco.models.cascade.speech import Transcriber
from jasco.protocol.clips import Clip, Item, items_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response


def clip(number: int = 1) -> Clip:
    return Clip(str(number), "rain", "Come in!", "a", "b", "c", "d")


def audio(number: int = 1) -> Audio:
    return Audio(np.full(16_000, number, dtype=np.int16))


class Ears:
    """Stand-in for tagger and transcriber."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False

    def tags(self, samples: Any) -> list[str]:
        return ["Rain", "Water"]

    def transcript(self, samples: Any) -> str:
        self.calls += 1
        time.sleep(0.01)
        if self.fails:
            raise RuntimeError("no ears")
        return "Come in!"


class Mouth:
    """Stand-in for the language model; counts how many speak at once."""

    def __init__(self) -> None:
        self.at_once, self.most, self.lock = 0, 0, threading.Lock()
        self.heard: list[Any] = []

    def reply(self, prompt: Any, max_tokens: int, temperature: float, seed: int) -> Response:
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            self.heard.append((prompt, max_tokens, temperature, seed))
        time.sleep(0.02)
        with self.lock:
            self.at_once -= 1
        return Response("", "stop")


def stubbed(text: str = "cascade") -> tuple[Cascade, Ears, Mouth]:
    model, ears, mouth = Cascade(parse_spec(text, Cascade)), Ears(), Mouth()
    model._tagger = model._transcriber = ears  # type: ignore[assignment]
    model._language_model = mouth  # type: ignore[assignment]
    return model, ears, mouth


def test_the_spec_opens_it_without_heavy_libraries() -> None:
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
    with pytest.raises(InputError, match=r"faster_whisper: pip install 'jasco\[cascade\]'"):
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


def test_one_computation_a_clip(four_cores: None) -> None:
    model, ears, mouth = stubbed("cascade,max_tokens=9,temperature=0.5,seed=7")

    async def run() -> list[Response | Failure]:
        answers = await asyncio.gather(*(model.answer(item, audio()) for item in items_of(clip())))
        await model.close()
        return answers

    assert asyncio.run(run()) == [Response("", "stop")] * 8
    assert ears.calls == 1
    assert 1 < mouth.most <= 4  # one a core
    assert {prompt for prompt, *_ in mouth.heard} == {
        make_prompt(["Rain", "Water"], "Come in!", item.instruction) for item in items_of(clip())
    }
    assert {(tokens, temperature) for _, tokens, temperature, _ in mouth.heard} == {(9, 0.5)}
    assert {seed for *_, seed in mouth.heard} == {
        item_seed(7, audio(), item.instruction) for item in items_of(clip())
    }


def test_there_are_not_more_servers_than_memory_is_spared_for(
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
    assert 0 <= first < 2**32 - 1  # which llama.cpp takes for a random one


def test_seeds_stay_as_they_are() -> None:
    """The same in every process and version: an interrupted run goes on with them."""
    assert item_seed(0, audio(), "What?") == 1_152_675_374


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_clips, "MOST", 3)
    model, ears, _ = stubbed()

    async def run() -> None:
        for number in (1, 2, 3, 4, 4, 2, 1):
            await model.answer(Item(clip(number), 1), audio(number))
            assert len(model._descriptions) <= 3
        await model.close()

    asyncio.run(run())
    assert ears.calls == 5  # clip 1 was forgotten


def test_a_failure_is_a_value_and_the_next_try_listens_again() -> None:
    model, ears, _ = stubbed()
    ears.fails = True

    async def run() -> Response | Failure:
        first = await asyncio.gather(*(model.answer(item, audio()) for item in items_of(clip())))
        assert set(first) == {Failure("error", "RuntimeError: no ears")}
        assert ears.calls == 1
        ears.fails = False
        again = await model.answer(Item(clip(), 1), audio())
        await model.close()
        return again

    assert asyncio.run(run()) == Response("", "stop")


def test_an_item_given_up_takes_nothing_from_the_others() -> None:
    model, ears, _ = stubbed()

    async def run() -> Response | Failure:
        first = asyncio.create_task(model.answer(Item(clip(), 1), audio()))
        second = asyncio.create_task(model.answer(Item(clip(), 2), audio()))
        await asyncio.sleep(0)
        first.cancel()
        answer = await second
        await model.close()
        return answer

    assert asyncio.run(run()) == Response("", "stop")
    assert ears.calls == 1


def test_the_event_loop_stays_free() -> None:
    model, _, _ = stubbed()

    async def run() -> int:
        ticks = 0
        asking = asyncio.gather(*(model.answer(item, audio()) for item in items_of(clip())))
        while not asking.done():
            await asyncio.sleep(0.001)
            ticks += 1
        await model.close()
        return ticks

    assert asyncio.run(run()) > 5


def test_what_the_language_model_is_told() -> None:
    prompt = make_prompt(["Rain", "Water"], "Come in!", "What is going on?")
    turns = (prompt.clip + prompt.instruction).split("<|im_start|>")[1:]
    assert [turn.partition("\n")[0] for turn in turns] == [
        "system",
        *["user", "assistant"] * 3,
    ]
    assert turns[-2:] == [
        (
            'user\nSounds: Rain, Water\nSpeech: "Come in!"\nWhat is going on? '
            "Answer in one sentence.<|im_end|>\n"
        ),
        "assistant\n",
    ]
    assert all(turn.endswith("<|im_end|>\n") for turn in turns[:-1])
    assert prompt.clip == make_prompt(["Rain", "Water"], "Come in!", "Why?").clip
    assert make_prompt([], "", "What?").clip.endswith("user\nSounds: none\nSpeech: none\n")


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_no_instruction_begins_with_what_marks_the_end_of_a_part(instruction: str) -> None:
    prompt = make_prompt([], "", instruction)
    assert not prompt.instruction.startswith(language._OTHER)
    assert not prompt.clip.removeprefix(language._SHARED).startswith(language._OTHER)


class Server:
    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.asked: list[Any] = []

    def handle_completions(self, question: Any) -> Any:
        self.asked.append(question)
        reply = told("") if question["max_tokens"] == 0 else self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


class CachingServer:
    """Keeps what a prompt has in common with the last one, as llama.cpp does, unless it fails.

    What it computes anew is one batch; it answers with the batches that the prompt was computed in.
    """

    def __init__(self) -> None:
        self.batches: list[str] = []
        self.fails = 0

    def handle_completions(self, question: Any) -> Any:
        pairs = zip("".join(self.batches), question["prompt"], strict=False)
        left = shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        kept = []
        for batch in self.batches:
            kept.append(batch[:left])
            left -= len(kept[-1])
        self.batches = [*filter(None, kept), question["prompt"][shared:]]
        if self.fails:
            self.fails -= 1
            self.batches = []
            raise RuntimeError("out of memory")
        return told(repr(self.batches))


def language_model(*servers: Any) -> language.LanguageModel:
    model = language.LanguageModel.__new__(language.LanguageModel)
    model._idle = queue.SimpleQueue()
    for server in servers:
        model._idle.put((server, ""))
    return model


PROMPT = make_prompt(["Rain"], "Come in!", "What?")


def reply(given: Any) -> tuple[Response | Failure, Server]:
    server = Server(given)
    return language_model(server).reply(PROMPT, 5, 0.0, 11), server


@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize("fails", [0, 1, 2, 3])
def test_an_answer_does_not_depend_on_what_was_asked_before(servers: int, fails: int) -> None:
    questions = [
        (make_prompt(tags, speech, instruction), 64, 0.0, 5)
        for tags, speech in ((["Rain"], "Come in!"), (["Rain"], "Come out!"), ([], ""))
        for instruction in INSTRUCTIONS
    ]
    alone = [language_model(CachingServer()).reply(*question) for question in questions]
    for order in (range(24), reversed(range(24)), random.Random(1).sample(range(24), 12)):
        llama = [CachingServer() for _ in range(servers)]
        model = language_model(*llama)
        for count, place in enumerate(order):
            if count == 6:
                llama[0].fails = fails
            answer = model.reply(*questions[place])
            assert answer == alone[place] or (fails and isinstance(answer, Failure))


def test_what_is_asked() -> None:
    model = language_model(server := Server(told("Yes."), told("Yes."), told("No.")))
    other = make_prompt(["Rain"], "Come in!", "Why?"), make_prompt(["Rain"], "Come out!", "Why?")
    for prompt in (PROMPT, *other):
        model.reply(prompt, 5, 0.5, 11)
    asked = [question.pop("prompt") for question in server.asked]
    shared = language._SHARED
    assert asked == [
        *(shared + "-", PROMPT.clip + "-", PROMPT.clip + PROMPT.instruction),
        *(PROMPT.clip + "-", other[0].clip + other[0].instruction),
        *(shared + "-", other[1].clip + "-", other[1].clip + other[1].instruction),
    ]
    questions = [options for options in server.asked if options["max_tokens"]]
    assert questions == [{"max_tokens": 5, "temperature": 0.5, "seed": 11}] * 3


def test_a_server_is_free_again_whatever_happens() -> None:
    given = RuntimeError("gone"), KeyError("odd"), {"error": {}}, MemoryError(), told("Yes.")
    model = language_model(Server(*given))
    kinds = []
    for _ in given:
        try:
            kinds.append(type(model.reply(PROMPT, 5, 0.0, 0)))
        except MemoryError:
            kinds.append(MemoryError)
    assert kinds == [Failure, Failure, Failure, MemoryError, Response]


def test_a_part_that_cannot_be_computed_is_not_built_upon() -> None:
    class Stuck(Server):
        def handle_completions(self, question: Any) -> Any:
            super().handle_completions(question)
            return {"error": {"message": "too long"}}

    failure = language_model(server := Stuck()).reply(PROMPT, 5, 0.0, 0)
    assert failure == Failure("rejected", "too long")
    assert len(server.asked) == 1


def test_servers_compute_in_one_order_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums are the same however many cores there are: one thread, one question at a time."""

    class Parameters:
        def __init__(self) -> None:
            self.model, self.cpuparams, self.cpuparams_batch = (SimpleNamespace() for _ in "abc")

    made: list[Any] = []
    library = SimpleNamespace(
        CommonParams=Parameters,
        Server=made.append,
        llama_flash_attn_type=SimpleNamespace(LLAMA_FLASH_ATTN_TYPE_DISABLED="off"),
    )
    monkeypatch.setitem(sys.modules, "xllamacpp", library)
    language.LanguageModel(Path("model.gguf"), 3)
    assert len(made) == 3
    for parameters in made:
        assert parameters.n_parallel == 1
        assert parameters.cpuparams.n_threads == parameters.cpuparams_batch.n_threads == 1
        assert parameters.flash_attn_type == "off"
        assert parameters.cache_ram_mib == 0
        assert parameters.n_gpu_layers == 0


def told(content: str | None) -> dict[str, Any]:
    return {
        "choices": [{"finish_reason": "length", "text": content}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }


def test_replies_become_responses_or_failures() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    assert reply(told("Yes."))[0] == Response("Yes.", "length", usage)
    assert reply(told(""))[0] == Response("", "length", usage)
    assert reply(told(None))[0] == Response("", "length", usage)
    assert reply({"error": {"code": 400, "message": "too long"}})[0] == Failure(
        "rejected", "too long"
    )
    assert reply(RuntimeError("gone"))[0] == Failure("error", "RuntimeError: gone")
    assert isinstance(reply({"unknown": 1})[0], Failure)


def test_lone_surrogates_are_replaced_both_ways() -> None:
    response, _ = reply(told("a \udc00 \ud83d\ude00"))
    assert isinstance(response, Response)
    assert response.text == "a � 😀"
    prompt = make_prompt([], "b \ud800", "c \ud800")
    assert "b �" in prompt.clip
    assert "c �" in prompt.instruction


# Sounds

_SPECTRA = """
import hashlib, numpy as np
from jasco.models.cascade.sounds import log_mel_patches
from jasco.models.cascade.speech import Filters

generator = np.random.default_rng(5)
samples = generator.normal(0, 0.1, 80_000).astype(np.float32)
matrix, spectrum = (generator.random(shape, np.float32) for shape in ((80, 201), (201, 3000)))
product = Filters(matrix) @ spectrum
assert np.allclose(product, matrix @ spectrum, rtol=1e-5)
print(hashlib.sha256(log_mel_patches(samples).tobytes() + product.tobytes()).hexdigest())
"""


def test_spectra_are_the_same_on_any_number_of_cores() -> None:
    """NumPy's matrix products are not; the setting is one for all libraries that it is built on."""
    hashes = {
        subprocess.run(
            [sys.executable, "-c", _SPECTRA],
            env=os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for threads in ("1", "2", "5")
    }
    assert len(hashes) == 1


def log_mel_reference(samples: np.ndarray) -> list[list[float]]:
    """Compute the first patch from the definition, with loops and no FFT."""

    def mel(hertz: float) -> float:
        return 1127.0 * math.log(1 + hertz / 700.0)

    low, high = mel(125.0), mel(7500.0)
    edges = [low + (high - low) * i / 65 for i in range(66)]
    times = np.arange(400)
    rows = []
    for frame in (0, 17, 95):
        window = np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / 400) for n in range(400)])
        piece = samples[frame * 160 : frame * 160 + 400].astype(float) * window
        bands = [0.0] * 64
        for k in range(1, 257):
            magnitude = abs(np.sum(piece * np.exp(-2j * np.pi * k * times / 512)))
            here = mel(k * 16_000 / 512)
            for b in range(64):
                left, middle, right = edges[b : b + 3]
                if left < here <= middle:
                    bands[b] += magnitude * (here - left) / (middle - left)
                elif middle < here < right:
                    bands[b] += magnitude * (right - here) / (right - middle)
        rows.append([math.log(band + 0.001) for band in bands])
    return rows


def test_patches_agree_with_the_definition() -> None:
    generator = np.random.default_rng(5)
    samples = (generator.normal(0, 0.1, 16_000)).astype(np.float32)
    patch = sounds.log_mel_patches(samples)[0]
    assert np.allclose(patch[[0, 17, 95]], log_mel_reference(samples), atol=1e-9)


@pytest.mark.parametrize(
    ("samples", "patches"),
    [(0, 1), (1, 1), (15_600, 1), (15_601, 2), (15_600 + 7_680, 2), (160_000, 20)],
)
def test_patches_cover_the_audio(samples: int, patches: int) -> None:
    made = sounds.log_mel_patches(np.zeros(samples, dtype=np.float32))
    assert made.shape == (patches, 96, 64)
    assert np.allclose(made, math.log(0.001))


def test_a_tone_is_in_the_band_of_its_frequency() -> None:
    times = np.arange(16_000) / 16_000
    patch = sounds.log_mel_patches(np.sin(2 * np.pi * 1_000 * times).astype(np.float32))[0]
    low, high = (1127 * math.log1p(f / 700) for f in (125, 7_500))
    centres = 700 * np.expm1((low + (high - low) * np.arange(1, 65) / 65) / 1127)
    assert abs(centres[patch.mean(axis=0).argmax()] - 1_000) < 40


def test_quantising_keeps_to_eight_bits() -> None:
    values = np.array([math.log(0.001), 0.0, 0.04793788492679596, 50.0, -50.0])
    assert sounds.quantised(values).tolist() == [0, 144, 145, 255, 0]


class Network:
    def __init__(self, *outputs: list[int]) -> None:
        self.outputs = iter(outputs)

    def run(self, names: None, inputs: dict[str, Any]) -> list[Any]:
        assert inputs["audio"].shape == (1, 1, 96, 64)
        assert inputs["audio"].dtype == np.uint8
        return [np.array([next(self.outputs)], dtype=np.uint8)]


def scores(**high: int) -> list[int]:
    output = [150] * 521
    for name, value in high.items():
        output[int(name[1:])] = value
    return output


def test_tags_are_the_highest_of_any_patch_without_speech_and_silence() -> None:
    tagger = sounds.Tagger.__new__(sounds.Tagger)
    tagger._names = [str(i) for i in range(521)]
    two_patches = np.zeros(15_601, dtype=np.float32)
    tagger._network = Network(scores(c0=255, c7=200, c494=250), scores(c5=255, c9=210, c500=186))
    assert tagger.tags(two_patches) == ["9", "7", "500"]
    tagger._network = Network(scores(c9=210), scores())
    assert tagger.tags(two_patches) == ["9"]  # what is less likely than 1 % is not heard


# Real models


@pytest.fixture(scope="module")
def real_models() -> None:
    for name in ("faster_whisper", "onnxruntime", "xllamacpp"):
        if not importlib.util.find_spec(name):
            pytest.skip(f"{name} is not installed (extra: cascade)")


def noise(seconds: float, low: float, high: float) -> np.ndarray:
    count = int(16_000 * seconds)
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / 16_000)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    made = np.fft.irfft(spectrum, count)
    return np.asarray(made / np.abs(made).max())


def made_audio(samples: np.ndarray) -> Audio:
    return Audio((samples * 20_000).astype(np.int16))


def siren(seconds: float) -> np.ndarray:
    times = np.arange(int(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(900 + 350 * np.sin(np.pi * times)) / 16_000
    made = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.3 * np.sin(3 * phase)
    return np.asarray(made / np.abs(made).max())


def waves(seconds: float) -> np.ndarray:
    times = np.arange(int(16_000 * seconds)) / 16_000
    return noise(seconds, 200, 4_000) * (0.15 + 0.85 * np.sin(np.pi * times / 6) ** 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_cascade(real_models: None, capfd: pytest.CaptureFixture[str]) -> None:
    """Once from end to end: sounds named rightly, answers that are text, nothing on stdout."""
    model = Cascade(parse_spec("cascade,max_tokens=24", Cascade))

    async def run() -> list[Response | Failure]:
        await model.prepare([])
        items = items_of(clip())[:3]
        answers = await asyncio.gather(
            *(model.answer(item, made_audio(siren(4))) for item in items),
            model.answer(items[0], made_audio(waves(6))),
            model.answer(items[0], Audio(np.zeros(0, dtype=np.int16))),
        )
        tags = [future.result().tags for future in model._descriptions._values.values()]  # type: ignore[union-attr]
        assert "Siren" in tags[0]
        assert "Water" in tags[1]
        assert tags[2] == ()
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
"""Text and finish reason, by place of the clip and number of the instruction."""


def answers_of(run: Path) -> Answers:
    if not (run / "run.db").is_file():
        return {}
    with closing(sqlite3.connect(run / "run.db", timeout=30)) as connection:
        try:
            rows = connection.execute(
                "SELECT clip, instruction, text, finish_reason FROM responses"
            ).fetchall()
        except sqlite3.OperationalError:  # it is only being made
            return {}
    return {(clip, instruction): (text, reason) for clip, instruction, text, reason in rows}


# Asks a cascade, without the command, for part of mini in another order; prints the answers.
_ASK = """
import asyncio, json, os, random, sys
cores, spec, seed, share, at_once = json.loads(sys.argv[1])
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
from jasco.protocol.clips import items_of
from jasco.data.audio import read_audio
from jasco.data.fetching import find_data
from jasco.backends.specs import open_spec

async def main():
    data, model = find_data("mini", print), open_spec("model", spec)
    await model.prepare(data)
    items = [(place, item) for place, clip in enumerate(data.clips) for item in items_of(clip)]
    items = random.Random(seed).sample(items, round(share * len(items)))
    free = asyncio.Semaphore(at_once)
    async def ask(place, item):
        async with free:
            answer = await model.answer(item, read_audio(data.audio_path(item.clip)))
        return [place, item.number, answer.text, answer.finish_reason]
    print(json.dumps(await asyncio.gather(*(ask(*each) for each in items))))
    await model.close()

asyncio.run(main())
"""


def ask(cores: int, spec: str, seed: int, share: float, at_once: int) -> Answers:
    arguments = json.dumps([cores, spec, seed, share, at_once])
    asked = subprocess.run(
        [sys.executable, "-c", _ASK, arguments], check=True, capture_output=True, text=True
    )
    rows = json.loads(asked.stdout)
    return {(clip, instruction): (text, reason) for clip, instruction, text, reason in rows}


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_answers_are_the_same_byte_for_byte(
    real_models: None, jasco: Jasco, tmp_path: Path
) -> None:
    """In order; interrupted and resumed; shuffled, many at once, and on one core."""
    home = {"JASCO_CACHE": str(cache_folder())}
    command = ("respond", "cascade", "--data", "mini", "--run")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert jasco(*command, whole, "--concurrency", 1, env=home, timeout=900).status == 0
    answers = answers_of(whole)
    assert len(answers) == 128

    for share, number in ((0.3, signal.SIGINT), (0.6, signal.SIGKILL)):
        running = jasco.start(*command, broken, "--concurrency", 16, env=home)
        while len(answers_of(broken)) < share * 128:
            assert running.is_running()
            time.sleep(0.05)
        running.send(number)
        assert running.finish(60).status == (130 if number == signal.SIGINT else -number)
    assert len(answers_of(broken)) < 128
    assert jasco(*command, broken, "--no-preflight", env=home, timeout=900).status == 0
    assert answers_of(broken) == answers

    assert ask(1, "cascade", 1, 1.0, 16) == answers


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_samples_are_those_of_the_seed(real_models: None) -> None:
    """At a temperature above 0 as well, whatever else is asked."""
    some = ask(1, "cascade,temperature=1,seed=3", 1, 0.15, 1)
    more = ask(2, "cascade,temperature=1,seed=3", 2, 0.3, 16)
    other = ask(2, "cascade,temperature=1,seed=4", 1, 0.15, 16)
    common = some.keys() & more.keys()
    assert len(common) >= 4
    assert all(some[place] == more[place] for place in common)
    assert some.keys() == other.keys()
    assert sum(some[place] != other[place] for place in some) > len(some) / 2


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_only_what_questions_share_is_kept_between_them(real_models: None) -> None:
    """Else how much is computed anew, and how it rounds, depends on what was asked before."""
    model = language.LanguageModel(find_weight(SMOLLM2) / SMOLLM2.files[0].name, 1)
    server, _ = model._idle.get()
    asked = []

    class Watched:
        def handle_completions(self, question: Any) -> Any:
            reply = server.handle_completions(question)
            usage = reply["usage"]
            tokens = usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]
            asked.append((question["max_tokens"], *tokens))
            return reply

    model._idle.put((Watched(), ""))
    for tags in (["Rain", "Water"], ["Rain"], []):
        for speech in ("Come in!", "Come", "- no", ""):
            for instruction in INSTRUCTIONS[:4]:
                assert isinstance(
                    model.reply(make_prompt(tags, speech, instruction), 2, 0.0, 0), Response
                )
    (_, shared, _), *rest = asked  # with the token that marks the end of a part
    clip = -1
    for max_tokens, tokens, kept in rest:
        if max_tokens:
            assert kept == clip - 1
        elif kept == shared - 1:
            clip = tokens
        else:
            assert tokens in (shared, clip)
    assert len(rest) == 12 * 2 + 36 + 48 - 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_real_speech_is_transcribed(real_models: None, tmp_path: Path) -> None:
    flite = shutil.which("flite")
    if not flite:
        assert "CI" not in os.environ, "CI has flite"
        pytest.skip("flite, which speaks the sentence, is not installed")
    path = tmp_path / "spoken.wav"
    sentence = "The train leaves at noon."
    subprocess.run([flite, "-voice", "slt", "-t", sentence, "-o", str(path)], check=True)
    heard = Transcriber(find_weight(WHISPER)).transcript(read_audio(path).floats)
    assert heard.lower().strip(" .") == "the train leaves at noon"


@pytest.mark.slow
def test_an_overlong_conversation_is_rejected(real_models: None) -> None:
    model = language.LanguageModel(find_weight(SMOLLM2) / SMOLLM2.files[0].name, 1)
    reply = model.reply(make_prompt([], "word " * 3_000, "What?"), 4, 0.0, 0)
    assert isinstance(reply, Failure)
    assert reply.kind == "rejected"
    assert "context" in reply.message
