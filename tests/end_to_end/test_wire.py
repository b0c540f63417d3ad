"""The requests to models and judges, byte by byte."""

import io
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from chat_server import ChatServer, Request, Serve, audio_in
from command import HASTY, Jasco, Result
from prompts import INSTRUCTIONS, PROMPTS
from run_database import query
from synthetic import make_data, read_annotations, tone, write_wav


def evaluate(
    jasco: Jasco, server: ChatServer, data: Path, run: Path, *more: object, **kw: Any
) -> Result:
    """Run ``eval`` with model and judge on one server, without a preflight."""
    return jasco(
        "eval", f"openai/ears,base_url={server.url}", "--data", data, "--run", run,
        "--judge", f"openai/judge,base_url={server.url}", "--no-preflight", *more, **kw,
    )  # fmt: skip


def of_kind(kind: str, *servers: ChatServer) -> list[Request]:
    """Return the servers' requests of a kind."""
    return [request for server in servers for request in server.requests() if request.kind == kind]


def samples_and_text(request: Request) -> tuple[np.ndarray, str]:
    """Check the format of a request with audio; return the samples and the text."""
    content = audio_in(request.body)
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == 16_000
    assert samples.astype("<i2").tobytes() == content[44:]  # after the header
    return samples, request.body["messages"][0]["content"][1]["text"]


# --- audio and instructions ---


