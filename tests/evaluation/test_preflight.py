"""Whether a model hears: seen before the run, and a model that does not is not scored."""

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
    INSTRUCTIONS,
    PROBES,
    Finding,
    Sound,
    State,
    Told,
    chance_of,
    choose,
    judge,
    likeness,
    see,
)
from jasco.protocol.clips import Clip, Item
from jasco.protocol.responses import Failure, Response
from synthetic import make_data, tone, write_wav

SOUNDS = (Sound.CLIP, Sound.CLIP, Sound.OTHER, Sound.SILENCE)
LOST = Failure("timeout", "no answer within 2 s")
Rule = Callable[[int, Sound], str | Failure]


def told(rule: Rule, dozens: int = 1) -> list[Told]:
    numbers = [number for dozen in INSTRUCTIONS[:dozens] for number in dozen]
    asked = itertools.product(numbers, SOUNDS)
    answers = [(number, sound, rule(number, sound)) for number, sound in asked]
    return [
        Told(number, sound, Response(said) if isinstance(said, str) else said)
        for number, sound, said in answers
    ]


def by_dozens(rule: Rule) -> Finding:
    """Judge as the preflight does: a second dozen where the first leaves it open."""
    first = told(rule)
    finding = judge(first)
    return judge([*first, *told(rule, 2)[PROBES:]]) if finding.open else finding


# --- what the answers show ---


@given(st.text())
def test_a_model_that_says_one_thing_is_refused(text: str) -> None:
    finding = judge(told(lambda *_: text))
    assert (finding.state, finding.open, finding.chance) == (State.REFUSED, False, 1.0)
    assert ("nothing" in finding.reason) == (not text.strip())
    assert "\n" not in finding.reason


@given(st.lists(st.text(), min_size=9, max_size=9))
def test_a_model_that_reads_the_prompt_alone_is_refused(texts: list[str]) -> None:
    finding = judge(told(lambda number, _: texts[number]))
    assert (finding.state, finding.open, finding.chance) == (State.REFUSED, False, 1.0)


@given(st.text(), st.booleans())
def test_a_model_that_answers_each_audio_in_its_own_way_passes(text: str, prompted: bool) -> None:
    def rule(number: int, sound: Sound) -> str:
        return f"{text} {number if prompted else ''} it is {sound}"

    finding = judge(told(rule))
    assert (finding.state, finding.reason) == (State.PASSED, "")
    assert finding.same == 1 > finding.different


def test_an_answer_of_nothing_that_was_cut_off_says_so() -> None:
    asked = [Told(3, sound, Response("", "length")) for sound in SOUNDS]
    assert judge(asked).reason.startswith("answers every probe with nothing (cut off")


@pytest.mark.parametrize("odd", [Sound.OTHER, Sound.SILENCE])
def test_it_is_enough_to_tell_one_audio_from_the_others(odd: Sound) -> None:
    assert judge(told(lambda _, sound: "a dog" if sound == odd else "rain")).state == State.PASSED


def test_one_prompt_that_depends_on_the_audio_asks_for_more_and_two_are_enough() -> None:
    def hears(*numbers: int) -> Finding:
        return by_dozens(lambda n, sound: str(sound) if n in numbers else "I cannot say.")

    assert judge(told(lambda n, sound: str(sound) if n == 3 else "I cannot say.")).open
    assert hears(3, 4).state == State.PASSED
    assert hears(3).state == State.REFUSED


WORDS = [f"{a}{b}" for a in "bdfghklmnprst" for b in ("ana", "olo", "uri", "ect", "imp")]


def noisy(draw: random.Random, *, hears: bool) -> Rule:
    """Answer in twelve words, most of them drawn anew; of one that hears, four are the audio's."""
    meant = {sound: draw.sample(WORDS, 6) for sound in SOUNDS}

    def rule(number: int, sound: Sound) -> str:
        said = draw.sample(WORDS, 8) + draw.sample(meant[sound] if hears else WORDS, 4)
        draw.shuffle(said)
        return f"By prompt {number} they {' '.join(said)}"

    return rule


def share_passed(rules: Sequence[Rule]) -> float:
    return sum(by_dozens(rule).state == State.PASSED for rule in rules) / len(rules)


def test_a_model_that_samples_passes_if_it_hears_and_seldom_if_it_does_not() -> None:
    draw = random.Random(0)
    assert share_passed([noisy(draw, hears=True) for _ in range(60)]) > 0.95
    assert share_passed([noisy(draw, hears=False) for _ in range(60)]) < 0.15


