"""The preflight: whether a model uses the audio, before its run."""

import asyncio
import itertools
import json
import random
import re
import signal
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server import Serve
from command import FEW_ATTEMPTS, HASTY, Jasco, Result
from jasco.backends.specs import open_spec
from jasco.data.audio import Audio
from jasco.evaluation.preflight import (
    PROBES,
    Finding,
    ProbeResult,
    Sound,
    State,
    assess,
    choose_sounds,
    permutation_test,
    probe_instructions,
    probe_model,
    similarities,
)
from jasco.protocol.clips import Clip, Item
from jasco.protocol.responses import Failure, Response
from synthetic import make_data, tone, write_wav

DOZENS = probe_instructions(8)
SOUNDS = (Sound.CLIP, Sound.CLIP, Sound.OTHER, Sound.SILENCE)
FAILED = Failure("timeout", "no answer within 2 s")
Rule = Callable[[int, Sound], str | Failure]


def results_of(rule: Rule, dozens: int = 1) -> list[ProbeResult]:
    numbers = [number for dozen in DOZENS[:dozens] for number in dozen]
    probes = itertools.product(numbers, SOUNDS)
    answers = [(number, sound, rule(number, sound)) for number, sound in probes]
    return [
        ProbeResult(number, sound, Response(answer) if isinstance(answer, str) else answer)
        for number, sound, answer in answers
    ]


def assess_as_preflight(rule: Rule) -> Finding:
    """Assess a dozen probes, and a second dozen where the first leaves it open."""
    first = results_of(rule)
    finding = assess(first)
    return assess([*first, *results_of(rule, 2)[PROBES:]]) if finding.open else finding


# --- findings from answers ---


@given(st.text())
def test_a_model_with_one_answer_is_refused(text: str) -> None:
    finding = assess(results_of(lambda *_: text))
    assert (finding.state, finding.open, finding.p_value) == (State.REFUSED, False, 1.0)
    assert finding.reason.startswith("gives an empty answer") == (not text.strip())
    assert "\n" not in finding.reason


@given(st.lists(st.text(), min_size=9, max_size=9))
def test_a_model_that_reads_the_prompt_alone_is_refused(texts: list[str]) -> None:
    finding = assess(results_of(lambda number, _: texts[number]))
    assert (finding.state, finding.open, finding.p_value) == (State.REFUSED, False, 1.0)


@given(st.text(), st.booleans())
def test_a_model_with_an_answer_for_each_audio_passes(text: str, uses_prompt: bool) -> None:
    def rule(number: int, sound: Sound) -> str:
        return f"{text} {number if uses_prompt else ''} it is {sound}"

    finding = assess(results_of(rule))
    assert (finding.state, finding.reason) == (State.PASSED, "")
    assert finding.same_audio == 1 > finding.different_audio


def test_the_reason_names_an_empty_answer_that_was_cut_off() -> None:
    results = [ProbeResult(3, sound, Response("", "length")) for sound in SOUNDS]
    reason = assess(results).reason
    assert "empty answer" in reason
    assert "cut off" in reason


@pytest.mark.parametrize("distinct", [Sound.OTHER, Sound.SILENCE])
def test_it_is_enough_to_distinguish_one_audio_from_the_others(distinct: Sound) -> None:
    assert (
        assess(results_of(lambda _, sound: "a dog" if sound == distinct else "rain")).state
        == State.PASSED
    )


def test_one_prompt_that_depends_on_the_audio_asks_for_more_and_two_are_enough() -> None:
    def finding(*numbers: int) -> Finding:
        return assess_as_preflight(lambda n, sound: str(sound) if n in numbers else "I cannot say.")

    assert assess(results_of(lambda n, sound: str(sound) if n == 3 else "I cannot say.")).open
    assert finding(3, 4).state == State.PASSED
    assert finding(3).state == State.REFUSED


