"""Audio files, read and converted as every model gets them."""

import hashlib
import io
import itertools
import os
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jasco.data.audio import (
    CANCELLED,
    SAMPLING_RATE,
    SILENT,
    Audio,
    file_sha256,
    read_audio,
    read_file,
    read_known,
    read_unchanged,
    write_audio,
)
from jasco.errors import IncompleteError, InputError
from synthetic import tone, write_wav

SAMPLES = tone(3, seconds=1.0)
RNG = np.random.default_rng(7)


def write_sound(path: Path, samples: Any, rate: int = SAMPLING_RATE, **options: Any) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clip.wav"


@pytest.mark.parametrize(
    "samples",
    [SAMPLES, np.array([5], np.int16), np.array([-32768, 32767, 0, -1, 1], np.int16)],
)
def test_16_khz_mono_pcm16_is_passed_on_bit_equal(path: Path, samples: np.ndarray) -> None:
    write_wav(path, samples)
    audio = read_audio(path)
    assert audio.samples.dtype == np.int16
    assert np.array_equal(audio.samples, samples)
    assert audio.conversions == ()
    assert audio.seconds == len(samples) / 16_000


def test_only_what_is_still_the_same_file_is_read_again(path: Path) -> None:
    write_wav(path, SAMPLES)
    known = file_sha256(path)
    audio = read_unchanged(path, known)
    assert audio is not None
    assert np.array_equal(audio.samples, SAMPLES)
    write_wav(path, SAMPLES[1:])
    assert read_unchanged(path, known) is None
    path.write_bytes(b"no audio")
    assert read_unchanged(path, file_sha256(path)) is None
    path.unlink()
    assert read_unchanged(path, known) is None
    assert read_unchanged(path.parent, known) is None
    assert read_unchanged(Path(), "") is None


def test_a_replaced_file_is_none_and_an_unreadable_one_an_error(path: Path) -> None:
    write_wav(path, SAMPLES)
    known = file_sha256(path)
    assert read_file(path).sha256 == known
    assert read_known(path, known) is not None
    path.write_bytes(path.read_bytes()[:1000])
    assert read_known(path, known) is None
    path.unlink()
    with pytest.raises(InputError, match="missing"):
        read_known(path, known)


def test_the_published_clips_are_passed_on_bit_equal(published: Path) -> None:
    folder = published / "dataset" / "v0"
    for number in range(1, 81):
        audio = read_audio(folder / f"{number}.wav")
        with wave.open(str(folder / f"{number}.wav")) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        if number == 47:  # the only clip at 48 kHz
            assert audio.conversions == ("resampled",)
            assert len(audio.samples) == pytest.approx(len(samples) / 3, abs=1)
        else:
            assert audio.conversions == ()
            assert np.array_equal(audio.samples, samples)


def test_a_flac_file_under_any_name_is_audio(path: Path) -> None:
    write_sound(path, SAMPLES, format="FLAC", subtype="PCM_16")
    assert np.array_equal(read_audio(path).samples, SAMPLES)
    assert read_audio(path).conversions == ()


def test_channels_are_averaged(path: Path) -> None:
    left, right = RNG.integers(-20000, 20000, (2, 5000)).astype(np.int16)
    write_sound(path, np.stack([left, right], axis=1))
    audio = read_audio(path)
    assert audio.conversions == ("mixed down",)
    expected = (left.astype(float) + right) / 2
    assert np.abs(audio.samples - expected).max() <= 0.5
    six_channels = RNG.integers(-20000, 20000, (500, 6)).astype(np.int16)
    write_sound(path, six_channels)
    assert np.abs(read_audio(path).samples - six_channels.mean(axis=1)).max() <= 0.51


def test_equal_channels_are_either_of_them(path: Path) -> None:
    write_sound(path, np.stack([SAMPLES, SAMPLES], axis=1))
    assert np.array_equal(read_audio(path).samples, SAMPLES)


@pytest.mark.parametrize(
    ("subtype", "step"),
    [("PCM_U8", 256), ("PCM_24", 1), ("PCM_32", 1), ("FLOAT", 1), ("DOUBLE", 1)],
)
def test_other_sample_formats_are_converted(path: Path, subtype: str, step: int) -> None:
    write_sound(path, SAMPLES / 32768, subtype=subtype)
    audio = read_audio(path)
    assert audio.conversions == ("converted",)
    assert np.abs(audio.samples.astype(int) - SAMPLES).max() <= (step if step > 1 else 0)


