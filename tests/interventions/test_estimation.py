"""Estimation of stems, and checks of existing ones."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from folder_contents import folder_contents
from jasco.data.audio import read_audio
from jasco.data.dataset import DataSet, read_data_set
from jasco.data.sources import find_data
from jasco.errors import InputError
from jasco.interventions import estimation
from jasco.interventions.estimation import check_existing_stems, estimate_stems
from jasco.interventions.separation import Interval, Samples
from jasco.interventions.stems import RECORDS, find_stems, read_stems
from jasco.protocol.conditions import CUES, Cue
from jasco.reports.stems import render_stems, summarise_stems
from synthetic import make_data, tone, write_wav

SECONDS = 1.0


class FakeSeparator:
    """Finds speech from 0.3 to 0.5 s, and recognises nothing."""

    VERSION: ClassVar = 1
    CHECKS: ClassVar = 1
    calls: ClassVar[list[int]] = []
    found: ClassVar[list[Interval]] = [(4_800, 8_000)]

    def __init__(self) -> None:
        self.recipe = {"version": self.VERSION}
        self.checks = {"version": self.CHECKS}

    def intervals(self, samples: Samples) -> list[Interval]:
        self.calls.append(len(samples))
        return self.found

    def enhanced(self, samples: Samples) -> Samples:
        return samples

    def transcript(self, samples: Samples) -> str:
        return ""

    def speech_transcript(self, samples: Samples) -> str:
        return ""

    def tags(self, samples: Samples, number: int) -> list[str]:
        return []


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return read_data_set(make_data(tmp_path / "data", clips=3, seconds=SECONDS))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace the models, and return the list to which each separated clip is added."""
    monkeypatch.setattr(FakeSeparator, "calls", [])
    monkeypatch.setattr(estimation, "Separator", FakeSeparator)
    return FakeSeparator.calls


def test_each_clip_gets_two_stems_and_a_record(
    data: DataSet, calls: list[int], tmp_path: Path
) -> None:
    estimated = estimate_stems(data, tmp_path / "stems", print)
    assert len(calls) == 3
    stems = find_stems(data, tmp_path / "stems")
    assert stems == estimated.stems
    assert not stems.is_exact(data, data.clips)
    for clip in data.clips:
        path = data.audio_path(clip)
        assert path is not None
        mix = read_audio(path).samples
        sound, speech = (stems.audio(cue, clip, len(mix)).samples for cue in CUES)
        assert len(sound) == len(speech) == len(mix)
        assert np.array_equal(sound[:4_000], mix[:4_000])
        assert not speech[:4_800].any()
        assert speech[5_000:7_800].any()
        assert set(stems.gates[clip.id].failures) == {"words_kept", "sound_kept", "no_sound"}


