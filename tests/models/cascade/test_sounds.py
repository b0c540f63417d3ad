"""Sound tagging: spectra by their definition, and tags of scores."""

import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from jasco.models.cascade import sounds

_SPECTRA = """
import hashlib, numpy as np
from jasco.models.cascade.sounds import log_mel_patches
from jasco.models.cascade.speech import Filters

generator = np.random.default_rng(5)
samples = generator.normal(0, 0.1, 80_000).astype(np.float32)
matrix, spectrum = (generator.random(shape, np.float32) for shape in ((80, 201), (201, 3000)))
product = Filters(matrix) @ spectrum
assert np.allclose(product, matrix @ spectrum, rtol=1e-5)
print(hashlib.sha256(log_mel_patches(samples).tobytes() + product.tobytes()).hexdigest())
"""


def test_spectra_are_the_same_on_any_number_of_cores() -> None:
    """NumPy's own matrix products depend on it; the variables are those of its BLAS libraries."""
    hashes = {
        subprocess.run(
            [sys.executable, "-c", _SPECTRA],
            env=os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for threads in ("1", "2", "5")
    }
    assert len(hashes) == 1


def log_mel_reference(samples: np.ndarray) -> list[list[float]]:
    """Compute three rows of the first patch from the definition, without an FFT."""

    def mel(hertz: float) -> float:
        return 1127.0 * math.log(1 + hertz / 700.0)

    low, high = mel(125.0), mel(7500.0)
    edges = [low + (high - low) * i / 65 for i in range(66)]
    times = np.arange(400)
    rows = []
    for frame in (0, 17, 95):
        hann = np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / 400) for n in range(400)])
        piece = samples[frame * 160 : frame * 160 + 400].astype(float) * hann
        bands = [0.0] * 64
        for k in range(1, 257):
            magnitude = abs(np.sum(piece * np.exp(-2j * np.pi * k * times / 512)))
            mels = mel(k * 16_000 / 512)
            for b in range(64):
                left, middle, right = edges[b : b + 3]
                if left < mels <= middle:
                    bands[b] += magnitude * (mels - left) / (middle - left)
                elif middle < mels < right:
                    bands[b] += magnitude * (right - mels) / (right - middle)
        rows.append([math.log(band + 0.001) for band in bands])
    return rows


def test_patches_agree_with_the_definition() -> None:
    generator = np.random.default_rng(5)
    samples = (generator.normal(0, 0.1, 16_000)).astype(np.float32)
    patch = sounds.log_mel_patches(samples)[0]
    assert np.allclose(patch[[0, 17, 95]], log_mel_reference(samples), atol=1e-9)


@pytest.mark.parametrize(
    ("samples", "patches"),
    [(0, 1), (1, 1), (15_600, 1), (15_601, 2), (15_600 + 7_680, 2), (160_000, 20)],
)
def test_patches_cover_the_audio(samples: int, patches: int) -> None:
    result = sounds.log_mel_patches(np.zeros(samples, dtype=np.float32))
    assert result.shape == (patches, 96, 64)
    assert np.allclose(result, math.log(0.001))


def test_a_tone_is_in_the_band_of_its_frequency() -> None:
    times = np.arange(16_000) / 16_000
    patch = sounds.log_mel_patches(np.sin(2 * np.pi * 1_000 * times).astype(np.float32))[0]
    low, high = (1127 * math.log1p(f / 700) for f in (125, 7_500))
    centres = 700 * np.expm1((low + (high - low) * np.arange(1, 65) / 65) / 1127)
    assert abs(centres[patch.mean(axis=0).argmax()] - 1_000) < 40


def test_quantising_keeps_to_eight_bits() -> None:
    values = np.array([math.log(0.001), 0.0, 0.04793788492679596, 50.0, -50.0])
    assert sounds.quantised(values).tolist() == [0, 144, 145, 255, 0]


class Network:
    """Stand-in for the network; outputs scores in turn."""

    def __init__(self, *outputs: list[int]) -> None:
        self.outputs = iter(outputs)

    def run(self, names: None, inputs: dict[str, Any]) -> list[Any]:
        assert inputs["audio"].shape == (1, 1, 96, 64)
        assert inputs["audio"].dtype == np.uint8
        return [np.array([next(self.outputs)], dtype=np.uint8)]


def scores(**high: int) -> list[int]:
    """Return scores that are low but for some classes: ``c7=200``."""
    output = [150] * 521
    for name, value in high.items():
        output[int(name[1:])] = value
    return output


def test_tags_are_the_highest_of_any_patch_without_speech_and_silence() -> None:
    tagger = sounds.Tagger.__new__(sounds.Tagger)
    tagger._names = [str(i) for i in range(521)]
    two_patches = np.zeros(15_601, dtype=np.float32)
    tagger._network = Network(scores(c0=255, c7=200, c494=250), scores(c5=255, c9=210, c500=186))
    assert tagger.tags(two_patches) == ["9", "7", "500"]
    tagger._network = Network(scores(c9=210), scores())
    assert tagger.tags(two_patches) == ["9"]  # classes below 1 % are left out
