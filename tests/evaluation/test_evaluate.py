"""One command's work on one run: from the audio to the verdicts, with nothing done twice."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import soundfile

from jasco.backends.specs import Spec
from jasco.data.audio import Audio, file_sha256
from jasco.data.dataset import DataSet, read_data_set
from jasco.errors import InputError, RunConflictError
from jasco.evaluation.evaluate import Job, evaluate
from jasco.human.listening import Listener
from jasco.protocol.clips import Item
from jasco.protocol.judgement import Attempt, Judgement
from jasco.protocol.protocols import Protocol
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.reader import RunReader
from jasco.runs.run_results import results_of_run
from jasco.runs.writer import RunWriter
from synthetic import tone, write_wav


def _spec(name: str) -> Spec:
    identity = MappingProxyType({"provider": "test", "name": name})
    return Spec("test", name, MappingProxyType({}), identity, f"test/{name}")


Key = tuple[str, int]


@dataclass
class Ears:
    """A model that notes what it hears; some items fail, and silence is none of its clips."""

    name: str = "ears"
    failing: Sequence[Key] = ()
    heard: dict[Key, Audio | None] = field(default_factory=dict)
    open: int = 0
    most_open: int = 0
    uses_audio: bool = True
    remote: bool = True
    launches_server: bool = False
    max_audio_seconds: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.spec = _spec(self.name)

    async def prepare(self, data: DataSet) -> None:
        self.data = data

    def check(self) -> None:
        pass

    def fingerprint(self) -> str:
        return ""

    def disowns(self, item: Item, text: str) -> bool:
        return text != f"answer {item.clip.id} {item.number}"

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0.001)
        self.open -= 1
        key = item.clip.id, item.number
        self.heard[key] = audio
        if key in self.failing:
            return Failure("timeout", "too late")
        silent = audio is not None and not audio.samples.any()
        return Response("silence" if silent else f"answer {item.clip.id} {item.number}")

    async def close(self) -> None:
        self.closed = True


@dataclass
class Marker:
    """A judge that notes what it is shown; some items fail."""

    name: str = "marker"
    failing: Sequence[Key] = ()
    shown: dict[Key, str] = field(default_factory=dict)
    exclusive: bool = False
    needs_check: bool = False

    def __post_init__(self) -> None:
        self.spec = _spec(self.name)

    def check(self) -> None:
        pass

    def fingerprint(self) -> str:
        return ""

    def disowns(self, item: Item, text: str, verdict: Verdict) -> bool:
        return False

    async def prepare(self, data: DataSet) -> None:
        pass

    async def judge(self, item: Item, prediction: str, protocol: Protocol) -> Judgement | Failure:
        key = item.clip.id, item.number
        self.shown[key] = prediction
        if key in self.failing:
            return Failure("server", "500")
        return Judgement(Verdict(1, Orientation.BOTH), (Attempt("verdict", protocol.name),))

    async def close(self) -> None:
        self.closed = True


HERE, THERE = {"device": "cpu", "torch": "2"}, {"device": "cuda:0", "torch": "2"}
EVERY = [(str(clip), number) for clip in range(4) for number in range(1, 9)]


@pytest.fixture
def go(data: Path, tmp_path: Path) -> Any:
    def go(model: Any = None, *judges: Any, **more: Any) -> list[str]:
        said: list[str] = []
        told = {"data": read_data_set(data)} | more
        evaluate(Job(tmp_path / "run", model=model, judges=judges, **told), said.append)
        return said

    return go


def test_every_item_is_answered_and_every_answer_judged(go: Any, tmp_path: Path) -> None:
    ears, one, other = Ears(), Marker("one"), Marker("other")
    assert go(ears, one, other) == []
    assert sorted(ears.heard) == EVERY
    for (clip, _), audio in ears.heard.items():
        assert audio is not None
        assert np.array_equal(audio.samples, tone(int(clip)))
    assert one.shown == other.shown == {(c, n): f"answer {c} {n}" for c, n in EVERY}
    assert ears.closed
    assert one.closed
    results = results_of_run(tmp_path / "run")
    assert results.complete
    assert results.figures.judges["test/one"].best_mean.value == 1


def test_the_same_command_again_does_nothing(go: Any) -> None:
    go(Ears(), Marker())
    ears, marker = Ears(), Marker()
    go(ears, marker)
    assert ears.heard == {}
    assert marker.shown == {}


def test_only_what_failed_is_done_again(go: Any, tmp_path: Path) -> None:
    go(Ears(failing=[("1", 3), ("2", 8)]), Marker(failing=[("0", 1)]))
    results = results_of_run(tmp_path / "run")
    assert not results.complete
    assert results.answers.failed == {"timeout": 2}
    assert results.judges["test/marker"].failed == {"server": 1}
    ears, marker = Ears(), Marker()
    go(ears, marker)
    assert sorted(ears.heard) == [("1", 3), ("2", 8)]
    assert sorted(marker.shown) == [("0", 1), ("1", 3), ("2", 8)]
    assert results_of_run(tmp_path / "run").complete


def test_answers_may_be_judged_later_without_the_data(go: Any, tmp_path: Path) -> None:
    go(Ears())
    marker = Marker()
    go(None, marker, data=None)
    assert sorted(marker.shown) == EVERY
    later = Marker("later")
    go(None, later, data=None)
    assert list(results_of_run(tmp_path / "run").judges) == ["test/marker", "test/later"]


def test_without_a_run_or_its_answers_there_is_nothing_to_judge(go: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run there"):
        go(None, Marker(), data=None)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="holds no answers to judge"):
        go(None, Marker())


def test_a_run_that_was_killed_before_it_began_has_no_answers_to_judge(
    data: Path, tmp_path: Path
) -> None:
    with RunWriter.open(tmp_path / "run") as store:
        store.set_data(read_data_set(data))
        store.set_model(_spec("ears"))
    with pytest.raises(InputError, match="holds no answers to judge"):
        evaluate(Job(tmp_path / "run", None, None, [Marker()]), print)


def test_of_a_person_one_item_a_clip_is_counted(data: Path, tmp_path: Path) -> None:
    anna = Listener.open(tmp_path, "Anna", read_data_set(data))
    for item in anna.items[:3]:
        anna.cannot_tell(item)
    marker = Marker()
    evaluate(Job(anna.folder, None, None, [marker]), print)
    assert sorted(marker.shown) == sorted((i.clip.id, i.number) for i in anna.items[:3])
    results = results_of_run(anna.folder)
    assert (results.single_prompt, results.complete) == (True, False)
    assert (results.answers.expected, results.answers.answered, results.data.items) == (4, 3, 4)
    assert results.figures.panel.coverage == 3 / 4
    anna.cannot_tell(anna.items[3])
    evaluate(Job(anna.folder, None, None, [marker]), print)
    assert results_of_run(anna.folder).complete
    assert len(marker.shown) == 4


def test_a_later_larger_limit_extends_the_run(go: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    go(Ears(), Marker(), limit=1)
    assert results_of_run(run).data.clips == 1
    assert results_of_run(run).complete
    ears = Ears()
    go(ears, Marker(), limit=3)
    assert sorted(ears.heard) == EVERY[8:24]
    go(Ears(), Marker(), limit=2)
    assert results_of_run(run).data.clips == 3
    go(Ears(), Marker(), limit=99)
    assert results_of_run(run).data.items == 32


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_no_more_calls_are_open_than_allowed(go: Any, concurrency: int) -> None:
    ears = Ears()
    go(ears, Marker(), concurrency=concurrency)
    assert ears.most_open <= concurrency
    assert concurrency == 1 or ears.most_open > 1
    assert sorted(ears.heard) == EVERY


def test_a_model_that_does_not_hear_needs_no_audio(go: Any, data: Path, tmp_path: Path) -> None:
    for path in data.rglob("*.wav"):
        path.unlink()
    ears = Ears(uses_audio=False)
    go(ears)
    assert set(ears.heard.values()) == {None}
    with RunReader.open(tmp_path / "run") as store:
        assert store.audio_sha256() is None


def test_audio_that_is_missing_is_told_before_anything_is_asked(go: Any, data: Path) -> None:
    (data / "dataset" / "v0" / "3.wav").unlink()
    ears = Ears()
    with pytest.raises(InputError, match=r"3\.wav: the audio file is missing"):
        go(ears)
    assert ears.heard == {}
    go(ears, limit=3)  # the clips before it are whole
    assert len(ears.heard) == 24


def test_converted_clips_are_counted(go: Any, data: Path, tmp_path: Path) -> None:
    path = data / "dataset" / "v0" / "2.wav"
    soundfile.write(path, np.stack([tone(2)] * 2, axis=1), 16_000)
    assert go(Ears()) == ["converted to 16 kHz mono PCM16: 1 of 4 clips"]
    assert results_of_run(tmp_path / "run").answers.converted_clips == 1


def test_clips_longer_than_the_window_are_told_and_counted(
    go: Any, data: Path, tmp_path: Path
) -> None:
    path = data / "dataset" / "v0" / "2.wav"
    soundfile.write(path, tone(2, 3.5), 16_000)
    assert go(Ears(max_audio_seconds=3.5), limit=3) == []  # it just fits
    [told] = go(Ears(max_audio_seconds=3.0))
    assert told == (
        "1 of 4 clips are longer than the 3 s that test/ears hears: it is asked about their "
        "beginning"
    )
    answers = results_of_run(tmp_path / "run").answers
    assert (answers.max_audio_seconds, answers.cut_clips) == (3.0, 1)


def test_circumstances_are_kept_each_once(go: Any, tmp_path: Path) -> None:
    assert go(Ears(), limit=1) == []
    for facts, clips in ((HERE, 2), (HERE, 3), (THERE, 4)):
        go(Ears(facts=facts), limit=clips)
    assert results_of_run(tmp_path / "run").answers.runtime == [HERE, THERE]


def test_other_audio_is_refused(go: Any, data: Path) -> None:
    go(Ears(failing=[("0", 1)]))
    soundfile.write(data / "dataset" / "v0" / "1.wav", tone(9), 16_000)
    with pytest.raises(RunConflictError, match=r"1\.wav: other audio"):
        go(Ears())


def test_audio_that_is_replaced_on_the_way_never_reaches_the_model(
    go: Any, data: Path, tmp_path: Path
) -> None:
    path = data / "dataset" / "v0" / "3.wav"
    there = path.read_bytes()

    class Meddler(Ears):
        async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
            if item.clip.id == "1":
                soundfile.write(path, tone(9), 16_000)
            return await super().answer(item, audio)

    meddler = Meddler()
    with pytest.raises(RunConflictError, match=r"3\.wav: replaced while .* put that one back"):
        go(meddler, concurrency=1, preflight=False)
    assert meddler.heard
    assert not any(clip == "3" for clip, _ in meddler.heard)
    with pytest.raises(RunConflictError, match=r"3\.wav: other audio"):
        go(Ears())
    path.write_bytes(there)
    ears = Ears()
    go(ears)
    assert np.array_equal(ears.heard["3", 1].samples, tone(3))
    assert results_of_run(tmp_path / "run").answers.answered == 32


def test_audio_that_is_replaced_before_the_preflight_is_not_heard_in_it(
    go: Any, data: Path
) -> None:
    class Late(Ears):
        async def prepare(self, data_set: DataSet) -> None:
            (data / "dataset" / "v0" / "0.wav").write_bytes(b"RIFF, half written")

    ears = Late()
    with pytest.raises(RunConflictError, match=r"0\.wav: replaced"):
        go(ears)
    assert ears.heard == {}


def test_what_is_hashed_are_the_bytes_that_are_decoded(
    go: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is another one at every look is refused, not recorded under a wrong hash."""
    path, looks = data / "dataset" / "v0" / "2.wav", itertools.count()
    reads = Path.open

    def opened(self: Path, *arguments: Any, **more: Any) -> Any:
        if self == path and arguments == ("rb",):
            write_wav(path, tone(50 + next(looks)))
        return reads(self, *arguments, **more)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(RunConflictError, match=r"2\.wav: replaced"):
        go(Ears())
    monkeypatch.undo()
    write_wav(path, tone(50))
    with RunReader.open(tmp_path / "run") as store:
        assert store.audio_files()["2"][1] == file_sha256(path)


