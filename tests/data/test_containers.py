"""Audio files that are cut off, damaged, or longer or shorter than announced."""

import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jasco.data.audio import read_audio, read_file
from jasco.errors import InputError
from places import SHARED
from synthetic import tone

CASES = SHARED / "cases"
SAMPLES = tone(3, seconds=1.0)
FORMATS = [
    ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAV", "GSM610"),
    ("WAV", "MS_ADPCM"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("AIFF", "PCM_16"),
    ("AU", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]  # fmt: skip
UNCOMPRESSED = ("PCM_16", "PCM_24", "FLOAT")


def encode(
    container: str, codec: str, samples: Any = SAMPLES, rate: int = 16_000, **options: Any
) -> bytes:
    file = io.BytesIO()
    samples = samples / 32768 if codec == "FLOAT" else samples
    soundfile.write(file, samples, rate, format=container, subtype=codec, **options)
    return file.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clip.wav"


@pytest.fixture
def decode(path: Path) -> Callable[[bytes], np.ndarray]:
    """Return a function that returns the samples of a file with this content."""

    def decode(content: bytes) -> np.ndarray:
        path.write_bytes(content)
        return read_audio(path).samples

    return decode


@pytest.fixture
def refusal(path: Path) -> Callable[[bytes], str]:
    """Return a function that returns the error of a file with this content, without its path."""

    def refusal(content: bytes) -> str:
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            read_audio(path)
        line = str(error.value)
        assert line.startswith(f"{path}: ")
        assert "\n" not in line
        return line.removeprefix(f"{path}: ")

    return refusal


Decode = Callable[[bytes], np.ndarray]
Refusal = Callable[[bytes], str]


@pytest.mark.parametrize(("container", "codec"), FORMATS)
def test_a_whole_file_has_its_own_length(container: str, codec: str, decode: Decode) -> None:
    samples = decode(encode(container, codec))
    assert len(samples) == len(SAMPLES)
    if codec in UNCOMPRESSED:
        assert np.array_equal(samples, SAMPLES)
    else:
        assert np.corrcoef(samples, SAMPLES)[0, 1] > 0.9


@pytest.mark.parametrize(("container", "codec"), FORMATS)
def test_a_file_that_is_cut_off_anywhere_is_refused(
    container: str, codec: str, refusal: Refusal
) -> None:
    content = encode(container, codec)
    lengths = np.random.default_rng(1).integers(1, len(content) - 2, 40)
    for length in lengths:
        assert refusal(content[:length]).startswith("corrupt")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    codec=st.sampled_from(FORMATS),
    position=st.floats(0, 1),
    damage=st.binary(min_size=1, max_size=200),
)
def test_damage_is_refused_or_leaves_the_length(
    path: Path, codec: tuple[str, str], position: float, damage: bytes
) -> None:
    content = encode(*codec, SAMPLES[:4000])
    start = int(position * len(content))
    path.write_bytes(content[:start] + damage + content[start + len(damage) :])
    try:
        file = read_file(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        # A damaged header may give another rate; no samples are left out or made up.
        assert file.frames <= len(content) * 8
        assert len(file.audio.samples) > 0


@pytest.mark.parametrize(
    ("container", "codec"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")]
)
def test_formats_with_checksums_hide_no_damage(
    container: str, codec: str, refusal: Refusal
) -> None:
    content = encode(container, codec)
    rng = np.random.default_rng(2)
    for position in rng.integers(len(content) // 2, len(content) - 10, 20):
        damaged = bytes([content[position] ^ int(rng.integers(1, 256))])
        assert refusal(content[:position] + damaged + content[position + 1 :]).startswith("corrupt")


@pytest.mark.parametrize(
    ("container", "codec"),
    [("W64", "PCM_16"), ("VOC", "PCM_16"), ("CAF", "PCM_16"), ("WAV", "G721_32")],
)
def test_what_cannot_be_checked_is_refused(container: str, codec: str, refusal: Refusal) -> None:
    assert "convert it to WAV or FLAC" in refusal(encode(container, codec))


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(InputError, match=r"pipe\.wav: not a regular file"):
        read_audio(tmp_path / "pipe.wav")


# --- WAV ---


def wav(
    samples: bytes = SAMPLES.astype("<i2").tobytes(),
    size: int | None = None,
    riff: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    magic: bytes = b"RIFF",
) -> bytes:
    order = ">" if magic == b"RIFX" else "<"
    format_chunk = b"fmt " + struct.pack(f"{order}IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    size = len(samples) if size is None else size
    body = (
        b"WAVE" + before + format_chunk + b"data" + struct.pack(f"{order}I", size) + samples + after
    )
    return magic + struct.pack(f"{order}I", len(body) if riff is None else riff) + body


LIST_CHUNK = b"LIST" + struct.pack("<I", 14) + b"INFOISFT\x02\0\0\0ab"
ODD_CHUNK = b"note" + struct.pack("<I", 3) + b"abc\0"
DATA_SIZE = 2 * len(SAMPLES)
BIG_ENDIAN = SAMPLES.astype(">i2").tobytes()
DS64_CHUNK = b"ds64" + struct.pack("<IQQQI", 28, DATA_SIZE + 72, DATA_SIZE, len(SAMPLES), 0)


@pytest.mark.parametrize(
    "content",
    [
        wav(before=LIST_CHUNK),
        wav(after=LIST_CHUNK),
        wav(before=ODD_CHUNK, after=ODD_CHUNK),
        wav(after=b"\x01\x02junk" * 5),
        wav(after=bytes(4000)),
        wav(after=b"ID3\x04" + bytes(range(256)) * 3),
        wav(after=b"PAD " + struct.pack("<I", 1000) + b"\x01" * 1000),
        wav(riff=0),
        wav(riff=0xFFFFFFFF),
        wav(riff=20),
        wav(riff=DATA_SIZE + 44),  # some count the first eight bytes as well
        wav(size=0xFFFFFFFF, riff=0xFFFFFFFF),
        wav(size=0xFFFFFFFF - 44),
        wav(size=0x7FFFF000, riff=0x7FFFF024),  # sox into a pipe
        wav(size=0x7FFFF024, riff=0x7FFFF048),
        wav(size=0x7FFFFFFF),
        wav(size=0x80000000),
        wav(BIG_ENDIAN, magic=b"RIFX"),
        wav(BIG_ENDIAN, size=0xFFFFFFFF, magic=b"RIFX"),
        wav(size=0xFFFFFFFF, riff=0xFFFFFFFF, before=DS64_CHUNK, magic=b"RF64"),
    ],
)
def test_a_header_that_is_harmlessly_wrong_changes_nothing(content: bytes, decode: Decode) -> None:
    assert np.array_equal(decode(content), SAMPLES)


@pytest.mark.parametrize(
    "content",
    [
        wav(size=DATA_SIZE + 1),
        wav(size=2 * DATA_SIZE, riff=0),
        wav(size=2 * DATA_SIZE, riff=0xFFFFFFFF),
        wav(size=DATA_SIZE + 1000, before=LIST_CHUNK),
        wav(size=DATA_SIZE + 1000, after=LIST_CHUNK),
        wav(size=0x7FFFEFFF),
        wav(BIG_ENDIAN, size=2 * DATA_SIZE, magic=b"RIFX"),
        wav(SAMPLES[:-1].tobytes(), size=0xFFFFFFFF, before=DS64_CHUNK, magic=b"RF64"),
    ],
)
def test_a_data_chunk_that_promises_more_than_there_is_is_refused(
    content: bytes, refusal: Refusal
) -> None:
    assert refusal(content).startswith(f"corrupt: truncated after {len(content)} of ")


@pytest.mark.parametrize("size", [0, 2, DATA_SIZE // 2, DATA_SIZE - 1000])
def test_a_header_that_was_not_completed_is_refused(size: int, refusal: Refusal) -> None:
    assert "completed?" in refusal(wav(size=size))
    au = encode("AU", "PCM_16")
    assert "completed?" in refusal(au[:8] + struct.pack(">I", size) + au[12:])


@pytest.mark.parametrize("frames", [1, 15_999, 16_001, 2**24])
def test_an_aiff_of_another_length_than_announced_is_refused(frames: int, refusal: Refusal) -> None:
    content = encode("AIFF", "PCM_16")
    position = content.index(b"COMM") + 10
    line = refusal(content[:position] + struct.pack(">I", frames) + content[position + 4 :])
    assert line.startswith("corrupt: ")


def test_an_aiff_that_was_written_into_a_pipe_is_read(decode: Decode) -> None:
    content = encode("AIFF", "PCM_16")
    position = content.index(b"COMM") + 10
    for frames in (0, 0x7F000000):
        changed = content[:position] + struct.pack(">I", frames) + content[position + 4 :]
        assert np.array_equal(decode(changed), SAMPLES)


def test_no_samples_are_made_of_what_follows_an_empty_data_chunk(refusal: Refusal) -> None:
    assert "contains no samples" in refusal(wav(b"", after=LIST_CHUNK))


def test_of_a_codec_in_blocks_the_padding_is_left_out(path: Path) -> None:
    """A block of GSM 6.10 holds 320 samples, one of MS ADPCM about 1,000."""
    for codec in ("GSM610", "MS_ADPCM"):
        path.write_bytes(encode("WAV", codec, SAMPLES[:15_001]))
        assert read_file(path).frames == 15_001
        assert read_audio(path).conversions == ("converted",)


# --- FLAC ---


def flac_that_announces(frames: int) -> bytes:
    content = encode("FLAC", "PCM_16")
    stream_info = int.from_bytes(content[18:26], "big") >> 36 << 36 | frames
    return content[:18] + stream_info.to_bytes(8, "big") + content[26:]


def test_a_flac_of_unknown_length_is_decoded_to_its_end(decode: Decode) -> None:
    assert np.array_equal(decode(flac_that_announces(0)), SAMPLES)


@pytest.mark.parametrize("frames", [1, 15_999, 16_001, 20_000_000])
def test_a_flac_of_another_length_than_announced_is_refused(frames: int, refusal: Refusal) -> None:
    assert refusal(flac_that_announces(frames)).startswith("corrupt: ")


def test_tags_around_a_flac_are_passed_over(decode: Decode) -> None:
    content = encode("FLAC", "PCM_16")
    tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
    assert np.array_equal(decode(tag + content + b"TAG" + bytes(125)), SAMPLES)


# --- Ogg ---


def pages(content: bytes) -> list[bytes]:
    return [b"OggS" + page for page in content.split(b"OggS")[1:]]


def test_an_ogg_file_without_one_of_its_pages_is_refused(refusal: Refusal) -> None:
    all_pages = pages(encode("OGG", "VORBIS", np.tile(SAMPLES, 3)))
    assert len(all_pages) > 4
    assert "last page is missing" in refusal(b"".join(all_pages[:-1]))
    assert "page 3 is missing" in refusal(b"".join(all_pages[:3] + all_pages[4:]))
    assert "page 0 is missing" in refusal(b"".join(all_pages[1:]))


def test_an_ogg_file_of_several_streams_is_refused(refusal: Refusal) -> None:
    content = encode("OGG", "OPUS")
    assert "several streams" in refusal(content + content)
    one, other = pages(content), pages(encode("OGG", "VORBIS"))
    assert "several streams" in refusal(b"".join([one[0], other[0], *one[1:], *other[1:]]))


def test_what_follows_an_ogg_stream_is_passed_over(decode: Decode) -> None:
    content = encode("OGG", "OPUS")
    assert np.array_equal(decode(content + b"TAG" + bytes(125)), decode(content))


# --- MP3 ---


def mp3(samples: np.ndarray = SAMPLES, quality: float = 0.5) -> tuple[bytes, bytes, int]:
    """Return the first frame, which holds only the length; the frames of sound; their number."""
    content = encode("MP3", "MPEG_LAYER_III", samples, compression_level=quality)
    start = content.index(content[:2], 4)
    frames = int.from_bytes(content[content.index(b"Xing") + 8 :][:4], "big")
    return content[:start], content[start:], frames


def mp3_of_two_bit_rates(first: float, second: float) -> tuple[bytes, int]:
    (_, first_part, first_frames), (_, second_part, second_frames) = (
        mp3(quality=first),
        mp3(np.tile(SAMPLES, 3), quality=second),
    )
    return first_part + second_part, first_frames + second_frames


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.99), (0.99, 0.0)])
def test_the_length_of_an_mp3_is_counted_not_estimated(
    first: float, second: float, decode: Decode
) -> None:
    content, frames = mp3_of_two_bit_rates(first, second)
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        assert not 0.9 < file.frames / (576 * frames) < 1.1  # the library's estimate
    samples = decode(content)
    assert len(samples) == 576 * frames
    loud = np.abs(samples.astype(int)).reshape(-1, 576).max(axis=1) > 1000
    assert loud[:10].any()
    assert loud[-10:].any()


def test_tags_around_an_mp3_are_no_sound(decode: Decode) -> None:
    opening, sound, frames = mp3()
    tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
    for first, length in ((opening, len(SAMPLES)), (b"", 576 * frames)):
        for after in (b"TAG" + bytes(125), b"APETAGEX" + bytes(300), bytes(50)):
            assert len(decode(tag + tag + first + sound + after)) == length


def test_an_mp3_within_a_wav_is_read_as_an_mp3(decode: Decode) -> None:
    _, sound, frames = mp3()
    format_chunk = b"fmt " + struct.pack("<IHHIIHH", 16, 0x55, 1, 16_000, 4_000, 1, 0)
    content = wav(sound).replace(wav()[12:36], format_chunk, 1)
    assert len(decode(content)) == 576 * frames


def test_an_mp3_of_fewer_frames_than_announced_is_refused(refusal: Refusal) -> None:
    opening, sound, frames = mp3()
    last = sound.rindex(sound[:2])
    half = sound[: sound.rindex(sound[:2], 0, last)]
    assert refusal(opening + half).startswith(f"corrupt: truncated: {frames - 2} of {frames}")
    assert "truncated after" in refusal(opening + sound[:-1])
    assert "truncated after" in refusal(sound[: last + 3])


def test_of_an_mp3_with_more_frames_than_announced_all_are_decoded(decode: Decode) -> None:
    opening, sound, frames = mp3()
    assert len(decode(opening + sound + sound)) == 2 * 576 * frames


def test_an_mp3_that_is_damaged_in_the_middle_is_refused(refusal: Refusal) -> None:
    _, sound, _ = mp3()
    middle = sound.index(sound[:2], len(sound) // 2)
    assert refusal(sound[:middle] + bytes(200) + sound[middle + 200 :]).startswith(
        f"corrupt: damaged at byte {middle}"
    )
    assert "sampling rate changes" in refusal(sound + encode("MP3", "MPEG_LAYER_III", rate=24_000))


# --- the limit of the length ---


def flac_of_unknown_length(path: Path, seconds: int, rate: int, channels: int) -> None:
    with soundfile.SoundFile(path, "w", rate, channels, format="FLAC", subtype="PCM_16") as file:
        for _ in range(seconds // 60):
            file.write(np.zeros((60 * rate, channels), np.int16))
    content = path.read_bytes()
    stream_info = int.from_bytes(content[18:26], "big") >> 36 << 36
    path.write_bytes(content[:18] + stream_info.to_bytes(8, "big") + content[26:])


def test_a_stream_is_refused_while_it_is_decoded(path: Path) -> None:
    flac_of_unknown_length(path, 1800, 1000, 1)
    assert read_audio(path).seconds == 1800
    flac_of_unknown_length(path, 1860, 1000, 1)
    with pytest.raises(InputError, match="longer than 30 minutes"):
        read_audio(path)


@pytest.mark.slow
def test_a_small_file_that_decodes_to_gigabytes_takes_little_memory(path: Path) -> None:
    flac_of_unknown_length(path, 3 * 3600, 16_000, 2)  # as floats, 2.8 GB
    assert path.stat().st_size < 3_000_000
    code = (
        "import resource, sys; from pathlib import Path; from jasco.data.audio import *\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_audio(Path(sys.argv[1]))\n"
        "except InputError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    process = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    line, kilobytes = process.stdout.splitlines()
    assert "longer than 30 minutes" in line
    assert int(kilobytes) < 400_000


# --- damaged files from elsewhere ---


def example_file(name: str) -> Path:
    if not (CASES / name).is_file():
        pytest.skip(f"{name} is not in {CASES}")
    return CASES / name


@pytest.mark.parametrize(
    ("name", "frames"),
    [("vbr_mp3.wav", 247_680), ("vbr_mp3_cut.wav", 151_488), ("gsm.wav", 150_010)],
)
def test_these_are_decoded_to_their_end_and_no_further(name: str, frames: int) -> None:
    file = read_file(example_file(name))
    assert len(file.audio.samples) == file.frames == frames
    assert file.audio.samples.std() > 500


@pytest.mark.parametrize("name", ["truncated_mp3.wav", "damaged_opus.wav", "cut_data_chunk.wav"])
def test_these_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: corrupt: (truncated|damaged)"):
        read_file(example_file(name))