def test_8_bits_are_read_as_unsigned(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(16_000)
        file.writeframes(bytes([0, 64, 128, 192, 255]))
    assert read_audio(path).samples.tolist() == [-32768, -16384, 0, 16384, 32512]


def test_floats_beyond_full_scale_are_clipped(path: Path) -> None:
    write_sound(path, np.array([2.0, -2.0, 1.0, -1.0, 0.5]), subtype="FLOAT")
    assert read_audio(path).samples.tolist() == [32767, -32768, 32767, -32768, 16384]


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_another_rate_is_resampled(path: Path, rate: int) -> None:
    """A sine below every Nyquist frequency stays the same sine: computed, not resampled."""
    write_sound(
        path, 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate), rate, subtype="PCM_16"
    )
    audio = read_audio(path)
    assert audio.conversions == ("resampled",)
    assert len(audio.samples) == pytest.approx(16_000, abs=1)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(audio.samples)) / 16_000)
    middle = slice(1000, -1000)
    assert np.abs(audio.floats - expected)[middle].max() < 1e-3


def test_what_16_khz_cannot_hold_is_filtered_out(path: Path) -> None:
    write_sound(path, 0.5 * np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000), 48_000)
    assert np.abs(read_audio(path).floats[1000:-1000]).max() < 1e-3


def test_all_conversions_are_named(path: Path) -> None:
    write_sound(path, RNG.normal(0, 0.1, (4800, 2)), 48_000, subtype="PCM_24")
    assert read_audio(path).conversions == ("resampled", "mixed down", "converted")


def test_ten_minutes_are_handled(path: Path) -> None:
    samples = np.tile(tone(1, seconds=10), 60)
    write_wav(path, samples)
    audio = read_audio(path)
    assert audio.seconds == 600
    assert np.array_equal(audio.samples, samples)
    write_sound(path, np.stack([samples, samples], axis=1), subtype="PCM_24")
    assert np.array_equal(read_audio(path).samples, samples)