def test_clipped_and_silent_clips_are_told_and_counted(go: Any, data: Path, tmp_path: Path) -> None:
    place = data / "dataset" / "v0"
    loud = tone(1)
    loud[100:105], loud[200:203] = 32767, -32768
    write_wav(place / "1.wav", loud)
    write_wav(place / "3.wav", np.concatenate([np.full(3, 32767, np.int16), tone(3)]))
    opposite = np.rint(-0.95 * tone(2)).astype(np.int16)
    soundfile.write(place / "2.wav", np.stack([tone(2), opposite], axis=1), 16_000)
    assert go(Ears(), limit=3) == [
        "converted to 16 kHz mono PCM16: 1 of 3 clips",
        "clipped samples: 1 of 3 clips (most: clip 1, 8 samples)",
        "channels cancel each other out: 1 of 3 clips (2)",
    ]
    answers = results_of_run(tmp_path / "run").answers
    assert answers.clipped == {"1": 8}
    assert answers.audio_warnings == {"channels cancel each other out": ["2"]}
    go(Ears())
    answers = results_of_run(tmp_path / "run").answers
    assert answers.clipped == {"1": 8, "3": 3}


def test_other_data_models_and_protocols_are_refused(go: Any, data: Path) -> None:
    go(Ears(), Marker())
    whole = read_data_set(data)
    with pytest.raises(RunConflictError, match="holds the data set synthetic"):
        go(Ears(), data=DataSet("less", whole.clips[:2], whole.folder))
    with pytest.raises(RunConflictError, match="test/ears, not of test/other"):
        go(Ears("other"))
    with pytest.raises(RunConflictError, match="protocol v2, not v1"):
        go(Ears(), Marker(), protocol="v1")


