"""Spectrograms and compressed audio of clips."""

import base64
import io

import numpy as np
import soundfile
from PIL import Image

from jasco.data.audio import SAMPLING_RATE, Audio

_WIDTH, _HEIGHT, _WINDOW = 320, 128, 512  # pixels, pixels, samples
_RANGE = 70.0  # decibels shown below the maximum


def spectrogram(audio: Audio) -> bytes:
    """Return an image of a clip's spectrogram, 0 to 8 kHz from bottom to top; louder is darker.

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
    """Return a clip compressed as MP3, for listening only; models get the original."""
    written = io.BytesIO()
    soundfile.write(
        written, audio.samples, SAMPLING_RATE, format="MP3", subtype="MPEG_LAYER_III",
        compression_level=0.9,
    )  # fmt: skip
    return written.getvalue()


def data_url(kind: str, content: bytes) -> str:
    """Return content as a data URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