WORDS = [f"{a}{b}" for a in "bdfghklmnprst" for b in ("ana", "olo", "uri", "ect", "imp")]


def noisy_rule(rng: random.Random, *, uses_audio: bool) -> Rule:
    """Return a rule for answers of 12 words; with ``uses_audio``, 4 of them depend on the audio."""
    meanings = {sound: rng.sample(WORDS, 6) for sound in SOUNDS}

    def rule(number: int, sound: Sound) -> str:
        words = rng.sample(WORDS, 8) + rng.sample(meanings[sound] if uses_audio else WORDS, 4)
        rng.shuffle(words)
        return f"By prompt {number} they {' '.join(words)}"

    return rule


def share_passed(rules: Sequence[Rule]) -> float:
    return sum(assess_as_preflight(rule).state == State.PASSED for rule in rules) / len(rules)


def test_a_model_that_samples_passes_if_it_uses_the_audio_and_seldom_otherwise() -> None:
    rng = random.Random(0)
    assert share_passed([noisy_rule(rng, uses_audio=True) for _ in range(60)]) > 0.95
    assert share_passed([noisy_rule(rng, uses_audio=False) for _ in range(60)]) < 0.15


@pytest.mark.parametrize("variants", [2, 3, 5])
def test_a_model_with_few_random_variants_seldom_passes(variants: int) -> None:
    rng = random.Random(variants)
    rules = [lambda *_: rng.choice(WORDS[:variants])] * 60
    assert share_passed(rules) < 0.15


@given(st.sets(st.integers(0, PROBES - 1)))
def test_with_fewer_than_two_thirds_answered_the_preflight_is_inconclusive(
    failed: set[int],
) -> None:
    results = results_of(lambda _, sound: str(sound))
    for index in failed:
        results[index] = ProbeResult(results[index].instruction, results[index].sound, FAILED)
    finding = assess(results)
    assert (finding.state == State.INCONCLUSIVE) == (len(failed) > PROBES / 3)
    if finding.state == State.INCONCLUSIVE:
        assert finding.reason == (
            f"only {PROBES - len(failed)} of 12 probes answered (timeout: no answer within 2 s)"
        )


def test_a_model_that_refuses_silence_passes_by_the_clips() -> None:
    finding = assess(results_of(lambda _, sound: FAILED if sound == Sound.SILENCE else str(sound)))
    assert finding.state == State.PASSED


def test_the_p_value_is_that_of_all_permutations() -> None:
    rng = random.Random(1)
    texts = [" ".join(rng.sample(WORDS[:9], 3)) for _ in range(8)]
    similarity = similarities(texts)
    sounds = np.array([0, 0, 1, 2] * 2)
    permutations = [
        np.array(one + other)
        for one, other in itertools.product(itertools.permutations([0, 0, 1, 2]), repeat=2)
    ]
    sums = [similarity[np.equal.outer(permuted, permuted)].sum() for permuted in permutations]
    expected = np.mean(np.array(sums) >= similarity[np.equal.outer(sounds, sounds)].sum() - 1e-9)
    assert permutation_test(similarity, np.repeat([3, 6], 4), sounds) == pytest.approx(
        expected, abs=0.02
    )


@given(st.lists(st.text(), min_size=1, max_size=6))
def test_similarities_are_shares(texts: list[str]) -> None:
    similarity = similarities(texts)
    assert np.array_equal(similarity, similarity.T)
    assert (np.diag(similarity) == 1).all()
    assert ((similarity >= 0) & (similarity <= 1)).all()


def test_similarities_count_words_of_any_script_and_rare_ones_more() -> None:
    texts = [
        "In the rain they run.",
        "in THE rain, they run!",
        "In the rain they sing.",
        "in a bar",
    ]
    similarity = similarities(texts)
    assert similarity[0, 1] == 1 > similarity[0, 2] > similarity[0, 3]
    similarity = similarities(["他们在雨中奔跑", "他们在雨中唱歌", "喂"])
    assert 0.2 < similarity[0, 1] < 1
    assert similarity[0, 2] < 0.1


