"""The audio of conditions is the sum of the right stems."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jasco.data.audio import Audio, read_audio, write_audio
from jasco.data.dataset import ANNOTATIONS, read_data_set
from jasco.data.sources import find_data
from jasco.interventions.condition_data import make_data, mix, parts_of
from jasco.interventions.donors import donor_of
from jasco.interventions.stems import find_stems
from jasco.protocol.conditions import condition_of

MINI = find_data("mini", lambda _: None)
STEMS = find_stems(MINI, None)
CLIP = MINI.clips[0]


def made(key: str, folder: Path, clips: int = 1) -> NDArray[np.int16]:
    """Return the audio of the first clip under a condition."""
    make_data(condition_of(key), MINI, MINI.clips[:clips], STEMS, folder)
    return read_audio((folder / ANNOTATIONS).with_name(f"{CLIP.id}.wav")).samples


def test_the_annotations_are_those_of_the_data_set(tmp_path: Path) -> None:
    made("sound", tmp_path)
    assert read_data_set(tmp_path).annotations_sha256 == MINI.annotations_sha256


def test_a_remix_of_exact_stems_is_the_clip(tmp_path: Path) -> None:
    path = MINI.audio_path(CLIP)
    assert path is not None
    assert np.array_equal(made("remix", tmp_path), read_audio(path).samples)


@pytest.mark.parametrize(
    ("key", "cue"),
    [("sound", "sound"), ("speech", "speech"), ("text-sound", "sound"), ("text-speech", "speech")],
)
def test_a_single_cue_is_its_stem(key: str, cue: str, tmp_path: Path) -> None:
    stem = STEMS.samples(MINI, cue, CLIP)  # type: ignore[arg-type]
    assert np.array_equal(made(key, tmp_path), stem)


def test_silence_has_the_length_of_the_clip(tmp_path: Path) -> None:
    samples = made("silence", tmp_path)
    assert len(samples) == len(STEMS.samples(MINI, "sound", CLIP))
    assert not samples.any()


def test_a_swapped_sound_is_that_of_the_donor(tmp_path: Path) -> None:
    donor = donor_of(CLIP, "sound", 2, MINI.clips)
    samples = made("swap-sound-2", tmp_path)
    theirs = STEMS.samples(MINI, "sound", donor)[:8_000].astype(int)
    own = STEMS.samples(MINI, "speech", CLIP)[:8_000]
    assert np.array_equal(samples[:8_000], theirs + own)
    assert parts_of(condition_of("swap-sound-2"), CLIP, MINI.clips) == [
        ("speech", CLIP), ("sound", donor),
    ]  # fmt: skip


def test_no_word_of_a_swapped_speech_is_cut_off() -> None:
    sound, speech = np.full(5_000, 7, np.int16), np.full(8_000, 3, np.int16)
    mixed = mix([sound], [speech], 5_000)
    assert len(mixed) == 8_000
    assert (mixed[:4_000] == 10).all()
    assert (mixed[5_000:] >= 9).all()  # the sound is repeated


def test_trailing_silence_of_a_longer_speech_does_not_lengthen_the_clip() -> None:
    speech = np.r_[np.full(10, 3), np.zeros(90)].astype(np.int16)
    assert len(mix([np.ones(50, np.int16)], [speech], 50)) == 50


@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=3), st.integers(1, 6_000))
def test_a_mix_has_the_length_of_the_clip_and_never_overflows(
    lengths: list[int], length: int
) -> None:
    loud = [np.full(each, 32_767, np.int16) for each in lengths]
    mixed = mix(loud, [], length)
    assert len(mixed) == length
    assert mixed.max() <= 32_767
    assert mixed.min() >= 0


def test_audio_is_made_again_only_if_a_file_that_it_is_made_from_changes(tmp_path: Path) -> None:
    shutil.copytree(STEMS.folder, tmp_path / "stems")
    stems, data = find_stems(MINI, tmp_path / "stems"), tmp_path / "data"
    path = (data / ANNOTATIONS).with_name(f"{CLIP.id}.wav")

    def make() -> bytes:
        make_data(condition_of("sound"), MINI, MINI.clips[:2], stems, data)
        return path.read_bytes()

    first = make()
    path.write_bytes(b"kept")
    assert make() == b"kept"
    for stem in stems.folder.glob("sound/*"):
        os.utime(stem, (1, 1))
    assert make() == b"kept"
    length = len(read_audio(stems.path("sound", CLIP)).samples)
    write_audio(stems.path("sound", CLIP), Audio(np.ones(length, np.int16)))
    os.utime(stems.path("sound", CLIP), (1, 1))
    assert make() not in (b"kept", first)
    path.unlink()
    make()
    assert path.exists()