@pytest.mark.parametrize("variants", [2, 3, 5])
def test_a_deaf_model_that_draws_from_few_variants_seldom_passes(variants: int) -> None:
    draw = random.Random(variants)
    rules = [lambda *_: draw.choice(WORDS[:variants])] * 60
    assert share_passed(rules) < 0.15


@given(st.sets(st.integers(0, PROBES - 1)))
def test_with_fewer_than_two_thirds_answered_nothing_is_known(lost: set[int]) -> None:
    asked = told(lambda _, sound: str(sound))
    for place in lost:
        asked[place] = Told(asked[place].instruction, asked[place].sound, LOST)
    finding = judge(asked)
    assert (finding.state == State.INCONCLUSIVE) == (len(lost) > PROBES / 3)
    if finding.state == State.INCONCLUSIVE:
        assert finding.reason == (
            f"{PROBES - len(lost)} of 12 probes were answered (timeout: no answer within 2 s)"
        )


def test_a_model_that_refuses_silence_is_seen_to_hear_by_the_clips() -> None:
    finding = judge(told(lambda _, sound: LOST if sound == Sound.SILENCE else str(sound)))
    assert finding.state == State.PASSED


def test_the_chance_is_that_of_all_deals() -> None:
    draw = random.Random(1)
    texts = [" ".join(draw.sample(WORDS[:9], 3)) for _ in range(8)]
    alike = likeness(texts)
    sounds = np.array([0, 0, 1, 2] * 2)
    deals = [
        np.array(one + other)
        for one, other in itertools.product(itertools.permutations([0, 0, 1, 2]), repeat=2)
    ]
    sums = [alike[np.equal.outer(deal, deal)].sum() for deal in deals]
    expected = np.mean(np.array(sums) >= alike[np.equal.outer(sounds, sounds)].sum() - 1e-9)
    assert chance_of(alike, np.repeat([3, 6], 4), sounds) == pytest.approx(expected, abs=0.02)


@given(st.lists(st.text(), min_size=1, max_size=6))
def test_likeness_is_a_share(texts: list[str]) -> None:
    alike = likeness(texts)
    assert np.array_equal(alike, alike.T)
    assert (np.diag(alike) == 1).all()
    assert ((alike >= 0) & (alike <= 1)).all()


def test_likeness_looks_at_words_whatever_their_script_and_counts_rare_ones_more() -> None:
    said = ["In the rain they run.", "in THE rain, they run!", "In the rain they sing.", "in a bar"]
    alike = likeness(said)
    assert alike[0, 1] == 1 > alike[0, 2] > alike[0, 3]
    alike = likeness(["他们在雨中奔跑", "他们在雨中唱歌", "喂"])
    assert 0.2 < alike[0, 1] < 1
    assert alike[0, 2] < 0.1


# --- what is asked ---


def clips(*ids: str) -> list[Clip]:
    return [Clip(id_, "rain", "run", "a", "b", "they flee", "flee") for id_ in ids]


def chosen(*samples: np.ndarray) -> Any:
    audio = {str(place): Audio(each) for place, each in enumerate(samples)}
    return choose(clips(*audio), lambda clip: audio[clip.id])


def test_a_clip_another_one_and_silence_are_heard_and_all_last_equally_long() -> None:
    sounds = chosen(tone(0, 0.1), tone(1), tone(2, 0.3), tone(3))
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
def test_where_there_is_no_other_clip_noise_is_heard(samples: list[np.ndarray]) -> None:
    (_, _, first), (_, sound, noise), _ = chosen(*samples)
    assert sound == Sound.NOISE
    assert len(noise.samples) == len(first.samples)
    assert not np.array_equal(noise.samples, first.samples)


class Ears:
    """A model that hears, or answers by chance; it counts what it is asked."""

    spec = open_spec("model", "csv/ears").spec

    def __init__(self, *, hears: bool) -> None:
        self.hears = hears
        self.asked: list[tuple[int, bytes]] = []
        self.open = self.most_open = 0

    async def answer(self, item: Item, audio: Audio) -> Response:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0.001)
        self.open -= 1
        self.asked.append((item.number, audio.samples.tobytes()))
        heard = np.abs(audio.samples).sum() if self.hears else len(self.asked)
        return Response(f"number {heard} of {item.number}")