# --- probes ---


def clips(*ids: str) -> list[Clip]:
    return [Clip(id_, "rain", "run", "a", "b", "they flee", "flee") for id_ in ids]


def chosen_sounds(*samples: np.ndarray) -> Any:
    audio = {str(number): Audio(sound) for number, sound in enumerate(samples)}
    return choose_sounds(clips(*audio), lambda clip: audio[clip.id])


def test_the_sounds_are_a_clip_another_one_and_silence_of_one_length() -> None:
    sounds = chosen_sounds(tone(0, 0.1), tone(1), tone(2, 0.3), tone(3))
    assert [sound for _, sound, _ in sounds] == [Sound.CLIP, Sound.OTHER, Sound.SILENCE]
    assert [clip.id for clip, _, _ in sounds] == ["2", "0", "2"]
    long, short, silence = (audio.samples for _, _, audio in sounds)
    assert np.array_equal(long, tone(2, 0.3))
    assert np.array_equal(short[: len(tone(0, 0.1))], tone(0, 0.1))
    assert not short[len(tone(0, 0.1)) :].any()
    assert not silence.any()
    assert len(long) == len(short) == len(silence)


@pytest.mark.parametrize(
    "samples", [[tone(0)], [tone(0), tone(0)], [np.zeros(9, np.int16)] * 3, [tone(0)[:1]]]
)
def test_where_there_is_no_other_clip_the_second_sound_is_noise(samples: list[np.ndarray]) -> None:
    (_, _, first), (_, sound, noise), _ = chosen_sounds(*samples)
    assert sound == Sound.NOISE
    assert len(noise.samples) == len(first.samples)
    assert not np.array_equal(noise.samples, first.samples)


class ProbedModel:
    """A model that uses the audio, or answers at random; it records its calls."""

    spec = open_spec("model", "csv/model").spec

    def __init__(self, *, uses_audio: bool) -> None:
        self.uses_audio = uses_audio
        self.calls: list[tuple[int, bytes]] = []
        self.open = self.most_open = 0

    async def answer(self, item: Item, audio: Audio) -> Response:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0.001)
        self.open -= 1
        self.calls.append((item.number, audio.samples.tobytes()))
        number = np.abs(audio.samples).sum() if self.uses_audio else len(self.calls)
        return Response(f"number {number} of {item.number}")


@pytest.mark.parametrize(("uses_audio", "dozens"), [(True, 1), (False, 2)])
def test_a_second_dozen_is_asked_only_where_the_first_leaves_it_open(
    uses_audio: bool, dozens: int
) -> None:
    model, outcomes = ProbedModel(uses_audio=uses_audio), []
    audio = {"0": Audio(tone(0)), "1": Audio(tone(1))}
    probing = probe_model(model, clips("0", "1"), lambda clip: audio[clip.id], 3, outcomes.append)  # type: ignore[arg-type]
    finding = asyncio.run(probing)
    assert len(model.calls) == len(outcomes) == len(finding.results) == dozens * PROBES
    assert sorted({number for number, _ in model.calls}) == sorted(
        itertools.chain(*DOZENS[:dozens])
    )
    assert len(set(model.calls)) == dozens * 9
    assert model.most_open == 3
    assert finding.state == (State.PASSED if uses_audio else State.REFUSED)


# --- through the command ---

