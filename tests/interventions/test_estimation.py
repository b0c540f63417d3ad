"""Estimation of stems."""

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
from jasco.interventions.estimation import estimate_stems
from jasco.interventions.separation import Interval, Samples
from jasco.interventions.stems import RECORDS, find_stems, read_stems
from jasco.protocol.conditions import CUES, Cue
from jasco.reports.stems import render_stems, summarise_stems
from synthetic import make_data, tone, write_wav

SECONDS = 1.0


class FakeSeparator:
    """Finds speech from 0.3 to 0.5 s, and recognises nothing."""

    VERSION: ClassVar = 1
    calls: ClassVar[list[int]] = []
    found: ClassVar[list[Interval]] = [(4_800, 8_000)]

    def __init__(self) -> None:
        self.recipe = {"version": self.VERSION}

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
    with pytest.raises(InputError, match="not overwritten"):
        estimate_stems(data, folder, print)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder"):
        estimate_stems(data, tmp_path / "file", print)
    with pytest.raises(InputError, match="no audio"):
        estimate_stems(replace(data, folder=None), tmp_path / "new", print)
    assert not calls


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
