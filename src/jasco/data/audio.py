"""Audio files in the format that all models receive: 16 kHz, one channel, 16 bits.

Conventions
-----------
Samples are ``int16``, shape (samples,). A file in this format is passed on bit-exact.

A file is read into memory once, and the bytes that are hashed are the bytes that are decoded. Its
length is the number of decoded samples; if it differs from the length in the header, the file is
refused.
"""

import base64
import hashlib
import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from jasco.data.containers import Container, DamagedError, read_container
from jasco.data.csv_files import write_whole
from jasco.errors import InputError

SAMPLING_RATE = 16_000
"""Sampling rate of all audio that is passed to models, in Hz."""
SILENT = "silence only"
"""Warning: no sample differs from 0 by more than one step."""
CANCELLED = "channels cancel each other out"
"""Warning: the mean of the channels has less than a hundredth of their power."""

_FULL_SCALE = 32_768
_MOST_SECONDS = 1_800  # a longer clip is probably a mistake, and would exhaust the memory
_MOST_BYTES = 200 << 20  # for the same reason
_RATES = range(1_000, 768_001)  # lower rates would multiply the number of samples
_MOST_CHANNELS = 64
_MOST_SAMPLES = 1 << 30  # of all channels: several seconds of decoding
_BLOCK = 1 << 18  # number of samples of all channels decoded at a time
_FORMATS = ("WAV", "WAVEX", "RF64", "AIFF", "AU", "FLAC", "OGG", "MP3")
_BLOCK_CODECS = ("GSM610", "IMA_ADPCM", "MS_ADPCM")
_CODECS = (
    "PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW",
    "VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", *_BLOCK_CODECS,
)  # fmt: skip
"""In other formats and codecs, the length of a complete file cannot be determined."""
_HIGHEST_PEAK = 8.0  # times full scale: louder than any mix, so these are integers
_CANCELLED_POWER = 0.01  # of the channels' power
_TOP = 32_767 / 32_768
_TOPS = {"PCM_U8": 127 / 128, "PCM_S8": 127 / 128, "ULAW": 32_124 / 32_768, "ALAW": 32_256 / 32_768}
"""Full scale of formats with at most 8 bits; it is at least ``_TOP`` in all others."""
_UNKNOWN = (1 << 63) - 1  # the decoder's length of a stream of unknown length
_RUN = 3  # consecutive samples: an unclipped wave reaches full scale for one or two


@dataclass(frozen=True)
class Audio:
    """The audio of a clip.

    Attributes
    ----------
    samples : ndarray of int16, shape (samples,)
        At :data:`SAMPLING_RATE`.
    conversions : tuple of str
        How the file was converted: ``resampled``, ``mixed down``, ``converted``.
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
        return self.encoded("WAV")

    @cached_property
    def wav_base64(self) -> str:
        """The WAV file in base64, as in JSON; a clip's questions share it."""
        return base64.b64encode(self.wav).decode()

    def encoded(self, form: str) -> bytes:
        """Return the audio as a file in a format: ``WAV`` or ``FLAC``."""
        file = io.BytesIO()
        soundfile.write(file, self.samples, SAMPLING_RATE, format=form, subtype="PCM_16")
        return file.getvalue()

    @property
    def floats(self) -> NDArray[np.float32]:
        """The samples as numbers from -1 to 1 (exact: float32 represents every int16)."""
        return self.samples.astype(np.float32) / np.float32(_FULL_SCALE)


@dataclass(frozen=True)
class AudioFile:
    """The content of an audio file.

    Attributes
    ----------
    audio : Audio
        Its audio.
    sha256 : str
        Hash of the bytes that were decoded.
    frames : int
        Samples per channel in the file, before any conversion.
    clipped : int
        Number of clipped samples: runs of three or more at full scale in the file (in any channel,
        with the same sign), and samples beyond full scale that are clipped by the conversion to 16
        bits.
    warnings : tuple of str
        Warnings: :data:`SILENT`, :data:`CANCELLED`.
    """

    audio: Audio
    sha256: str
    frames: int
    clipped: int = 0
    warnings: tuple[str, ...] = ()


