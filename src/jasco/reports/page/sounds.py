"""What is seen of a clip's audio (waveform, spectrogram, speech), and compressed audio."""

import base64
import io
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from jasco.data.audio import SAMPLING_RATE, Audio
from jasco.errors import InputError
from jasco.interventions.voices import voices

_PEAKS = 320  # columns of a waveform
_WIDTH, _HEIGHT = 480, 96  # pixels of a spectrogram
_WINDOW = 640  # samples
_HIGHEST = 8000  # Hz
_QUIET, _LOUD = 30, 99.8  # percentiles of the levels that are drawn white and black
_LEAST_RANGE, _GREATEST_RANGE = 30.0, 70.0  # decibels between the two
_VOICE = 0.5  # least probability of a voice
_PAUSE, _SHORTEST = 0.2, 0.1  # seconds: of a pause in speech, and of speech


def sound_view(audio: Audio) -> dict[str, Any]:
    """Compute what a page shows of a clip's audio.

    Returns
    -------
    dict
        For JSON: ``seconds``; ``waveform`` (:func:`waveform`); ``spectrogram``, a data URL
        (:func:`spectrogram`); ``speech`` (:func:`speech`).
    """
    return {
        "seconds": round(audio.seconds, 3),
        "waveform": waveform(audio),
        "spectrogram": data_url("image/webp", spectrogram(audio)),
        "speech": speech(audio),
    }


def waveform(audio: Audio) -> list[int]:
    """Return the peaks in 320 parts of a clip, in percent of the highest."""
    samples = audio.samples if len(audio.samples) else np.zeros(1, np.int16)
    starts = np.linspace(0, len(samples), _PEAKS, endpoint=False).astype(int)
    peaks = np.maximum.reduceat(np.abs(samples.astype(np.int32)), starts)
    percent: list[int] = np.rint(100 * peaks / max(1, peaks.max())).astype(int).tolist()
    return percent


def spectrogram(audio: Audio) -> bytes:
    """Return an image of a clip's spectrogram on the mel scale, 0 to 8 kHz from bottom to top.

    Louder is darker. The quietest third of the image is white, so that a steady noise hides little.

    Returns
    -------
    bytes
        An image in WebP, 480 x 96 pixels, grey.
    """
    half = _WINDOW // 2
    samples = np.pad(audio.floats, (half, half + 1))
    starts = np.linspace(0, len(samples) - _WINDOW, _WIDTH).astype(int)
    window = np.hanning(_WINDOW).astype(np.float32)
    spectra = np.fft.rfft(samples[starts[:, None] + np.arange(_WINDOW)] * window)
    power = spectra.real**2 + spectra.imag**2
    edges = _edges()
    bands = np.add.reduceat(power, edges[:-1], axis=1) / np.maximum(1, np.diff(edges))
    decibels = 10 * np.log10(np.maximum(bands, 1e-12))
    quiet, loud = np.percentile(decibels, (_QUIET, _LOUD))
    white = max(quiet, loud - _GREATEST_RANGE)
    black = max(loud, white + _LEAST_RANGE)
    grey = 255 * np.clip((black - decibels) / (black - white), 0, 1)
    picture = Image.fromarray(grey.T[::-1].astype(np.uint8))
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=40, method=2)
    return written.getvalue()


def _edges() -> NDArray[np.int64]:
    """Return the first frequency of each row, and the one after the last, as bins of the FFT."""
    mel = np.linspace(0, np.log1p(_HIGHEST / 700), _HEIGHT + 1)
    return np.rint(700 * np.expm1(mel) * _WINDOW / SAMPLING_RATE).astype(int)


def speech(audio: Audio) -> list[list[float]] | None:
    """Estimate the intervals that contain speech, with Silero's default threshold.

    On the data set ``mini``, whose speech is known, the estimate is right for 94% of the time.

    Returns
    -------
    list of [start, end] or None
        In seconds; None if the libraries of the extra ``stems`` are missing.
    """
    try:
        found = voices(audio.floats, "the report", probability=_VOICE, pause=_PAUSE)
    except InputError:
        return None
    seconds = [(first / SAMPLING_RATE, last / SAMPLING_RATE) for first, last in found]
    return [[round(a, 2), round(b, 2)] for a, b in seconds if b - a >= _SHORTEST]


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
