"""What a page shows and plays of a clip."""

import base64
import io

import numpy as np
import soundfile
from PIL import Image

from jasco.data.audio import SAMPLING_RATE, Audio

_WIDTH, _HEIGHT, _WINDOW = 320, 128, 512  # pixels, pixels, samples
_RANGE = 70.0  # decibels below the loudest that are shown


def spectrogram(audio: Audio) -> bytes:
    """Draw a clip's spectrogram: time to the right, 0 to 8 kHz upwards, louder is darker.

    Returns
    -------
    bytes
        An image in WebP, 320 x 128 pixels.
    """
    samples = np.pad(audio.floats, (0, max(0, _WINDOW - len(audio.samples))))
    starts = np.linspace(0, len(samples) - _WINDOW, _WIDTH).astype(int)
    windows = samples[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(windows)[:, :-1]) ** 2  # (320, 256)
    rows = power.reshape(_WIDTH, _HEIGHT, -1).mean(axis=2).T[::-1]
    decibels = 10 * np.log10(np.maximum(rows, 1e-12))
    loud = np.clip((decibels - decibels.max()) / _RANGE + 1, 0, 1)
    picture = Image.fromarray((255 * (1 - loud)).astype(np.uint8))
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=60)
    return written.getvalue()


def mp3(audio: Audio) -> bytes:
    """Compress a clip for listening (models get the uncompressed one)."""
    written = io.BytesIO()
    soundfile.write(
        written, audio.samples, SAMPLING_RATE, format="MP3", subtype="MPEG_LAYER_III",
        compression_level=0.9,
    )  # fmt: skip
    return written.getvalue()


def data_url(kind: str, content: bytes) -> str:
    """Put content into a URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