BODIES = {
    "constant": "return 'They are building a sandcastle.'",
    "prompt-only": "return prompt[::-1]",
    "length-only": "return f'It lasts {len(audio) / sampling_rate} s.'",
    "empty": "return ' '",
    "ignoring-and-noisy": "return ' '.join(random.sample(WORDS, 9))",
    "noisy": "return ' '.join([*random.sample(WORDS, 9), *loudness(audio)])",
    "using-audio": "return ' '.join(loudness(audio))",
    "mostly-failing": "if 'Guess' in prompt: return 'Rain.'\n    raise RuntimeError('no\\nmemory')",
    "failing": "raise RuntimeError('no\\nmemory')",
    "switched": "return ' '.join(loudness(audio)) if SWITCH.exists() else 'Rain.'",
}
SOURCE = """
import pathlib, random
random.seed(5)
HERE = pathlib.Path(__file__).parent
SWITCH = HERE / "switch"
WORDS = [a + b for a in "bdfghklmnprst" for b in ("ana", "olo", "uri", "ect", "imp")]


def loudness(audio):
    generator = random.Random(str(abs(audio).sum()))
    return generator.sample(WORDS, 5)


def answer(audio, sampling_rate, prompt):
    with (HERE / "calls").open("a") as file:
        file.write("x")
    {body}
"""


class FunctionRun:
    """A function model with its run; a call runs ``jasco respond``."""

    def __init__(self, jasco: Jasco, data: Path, folder: Path) -> None:
        self.jasco, self.data, self.folder = jasco, data, folder
        self.run = folder / "run"

    def write(self, kind: str) -> str:
        (self.folder / "mine.py").write_text(SOURCE.format(body=BODIES[kind]), "utf-8")
        return f"python/{self.folder / 'mine.py'}:answer"

    def __call__(self, kind: str, *options: object) -> Result:
        command = ["respond", self.write(kind), "--data", self.data, "--run", self.run]
        return self.jasco(*command, *options)

    @property
    def calls(self) -> int:
        path = self.folder / "calls"
        return len(path.read_text()) if path.exists() else 0

    def fact(self) -> dict[str, Any]:
        with closing(sqlite3.connect(self.run / "run.db")) as connection:
            query = "SELECT value FROM facts WHERE name = 'preflight'"
            row = connection.execute(query).fetchone()
        return json.loads(row[0]) if row else {}

    def rows(self) -> int:
        with closing(sqlite3.connect(self.run / "run.db")) as connection:
            return int(connection.execute("SELECT count(*) FROM responses").fetchone()[0])

    def score(self) -> tuple[str, dict[str, Any] | None]:
        """Return the table, and the preflight in the JSON."""
        table, summary = (self.jasco("score", self.run, *options) for options in ((), ("--json",)))
        [model] = json.loads(summary.stdout)["models"].values()
        return table.stdout, model["answers"]["preflight"]


@pytest.fixture
def function_run(jasco: Jasco, data: Path, tmp_path: Path) -> FunctionRun:
    return FunctionRun(jasco, data, tmp_path)