def test_existing_stems_are_kept_until_something_changes(
    data: DataSet, calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "stems"
    assert estimate_stems(data, folder, print).kept == 0
    first = folder_contents(folder)
    assert estimate_stems(data, folder, print).kept == 3
    assert len(calls) == 3

    (folder / "sound" / "0.flac").unlink()
    (folder / "speech" / "1.flac").write_bytes(b"")
    assert estimate_stems(data, folder, print).kept == 1
    assert folder_contents(folder) == first

    path = data.audio_path(data.clips[2])
    assert path is not None
    write_wav(path, tone(7, SECONDS))
    assert estimate_stems(data, folder, print).kept == 2
    find_stems(data, folder)

    altered = replace(data, clips=(replace(data.clips[0], speech="Another"), *data.clips[1:]))
    assert estimate_stems(altered, folder, print).kept == 2

    monkeypatch.setattr(FakeSeparator, "VERSION", 2)
    assert estimate_stems(data, folder, print).kept == 0


def test_completed_work_is_saved_when_a_clip_cannot_be_read(
    data: DataSet, calls: list[int], tmp_path: Path
) -> None:
    path = data.audio_path(data.clips[1])
    assert path is not None
    samples = read_audio(path).samples
    path.write_bytes(b"not audio")
    with pytest.raises(InputError, match=r"1\.wav"):
        estimate_stems(data, tmp_path / "stems", print)
    write_wav(path, samples)
    assert estimate_stems(data, tmp_path / "stems", print).kept == 1


@pytest.mark.parametrize(
    ("speech", "silent", "whole"), [([], "speech", "sound"), ([(0, 16_000)], "sound", "speech")]
)
def test_of_a_clip_that_cannot_be_separated_one_stem_is_silent(
    data: DataSet,
    calls: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    speech: list[Interval],
    silent: Cue,
    whole: Cue,
) -> None:
    monkeypatch.setattr(FakeSeparator, "found", speech)
    estimate_stems(data, tmp_path / "stems", print)
    stems = find_stems(data, tmp_path / "stems")
    for clip in data.clips:
        assert not stems.samples(data, silent, clip).any()
        assert stems.samples(data, whole, clip).any()


def test_stems_of_the_user_are_not_overwritten(
    data: DataSet, calls: list[int], tmp_path: Path
) -> None:
    folder = tmp_path / "stems"
    (folder / "sound").mkdir(parents=True)
    with pytest.raises(InputError, match=r"not overwritten; .*: jasco data stems \S+ \S+ --check$"):
        estimate_stems(data, folder, print)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder"):
        estimate_stems(data, tmp_path / "file", print)
    with pytest.raises(InputError, match="no audio"):
        estimate_stems(replace(data, folder=None), tmp_path / "new", print)
    assert not calls


def test_stems_of_the_data_set_are_named_when_others_are_estimated(
    data: DataSet, calls: list[int], tmp_path: Path
) -> None:
    lines: list[str] = []
    estimate_stems(data, tmp_path / "stems", lines.append)
    assert lines == []
    assert data.folder
    own = data.folder / "stems"
    estimate_stems(data, own, lines.append)
    assert lines == []
    estimate_stems(data, tmp_path / "stems", lines.append)
    [line] = lines
    assert str(own) in line
    assert "--stems" in line


def make_own(data: DataSet, folder: Path, level: float = 1.0) -> Path:
    """Write stems as of another program: the sound is the clip at a level, the speech is faint."""
    for clip in data.clips:
        path = data.audio_path(clip)
        assert path is not None
        mix = read_audio(path).samples
        for cue, samples in (("sound", mix * level), ("speech", mix * 0.01)):
            (folder / cue).mkdir(parents=True, exist_ok=True)
            write_wav(folder / cue / f"{clip.id}.wav", samples.astype(np.int16))
    return folder


def test_a_check_writes_only_the_description(
    data: DataSet, calls: list[int], tmp_path: Path
) -> None:
    folder = make_own(data, tmp_path / "stems")
    before = folder_contents(folder)
    checked = check_existing_stems(data, folder, print)
    assert not calls
    after = folder_contents(folder)
    assert set(after) - set(before) == {RECORDS}
    assert {name: after[name] for name in before} == before
    stems = find_stems(data, folder)
    assert stems == checked.stems
    assert stems.recipe == {}
    assert not stems.is_exact(data, data.clips)
    assert set(stems.gates["0"].failures) == {"words_kept", "sound_kept", "no_sound"}
    assert list(stems.to_json()["gates"]) == ["0", "1", "2"]
    with pytest.raises(InputError, match="not overwritten"):
        estimate_stems(data, folder, print)


def test_a_second_check_is_limited_to_what_has_changed(
    data: DataSet, calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_own(data, tmp_path / "stems")
    assert check_existing_stems(data, folder, print).kept == 0
    description = (folder / RECORDS).read_bytes()
    assert check_existing_stems(data, folder, print).kept == 3
    assert (folder / RECORDS).read_bytes() == description

    write_wav(folder / "speech" / "1.wav", tone(7, SECONDS))
    with pytest.raises(InputError, match=r"1\.wav: the file has changed .* --check$"):
        find_stems(data, folder).samples(data, "speech", data.clips[1])
    assert check_existing_stems(data, folder, print).kept == 2
    find_stems(data, folder).samples(data, "speech", data.clips[1])

    path = data.audio_path(data.clips[2])
    assert path is not None
    write_wav(path, tone(9, SECONDS))
    with pytest.raises(InputError, match=r"2\.wav: the audio has changed .* --check$"):
        find_stems(data, folder)
    assert check_existing_stems(data, folder, print).kept == 2
    find_stems(data, folder)

    monkeypatch.setattr(FakeSeparator, "CHECKS", 2)
    assert check_existing_stems(data, folder, print).kept == 0


def test_exact_stems_are_not_checked(data: DataSet, calls: list[int], tmp_path: Path) -> None:
    assert data.folder
    folder = make_own(data, data.folder / "stems")
    check_existing_stems(data, None, print)
    for clip in data.clips:
        path = folder / "speech" / f"{clip.id}.wav"
        write_wav(path, np.zeros_like(read_audio(path).samples))
    checked = check_existing_stems(data, None, print)
    assert (checked.exact, checked.stems.gates, checked.residual) == (True, {}, None)
    assert find_stems(data, None).is_exact(data, data.clips)
    result = summarise_stems(checked)
    assert (result["exact"], result["passed"], result["passed_by_gate"]) == (True, None, None)
    assert "no gates are needed" in render_stems(result)


def test_exact_stems_need_no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation, "Separator", None)
    mini = find_data("mini", print)
    assert check_existing_stems(mini, None, print).exact
    assert mini.folder
    assert not (mini.folder / "stems" / RECORDS).exists()


@pytest.mark.parametrize(
    ("level", "decibels"), [(1.5, -5.9), (0.01, -0.2), (0.99, None), (1, None)]
)
def test_stems_of_another_level_are_reported(
    data: DataSet, calls: list[int], tmp_path: Path, level: float, decibels: float | None
) -> None:
    folder = make_own(data, tmp_path / "stems", level)
    result = summarise_stems(check_existing_stems(data, folder, print))
    assert json.loads(json.dumps(result)) == result
    text = render_stems(result)
    assert ("differs from the clips" in text) == (decibels is not None)
    if decibels is None:
        assert result["residual_db"] < -10
    else:
        assert result["residual_db"] == pytest.approx(decibels, abs=0.1)
        assert f"{decibels} dB" in text


def test_stems_that_cannot_be_checked_are_refused(
    data: DataSet, calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JASCO_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match="no stems to check"):
        check_existing_stems(data, None, print)
    with pytest.raises(InputError, match="no such folder"):
        check_existing_stems(data, tmp_path / "nowhere", print)
    with pytest.raises(InputError, match="no audio"):
        check_existing_stems(replace(data, folder=None), tmp_path / "stems", print)
    estimate_stems(data, tmp_path / "estimated", print)
    with pytest.raises(InputError, match="were estimated and checked by jasco"):
        check_existing_stems(data, tmp_path / "estimated", print)
    folder = make_own(data, tmp_path / "stems")
    (folder / "sound" / "2.wav").unlink()
    with pytest.raises(InputError, match=r"sound/2\.wav: .*missing"):
        check_existing_stems(data, folder, print)
    assert not (folder / RECORDS).exists()


def test_the_result_counts_the_clips_that_pass_each_gate(
    data: DataSet, calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tags(self: FakeSeparator, samples: Samples, number: int) -> list[str]:
        return ["Siren"] if samples[:100].any() else []

    monkeypatch.setattr(FakeSeparator, "tags", tags)
    monkeypatch.setattr(FakeSeparator, "transcript", lambda self, samples: data.clips[0].speech)
    result = summarise_stems(estimate_stems(data, tmp_path / "stems", print))
    assert json.loads(json.dumps(result)) == result
    assert result["passed_by_gate"] == {
        "no_words": 3, "sound_kept": 3, "words_kept": 1, "no_sound": 3,
    }  # fmt: skip
    assert result["passed"] == 1
    assert list(result["failures"]) == ["1", "2"]
    text = render_stems(result)
    assert "clip 1: speech stem: word error rate" in text
    assert "1 of 3" in text


def test_a_missing_extra_is_named(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("faster_whisper", "faster_whisper.vad"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"faster_whisper.*; run: pip install 'jasco\[stems\]'$"):
        estimate_stems(data, tmp_path / "stems", print)
    assert not (tmp_path / "stems").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_stems_estimated_from_mini_resemble_the_exact_ones(tmp_path: Path) -> None:
    for name in ("faster_whisper", "onnxruntime"):
        if not importlib.util.find_spec(name):
            pytest.skip(f"{name} is not installed (extra: stems)")
    mini = find_data("mini", print)
    some = replace(mini, clips=tuple(clip for clip in mini.clips if clip.id in ("2", "10")))
    exact = find_stems(mini, None)
    estimated = estimate_stems(some, tmp_path / "stems", print).stems
    assert not estimated.is_exact(some, some.clips)
    for clip in some.clips:
        path = some.audio_path(clip)
        assert path is not None
        length = len(read_audio(path).samples)
        assert estimated.gates[clip.id].passed("sound")
        estimate, truth = (
            stems.audio("speech", clip, length).floats for stems in (estimated, exact)
        )
        assert np.corrcoef(estimate, truth)[0, 1] > 0.8
        outside = np.abs(truth) == 0
        assert np.square(estimate[outside]).sum() < 0.2 * np.square(estimate).sum()
    description = (tmp_path / "stems" / RECORDS).read_bytes()
    files = folder_contents(tmp_path / "stems")
    again = estimate_stems(some, tmp_path / "again", print).stems
    assert again.records == read_stems(tmp_path / "stems").records
    assert folder_contents(tmp_path / "again") == files
    assert (tmp_path / "again" / RECORDS).read_bytes() == description
