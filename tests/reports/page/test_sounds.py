"""What is seen of a clip's audio: waveform, spectrogram and the estimated speech."""

import io
import itertools
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from synthetic import tone

pytest.importorskip("PIL", reason="needs the extra viewer")

from PIL import Image

from jasco.data.audio import SAMPLING_RATE, Audio, read_audio
from jasco.data.sources import find_data
from jasco.interventions.stems import open_stems
from jasco.reports.page.sounds import mp3, sound_view, spectrogram, speech, waveform


def pixels(audio: Audio) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(spectrogram(audio))).convert("L"))


@pytest.mark.parametrize("samples", [0, 1, 511, 4000, 480_000])
def test_any_clip_has_a_view_and_a_sound(samples: int) -> None:
    audio = Audio(np.resize(tone(3), samples).astype(np.int16))
    view = json.loads(json.dumps(sound_view(audio), allow_nan=False))
    assert view["seconds"] == pytest.approx(samples / SAMPLING_RATE, abs=0.001)
    assert len(view["waveform"]) == 320
    assert view["spectrogram"].startswith("data:image/webp;base64,")
    assert pixels(audio).shape == (96, 480)
    if samples:
        assert len(mp3(audio)) < 2 * samples + 2000


@given(arrays.arrays(np.int16, st.integers(0, 1000)))
def test_a_waveform_has_the_peaks_in_percent_of_the_highest(samples: np.ndarray) -> None:
    peaks = waveform(Audio(samples))
    assert len(peaks) == 320
    assert max(peaks) == (100 if samples.any() else 0)
    assert min(peaks) >= 0


def test_a_waveform_is_in_the_order_of_time() -> None:
    samples = np.zeros(32_000, np.int16)
    samples[8000], samples[24_000] = -32_768, 16_384
    peaks = waveform(Audio(samples))
    assert {place: peak for place, peak in enumerate(peaks) if peak} == {80: 100, 240: 50}


def test_a_spectrogram_shows_low_tones_below_and_high_ones_above() -> None:
    time = np.arange(16_000) / SAMPLING_RATE
    for frequency, row in ((100, 90), (1000, 61), (6000, 9)):  # on the mel scale
        grey = pixels(Audio((8000 * np.sin(2 * np.pi * frequency * time)).astype(np.int16)))
        assert abs(int(grey.mean(axis=1).argmin()) - row) <= 2
        assert grey.max() > 240
        assert grey.min() < 40


def test_silence_is_white_and_noise_stays_small() -> None:
    assert pixels(Audio(np.zeros(16_000, np.int16))).min() > 240
    noise = np.random.default_rng(0).normal(0, 3000, 7 * SAMPLING_RATE).astype(np.int16)
    assert len(spectrogram(Audio(noise))) < 12_000


def test_speech_is_found_where_it_is() -> None:
    pytest.importorskip("faster_whisper", reason="needs the extra stems")
    right = total = 0
    data = find_data("mini", print)
    stems = open_stems(data.folder / "stems")
    for clip in data.clips:
        mixture = read_audio(data.audio_path(clip))
        alone = stems.audio("speech", clip, len(mixture.samples)).floats
        levels = np.abs(alone[: len(alone) // 160 * 160].reshape(-1, 160)).max(axis=1)
        true = levels > 0.02 * levels.max()
        for first, last in itertools.pairwise(np.flatnonzero(true)):
            if last - first <= 20:  # a pause of less than 0.2 s
                true[first:last] = True
        found = np.zeros(len(true), bool)
        for start, end in speech(mixture) or []:
            assert 0 <= start < end <= mixture.seconds + 0.01
            found[round(100 * start) : round(100 * end)] = True
        right += int((found == true).sum())
        total += len(true)
    assert right / total > 0.92


def test_no_speech_is_found_in_silence() -> None:
    pytest.importorskip("faster_whisper", reason="needs the extra stems")
    assert speech(Audio(np.zeros(SAMPLING_RATE, np.int16))) == []


@pytest.mark.parametrize("missing", ["onnxruntime", "faster_whisper.vad"])
def test_without_the_detector_no_speech_is_marked(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    view = sound_view(Audio(tone(1)))
    assert view["speech"] is None
    assert view["waveform"]