@pytest.mark.parametrize(
    ("kind", "reason", "probes"),
    [
        ("constant", "every instruction", 12),
        ("prompt-only", "the same answer", 12),
        ("length-only", "every instruction", 12),
        ("empty", "empty answer", 12),
        ("ignoring-and-noisy", "no more similar", 24),
    ],
)
def test_a_model_that_ignores_the_audio_is_refused_in_one_line(
    function_run: FunctionRun, kind: str, reason: str, probes: int
) -> None:
    result = function_run(kind)
    assert (result.status, result.stdout) == (3, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("jasco: preflight: python/")
    assert reason in line
    assert line.endswith("--no-preflight")
    assert function_run.rows() == 0
    assert function_run.calls == probes
    fact = function_run.fact()
    assert (fact["state"], fact["probes"], fact["answered"]) == ("refused", probes, probes)
    assert fact["reason"] in line
    assert len(fact["answers"]) == probes
    table, summary = function_run.score()
    assert "AUDIO NOT USED" in table
    assert summary
    assert summary["state"] == "refused"
    assert "answers" not in summary


@pytest.mark.parametrize("kind", ["noisy", "using-audio"])
def test_a_model_that_uses_the_audio_passes_and_the_probes_are_no_responses(
    function_run: FunctionRun, kind: str
) -> None:
    assert function_run(kind).status == 0
    fact = function_run.fact()
    assert fact["state"] == "passed"
    assert fact["chance"] <= 0.05
    assert fact["alike_on_same_audio"] > fact["alike_on_different_audio"]
    assert function_run.rows() == 32
    assert function_run.calls == 32 + fact["probes"]
    answers = fact["answers"]
    assert {answer["sound"] for answer in answers} == {"clip", "another clip", "silence"}
    assert all(answer["text"] for answer in answers)
    table, summary = function_run.score()
    assert "AUDIO NOT USED" not in table
    assert "unknown whether" not in table
    assert summary == {name: value for name, value in fact.items() if name != "answers"}


def test_a_skipped_preflight_is_recorded_and_shown(function_run: FunctionRun) -> None:
    assert function_run("constant", "--no-preflight").status == 0
    assert function_run.calls == function_run.rows() == 32
    assert function_run.fact() == {"state": "skipped"}
    table, summary = function_run.score()
    assert "unknown whether" in table
    assert "--no-preflight" in table
    assert summary == {"state": "skipped"}


def test_an_overridden_refusal_stays_in_the_result(function_run: FunctionRun) -> None:
    assert function_run("constant").status == 3
    assert function_run("constant", "--no-preflight").status == 0
    fact = function_run.fact()
    assert (fact["state"], fact["overridden"], len(fact["answers"])) == ("refused", True, 12)
    table, _ = function_run.score()
    [caution] = [text for text in " ".join(table.split()).split(" - ") if "AUDIO NOT USED" in text]
    assert "They are building a sandcastle." in caution
    assert caution.endswith("overridden by --no-preflight")


def test_a_passed_preflight_is_not_repeated(function_run: FunctionRun) -> None:
    assert function_run("using-audio", "--limit", 2).status == 0
    assert function_run.calls == 12 + 16
    assert function_run("using-audio").status == 0
    assert function_run.calls == 12 + 32
    assert function_run("using-audio", "--no-preflight").status == 0
    assert function_run.fact()["state"] == "passed"


def test_a_refused_model_is_probed_again(function_run: FunctionRun) -> None:
    assert function_run("switched").status == 3
    (function_run.folder / "switch").touch()
    assert function_run("switched").status == 0
    assert function_run.fact()["state"] == "passed"
    assert function_run.calls == 12 + 12 + 32


def test_a_skipped_preflight_is_made_by_the_next_command(function_run: FunctionRun) -> None:
    assert function_run("using-audio", "--limit", 1, "--no-preflight").status == 0
    assert function_run("using-audio").status == 0
    assert function_run.fact()["state"] == "passed"


def test_a_run_that_is_all_answered_needs_none_and_starts_no_model(
    function_run: FunctionRun,
) -> None:
    function_run("constant", "--no-preflight")
    (function_run.folder / "calls").unlink()
    spec = function_run.write("constant")
    (function_run.folder / "mine.py").unlink()
    result = function_run.jasco(
        "respond", spec, "--data", function_run.data, "--run", function_run.run
    )
    assert result.status == 0
    assert function_run.calls == 0


def test_another_model_in_a_run_without_responses_is_probed_itself(
    function_run: FunctionRun, serve: Serve, tmp_path: Path
) -> None:
    server = serve(die_after=12)
    options = ["--data", function_run.data, "--run", function_run.run]
    result = function_run.jasco(
        "respond", f"openai/ears,base_url={server.url}", *options, patch=HASTY
    )
    assert result.status == 4
    assert function_run.fact()["state"] == "passed"
    assert function_run("constant").status == 3


def test_most_probes_failing_leave_it_open_and_the_run_goes_on(function_run: FunctionRun) -> None:
    result = function_run("mostly-failing")
    assert result.status == 4
    first, failure, last, function_line = result.stderr.splitlines()
    assert first.startswith("jasco: preflight: inconclusive: only 4 of 12 probes")
    assert "RuntimeError" in first
    assert "error: RuntimeError: no memory (" in failure
    assert "of 32 items answered" in last
    assert "RuntimeError: no memory" in function_line
    assert function_run.calls == 12 + 32
    assert function_run.fact()["state"] == "inconclusive"
    table, _ = function_run.score()
    assert "4 of 12 probes answered" in " ".join(table.split())


def test_where_no_probe_is_answered_no_item_is_asked(function_run: FunctionRun) -> None:
    result = function_run("failing")
    assert result.status == 4  # a function may succeed the next time
    [line] = result.stderr.splitlines()
    assert "none of 12 probes" in line
    assert "RuntimeError: no memory (" in line
    assert re.search(r"mine\.py:\d+: raise RuntimeError\(", line)
    assert (function_run.calls, function_run.rows()) == (12, 0)
    assert function_run.fact()["state"] == "inconclusive"
    overridden = function_run("failing", "--no-preflight")
    assert overridden.status == 4
    assert (function_run.calls, function_run.rows()) == (12 + 32, 32)
    first, *_ = overridden.stderr.splitlines()
    assert "error: RuntimeError: no memory (" in first
    assert "raise RuntimeError(" in first
    assert function_run("using-audio").status == 0  # probed again
    assert function_run.fact()["state"] == "passed"


def test_one_clip_is_enough(function_run: FunctionRun) -> None:
    assert function_run("using-audio", "--limit", 1).status == 0
    answers = function_run.fact()["answers"]
    assert {answer["sound"] for answer in answers} == {"clip", "noise", "silence"}


def test_clips_that_are_all_alike_and_very_short_are_enough(function_run: FunctionRun) -> None:
    for path in (function_run.data / "dataset" / "v0").glob("*.wav"):
        write_wav(path, tone(0)[:1])
    assert function_run("using-audio").status == 0
    assert (
        function_run("constant", "--limit", 1, "--run", function_run.folder / "other").status == 3
    )


def test_a_responses_csv_and_a_judge_alone_have_none(
    function_run: FunctionRun, jasco: Jasco
) -> None:
    from jasco.data.csv_files import read_table, write_table

    template = function_run.folder / "template.csv"
    jasco("data", "template", function_run.data, "-o", template)
    table = read_table(template)
    rows = [row | {"allm_output": "Rain."} for row in table.rows]
    write_table(function_run.folder / "filled.csv", table.columns, rows)
    options = "--data", function_run.data, "--run", function_run.run
    assert jasco("respond", f"csv/{function_run.folder / 'filled.csv'}", *options).status == 0
    assert jasco("judge", function_run.run, "--judge", "offline").status == 0
    assert function_run.fact() == {}
    assert function_run.score()[1] is None


def test_a_dry_run_counts_the_probes(function_run: FunctionRun) -> None:
    dry_run = function_run("constant", "--dry-run")
    assert "preflight: 12 questions to answer" in dry_run.stdout
    assert "preflight" not in function_run("constant", "--dry-run", "--no-preflight").stdout
    function_run("using-audio", "--limit", 1)
    assert "preflight" not in function_run("using-audio", "--dry-run").stdout


# --- with a server ---


def respond(
    jasco: Jasco, url: str, data: Path, run: Path, *arguments: object, **options: Any
) -> Result:
    spec = f"openai/ears,base_url={url},timeout=2"
    return jasco("respond", spec, "--data", data, "--run", run, *arguments, **options)


def test_a_server_that_uses_the_audio_passes_and_one_that_drops_it_is_refused(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve()
    assert respond(jasco, server.url, data, tmp_path / "run", "--concurrency", 5).status == 0
    assert len(server.requests()) == 12 + 32
    assert max(request.in_flight for request in server.requests()) <= 5
    deaf_server = serve(ignores_audio=True)
    result = respond(jasco, deaf_server.url, data, tmp_path / "dropping")
    assert result.status == 3
    assert "the same answer" in result.stderr
    assert len(deaf_server.requests()) == 12


def test_a_server_that_fails_now_and_then_passes(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(faults=0.2, kinds=("500", "reset", "html"))
    assert respond(jasco, server.url, data, tmp_path / "run").status == 0


@pytest.mark.parametrize(
    ("behaviour", "status", "message"),
    [
        ({"die_after": 5}, 4, "no usable answer"),
        ({"status": 401}, 2, "HTTP 401"),
        ({"status": 404}, 2, "HTTP 404"),
    ],
)
def test_what_ends_a_run_ends_a_preflight(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path,
    behaviour: dict[str, int], status: int, message: str,
) -> None:  # fmt: skip
    server = serve(**behaviour)
    result = respond(jasco, server.url, data, tmp_path / "run", patch=HASTY)
    assert result.status == status
    [line] = result.stderr.splitlines()
    assert message in line
    assert server.url in line
    working = serve()
    assert respond(jasco, working.url, data, tmp_path / "run").status == 0
    assert len(working.requests()) == 12 + 32


def test_a_server_that_refuses_silence_is_known_by_the_clips(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(refuses_silence=True)
    assert respond(jasco, server.url, data, tmp_path / "run", patch=FEW_ATTEMPTS).status == 0
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as connection:
        query = "SELECT json_extract(value, '$.answered') FROM facts WHERE name = 'preflight'"
        assert connection.execute(query).fetchall() == [(9,)]


def test_an_interruption_ends_it_at_once_and_it_is_asked_again(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", 2)
    slow, run = serve(latency=60), tmp_path / "run"
    arguments = "respond", f"openai/ears,base_url={slow.url}", "--data", data, "--run", run
    command = jasco.start(*arguments)
    slow.wait_for(requests=12)
    command.send(signal.SIGINT)
    assert command.finish(10).status == 130
    working = serve()
    assert respond(jasco, working.url, data, run).status == 0
    assert len(working.requests()) == 12 + 16


@pytest.mark.parametrize(
    ("behaviour", "status", "reason"),
    [
        ({"status": 400, "error": "the clip is too long"}, 3, "the clip is too long"),
        ({"fault_by_text": {"the": "filtered"}}, 3, "content filter"),
        (
            {"fault_by_text": {"the": "error beside the choices"}, "error": "busy"},
            4,
            "upstream: busy",
        ),
    ],
)
def test_a_server_that_answers_no_probe_is_asked_no_item(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path,
    behaviour: dict[str, Any], status: int, reason: str,
) -> None:  # fmt: skip
    server, run = serve(**behaviour), tmp_path / "run"
    result = respond(jasco, server.url, data, run, patch=FEW_ATTEMPTS)
    assert result.status == status
    [line] = result.stderr.splitlines()
    assert "none of 12 probes" in line
    assert reason in line
    assert "--no-preflight" in line
    assert len({request.key for request in server.requests()}) <= 12
    overridden = respond(
        jasco, server.url, data, run, "--no-preflight", "--limit", 1, patch=FEW_ATTEMPTS
    )
    assert overridden.status == (0 if status == 3 else 4)
    assert reason in overridden.stderr.splitlines()[-2]  # the last line holds the spending


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 64])
def test_probes_are_chosen_among_the_instructions_that_exist(count: int) -> None:
    first, second = probe_instructions(count)
    assert len(first) == len(second) == 3
    assert {*first, *second} <= {*range(1, count + 1)}
    assert len({*first, *second}) == min(count, 6)


def test_with_a_single_instruction_a_model_that_uses_the_audio_passes() -> None:
    numbers = [number for dozen in probe_instructions(1)[:1] for number in dozen]
    results = [
        ProbeResult(number, sound, Response(f"this is {sound}"))
        for number, sound in itertools.product(numbers, SOUNDS)
    ]
    assert assess(results).state == State.PASSED
