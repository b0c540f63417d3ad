"""Folders of stems."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jasco.data.audio import SAMPLING_RATE, file_sha256, read_audio
from jasco.data.dataset import DataSet, read_data_set
from jasco.data.sources import find_data
from jasco.errors import InputError
from jasco.interventions.gates import NO_WORDS, Gates
from jasco.interventions.stems import (
    RECORDS,
    TOLERANCE,
    StemRecord,
    StemSet,
    default_folder,
    find_stems,
    read_stems,
    write_stems,
)
from jasco.protocol.conditions import CUES, Cue
from synthetic import make_data, write_wav


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JASCO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return read_data_set(make_data(tmp_path / "data", clips=3))


def mix_of(data: DataSet, number: int) -> np.ndarray:
    path = data.audio_path(data.clips[number])
    assert path is not None
    return read_audio(path).samples


def make_stems(data: DataSet, folder: Path) -> Path:
    """Write exact stems: a constant is the speech, the rest of the clip the sound."""
    for cue in CUES:
        (folder / cue).mkdir(parents=True)
    for number, clip in enumerate(data.clips):
        mix = mix_of(data, number)
        speech = np.full_like(mix, 100)
        write_wav(folder / "speech" / f"{clip.id}.wav", speech)
        write_wav(folder / "sound" / f"{clip.id}.wav", mix - speech)
    return folder


def describe(data: DataSet, folder: Path) -> StemSet:
    """Describe stems as if they had been estimated."""
    records = {}
    for clip in data.clips:
        path = data.audio_path(clip)
        assert path is not None
        hashes = {cue: file_sha256(folder / cue / f"{clip.id}.wav") for cue in CUES}
        gates = Gates({NO_WORDS: "recognised in the sound: we"} if clip.id == "1" else {})
        records[clip.id] = StemRecord(clip.sha256, file_sha256(path), hashes, gates)
    stems = StemSet(folder, {"version": 1}, {id_: r.gates for id_, r in records.items()}, records)
    write_stems(stems)
    return stems


def test_the_stems_of_mini_are_exact() -> None:
    mini = find_data("mini", print)
    stems = find_stems(mini, None)
    assert stems.is_exact(mini, mini.clips)
    assert not stems.recipe
    assert not stems.gates
    for clip in mini.clips:
        for cue in CUES:
            assert read_audio(stems.path(cue, clip)).conversions == ()


def test_a_given_folder_is_used_first_then_the_data_set_then_the_cache(
    data: DataSet, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no stems; make them with: jasco data stems"):
        find_stems(data, None)
    cached = make_stems(data, default_folder(data))
    assert find_stems(data, None).folder == cached
    assert data.folder is not None
    own = make_stems(data, data.folder / "stems")
    assert find_stems(data, None).folder == own
    given = make_stems(data, tmp_path / "given")
    assert find_stems(data, given).folder == given


def test_any_supported_format_is_read(data: DataSet, tmp_path: Path) -> None:
    folder = make_stems(data, tmp_path / "stems")
    [first, *_] = data.clips
    path = folder / "sound" / f"{first.id}.wav"
    samples = read_audio(path).samples
    path.unlink()
    soundfile.write(path.with_suffix(".flac"), samples, SAMPLING_RATE)
    stems = find_stems(data, folder)
    assert stems.path("sound", first).suffix == ".flac"
    assert stems.is_exact(data, data.clips)


def test_stems_of_another_sum_are_not_exact(data: DataSet, tmp_path: Path) -> None:
    folder = make_stems(data, tmp_path / "stems")
    write_wav(folder / "speech" / "2.wav", np.zeros_like(mix_of(data, 2)))
    stems = find_stems(data, folder)
    assert not stems.is_exact(data, data.clips)
    assert stems.is_exact(data, data.clips[:2])


def test_a_sum_beyond_16_bits_is_not_exact(data: DataSet, tmp_path: Path) -> None:
    folder = make_stems(data, tmp_path / "stems")
    mix = mix_of(data, 0).astype(int)
    write_wav(folder / "sound" / "0.wav", np.full(len(mix), 30_000, np.int16))
    write_wav(folder / "speech" / "0.wav", ((mix - 30_000 + 32_768) % 65_536 - 32_768).astype("i2"))
    assert not find_stems(data, folder).is_exact(data, data.clips[:1])


@pytest.mark.parametrize("difference", [-TOLERANCE, -1, 0, 1, TOLERANCE])
def test_a_small_difference_of_length_is_compensated(
    data: DataSet, tmp_path: Path, difference: int
) -> None:
    folder = make_stems(data, tmp_path / "stems")
    length = len(mix_of(data, 0))
    write_wav(folder / "sound" / "0.wav", np.full(length + difference, 7, np.int16))
    audio = find_stems(data, folder).audio("sound", data.clips[0], length)
    assert len(audio.samples) == length
    assert (audio.samples[: length + min(0, difference)] == 7).all()
    assert not audio.samples[length + difference :].any()


@pytest.mark.parametrize("difference", [-TOLERANCE - 1, TOLERANCE + 1])
def test_another_length_is_refused(data: DataSet, tmp_path: Path, difference: int) -> None:
    folder = make_stems(data, tmp_path / "stems")
    length = len(mix_of(data, 0))
    write_wav(folder / "sound" / "0.wav", np.full(length + difference, 7, np.int16))
    with pytest.raises(InputError, match=r"0\.wav: 0\.2[46]. s long, but its clip has 0\.250 s"):
        find_stems(data, folder).audio("sound", data.clips[0], length)


def test_a_missing_stem_is_named_with_what_to_do(data: DataSet, tmp_path: Path) -> None:
    folder = make_stems(data, tmp_path / "stems")
    (folder / "speech" / "1.wav").unlink()
    stems = find_stems(data, folder)
    with pytest.raises(InputError, match=r"speech/1\.wav: .*missing.*jasco data stems"):
        stems.path("speech", data.clips[1])
    with pytest.raises(InputError, match=r"speech/1\.wav"):
        stems.is_exact(data, data.clips)


def spoil_text(path: Path) -> None:
    path.write_text("This is not audio.")


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1_000])


def spoil_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def spoil_link_to_folder(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent, target_is_directory=True)


def spoil_broken_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere.wav"))


def spoil_twice(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".flac"))


@pytest.mark.parametrize("cue", CUES)
@pytest.mark.parametrize(
    "spoil",
    [
        spoil_text, spoil_empty, spoil_truncated, spoil_folder, spoil_link_to_folder,
        spoil_broken_link, spoil_twice,
    ],
)  # fmt: skip
def test_a_stem_that_cannot_be_read_is_named(
    data: DataSet, tmp_path: Path, cue: Cue, spoil: object
) -> None:
    folder = make_stems(data, tmp_path / "stems")
    assert callable(spoil)
    spoil(folder / cue / "0.wav")
    with pytest.raises(InputError, match=rf"{cue}/0\.wav: [^\n]*$"):
        find_stems(data, folder).audio(cue, data.clips[0], 4_000)


def test_folders_that_hold_no_stems_are_refused(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_stems(data, tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no such folder"):
        find_stems(data, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="sound not found"):
        find_stems(data, tmp_path / "empty")


def test_the_description_is_read_as_it_was_written(data: DataSet, tmp_path: Path) -> None:
    folder = make_stems(data, tmp_path / "stems")
    written = describe(data, folder)
    stems = find_stems(data, folder)
    assert stems == written
    assert not stems.gates["1"].passed("sound")
    assert stems.gates["0"].passed("sound")
    assert not stems.is_exact(data, data.clips)  # estimated
    assert len(stems.audio("sound", data.clips[0], 4_000).samples) == 4_000


def test_a_clip_that_has_changed_is_refused(data: DataSet, tmp_path: Path) -> None:
    folder = make_stems(data, tmp_path / "stems")
    describe(data, folder)
    path = data.audio_path(data.clips[2])
    assert path is not None
    write_wav(path, mix_of(data, 1))
    with pytest.raises(InputError, match=r"2\.wav: the audio has changed"):
        find_stems(data, folder)


def test_a_stem_that_has_changed_is_refused(data: DataSet, tmp_path: Path) -> None:
    folder = make_stems(data, tmp_path / "stems")
    describe(data, folder)
    write_wav(folder / "sound" / "2.wav", mix_of(data, 1))
    with pytest.raises(InputError, match=r"2\.wav: the file has changed"):
        find_stems(data, folder).audio("sound", data.clips[2], 4_000)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "7", "{}", '{"schema": 2}', '{"schema": 1}',
        '{"schema": 1, "recipe": {}, "clips": []}',
        '{"schema": 1, "recipe": 7, "clips": {}}',
        '{"schema": 1, "recipe": {}, "checks": 7, "clips": {}}',
        '{"schema": 1, "recipe": {}, "clips": {"0": {}}}',
        '{"schema": 1, "recipe": {}, "clips": {"0": null}}',
        pytest.param("[" * 100_000, id="nested"),
    ],
)  # fmt: skip
def test_an_invalid_description_is_one_line(data: DataSet, tmp_path: Path, text: str) -> None:
    folder = make_stems(data, tmp_path / "stems")
    (folder / RECORDS).write_text(text)
    with pytest.raises(InputError, match=r"stems\.json: [^\n]*$"):
        find_stems(data, folder)


@pytest.mark.parametrize(
    "change",
    [
        {"stems": {"sound": "00"}}, {"stems": {"sound": 1, "speech": 2}}, {"failures": {"x": "y"}},
        {"failures": {NO_WORDS: 1}}, {"failures": "text"}, {"stems": {}}, {"source_sha256": 7},
    ],
)  # fmt: skip
def test_an_invalid_record_is_refused(data: DataSet, tmp_path: Path, change: dict) -> None:
    folder = make_stems(data, tmp_path / "stems")
    describe(data, folder)
    description = json.loads((folder / RECORDS).read_text())
    description["clips"]["1"].update(change)
    (folder / RECORDS).write_text(json.dumps(description))
    with pytest.raises(InputError, match="not a valid description"):
        read_stems(folder)