def test_floats_and_wav_hold_the_samples_exactly() -> None:
    samples = np.arange(-32768, 32768).astype(np.int16)
    audio = Audio(samples)
    assert audio.floats.dtype == np.float32
    assert np.array_equal(audio.floats * 32768, samples)
    assert audio.floats.min() == -1
    with wave.open(io.BytesIO(audio.wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        assert np.array_equal(np.frombuffer(file.readframes(65536), "<i2"), samples)


def test_a_long_file_is_resampled_as_if_at_once(path: Path) -> None:
    samples = RNG.normal(0, 0.2, 48_000 * 40).astype(np.float32)  # more than a block
    write_sound(path, samples, 48_000, subtype="FLOAT")
    expected = np.rint(soxr.resample(samples, 48_000, 16_000) * 32768)
    assert np.array_equal(read_audio(path).samples, np.clip(expected, -32768, 32767))


# --- clipping, scale, silence ---


def samples_with_runs(*runs: tuple[int, int, int], length: int = 4000) -> np.ndarray:
    """Return quiet samples with runs of a value; each run is (start, length, value)."""
    samples = RNG.integers(-100, 100, length).astype(np.int16)
    for start, run_length, value in runs:
        samples[start : start + run_length] = value
    return samples


@pytest.mark.parametrize(
    ("samples", "clipped"),
    [
        (samples_with_runs(), 0),
        (samples_with_runs((0, 3, 32767)), 3),
        (samples_with_runs((10, 2, 32767), (20, 1, -32768)), 0),  # a loud wave touches full scale
        (samples_with_runs((10, 3, 32767), (20, 4, -32768), (3995, 5, -32767)), 12),
        (
            samples_with_runs((10, 2, 32767), (12, 2, -32768)),
            0,
        ),  # on both sides: nothing is clipped
        (samples_with_runs((10, 5, 32766)), 0),
    ],
)
def test_samples_in_a_row_at_full_scale_are_counted_as_clipped(
    path: Path, samples: np.ndarray, clipped: int
) -> None:
    write_wav(path, samples)
    file = read_file(path)
    assert file.clipped == clipped
    assert np.array_equal(file.audio.samples, samples)
    for subtype in ("PCM_24", "FLOAT"):
        write_sound(path, samples / 32768, subtype=subtype)
        assert read_file(path).clipped == clipped
    write_sound(path, np.stack([samples // 2, samples], axis=1), 48_000)
    assert read_file(path).clipped == clipped  # before they are mixed and resampled


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(st.sampled_from([0, 32767, -32768]), min_size=1, max_size=40),
    st.integers(1, 7),
)
def test_runs_are_counted_across_blocks(path: Path, samples: list[int], block: int) -> None:
    write_wav(path, np.array(samples, np.int16))
    groups = [(value, len(list(run))) for value, run in itertools.groupby(samples)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jasco.data.audio._BLOCK", block)
        assert read_file(path).clipped == sum(n for value, n in groups if value and n >= 3)


def test_samples_beyond_full_scale_that_are_cut_down_are_counted(path: Path) -> None:
    write_sound(path, np.array([1.2, -1.1, 1.0, -1.0, 0.5, 3.9]), subtype="FLOAT")
    assert read_file(path).clipped == 3
    loud = np.array([[1.5, 0.1], [-1.5, -0.7]])
    write_sound(path, loud, subtype="DOUBLE")
    assert read_file(path).clipped == 1  # the mean of the first is not beyond full scale


def test_8_bits_have_a_full_scale_of_their_own(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(16_000)
        file.writeframes(bytes([128, 255, 255, 255, 128, 0, 0, 0, 0, 254, 254, 254]))
    assert read_file(path).clipped == 7


@pytest.mark.parametrize(
    "samples",
    [
        SAMPLES.astype(float),
        SAMPLES.astype(float) * 65536,
        SAMPLES / 100 + 0.25,
        np.array([3.0, -2.0, 1.0]),
        np.array([0.1, 1e300]),
    ],
)
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_samples_of_another_scale_are_refused_not_clipped(
    path: Path, samples: np.ndarray, subtype: str
) -> None:
    if subtype == "FLOAT" and np.abs(samples).max() > 1e38:
        samples = np.clip(samples, -1e38, 1e38)
    write_sound(path, samples, subtype=subtype)
    with pytest.raises(InputError, match=r"clip\.wav: .*reach [0-9.e+]+"):
        read_audio(path)


def test_silence_is_a_warning(path: Path) -> None:
    write_wav(path, np.zeros(1000, np.int16))
    assert read_file(path).warnings == (SILENT,)
    assert not read_audio(path).samples.any()
    write_sound(path, SAMPLES / 32768 / 32768, subtype="FLOAT")  # scaled twice
    assert read_file(path).warnings == (SILENT,)
    write_wav(path, samples_with_runs())
    assert read_file(path).warnings == ()


def test_channels_that_cancel_each_other_out_are_a_warning(path: Path) -> None:
    write_sound(path, np.stack([SAMPLES, -SAMPLES], axis=1))
    assert read_file(path).warnings == (CANCELLED, SILENT)
    write_sound(path, np.stack([SAMPLES, -(SAMPLES * 0.95).astype(np.int16)], axis=1))
    assert read_file(path).warnings == (CANCELLED,)
    six_channels = np.zeros((len(SAMPLES), 6), np.int16)
    six_channels[:, 2] = SAMPLES
    for samples in (six_channels, np.stack([SAMPLES, tone(4, 1.0)], axis=1), six_channels * 0):
        write_sound(path, samples)
        assert CANCELLED not in read_file(path).warnings


# --- what cannot be used ---


def wav_bytes() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, SAMPLES, 16_000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def flac_bytes() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, SAMPLES, 16_000, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the audio file is empty"),
        (wav_bytes()[:-1000], "corrupt: truncated after 31044 of 32044 bytes"),
        (wav_bytes()[:100], "corrupt: truncated"),
        (wav_bytes()[:20], "corrupt"),
        (wav_bytes()[:4], "corrupt"),
        (flac_bytes()[: len(flac_bytes()) // 2], "corrupt, or not audio"),
        (b"id,text\n1,hello\n" * 100, "corrupt, or not audio"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), "corrupt, or not audio"),
        (bytes(1000), "corrupt, or not audio"),
    ],
)
def test_what_is_no_whole_audio_file_is_refused_by_name(
    path: Path, content: bytes, message: str
) -> None:
    path.write_bytes(content)
    for read in (read_audio, read_file):
        with pytest.raises(InputError, match=message) as error:
            read(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


def test_a_missing_file_is_refused_by_name(path: Path) -> None:
    with pytest.raises(InputError, match=r"clip\.wav: .*missing"):
        read_audio(path)


def test_a_folder_is_refused_by_name(path: Path) -> None:
    path.mkdir()
    with pytest.raises(InputError, match=r"clip\.wav"):
        read_audio(path)


def test_a_file_without_samples_is_refused(path: Path) -> None:
    write_wav(path, np.array([], np.int16))
    with pytest.raises(InputError, match="contains no samples"):
        read_audio(path)
    write_wav(path, np.array([5], np.int16), rate=96_000)
    with pytest.raises(InputError, match="too short"):
        read_audio(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers_are_refused(path: Path, value: float) -> None:
    write_sound(path, np.array([0.1, value, 0.2]), subtype="FLOAT")
    with pytest.raises(InputError, match="not finite"):
        read_audio(path)


def test_hours_are_no_clip(path: Path) -> None:
    write_sound(path, np.zeros(1801 * 1000), 1000, subtype="PCM_U8")
    with pytest.raises(InputError, match="longer than 30 minutes"):
        read_audio(path)


@pytest.mark.parametrize(
    ("shape", "rate", "limit"),
    [
        ((50, 1), 999, r"999 Hz.*1,000"),
        ((50, 1), 1, "1,000"),
        ((50, 1), 768_001, r"768,001 Hz.*768,000"),
        ((50, 65), 16_000, r"65 channels.*64"),
    ],
)
def test_rates_and_channels_have_limits(
    path: Path, shape: tuple[int, int], rate: int, limit: str
) -> None:
    write_sound(path, np.full(shape, 0.1), rate)
    with pytest.raises(InputError, match=limit):
        read_audio(path)


@pytest.mark.parametrize(("shape", "rate"), [((500, 64), 1000), ((5000, 1), 655_350)])
def test_at_a_limit_audio_is_read(path: Path, shape: tuple[int, int], rate: int) -> None:
    write_sound(path, np.full(shape, 0.1), rate)
    assert read_audio(path).seconds == pytest.approx(shape[0] / rate, abs=1e-3)


def test_a_file_of_more_samples_than_the_limit_is_refused_before_it_is_decoded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jasco.data.audio._MOST_SAMPLES", 9_999)
    write_sound(path, np.full((5_000, 2), 0.1), 48_000)
    with pytest.raises(InputError, match="10,000 samples"):
        read_audio(path)


def test_a_file_larger_than_the_limit_is_refused(path: Path) -> None:
    path.touch()
    os.truncate(path, 10 << 30)
    with pytest.raises(InputError, match="200 MiB"):
        read_audio(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.integers(0, 60), st.binary(max_size=8))
def test_no_damage_raises_anything_else(path: Path, start: int, damage: bytes) -> None:
    content = wav_bytes()
    path.write_bytes(content[:start] + damage + content[start + len(damage) :])
    try:
        audio = read_audio(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert len(audio.samples) > 0


# --- about files ---


def test_frames_are_counted_as_they_stand_in_the_file(path: Path) -> None:
    write_sound(path, RNG.normal(0, 0.1, (4801, 2)), 48_000)
    assert read_file(path).frames == 4801


def test_a_file_is_hashed_whole(path: Path) -> None:
    path.write_bytes(b"abc")
    assert file_sha256(path) == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("name", ["clip.wav", "clip.flac"])
def test_written_audio_is_read_back_bit_by_bit(tmp_path: Path, name: str) -> None:
    samples = np.array([0, 1, -1, 32_767, -32_768], np.int16)
    write_audio(tmp_path / "new" / name, Audio(samples))
    assert np.array_equal(read_audio(tmp_path / "new" / name).samples, samples)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_audio_that_cannot_be_written_is_incomplete_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IncompleteError, match="cannot be written"):
        write_audio(tmp_path / "file" / "clip.wav", Audio(np.zeros(4, np.int16)))
