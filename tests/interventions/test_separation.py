"""Separation of a clip into its sound and its speech."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.data.audio import SAMPLING_RATE
from jasco.interventions.separation import (
    FADE,
    Interval,
    Samples,
    between,
    denoised,
    padded,
    samples_of,
    sound_of,
    spectrogram,
    speech_of,
)


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> Samples:
    number = round(seconds * SAMPLING_RATE)
    return (level * np.random.default_rng(seed).standard_normal(number)).astype(np.float32)


def tone(seconds: float, frequency: float = 440) -> Samples:
    time = np.arange(round(seconds * SAMPLING_RATE)) / SAMPLING_RATE
    return (0.3 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def level(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


INTERVALS = st.lists(st.integers(0, 100), max_size=12).map(
    lambda edges: [
        (first, last)
        for first, last in zip(*[iter(sorted(edges))] * 2, strict=False)
        if first < last
    ]
)


@given(INTERVALS, st.integers(0, 20))
def test_padded_intervals_cover_their_surroundings_and_stay_apart(
    intervals: list[Interval], padding: int
) -> None:
    length = 100
    expected = np.zeros(length, bool)
    for first, last in intervals:
        expected[max(0, first - padding) : last + padding] = True
    found = np.zeros(length, bool)
    joined = padded(intervals, padding, length)
    for first, last in joined:
        found[first:last] = True
    assert np.array_equal(found, expected)
    assert all(before[1] < after[0] for before, after in pairwise(joined))
    rest = np.ones(length, bool)
    for first, last in between(joined, length):
        assert first < last
        rest[first:last] = False
    assert np.array_equal(rest, expected)


def test_overlapping_intervals_are_joined() -> None:
    assert padded([(0, 50), (10, 20), (60, 70)], 0, 100) == [(0, 50), (60, 70)]


def test_the_sound_keeps_its_level_and_the_length_of_the_clip() -> None:
    clip = noise(4)
    speech = [(SAMPLING_RATE, 3 * SAMPLING_RATE)]
    clip[slice(*speech[0])] += tone(2)
    sound = sound_of(clip, speech)
    assert len(sound) == len(clip)
    assert sound.dtype == np.float32
    assert level(sound) == pytest.approx(0.1, rel=0.02)
    first = SAMPLING_RATE - FADE
    assert np.array_equal(sound[:first], clip[:first])
    assert not np.any(np.abs(np.diff(sound)) > 1)


@pytest.mark.parametrize(
    "speech", [[(0, 64_000)], [(0, 63_000)], [(1_000, 32_000), (33_500, 64_000)]]
)
def test_without_a_part_that_is_long_enough_the_sound_is_silent(speech: list[Interval]) -> None:
    assert not sound_of(noise(4), speech).any()


def test_a_short_part_is_repeated_and_the_shortest_are_omitted() -> None:
    clip = noise(4, level=0)
    clip[: 4 * FADE] = 0.1
    clip[40_000:40_100] = 1
    sound = sound_of(clip, [(4 * FADE, 40_000), (40_100, 64_000)])
    assert 0.09 < sound.min() <= sound.max() < 0.15


def test_the_speech_is_silent_outside_its_intervals_and_keeps_its_level() -> None:
    clip = noise(4, level=0.02)
    clip[16_000:32_000] += tone(1)
    speech = speech_of(clip, [(16_000, 32_000)], 1, 0.02)
    assert len(speech) == len(clip)
    assert not speech[:16_000].any()
    assert not speech[32_000:].any()
    assert level(speech[17_000:31_000]) == pytest.approx(level(tone(1)), rel=0.1)
    residue = speech[17_000:31_000] - tone(1)[1_000:15_000]
    assert level(residue) < 0.02


def test_stationary_noise_is_attenuated() -> None:
    clip = noise(3)
    clean = denoised(clip, [clip[:16_000]], 1, 0.02)
    assert level(clean) < 0.3 * level(clip)


def test_without_noise_to_learn_from_nothing_is_filtered() -> None:
    clip = noise(1)
    assert np.array_equal(denoised(clip, [], 1, 0.02), clip)
    assert np.array_equal(denoised(clip, [clip[:100]], 1, 0.02), clip)


@given(st.integers(1, 3_000))
def test_a_spectrogram_is_inverted(length: int) -> None:
    clip = noise(1)[:length]
    assert np.allclose(samples_of(spectrogram(clip), length), clip, atol=1e-6)