def read_file(path: Path) -> AudioFile:
    """Read an audio file with its properties.

    Raises
    ------
    InputError
        The file is missing, empty, truncated, damaged, not audio, not scaled to -1 to 1, or outside
        the limits: 30 minutes, 200 MiB, 64 channels, 1,000 to 768,000 Hz.
    """
    content = _content(path)
    return _decoded(path, content, hashlib.sha256(content).hexdigest())


def read_audio(path: Path) -> Audio:
    """Read an audio file (``InputError`` as :func:`read_file`)."""
    return read_file(path).audio


def read_known(path: Path, sha256: str) -> Audio | None:
    """Read a file whose hash is known; return None if its content has changed.

    Raises
    ------
    InputError
        The file is missing, or cannot be read.
    """
    content = _content(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        return None
    return _decoded(path, content, sha256).audio


def read_unchanged(path: Path, sha256: str) -> Audio | None:
    """Read a file whose hash is known; return None if it is missing or its content has changed."""
    with suppress(InputError):
        return read_known(path, sha256)
    return None


def write_audio(path: Path, audio: Audio) -> None:
    """Write audio to a WAV or FLAC file, according to its extension, atomically.

    Raises
    ------
    IncompleteError
        The file cannot be written.
    """
    write_whole(path, audio.encoded(path.suffix.removeprefix(".").upper()))


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe might never end
            raise InputError(f"{path}: not a regular file; give a file")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: the audio file is missing") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise InputError(f"{path}: larger than {_MOST_BYTES >> 20} MiB; check that it is a clip")
    return content


class _Decoder(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read sequentially, block by block.

    Otherwise, soundfile would seek to its position after each block, and reject codecs that do not
    support seeking (GSM).
    """

    def seekable(self) -> bool:
        return False


def _decoded(path: Path, content: bytes, sha256: str) -> AudioFile:
    if not content:
        raise InputError(f"{path}: the audio file is empty")
    try:
        container = read_container(content)
        with _Decoder(container.file) as file:
            return _read(file, container, sha256)
    except DamagedError as damage:
        raise InputError(f"{path}: corrupt: {damage}") from None
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: corrupt, or not audio ({error.error_string})") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read(file: _Decoder, container: Container, sha256: str) -> AudioFile:
    # For block codecs, the container must state how many samples the last block has.
    is_counted = file.subtype not in _BLOCK_CODECS or container.frames
    if file.format not in _FORMATS or file.subtype not in _CODECS or not is_counted:
        raise InputError(
            f"unsupported format ({file.format_info}, {file.subtype_info}): the file cannot be "
            "checked for completeness; convert it to WAV or FLAC"
        )
    if file.samplerate not in _RATES:
        raise InputError(
            f"sampling rate of {file.samplerate:,} Hz is not supported; it must be between "
            f"{_RATES[0]:,} and {_RATES[-1]:,} Hz"
        )
    if file.channels > _MOST_CHANNELS:
        raise InputError(f"{file.channels} channels; at most {_MOST_CHANNELS} are supported")
    announced = container.frames or file.frames
    if announced < _UNKNOWN:
        _check_length(file, announced)
    survey, parts, beyond, is_silent = _Survey(file), [], 0, True
    for mono in _resampled(survey.mono_blocks(announced), file.samplerate):
        scaled = np.rint(mono * _FULL_SCALE)
        size = np.abs(scaled)
        beyond += int((size > _FULL_SCALE).sum())
        is_silent = is_silent and bool((size <= 1).all())
        parts.append(np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16))
    if survey.frames < announced < _UNKNOWN:
        raise DamagedError(f"only {survey.frames} of {announced} samples can be decoded")
    if not survey.frames:
        raise InputError("the audio file contains no samples")
    samples = np.concatenate(parts)
    if not len(samples):
        raise InputError("the audio file is too short to be resampled to 16 kHz")
    conversions = {
        "resampled": file.samplerate != SAMPLING_RATE,
        "mixed down": file.channels != 1,
        "converted": file.subtype != "PCM_16",
    }
    warnings = {CANCELLED: survey.is_cancelled, SILENT: is_silent}
    return AudioFile(
        Audio(samples, tuple(name for name, needed in conversions.items() if needed)),
        sha256,
        survey.frames,
        survey.clipped + beyond,
        tuple(name for name, found in warnings.items() if found),
    )


def _check_length(file: _Decoder, frames: int) -> None:
    if frames > _MOST_SECONDS * file.samplerate:
        minutes = frames / file.samplerate / 60
        excess = f"longer than {_MOST_SECONDS // 60} minutes ({minutes:.1f} or more)"
    elif frames > _MOST_SAMPLES // file.channels:
        excess = f"decodes to at least {frames * file.channels:,} samples, over {_MOST_SAMPLES:,}"
    else:
        return
    raise InputError(f"{excess}; check that it is a clip")


class _Survey:
    """Statistics of a file's samples before conversion."""

    def __init__(self, file: _Decoder) -> None:
        self._file = file
        self._top = _TOPS.get(file.subtype, _TOP)
        self._last = np.zeros((_RUN, 2 * file.channels), bool)
        self._power = self._mixed_power = 0.0
        self.frames = self.clipped = 0

    def mono_blocks(self, announced: int) -> Iterator[NDArray[np.float32]]:
        """Decode up to this number of samples per channel and yield the means of the channels.

        Raises
        ------
        InputError
            Samples are not finite, not scaled to -1 to 1, or too many.
        """
        peak, are_integers = 0.0, True
        for block in _blocks(self._file, announced):
            if not np.isfinite(block).all():
                raise InputError("corrupt: it contains samples that are not finite numbers")
            peak = max(peak, float(np.abs(block).max()))
            are_integers = are_integers and bool((block == np.rint(block)).all())
            if peak > _HIGHEST_PEAK:
                raise _wrong_scale(peak)
            mono = block.mean(axis=1)
            self._add(block, mono)
            _check_length(self._file, self.frames)
            yield mono.astype(np.float32)
        if are_integers and peak > 1:
            raise _wrong_scale(peak)

    def _add(self, block: NDArray[np.float64], mono: NDArray[np.float64]) -> None:
        self.frames += len(block)
        self._power += float(np.square(block).mean(axis=1).sum())
        self._mixed_power += float(np.square(mono).sum())
        # Samples beyond full scale are counted when they are clipped by the conversion to 16 bits.
        sides = [(side >= self._top) & (side <= 1) for side in (block, -block)]
        full = np.concatenate([self._last, np.hstack(sides)])
        self._last = full[-_RUN:]
        runs = np.all([full[n : n + len(block) + 1] for n in range(_RUN)], axis=0)
        begun = runs[1:] & ~runs[:-1]  # the first row belongs to the previous block
        self.clipped += int(runs[1:].sum()) + (_RUN - 1) * int(begun.sum())

    @property
    def is_cancelled(self) -> bool:
        """Whether the channels nearly cancel each other out in their mean."""
        return self._mixed_power < _CANCELLED_POWER * self._power


def _wrong_scale(peak: float) -> InputError:
    return InputError(
        f"its samples reach {peak:.6g}, but full scale is 1 (integers stored as floats?); scale "
        "them to the range from -1 to 1"
    )


def _blocks(file: _Decoder, frames: int) -> Iterator[NDArray[np.float64]]:
    """Yield up to this number of samples per channel, in blocks of shape (samples, channels)."""
    size = min(_BLOCK // file.channels, 60 * file.samplerate)
    while frames and len(block := file.read(min(size, frames), "float64", always_2d=True)):
        frames -= len(block)
        yield block
    if not frames and file.format in ("FLAC", "AIFF"):  # they may contain more samples than stated
        with suppress(soundfile.LibsndfileError):  # a tag, for example
            if len(file.read(1)):
                raise DamagedError("it contains more samples than its header states")


def _resampled(blocks: Iterator[NDArray[np.float32]], rate: int) -> Iterator[NDArray[np.float32]]:
    if rate == SAMPLING_RATE:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, SAMPLING_RATE, 1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