def test_every_item_is_sent_once_with_the_samples_of_its_file_and_the_exact_instruction(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(bodies=True)
    result = evaluate(jasco, server, data, tmp_path / "run", "--json")
    assert result.status == 0, result
    sent = [samples_and_text(request) for request in of_kind("answer", server)]
    expected = [(tone(clip).tobytes(), text) for clip in range(4) for text in INSTRUCTIONS]
    assert sorted((samples.tobytes(), text) for samples, text in sent) == sorted(expected)
    [model] = json.loads(result.stdout)["models"].values()
    assert model["coverage"] == 1.0


def test_a_clip_longer_than_a_model_takes_is_sent_in_full_with_a_warning(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    write_wav(data / "dataset" / "v0" / "1.wav", tone(1, 30.5))
    server = serve(bodies=True)
    model = f"openai/Qwen/Qwen2-Audio-7B-Instruct,base_url={server.url}"
    result = jasco("respond", model, "--data", data, "--run", tmp_path / "run", "--limit", 2)
    assert result.status == 0, result
    assert re.search(r"longer than 30 s: 1 of 2; openai/Qwen/Qwen2-Audio", result.stderr)
    assert (
        max(len(samples_and_text(request)[0]) for request in of_kind("answer", server))
        == 30.5 * 16_000
    )
    table = jasco("score", tmp_path / "run").stdout
    assert re.search(r"1 clip .*30 s", table)


def test_published_audio_arrives_with_the_samples_of_its_files(
    jasco: Jasco, serve: Serve, published: Path, tmp_path: Path
) -> None:
    server = serve(bodies=True)
    jasco(
        "respond", f"openai/ears,base_url={server.url}", "--limit", 2, "--data", published,
        "--run", tmp_path / "run", "--no-preflight",
    )  # fmt: skip
    files = [
        soundfile.read(published / "dataset/v0" / f"{row['audio_id']}.wav", dtype="int16")[0]
        for row in read_annotations(published)[:2]
    ]
    sent = [samples_and_text(request) for request in server.requests()]
    expected = [(samples.tobytes(), text) for samples in files for text in INSTRUCTIONS]
    assert sorted((samples.tobytes(), text) for samples, text in sent) == sorted(expected)


def test_other_audio_is_sent_as_16_khz_mono_with_a_note(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=3)
    folder = data / "dataset" / "v0"
    write_wav(folder / "0.wav", tone(0, rate=48_000), rate=48_000)
    stereo = np.stack([tone(1), np.zeros_like(tone(1))], axis=1)
    soundfile.write(folder / "1.wav", stereo, 16_000, subtype="PCM_16")
    server = serve(bodies=True)
    result = jasco(
        "respond", f"openai/ears,base_url={server.url}", "--data", data, "--run", tmp_path / "run",
        "--no-preflight",
    )  # fmt: skip
    assert result.status == 0, result
    assert "2 of 3 clips" in result.stderr
    clips = {samples.tobytes(): samples for samples, _ in map(samples_and_text, server.requests())}
    assert len(clips) == 3
    [resampled] = [
        samples for samples in clips.values() if _loudest_frequency(samples) == pytest.approx(200)
    ]
    assert len(resampled) == len(tone(0))
    assert (tone(1) / 2).round().astype(np.int16).tobytes() in clips
    assert tone(2).tobytes() in clips


def _loudest_frequency(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.fft.rfftfreq(len(samples), 1 / 16_000)[spectrum.argmax()])


# --- the judge's messages ---

AWKWARD = [
    "They use {reference}, {keywords} and {prediction}.",
    "{} {0} {{}} %s %(x)s $x \\1 \\g<0>",
    "\"double\" 'single' “curly” `back`\\",
    "\n\nline\r\nline\rline\u2028line\t\x0b\n",
    "🏃🏽‍♀️ 走る",
    "before\x00after\x1b[31m\x7f",
    "\u202eright to left\u202c עברית العربية \ufeff",
    "long " * 20_000,
]
FIELDS = {  # in the order in which the prompt names them
    "audio_sound": "Audio",
    "spoken_text": "Speech",
    "question": "",
    "audio_only_target": "Audio-Only Answer",
    "speech_only_target": "Speech-Only Answer",
    "reference": "Correct Answer",
    "keywords": "Correct Answer Keyword",
    "prediction": "",
}


def judge_prompt(protocol: str, clip: dict[str, str], question: str, prediction: str) -> str:
    """Fill the judge's prompt piece by piece, from the file and the annotations."""
    rest = (PROMPTS / f"judge_{protocol}.txt").read_bytes().decode()
    prompt = ""
    for name, column in FIELDS.items():
        before, placeholder, rest = rest.partition("{" + name + "}")
        assert placeholder
        prompt += before + {"question": question, "prediction": prediction}.get(
            name, clip.get(column, "")
        )
    return prompt + rest


@pytest.mark.parametrize("protocol", ["v2", "v1"])
def test_the_judge_gets_the_protocols_prompt_whatever_the_prediction_contains(
    protocol: str, jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(bodies=True, answers=dict(zip(INSTRUCTIONS, AWKWARD, strict=True)))
    result = evaluate(jasco, server, data, tmp_path / "run", "--protocol", protocol)
    assert result.status == 0, result
    prompts = []
    for request in of_kind("verdict", server):
        system, user = request.body["messages"]
        assert system == {"role": "system", "content": "You are an NLP assistant"}
        assert user.keys() == {"role", "content"}
        assert user["role"] == "user"
        prompts.append(user["content"])
    assert sorted(prompts) == sorted(
        judge_prompt(protocol, clip, question, prediction)
        for clip in read_annotations(data)
        for question, prediction in zip(INSTRUCTIONS, AWKWARD, strict=True)
    )
    responses = query(
        tmp_path / "run", "SELECT DISTINCT instruction, text FROM responses ORDER BY 1"
    )
    assert [text for _, text in responses] == AWKWARD


def test_an_empty_answer_is_judged_as_it_is(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(bodies=True, answers={INSTRUCTIONS[0]: "", INSTRUCTIONS[1]: " \n"})
    result = evaluate(jasco, server, data, tmp_path / "run", "--limit", 1)
    assert result.status == 0, result
    prompts = [request.body["messages"][1]["content"] for request in of_kind("verdict", server)]
    [clip, *_] = read_annotations(data)
    assert judge_prompt("v2", clip, INSTRUCTIONS[0], "") in prompts
    assert judge_prompt("v2", clip, INSTRUCTIONS[1], " \n") in prompts


def test_a_lone_surrogate_in_an_answer_becomes_a_replacement_character(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(answers={INSTRUCTIONS[0]: "a\ud800b"})
    assert evaluate(jasco, server, data, tmp_path / "run", "--limit", 1).status == 0
    [[text]] = query(tmp_path / "run", "SELECT text FROM responses WHERE instruction = 1")
    assert text == "a\ufffdb"


UNCLEAR = "Rating: 2\nExplanation2: It's the {explanation}.\nOrientation: Final answer is Speech."


@pytest.mark.parametrize(
    ("protocol", "reply", "read_as"),
    [("v2", "Both", "Both"), ("v1", "Good.", "Both"), ("v2", "I would not say.", None)],
)
def test_an_unreadable_orientation_is_asked_for_once_more_and_never_again(
    protocol: str,
    reply: str,
    read_as: str | None,
    jasco: Jasco,
    serve: Serve,
    data: Path,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    server = serve(bodies=True, judge_says={INSTRUCTIONS[2]: UNCLEAR}, repair_says=reply)
    first = evaluate(jasco, server, data, run, "--limit", 2, "--protocol", protocol)
    again = evaluate(jasco, server, data, run, "--limit", 2, "--protocol", protocol)
    assert (first.status, again.status) == (0, 0), first
    template = (PROMPTS / f"repair_{protocol}.txt").read_bytes().decode()
    explanation = "It's the {explanation}.\nOrientation: Final answer is Speech."
    assert [request.body["messages"] for request in of_kind("repair", server)] == [
        [
            {"role": "system", "content": "You are an NLP assistant"},
            {"role": "user", "content": explanation.join(template.split("{explanation}"))},
        ]
    ] * 2  # of two clips
    assert len(of_kind("verdict", server)) == 16
    rows = query(run, "SELECT rating, orientation, attempts FROM verdicts WHERE instruction = 3")
    assert [row[:2] for row in rows] == [(2, read_as)] * 2
    for row in rows:
        attempts = json.loads(row[2])
        assert [attempt["asked"] for attempt in attempts] == ["verdict", "repair"]
        assert [attempt["text"] for attempt in attempts] == [UNCLEAR, reply]


def test_an_unreadable_rating_is_not_asked_for_again_and_is_missing_not_0(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    text = "Rating: five\nExplanation2: x\nOrientation: Both"
    server = serve(judge_says={INSTRUCTIONS[2]: text})
    result = evaluate(jasco, server, data, tmp_path / "run", "--json")
    assert result.status == 0
    assert len(server.requests()) == 64
    [model] = json.loads(result.stdout)["models"].values()
    assert (model["coverage"], model["unreadable_rate"]) == (7 / 8, 1 / 8)
    assert model["best_at_k"] is None


# --- parameters, keys, order ---


def test_decoding_is_greedy_by_default_and_recorded_as_sent(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(bodies=True)
    options = "temperature=0.7,top_p=0.9,max_tokens=64,seed=3"
    result = jasco(
        "eval", f"openai/org/ears:1,base_url={server.url}", "--data", data, "--limit", 1,
        "--judge", f"openai/judge,base_url={server.url}",
        "--judge", f"openai/judge,base_url={server.url},{options}", "--run", tmp_path / "run",
    )  # fmt: skip
    assert result.status == 0, result
    sent = {
        json.dumps({k: v for k, v in request.body.items() if k != "messages"}, sort_keys=True)
        for request in server.requests()
    }
    answering = {"model": "org/ears:1", "temperature": 0.0, "max_tokens": 512}
    greedy = {"model": "judge", "temperature": 0.0, "max_tokens": 1000}
    sampling = {"model": "judge", "temperature": 0.7, "max_tokens": 64, "top_p": 0.9, "seed": 3}
    recorded = []
    for table in ("models", "judges"):
        for [identity] in query(tmp_path / "run", f"SELECT identity FROM {table} ORDER BY 1"):
            decoding = {k: v for k, v in json.loads(identity).items() if v is not None}
            assert decoding.pop("provider") == "openai"
            assert decoding.pop("output", "text") == "text"
            recorded.append({"model": decoding.pop("name"), **decoding})
    assert recorded == [answering, greedy, sampling]
    assert sent == {json.dumps(decoding, sort_keys=True) for decoding in recorded}


SECRET = "sk-5ecret-Ahx7"


@pytest.mark.parametrize(
    ("variable", "option"), [("OPENAI_API_KEY", ""), ("MY_KEY", ",api_key_env=MY_KEY")]
)
def test_the_key_is_sent_and_neither_stored_nor_printed(
    variable: str, option: str, jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    """Not even if the server quotes it in its errors."""
    server = serve(bodies=True, status_by_text={INSTRUCTIONS[2]: 400}, error=f"bad: {SECRET}!")
    run = tmp_path / "run"
    result = jasco(
        "eval", f"openai/ears,base_url={server.url}{option}", "--data", data, "--limit", 1,
        "--judge", f"openai/judge,base_url={server.url}{option}", "--run", run,
        env={variable: SECRET},
    )  # fmt: skip
    assert result.status == 0
    assert {request.headers["Authorization"] for request in server.requests()} == {
        f"Bearer {SECRET}"
    }
    wrong = serve(status=401, error=f"Incorrect API key provided: {SECRET}.")
    refused = jasco(
        "respond", f"openai/ears,base_url={wrong.url}{option}", "--data", data,
        "--run", tmp_path / "other", env={variable: SECRET},
    )  # fmt: skip
    assert refused.status == 2
    for text in (result.stdout, result.stderr, refused.stdout, refused.stderr):
        assert SECRET not in text
    for path in [*run.rglob("*"), *(tmp_path / "other").rglob("*")]:
        assert SECRET.encode() not in path.read_bytes()
    [[message]] = query(run, "SELECT failure_message FROM responses WHERE text IS NULL")
    assert "bad: ***!" in message


def test_a_password_in_the_address_is_neither_stored_nor_printed(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(status_by_text={INSTRUCTIONS[0]: 400, INSTRUCTIONS[1]: 401})
    url = server.url.replace("//", f"//user:{SECRET}@")
    run = tmp_path / "run"
    result = jasco("respond", f"openai/ears,base_url={url}", "--data", data, "--run", run)
    assert result.status == 2
    server.kill()
    unreachable = jasco(
        "respond", f"openai/ears,base_url={url}", "--data", data, "--run", run, patch=HASTY
    )
    assert unreachable.status == 4
    for text in (result.stderr, unreachable.stderr):
        assert str(server.port) in text
        assert SECRET not in text
    for path in run.rglob("*"):
        assert SECRET.encode() not in path.read_bytes()


def test_no_key_is_needed(jasco: Jasco, serve: Serve, data: Path, tmp_path: Path) -> None:
    server = serve()
    assert evaluate(jasco, server, data, tmp_path / "run", "--limit", 1).status == 0


def test_a_clips_eight_requests_arrive_together_and_no_more_at_once_than_allowed(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=12)
    server = serve(bodies=True, latency=0.05)
    result = evaluate(jasco, server, data, tmp_path / "run", "--concurrency", 8)
    assert result.status == 0, result
    order = [samples_and_text(request)[0].tobytes() for request in of_kind("answer", server)]
    groups = [(clip, len(list(group))) for clip, group in itertools.groupby(order)]
    assert [count for _, count in groups] == [8] * 12
    assert max(request.in_flight for request in server.requests()) == 8


def test_several_addresses_share_the_load_and_a_clip_stays_with_one(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=12)
    servers = [serve(bodies=True), serve(bodies=True)]
    addresses = "".join(f",base_url={server.url}" for server in servers)
    result = jasco(
        "eval", f"openai/ears{addresses}", "--data", data, "--judge", f"openai/judge{addresses}",
        "--run", tmp_path / "run", "--no-preflight",
    )  # fmt: skip
    assert result.status == 0, result
    for kind in ("answer", "verdict"):
        counts = [len(of_kind(kind, server)) for server in servers]
        assert sum(counts) == 96
        assert min(counts) >= 16, (kind, counts)
    clips = [
        {samples_and_text(r)[0].tobytes() for r in of_kind("answer", server)} for server in servers
    ]
    assert not clips[0] & clips[1]
