"""Separation of a clip into its sound and its speech, given the intervals of the speech.

The sound is what is heard between the intervals, repeated to the length of the clip. The speech is
the intervals, in which the stationary part of the sound is attenuated. Sound and speech that
overlap are not separated further: a sound that occurs only under the speech is missing from the
one and remains in the other.

Conventions
-----------
Samples are float32 from -1 to 1 at 16 kHz, shape (samples,). An interval is the index of its first
sample and of the one after its last; intervals are sorted and disjoint.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jasco.data.audio import Audio

Samples = NDArray[np.float32]
Interval = tuple[int, int]

FADE = 800
"""Number of samples of a cross-fade (50 ms)."""
FRAME, HOP = 512, 128
"""Number of samples of a frame of the spectrogram (32 ms), and between two frames (8 ms)."""

_SMOOTHING = 0.9  # of the signal-to-noise ratio over frames


def as_audio(samples: Samples) -> Audio:
    """Return samples as the audio that models receive; those beyond full scale are clipped."""
    return Audio(np.clip(np.rint(samples * 32_768), -32_768, 32_767).astype(np.int16))


def padded(intervals: Sequence[Interval], padding: int, length: int) -> list[Interval]:
    """Extend intervals on both sides, within the clip, and join those that then touch.

    Parameters
    ----------
    intervals : sequence of Interval
        Sorted by their first samples; they may overlap.
    padding : int
        Number of samples on each side.
    length : int
        Number of samples of the clip.
    """
    joined: list[Interval] = []
    for first, last in intervals:
        begin, end = max(0, first - padding), min(length, last + padding)
        if joined and begin <= joined[-1][1]:
            before = joined.pop()
            begin, end = before[0], max(before[1], end)
        joined.append((begin, end))
    return joined


def between(intervals: Sequence[Interval], length: int) -> list[Interval]:
    """Return the intervals between the given ones and before and after them, in a clip."""
    begins = [0, *(last for _, last in intervals)]
    ends = [*(first for first, _ in intervals), length]
    return [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]


def sound_of(samples: Samples, speech: Sequence[Interval]) -> Samples:
    """Estimate the sound of a clip: the parts without speech, repeated to its length.

    Parts of up to two cross-fades are omitted; the others are joined with cross-fades of constant
    power.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
    speech : sequence of Interval
        The intervals of the speech.

    Returns
    -------
    ndarray of float32, shape (samples,)
        Silence if no part is long enough.
    """
    parts = [samples[begin:end] for begin, end in between(speech, len(samples))]
    parts = [part for part in parts if len(part) > 2 * FADE]
    return repeated(parts, len(samples)) if parts else np.zeros_like(samples)


def repeated(parts: Sequence[Samples], length: int) -> Samples:
    """Join parts with cross-fades of constant power, again and again up to a length.

    Parameters
    ----------
    parts : sequence of ndarray of float32, shape (samples,)
        At least one, each longer than a cross-fade.
    length : int
        Number of samples of the result.
    """
    rise = np.sin(np.linspace(0, np.pi / 2, FADE, dtype=np.float32))
    joined, number = parts[0], 1
    while len(joined) < length:
        part = parts[number % len(parts)]
        overlap = joined[-FADE:] * rise[::-1] + part[:FADE] * rise
        joined = np.concatenate([joined[:-FADE], overlap, part[FADE:]])
        number += 1
    return joined[:length]


def speech_of(
    samples: Samples, speech: Sequence[Interval], strength: float, floor: float
) -> Samples:
    """Estimate the speech of a clip: its intervals without the stationary sound, else silence.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
    speech : sequence of Interval
        The intervals of the speech.
    strength, floor : float
        As in :func:`denoised`; the noise is what is heard between the intervals.

    Returns
    -------
    ndarray of float32, shape (samples,)
        With linear fades of up to 10 ms within the ends of the intervals.
    """
    noise = [samples[begin:end] for begin, end in between(speech, len(samples))]
    clean = denoised(samples, noise, strength, floor)
    envelope = np.zeros(len(samples), np.float32)
    for begin, end in speech:
        steps = np.arange(1, end - begin + 1, dtype=np.float32) / 160
        envelope[begin:end] = np.minimum(1, np.minimum(steps, steps[::-1]))
    return clean * envelope


def spectrogram(samples: Samples, hop: int = HOP) -> NDArray[np.complex64]:
    """Compute the spectrogram of samples, padded with a frame of silence at both ends.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
    hop : int
        Number of samples between two frames; a divisor of half a frame.

    Returns
    -------
    ndarray of complex, shape (frames, ``FRAME`` / 2 + 1)
        With square roots of a periodic Hann window.
    """
    missing = -len(samples) % hop
    silent = np.pad(samples, (FRAME, FRAME + missing))
    frames = np.lib.stride_tricks.sliding_window_view(silent, FRAME)[::hop]
    return np.fft.rfft(frames * _window()).astype(np.complex64)


def samples_of(spectra: NDArray[np.complex64], length: int, hop: int = HOP) -> Samples:
    """Invert :func:`spectrogram`.

    Parameters
    ----------
    spectra : ndarray of complex, shape (frames, ``FRAME`` / 2 + 1)
    length : int
        Number of samples.
    hop : int
        Number of samples between two frames.
    """
    frames = np.fft.irfft(spectra, FRAME) * _window() * (2 * hop / FRAME)
    out = np.zeros((len(frames) - 1) * hop + FRAME)
    for part in range(FRAME // hop):  # frames that do not overlap
        some = frames[part :: FRAME // hop].reshape(-1)
        out[part * hop : part * hop + len(some)] += some
    return out[FRAME : FRAME + length].astype(np.float32)


def denoised(samples: Samples, noise: Sequence[Samples], strength: float, floor: float) -> Samples:
    """Attenuate stationary noise with a Wiener filter.

    The signal-to-noise ratio of a frame is estimated from it and from the last filtered frame
    (Ephraim and Malah, 1984, "Speech enhancement using a minimum mean-square error short-time
    spectral amplitude estimator", equation 51).

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
    noise : sequence of ndarray of float32
        Parts that contain only noise; those shorter than a frame are ignored.
    strength : float
        Factor of the power of the noise; 0 returns the samples unchanged.
    floor : float
        The least gain.

    Returns
    -------
    ndarray of float32, shape (samples,)
    """
    profiles = [
        np.abs(spectrogram(part)[FRAME // HOP : -FRAME // HOP]) ** 2
        for part in noise
        if len(part) > 2 * FRAME
    ]
    if not profiles or not strength:
        return samples
    power = np.concatenate(profiles).mean(axis=0) * strength + 1e-12
    spectra = spectrogram(samples)
    last = np.zeros(power.shape)
    for spectrum in spectra:
        ratio = np.abs(spectrum) ** 2 / power
        prior = _SMOOTHING * last + (1 - _SMOOTHING) * np.maximum(ratio - 1, 0)
        gain = np.maximum(prior / (1 + prior), floor)
        last = gain**2 * ratio
        spectrum *= gain
    return samples_of(spectra, len(samples))


def _window() -> NDArray[np.float64]:
    return np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME))
