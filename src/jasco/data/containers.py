"""Containers of audio files: completeness, and the number of samples.

A decoder plays the rest of a truncated file, estimates the length of an MP3, and pads the last
block of a compressed recording. Therefore the container is read first: an incomplete file is
refused, and the decoder is given the number of samples.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

_BLOCK_CODECS = (0x02, 0x11, 0x31)  # Microsoft ADPCM, IMA ADPCM, GSM 6.10
_MPEG_IN_WAV = (0x50, 0x55)
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3", b"3DI")  # tags that may follow the audio
_MOST_JUNK = 256  # bytes after the samples that are harmless without a chunk: below 10 ms


class DamagedError(ValueError):
    """A file is incomplete or damaged; the message states the reason."""


@dataclass(frozen=True)
class Container:
    """A complete file, for the decoder.

    Attributes
    ----------
    file : io.BytesIO
        The file, or the part of it that is audio.
    frames : int or None
        Number of samples per channel; None if the decoder's own count is correct.
    """

    file: io.BytesIO
    frames: int | None = None


def read_container(content: bytes) -> Container:
    """Check the container of an audio file.

    Raises
    ------
    DamagedError
        The file is incomplete or damaged. Other formats are left to the decoder.
    """
    if content[:4] in (b"RIFF", b"RIFX", b"RF64") and content[8:12] == b"WAVE":
        return _wav(content)
    if content[:4] == b"FORM" and content[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(content)
    if content[:4] in (b".snd", b"dns."):
        return _au(content)
    if content[:4] == b"OggS":
        return _ogg(content)
    untagged = content[_id3_size(content) :]
    if untagged[:4] == b"fLaC":
        return _flac(untagged)
    if content[:3] == b"ID3" or _frame_header(content, 0):
        return _mp3(content)
    return Container(io.BytesIO(content))


# --- WAV, AIFF, AU ---

_Order = Literal["little", "big"]


def _wav(content: bytes) -> Container:
    order: _Order = "big" if content[:4] == b"RIFX" else "little"
    chunks, start, size = _chunks(content, order, b"data")
    if size == 0xFFFFFFFF:  # in a file beyond 4 GB, another chunk holds the size
        size = int.from_bytes(chunks.get(b"ds64", b"")[8:16], "little") or size
    end = _end_of_samples(content, start, size, order)
    form = chunks.get(b"fmt ", b"")
    codec = int.from_bytes(form[:2], order)
    if codec in _MPEG_IN_WAV:
        return _mp3(content[start:end])
    if codec not in _BLOCK_CODECS or len(form) < 20:
        return Container(io.BytesIO(content))
    # The last block is padded. Some programs write a wrong number of samples into "fact".
    block_size, block_frames = (int.from_bytes(form[at : at + 2], order) for at in (12, 18))
    most = -(-(end - start) // max(1, block_size)) * block_frames
    frames = int.from_bytes(chunks.get(b"fact", b"")[:4], order)
    return Container(io.BytesIO(content), frames if most - block_frames < frames <= most else most)


def _aiff(content: bytes) -> Container:
    chunks, start, size = _chunks(content, "big", b"SSND")
    _end_of_samples(content, start, size, "big")
    frames = int.from_bytes(chunks.get(b"COMM", b"")[2:6], "big")
    return Container(io.BytesIO(content), None if frames >= 0x7F000000 else frames or None)


def _au(content: bytes) -> Container:
    order: _Order = "big" if content[:4] == b".snd" else "little"
    start, size = (int.from_bytes(content[at : at + 4], order) for at in (4, 8))
    _end_of_samples(content, start, size)
    return Container(io.BytesIO(content))


def _chunks(content: bytes, order: _Order, samples: bytes) -> tuple[dict[bytes, bytes], int, int]:
    """Return the chunks before the samples, the offset of the samples, and their stated size."""
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], order)
        at += 8
        if name == samples:
            return chunks, at, size
        chunks.setdefault(name, content[at : at + size])
        at += size + size % 2
    raise DamagedError("truncated before its samples begin")


def _end_of_samples(content: bytes, start: int, size: int, order: _Order | None = None) -> int:
    """Return the offset at which the samples end, by their stated size.

    Parameters
    ----------
    content : bytes
        The file.
    start, size : int
        Offset of its samples, and their stated size in bytes.
    order : str, optional
        Byte order of the chunks that may follow; None if the container has no chunks.

    Raises
    ------
    DamagedError
        Samples are missing, or the header was never completed.
    """
    if _is_open(size):
        return len(content)
    end = start + size
    _check_end(content, end)
    rest = content[end:]
    places = (end + size % 2, end)  # some programs do not pad
    is_chunk = order and any(_is_chunk(content, at, order) for at in places)
    is_harmless = len(rest) <= _MOST_JUNK or not rest.strip(b"\0") or rest.startswith(_TAGS)
    if not is_chunk and not is_harmless:
        raise DamagedError(
            f"its header states {size} bytes of samples, but {len(rest)} more bytes follow; was "
            "the recording completed?"
        )
    return end


def _is_chunk(content: bytes, at: int, order: _Order) -> bool:
    name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], order)
    return name.isascii() and name.decode().isprintable() and at + size <= len(content)


def _check_end(content: bytes, end: int) -> None:
    if end > len(content):
        raise DamagedError(f"truncated after {len(content)} of {end} bytes")


def _is_open(size: int) -> bool:
    """Return whether a size stands for an unknown size: the samples end with the file.

    If a recording was written to a pipe, the size is the largest number, or close to it (sox:
    0x7FFFF000 and a header).
    """
    return 0x7FFFF000 <= size <= 0x80000000 or 0xFFFFF000 <= size <= 0xFFFFFFFF or size >= 1 << 62


# --- FLAC ---


def _flac(content: bytes) -> Container:
    """Remove the number of samples, so that the decoder reads to the end of the file."""
    stream_info = int.from_bytes(content[18:26], "big")
    frames = stream_info & ((1 << 36) - 1)
    if len(content) >= 26 and frames:
        content = content[:18] + (stream_info - frames).to_bytes(8, "big") + content[26:]
        return Container(io.BytesIO(content), frames)
    return Container(io.BytesIO(content))


# --- Ogg ---

_SEVERAL = "several streams in one file; convert it to WAV or FLAC"
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg(content: bytes) -> Container:
    """Check every page up to the last one, and drop what follows it."""
    at, number, is_last = 0, 0, False
    while not is_last:
        page = _ogg_page(content, at)
        is_first, is_last = bool(page[5] & 2), bool(page[5] & 4)
        if is_first and number:
            raise DamagedError(_SEVERAL)
        if int.from_bytes(page[18:22], "little") != number:
            raise DamagedError(f"page {number} is missing")
        at, number = at + len(page), number + 1
    if content[at : at + 4] == b"OggS":
        raise DamagedError(_SEVERAL)
    return Container(io.BytesIO(content[:at]))


def _ogg_page(content: bytes, at: int) -> bytes:
    table = content[at + 27 : at + 27 + content[at + 26]] if at + 27 <= len(content) else b""
    page = content[at : at + 27 + len(table) + sum(table)]
    if page[:4] != b"OggS"[: len(page)]:
        raise DamagedError(f"damaged at byte {at}")
    if len(page) < 27 or len(page) < 27 + page[26] + sum(table):
        raise DamagedError(f"truncated after {len(content)} bytes: its last page is missing")
    if _ogg_crc(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
        raise DamagedError(f"damaged between bytes {at} and {at + len(page)}")
    return page


def _ogg_crc(page: bytes) -> int:
    """Compute Ogg's checksum: zlib's with reversed bits and without inversions."""
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


# --- MP3 ---

_KILOBITS = {  # by MPEG version (2.5 like 2) and layer
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
_VERSIONS = {0b11: (1, 1), 0b10: (2, 2), 0b00: (2, 4)}  # table of bit rates, divisor of rates
_XING_AT = (13, 15, 21, 23, 36, 38)  # after the side information, whose size varies
_VBRI_AT = 36


@dataclass(frozen=True)
class _FrameHeader:
    """An MPEG audio frame: its size, its samples, and the form that all frames of a file share."""

    size: int
    samples: int
    form: tuple[int, int, int]


def _mp3(content: bytes) -> Container:
    """Count the frames one by one.

    A first frame that only contains the length is kept if the length is correct (the decoder then
    drops the padding that the encoder added at both ends); otherwise it is dropped.
    """
    first = _id3_size(content)
    first += len(content[first:]) - len(content[first:].lstrip(b"\0"))
    headers = list(_frames(content, first))
    if not headers:
        raise DamagedError(f"no MP3 frame at byte {first}")
    if len({header.form for header in headers}) > 1:
        raise DamagedError("its sampling rate changes within the file; convert it to WAV or FLAC")
    audio = content[first : first + sum(header.size for header in headers)]
    announced = _announced_frames(audio[: headers[0].size])
    if announced is not None:
        if announced > len(headers):  # some count the first frame too
            raise DamagedError(
                f"truncated: {len(headers) - 1} of {announced} MP3 frames are present"
            )
        if announced == len(headers) - 1 and announced:
            return Container(io.BytesIO(audio))
        audio, headers = audio[headers[0].size :], headers[1:]
    return Container(_EndHidden(audio), sum(header.samples for header in headers))


def _frames(content: bytes, at: int) -> Iterator[_FrameHeader]:
    while header := _frame_header(content, at):
        _check_end(content, at + header.size)
        yield header
        at += header.size
    rest = content[at:]
    if rest.strip(b"\0") and not rest.lstrip(b"\0").startswith(_TAGS):
        if len(rest) < 4:
            raise DamagedError(f"truncated after {len(content)} bytes")
        raise DamagedError(f"damaged at byte {at}")


def _frame_header(content: bytes, at: int) -> _FrameHeader | None:
    """Read the header of an MPEG audio frame; return None if there is none."""
    if len(content) < at + 4:
        return None
    (bits,) = struct.unpack_from(">I", content, at)
    version, layer = bits >> 19 & 0b11, 4 - (bits >> 17 & 0b11)
    rate, speed, padding = bits >> 10 & 0b11, bits >> 12 & 0b1111, bits >> 9 & 1
    if bits >> 21 != 0x7FF or version == 1 or layer == 4 or rate == 3 or speed in (0, 15):
        return None
    family, divisor = _VERSIONS[version]
    hertz = _RATES[rate] // divisor
    bits_a_second = 1000 * _KILOBITS[family, layer][speed - 1]
    samples = 384 if layer == 1 else 576 if layer == 3 and family == 2 else 1152
    slot = 4 if layer == 1 else 1  # bytes by which a frame is padded
    size = (samples // 8 // slot * bits_a_second // hertz + padding) * slot
    return _FrameHeader(size, samples, (version, layer, rate))


def _announced_frames(opening: bytes) -> int | None:
    """Return the number of frames that the first frame states.

    Return 0 if it does not state the number, None if it is an ordinary audio frame.
    """
    for at in _XING_AT:
        if opening[at : at + 4] in (b"Xing", b"Info"):
            has_number = int.from_bytes(opening[at + 4 : at + 8], "big") & 1
            return int.from_bytes(opening[at + 8 : at + 12], "big") if has_number else 0
    return 0 if opening[_VBRI_AT : _VBRI_AT + 4] == b"VBRI" else None


def _id3_size(content: bytes) -> int:
    """Return the size of the tags before the audio, in bytes."""
    at = 0
    while content[at : at + 3] == b"ID3" and len(content) >= at + 10:
        size = 0
        for byte in content[at + 6 : at + 10]:
            size = size << 7 | byte & 0x7F
        at += 10 + size + (10 if content[at + 5] & 0x10 else 0)
    return at


class _EndHidden(io.BytesIO):
    """A file that reports its end far beyond the real one, followed by zeros.

    The decoder estimates the length of an MP3 from the size of the file, which is wrong if the bit
    rate varies, and stops reading there. Bit rates differ by a factor of 40 at most.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._size = len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_END:
            return super().seek(offset + 64 * self._size)
        return super().seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        if self.tell() <= self._size:
            return super().readinto(buffer)
        buffer[:] = bytes(len(buffer))  # the decoder looks for a tag there
        super().seek(len(buffer), io.SEEK_CUR)
        return len(buffer)
