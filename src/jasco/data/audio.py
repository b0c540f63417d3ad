"""Audio files as every model gets them: 16 kHz, one channel, 16 bits.

Conventions
-----------
Samples are ``int16``, shape (samples,). A file that is so already is handed on bit-equal.

A file is read into memory once, and what is hashed are the bytes that are decoded. Its length is
what was decoded, never what a header says; where the two differ, it is refused.
"""

import hashlib
import io
import wave
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from jasco.data.containers import DamagedError, Encoded, encoded
from jasco.errors import InputError

SAMPLING_RATE = 16_000
"""Samples a second of all audio that is handed on."""
SILENT = "silence only"
"""Warning: no sample differs from 0 by more than one step."""
CANCELLED = "channels cancel each other out"
"""Warning: the mean of the channels has less than a hundredth of their power."""

_FULL_SCALE = 32_768
_LONGEST = 1_800  # seconds; a longer clip is a mistake, and would fill the memory
_LARGEST = 200 << 20  # bytes, for the same reason
_RATES = range(1_000, 768_001)  # below, a second's samples become thousands
_MOST_CHANNELS = 64
_MOST_SAMPLES = 1 << 30  # of all channels: some seconds of decoding
_BLOCK = 1 << 18
_FORMATS = ("WAV", "WAVEX", "RF64", "AIFF", "AU", "FLAC", "OGG", "MP3")
_IN_BLOCKS = ("GSM610", "IMA_ADPCM", "MS_ADPCM")
_CODECS = (
    "PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW",
    "VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", *_IN_BLOCKS,
)  # fmt: skip
"""Of other formats and codecs it cannot be seen how long a whole file is."""
_LOUDEST = 8.0  # times full scale: no mix is so hot, but whole numbers read as fractions are
_CANCELLED = 0.01  # of the channels' power
_TOPS = {"PCM_U8": 127 / 128, "PCM_S8": 127 / 128, "ULAW": 32_124 / 32_768, "ALAW": 32_256 / 32_768}
"""Full scale where a format has no more than 8 bits; it has at least 16 elsewhere."""
_TOP = 32_767 / 32_768
_UNKNOWN = (1 << 63) - 1  # what the decoder announces of a stream that does not say how long it is
_RUN = 3  # samples at full scale in a row: a wave that is not cut off touches it for one or two


@dataclass(frozen=True)
class Audio:
    """What a clip sounds like.

    Attributes
    ----------
    samples : ndarray of int16, shape (samples,)
        At :data:`SAMPLING_RATE`.
    conversions : tuple of str
        What had to be done to the file: ``resampled``, ``mixed down``, ``converted``.
    """

    samples: NDArray[np.int16]
    conversions: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLING_RATE

    @cached_property
    def wav(self) -> bytes:
        """The audio as a WAV file."""
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLING_RATE)
            file.writeframes(self.samples.astype("<i2").tobytes())
        return buffer.getvalue()

    @property
    def floats(self) -> NDArray[np.float32]:
        """The samples as numbers from -1 to 1 (exact: every int16 has its float32)."""
        return self.samples.astype(np.float32) / np.float32(_FULL_SCALE)


@dataclass(frozen=True)
class AudioFile:
    """An audio file that was read.

    Attributes
    ----------
    audio : Audio
        What it sounds like.
    sha256 : str
        Hash of the bytes that were decoded.
    frames : int
        Samples of a channel in the file, before any treatment.
    clipped : int
        Clipped samples: those of the file that stand at full scale three or more in a row (in any
        channel, on the same side), and those beyond full scale that the conversion to 16 bits cut
        down.
    warnings : tuple of str
        What is odd about it: :data:`SILENT`, :data:`CANCELLED`.
    """

    audio: Audio
    sha256: str
    frames: int
    clipped: int = 0
    warnings: tuple[str, ...] = ()


def read_file(path: Path) -> AudioFile:
    """Read an audio file, with what is to be known of it.

    Raises
    ------
    InputError
        The file is missing, empty, cut off, damaged, not audio, of another scale than -1 to 1, or
        beyond a limit: 30 minutes, 200 MiB, 64 channels, 1,000 to 768,000 Hz.
    """
    content = _content(path)
    return _decoded(path, content, hashlib.sha256(content).hexdigest())