@pytest.mark.parametrize(("hears", "dozens"), [(True, 1), (False, 2)])
def test_a_second_dozen_is_asked_only_where_the_first_leaves_it_open(
    hears: bool, dozens: int
) -> None:
    ears, seen = Ears(hears=hears), []
    audio = {"0": Audio(tone(0)), "1": Audio(tone(1))}
    going = see(ears, clips("0", "1"), lambda clip: audio[clip.id], 3, seen.append)  # type: ignore[arg-type]
    finding = asyncio.run(going)
    assert len(ears.asked) == len(seen) == len(finding.told) == dozens * PROBES
    assert sorted({number for number, _ in ears.asked}) == sorted(sum(INSTRUCTIONS[:dozens], ()))
    assert len(set(ears.asked)) == dozens * 9
    assert ears.most_open == 3
    assert finding.state == (State.PASSED if hears else State.REFUSED)


# --- through the command ---

BODIES = {
    "constant": "return 'They are building a sandcastle.'",
    "prompt-only": "return prompt[::-1]",
    "length-only": "return f'It lasts {len(audio) / sampling_rate} s.'",
    "empty": "return ' '",
    "deaf-and-noisy": "return ' '.join(random.sample(WORDS, 9))",
    "noisy": "return ' '.join([*random.sample(WORDS, 9), *loudness(audio)])",
    "hearing": "return ' '.join(loudness(audio))",
    "mostly-failing": "if 'Guess' in prompt: return 'Rain.'\n    raise RuntimeError('no\\nluck')",
    "failing": "raise RuntimeError('no\\nluck')",
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


class Place:
    """A function model with its run: ``place("--no-preflight")`` answers."""

    def __init__(self, jasco: Jasco, data: Path, folder: Path) -> None:
        self.jasco, self.data, self.folder = jasco, data, folder
        self.run = folder / "run"

    def write(self, kind: str) -> str:
        (self.folder / "mine.py").write_text(SOURCE.format(body=BODIES[kind]), "utf-8")
        return f"python/{self.folder / 'mine.py'}:answer"

    def __call__(self, kind: str, *more: object) -> Result:
        given = ["respond", self.write(kind), "--data", self.data, "--run", self.run]
        return self.jasco(*given, *more)

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
        """Give the table, and what the JSON says of the preflight."""
        table, told = (self.jasco("score", self.run, *more) for more in ((), ("--json",)))
        [model] = json.loads(told.stdout)["models"].values()
        return table.stdout, model["answers"]["preflight"]


@pytest.fixture
def place(jasco: Jasco, data: Path, tmp_path: Path) -> Place:
    return Place(jasco, data, tmp_path)


@pytest.mark.parametrize(
    ("kind", "seen", "probes"),
    [
        ("constant", "one answer to every clip, to silence and to every prompt ('They are", 12),
        ("prompt-only", "the same answer to a clip, to another one and to silence ('", 12),
        ("length-only", "one answer to every clip, to silence and to every prompt ('It lasts", 12),
        ("empty", "answers every probe with nothing", 12),
        ("deaf-and-noisy", "the same audio no more alike than different audio and silence ('", 24),
    ],
)
def test_a_model_that_does_not_hear_is_refused_in_one_line(
    place: Place, kind: str, seen: str, probes: int
) -> None:
    result = place(kind)
    assert (result.status, result.stdout) == (3, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("jasco: preflight: python/")
    assert seen in line
    assert line.endswith("or go on all the same with --no-preflight")
    assert place.rows() == 0
    assert place.calls == probes
    fact = place.fact()
    assert (fact["state"], fact["probes"], fact["answered"]) == ("refused", probes, probes)
    assert fact["reason"] in line
    assert len(fact["answers"]) == probes
    table, told = place.score()
    assert "AUDIO NOT USED" in table
    assert told
    assert told["state"] == "refused"
    assert "answers" not in told


@pytest.mark.parametrize("kind", ["noisy", "hearing"])
def test_a_model_that_hears_passes_and_the_probes_are_no_responses(place: Place, kind: str) -> None:
    assert place(kind).status == 0
    fact = place.fact()
    assert fact["state"] == "passed"
    assert fact["chance"] <= 0.05
    assert fact["alike_on_same_audio"] > fact["alike_on_different_audio"]
    assert place.rows() == 32
    assert place.calls == 32 + fact["probes"]
    assert {each["sound"] for each in fact["answers"]} == {"clip", "another clip", "silence"}
    assert all(each["text"] for each in fact["answers"])
    table, told = place.score()
    assert "HEARING" not in table
    assert "not known whether" not in table
    assert told == {name: value for name, value in fact.items() if name != "answers"}


def test_going_on_without_a_preflight_is_kept_and_shown(place: Place) -> None:
    assert place("constant", "--no-preflight").status == 0
    assert place.calls == place.rows() == 32
    assert place.fact() == {"state": "skipped"}
    table, told = place.score()
    assert "not known whether the model uses the audio: no preflight (--no-preflight)" in table
    assert told == {"state": "skipped"}


def test_an_overridden_refusal_stays_in_the_result(place: Place) -> None:
    assert place("constant").status == 3
    assert place("constant", "--no-preflight").status == 0
    fact = place.fact()
    assert (fact["state"], fact["overridden"], len(fact["answers"])) == ("refused", True, 12)
    table, _ = place.score()
    [line] = [line for line in table.splitlines() if "AUDIO NOT USED" in line]
    assert "They are building a sandcastle." in line
    assert line.endswith("overridden by --no-preflight")


def test_a_passed_preflight_is_not_repeated(place: Place) -> None:
    assert place("hearing", "--limit", 2).status == 0
    assert place.calls == 12 + 16
    assert place("hearing").status == 0
    assert place.calls == 12 + 32
    assert place("hearing", "--no-preflight").status == 0
    assert place.fact()["state"] == "passed"


def test_a_refused_model_is_looked_at_again(place: Place) -> None:
    assert place("switched").status == 3
    (place.folder / "switch").touch()
    assert place("switched").status == 0
    assert place.fact()["state"] == "passed"
    assert place.calls == 12 + 12 + 32


def test_a_skipped_preflight_is_made_up_for(place: Place) -> None:
    assert place("hearing", "--limit", 1, "--no-preflight").status == 0
    assert place("hearing").status == 0
    assert place.fact()["state"] == "passed"


def test_a_run_that_is_all_answered_needs_none_and_starts_no_model(place: Place) -> None:
    place("constant", "--no-preflight")
    (place.folder / "calls").unlink()
    spec = place.write("constant")
    (place.folder / "mine.py").unlink()
    done = place.jasco("respond", spec, "--data", place.data, "--run", place.run)
    assert done.status == 0
    assert place.calls == 0


def test_another_model_in_a_run_that_came_to_nothing_is_looked_at_itself(
    place: Place, serve: Serve, tmp_path: Path
) -> None:
    dying = serve(die_after=12)
    given = ["--data", place.data, "--run", place.run]
    gone = place.jasco("respond", f"openai/ears,base_url={dying.url}", *given, patch=HASTY)
    assert gone.status == 4
    assert place.fact()["state"] == "passed"
    assert place("constant").status == 3


def test_most_probes_failing_leave_it_open_and_the_run_goes_on(place: Place) -> None:
    result = place("mostly-failing")
    assert result.status == 4
    first, failure, last, quoted = result.stderr.splitlines()
    assert first.startswith("jasco: preflight: 4 of 12 probes were answered (error: RuntimeError:")
    assert "error: RuntimeError: no luck (" in failure
    assert "of 32 items are answered" in last
    assert "RuntimeError: no luck" in quoted
    assert place.calls == 12 + 32
    assert place.fact()["state"] == "inconclusive"
    table, _ = place.score()
    assert "4 of 12 probes were answered" in table


def test_where_no_probe_is_answered_no_item_is_asked(place: Place) -> None:
    result = place("failing")
    assert result.status == 4  # a function may succeed the next time
    [line] = result.stderr.splitlines()
    assert "none of 12 probes" in line
    assert "RuntimeError: no luck (" in line
    assert re.search(r"mine\.py:\d+: raise RuntimeError\(", line)
    assert (place.calls, place.rows()) == (12, 0)
    assert place.fact()["state"] == "inconclusive"
    anyway = place("failing", "--no-preflight")
    assert anyway.status == 4
    assert (place.calls, place.rows()) == (12 + 32, 32)
    first, *_ = anyway.stderr.splitlines()
    assert "error: RuntimeError: no luck (" in first
    assert "raise RuntimeError(" in first
    assert place("hearing").status == 0  # looked at again
    assert place.fact()["state"] == "passed"


def test_one_clip_is_enough(place: Place) -> None:
    assert place("hearing", "--limit", 1).status == 0
    assert {each["sound"] for each in place.fact()["answers"]} == {"clip", "noise", "silence"}


def test_clips_that_are_all_alike_and_very_short_are_enough(place: Place) -> None:
    for path in (place.data / "dataset" / "v0").glob("*.wav"):
        write_wav(path, tone(0)[:1])
    assert place("hearing").status == 0
    assert place("constant", "--limit", 1, "--run", place.folder / "other").status == 3


def test_a_filled_file_and_a_judge_alone_have_none(place: Place, jasco: Jasco) -> None:
    from jasco.data.csv_files import read_table, write_table

    template = place.folder / "template.csv"
    jasco("data", "template", place.data, "-o", template)
    table = read_table(template)
    rows = [row | {"allm_output": "Rain."} for row in table.rows]
    write_table(place.folder / "filled.csv", table.columns, rows)
    given = "--data", place.data, "--run", place.run
    assert jasco("respond", f"csv/{place.folder / 'filled.csv'}", *given).status == 0
    assert jasco("judge", place.run, "--judge", "offline").status == 0
    assert place.fact() == {}
    assert place.score()[1] is None


def test_a_dry_run_counts_the_probes(place: Place) -> None:
    dry = place("constant", "--dry-run")
    assert "preflight: 12 questions to answer" in dry.stdout
    assert "preflight" not in place("constant", "--dry-run", "--no-preflight").stdout
    place("hearing", "--limit", 1)
    assert "preflight" not in place("hearing", "--dry-run").stdout


# --- with a server ---


def ask(jasco: Jasco, url: str, data: Path, run: Path, *more: object, **options: Any) -> Result:
    spec = f"openai/ears,base_url={url},timeout=2"
    return jasco("respond", spec, "--data", data, "--run", run, *more, **options)


def test_a_server_that_hears_passes_and_one_that_drops_the_audio_is_refused(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    hears = serve()
    assert ask(jasco, hears.url, data, tmp_path / "hears", "--concurrency", 5).status == 0
    assert len(hears.requests()) == 12 + 32
    assert max(request.in_flight for request in hears.requests()) <= 5
    deaf = serve(deaf=True)
    result = ask(jasco, deaf.url, data, tmp_path / "deaf")
    assert result.status == 3
    assert "the same answer to a clip, to another one and to silence" in result.stderr
    assert len(deaf.requests()) == 12


def test_a_server_that_fails_now_and_then_passes(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(faults=0.2, kinds=("500", "reset", "html"))
    assert ask(jasco, server.url, data, tmp_path / "run").status == 0


@pytest.mark.parametrize(
    ("behaviour", "status", "complaint"),
    [
        ({"die_after": 5}, 4, "no usable answer"),
        ({"status": 401}, 2, "HTTP 401"),
        ({"status": 404}, 2, "HTTP 404"),
    ],
)
def test_what_ends_a_run_ends_a_preflight(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path,
    behaviour: dict[str, int], status: int, complaint: str,
) -> None:  # fmt: skip
    server = serve(**behaviour)
    result = ask(jasco, server.url, data, tmp_path / "run", patch=HASTY)
    assert result.status == status
    [line] = result.stderr.splitlines()
    assert complaint in line
    assert server.url in line
    well = serve()
    assert ask(jasco, well.url, data, tmp_path / "run").status == 0
    assert len(well.requests()) == 12 + 32


def test_a_server_that_refuses_silence_is_known_by_the_clips(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(refuses_silence=True)
    assert ask(jasco, server.url, data, tmp_path / "run", patch=FEW_ATTEMPTS).status == 0
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as connection:
        query = "SELECT json_extract(value, '$.answered') FROM facts WHERE name = 'preflight'"
        assert connection.execute(query).fetchall() == [(9,)]


def test_an_interruption_ends_it_at_once_and_it_is_asked_again(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", 2)
    slow, run = serve(latency=60), tmp_path / "run"
    given = "respond", f"openai/ears,base_url={slow.url}", "--data", data, "--run", run
    command = jasco.start(*given)
    slow.wait_for(requests=12)
    command.send(signal.SIGINT)
    assert command.finish(10).status == 130
    well = serve()
    assert ask(jasco, well.url, data, run).status == 0
    assert len(well.requests()) == 12 + 16


@pytest.mark.parametrize(
    ("behaviour", "status", "quoted"),
    [
        ({"status": 400, "error": "the clip is too long"}, 3, "the clip is too long"),
        ({"bewitched": {"the": "filtered"}}, 3, "content filter"),
        ({"bewitched": {"the": "error beside the choices"}, "error": "busy"}, 4, "upstream: busy"),
    ],
)
def test_a_server_that_answers_no_probe_is_asked_no_item(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path,
    behaviour: dict[str, Any], status: int, quoted: str,
) -> None:  # fmt: skip
    server, run = serve(**behaviour), tmp_path / "run"
    result = ask(jasco, server.url, data, run, patch=FEW_ATTEMPTS)
    assert result.status == status
    [line] = result.stderr.splitlines()
    assert "none of 12 probes" in line
    assert quoted in line
    assert "--no-preflight" in line
    assert len({request.key for request in server.requests()}) <= 12
    anyway = ask(jasco, server.url, data, run, "--no-preflight", "--limit", 1, patch=FEW_ATTEMPTS)
    assert anyway.status == (0 if status == 3 else 4)
    assert quoted in anyway.stderr.splitlines()[-2]  # the last line says what was spent