def test_answers_that_the_model_disowns_are_refused(go: Any) -> None:
    class Changed(Ears):
        def disowns(self, item: Item, text: str) -> bool:
            return item.number == 5

    go(Ears())
    with pytest.raises(RunConflictError, match="clip 0, prompt 5: the run holds another answer"):
        go(Changed())


def test_the_run_remembers_its_protocol(go: Any, tmp_path: Path) -> None:
    go(Ears(), Marker(), protocol="v1")
    go(None, Marker("later"), data=None)
    assert results_of_run(tmp_path / "run").protocol == "v1"


def test_what_the_judge_raises_ends_the_command_and_keeps_the_rest(go: Any, tmp_path: Path) -> None:
    class Gone(Marker):
        async def judge(self, item: Item, *_: Any) -> Judgement | Failure:
            if item.clip.id == "2":
                raise InputError("the key is wrong")
            return Judgement(Verdict(1, Orientation.BOTH), ())

    with pytest.raises(InputError, match="the key is wrong"):
        go(Ears(), Gone())
    ears, marker = Ears(), Marker()
    go(ears, marker)
    assert results_of_run(tmp_path / "run").complete
    assert set(ears.heard).isdisjoint(EVERY[:8])


def test_a_data_set_in_another_order_keeps_every_answer_with_its_clip(
    go: Any, data: Path, tmp_path: Path
) -> None:
    go(Ears(failing=[("0", 1)]))
    data_set = read_data_set(data)
    backwards = DataSet(data_set.name, data_set.clips[::-1], data_set.folder)
    ears, marker = Ears(), Marker()
    go(ears, marker, data=backwards)
    assert list(ears.heard) == [("0", 1)]
    assert np.array_equal(ears.heard["0", 1].samples, tone(0))
    assert marker.shown == {(clip, n): f"answer {clip} {n}" for clip, n in EVERY}
