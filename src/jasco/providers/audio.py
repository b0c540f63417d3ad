"""Audio files as every model gets them: 16 kHz, one channel, 16 bits.

Conventions
-----------
Samples are ``int16``, shape (samples,). A file that is so already is handed on bit-equal.
"""

import hashlib
import io
import wave
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from jasco.benchmark.errors import InputError

SAMPLING_RATE = 16_000
"""Samples a second of all audio that is handed on."""

_FULL_SCALE = 32_768
_LONGEST = 3_600  # seconds; a clip of hours is a mistake, and would fill the memory
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Audio:
    """What a clip sounds like.

    Attributes
    ----------
    samples : ndarray of int16, shape (samples,)
        At :data:`SAMPLING_RATE`.
    treatments : tuple of str
        What had to be done to the file: ``resampled``, ``mixed down``, ``converted``.
    """

    samples: NDArray[np.int16]
    treatments: tuple[str, ...] = ()

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


def read_audio(path: Path) -> Audio:
    """Read an audio file.

    Raises
    ------
    InputError
        The file is missing, empty, cut off, not audio, or longer than an hour.
    """
    return _decoded(path, _content(path))


def read_unchanged(path: Path, sha256: str) -> Audio | None:
    """Read a file whose hash is known; None where it is gone, or has become another one."""
    try:
        content = _content(path)
        if hashlib.sha256(content).hexdigest() == sha256:
            return _decoded(path, content)
    except InputError:
        pass
    return None


def _decoded(path: Path, content: bytes) -> Audio:
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            return _read(path, file)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: corrupt, or not audio ({error.error_string})") from None


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: the audio file is missing") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not content:
        raise InputError(f"{path}: the audio file is empty")
    if content[:4] == b"RIFF":  # the decoder would play what is left of a truncated file
        told = int.from_bytes(content[4:8], "little")
        if told not in (0, 0xFFFFFFFF) and told > len(content) - 8 + 1:  # 1: a missing pad byte
            raise InputError(f"{path}: corrupt: cut off after {len(content)} of {told + 8} bytes")
    return content


def _read(path: Path, file: soundfile.SoundFile) -> Audio:
    if not file.frames:
        raise InputError(f"{path}: the audio file holds no samples")
    if file.frames > _LONGEST * file.samplerate:
        raise InputError(f"{path}: longer than an hour; is this a clip?")
    treatments = tuple(
        name
        for name, needed in (
            ("resampled", file.samplerate != SAMPLING_RATE),
            ("mixed down", file.channels != 1),
            ("converted", file.subtype != "PCM_16"),
        )
        if needed
    )
    if not treatments:
        return Audio(file.read(dtype="int16"))
    blocks = file.blocks(_BLOCK, dtype="float64", always_2d=True)
    mono = np.concatenate([block.mean(axis=1).astype(np.float32) for block in blocks])
    if not np.isfinite(mono).all():
        raise InputError(f"{path}: corrupt: it holds samples that are not numbers")
    if file.samplerate != SAMPLING_RATE:
        mono = soxr.resample(mono, file.samplerate, SAMPLING_RATE)
        if not len(mono):
            raise InputError(f"{path}: the audio file holds too few samples to be heard")
    scaled = np.clip(np.rint(mono * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    return Audio(scaled.astype(np.int16), treatments)


def count_frames(path: Path) -> int:
    """Count the samples of a file as they stand in it, before any treatment."""
    read_audio(path)  # refuses what cannot be read, by name
    return int(soundfile.info(path).frames)


def file_sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