def read_audio(path: Path) -> Audio:
    """Read an audio file (``InputError`` as :func:`read_file`)."""
    return read_file(path).audio


def read_known(path: Path, sha256: str) -> Audio | None:
    """Read a file whose hash is known; None where it has become another one.

    Raises
    ------
    InputError
        It is gone, or cannot be read.
    """
    content = _content(path)
    held = hashlib.sha256(content).hexdigest()
    return _decoded(path, content, held).audio if held == sha256 else None


def read_unchanged(path: Path, sha256: str) -> Audio | None:
    """Read a file whose hash is known; None where it is gone, or has become another one."""
    with suppress(InputError):
        return read_known(path, sha256)
    return None


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe would keep us waiting
            raise InputError(f"{path}: not a regular file")
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: the audio file is missing") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise InputError(f"{path}: larger than {_LARGEST >> 20} MiB; is this a clip?")
    return content


class _Decoder(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read forwards only, block by block.

    Otherwise soundfile would seek after each block to where it stands, and refuse what cannot be
    sought in (GSM).
    """

    def seekable(self) -> bool:
        return False


def _decoded(path: Path, content: bytes, sha256: str) -> AudioFile:
    if not content:
        raise InputError(f"{path}: the audio file is empty")
    try:
        whole = encoded(content)
        with _Decoder(whole.open()) as file:
            return _read(path, file, whole, sha256)
    except DamagedError as damage:
        raise InputError(f"{path}: corrupt: {damage}") from None
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: corrupt, or not audio ({error.error_string})") from None


def _read(path: Path, file: _Decoder, whole: Encoded, sha256: str) -> AudioFile:
    counted = file.subtype not in _IN_BLOCKS or whole.frames  # the last block is filled up
    if file.format not in _FORMATS or file.subtype not in _CODECS or not counted:
        raise InputError(
            f"{path}: {file.format_info}, {file.subtype_info}: whether such a file is whole cannot "
            "be seen; convert it to WAV or FLAC"
        )
    if file.samplerate not in _RATES:
        raise InputError(
            f"{path}: its sampling rate is {file.samplerate:,} Hz; it must be from "
            f"{_RATES[0]:,} to {_RATES[-1]:,} Hz"
        )
    if file.channels > _MOST_CHANNELS:
        raise InputError(f"{path}: has {file.channels} channels, more than {_MOST_CHANNELS}")
    announced = whole.frames or file.frames
    conversions = tuple(
        name
        for name, needed in (
            ("resampled", file.samplerate != SAMPLING_RATE),
            ("mixed down", file.channels != 1),
            ("converted", file.subtype != "PCM_16"),
        )
        if needed
    )
    longest = _LONGEST * file.samplerate
    most = min(longest, _MOST_SAMPLES // file.channels)
    if most < announced < _UNKNOWN:
        raise _too_long(path, announced, file)
    survey, converter, peak = _Survey(file), _Converter(file.samplerate), 0.0
    for block in _blocks(file, announced):
        if not np.isfinite(block).all():
            raise InputError(f"{path}: corrupt: it holds samples that are not numbers")
        peak = max(peak, float(np.abs(block).max()))
        if peak > _LOUDEST:
            raise _wrong_scale(path, peak)
        mono = block.mean(axis=1)
        survey.add(block, mono)
        if survey.frames > most:
            raise _too_long(path, survey.frames, file)
        converter.add(mono.astype(np.float32))
    if survey.are_integers and peak > 1:
        raise _wrong_scale(path, peak)
    if survey.frames < announced < _UNKNOWN:
        raise DamagedError(f"only {survey.frames} of {announced} samples can be decoded")
    if not survey.frames:
        raise InputError(f"{path}: the audio file holds no samples")
    samples = converter.finish()
    if not len(samples):
        raise InputError(f"{path}: the audio file holds too few samples to be heard")
    return AudioFile(
        Audio(samples, conversions),
        sha256,
        survey.frames,
        survey.clipped + converter.clipped,
        (*([CANCELLED] if survey.cancelled else []), *([] if converter.is_loud else [SILENT])),
    )


def _too_long(path: Path, frames: int, file: _Decoder) -> InputError:
    if frames > _LONGEST * file.samplerate:
        how = f"longer than {_LONGEST // 60} minutes ({frames / file.samplerate / 60:.1f} or more)"
    else:
        how = f"decodes to {frames * file.channels:,} samples or more, above {_MOST_SAMPLES:,}"
    return InputError(f"{path}: {how}; is this a clip?")


def _wrong_scale(path: Path, peak: float) -> InputError:
    return InputError(
        f"{path}: its samples reach {peak:.6g}, where full scale is 1: whole numbers written as "
        "fractions? scale them to -1 to 1"
    )


def _blocks(file: _Decoder, frames: int) -> Iterator[NDArray[np.float64]]:
    """Decode up to so many samples of a channel, a block at a time, shape (samples, channels)."""
    size = min(_BLOCK // file.channels, 60 * file.samplerate)
    while frames and len(block := file.read(min(size, frames), "float64", always_2d=True)):
        frames -= len(block)
        yield block
    if not frames and file.format in ("FLAC", "AIFF"):  # whose samples may be more than announced
        with suppress(soundfile.LibsndfileError):  # a tag, say
            if len(file.read(1)):
                raise DamagedError("it holds more samples than it says")


class _Survey:
    """What is to be known of the samples of a file, as they stand in it."""

    def __init__(self, file: _Decoder) -> None:
        self._top = _TOPS.get(file.subtype, _TOP)
        self._last = np.zeros((_RUN, 2 * file.channels), bool)
        self._power = self._mixed_power = 0.0
        self.frames = self.clipped = 0
        self.are_integers = True

    def add(self, block: NDArray[np.float64], mono: NDArray[np.float64]) -> None:
        """Look at the next samples, shape (samples, channels), and at their mean."""
        self.frames += len(block)
        self.are_integers = self.are_integers and bool((block == np.rint(block)).all())
        self._power += float(np.square(block).mean(axis=1).sum())
        self._mixed_power += float(np.square(mono).sum())
        # Beyond full scale, nothing was cut off yet: that is the converter's.
        sides = [(side >= self._top) & (side <= 1) for side in (block, -block)]
        full = np.concatenate([self._last, np.hstack(sides)])
        self._last = full[-_RUN:]
        runs = np.all([full[n : n + len(block) + 1] for n in range(_RUN)], axis=0)
        begun = runs[1:] & ~runs[:-1]  # the first row is the end of the last block
        self.clipped += int(runs[1:].sum()) + (_RUN - 1) * int(begun.sum())

    @property
    def cancelled(self) -> bool:
        """Whether hardly anything is left of the channels in their mean."""
        return self._mixed_power < _CANCELLED * self._power


class _Converter:
    """Makes 16 kHz and 16 bits of samples, a block at a time."""

    def __init__(self, rate: int) -> None:
        self._resampler = (
            soxr.ResampleStream(rate, SAMPLING_RATE, 1, dtype="float32")
            if rate != SAMPLING_RATE
            else None
        )
        self._converted: list[NDArray[np.int16]] = []
        self.clipped = 0
        self.is_loud = False

    def add(self, mono: NDArray[np.float32], *, last: bool = False) -> None:
        """Convert the next samples."""
        if self._resampler:
            mono = self._resampler.resample_chunk(mono, last=last)
        scaled = np.rint(mono * _FULL_SCALE)
        size = np.abs(scaled)
        self.clipped += int((size > _FULL_SCALE).sum())
        self.is_loud = self.is_loud or bool((size > 1).any())
        scaled = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1)
        self._converted.append(scaled.astype(np.int16))

    def finish(self) -> NDArray[np.int16]:
        """Give all that was converted."""
        self.add(np.zeros(0, np.float32), last=True)
        return np.concatenate(self._converted)


def count_frames(path: Path) -> int:
    """Count the samples of a file as they were decoded, before any treatment."""
    return read_file(path).frames


def file_sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
