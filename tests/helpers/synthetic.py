"""A small synthetic data set in the published layout."""

import csv
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
COLUMNS = (
    "audio_id", "Audio", "Speech", "Audio-Only Answer", "Speech-Only Answer",
    "Correct Answer", "Correct Answer Keyword",
)  # fmt: skip
# Valid annotations that are awkward in a CSV file, in a prompt or in a shell.
_SOUNDS = ("rain, thunder", 'a bell ("ding")', "Glas zerbricht – laut", "犬が吠える", "wind {x}")
_SPEECH = ("It's over, run!", 'He said "go", twice', "Où est-ce ?", "もう行こう", "100 % sure\\n")


def tone(clip: int, seconds: float = 0.25, rate: int = RATE) -> NDArray[np.int16]:
    """Return the samples of a clip: a tone in noise, whose frequency depends on the clip."""
    noise = np.random.default_rng(clip).normal(0, 300, int(seconds * rate))
    time = np.arange(len(noise)) / rate
    signal = 8000 * np.sin(2 * np.pi * (200 + clip % 50 * 20) * time) + noise
    return np.clip(np.rint(signal), -32_768, 32_767).astype(np.int16)


def write_wav(path: Path, samples: NDArray[np.int16], rate: int = RATE) -> None:
    """Write a mono PCM16 file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def make_data(folder: Path, clips: int = 4, seconds: float = 0.25) -> Path:
    """Write a data set and return the folder, as ``--data`` takes it."""
    audio_folder = folder / "dataset" / "v0"
    audio_folder.mkdir(parents=True)
    with (audio_folder / "v0.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for clip in range(clips):
            writer.writerow(
                (
                    str(clip),
                    _SOUNDS[clip % len(_SOUNDS)],
                    _SPEECH[clip % len(_SPEECH)],
                    f"watching the weather, clip {clip}",
                    f"leaving a {{place}} “{clip}”",
                    f"fleeing from what the sound of clip {clip} is",
                    f"flee, sound, {clip}",
                )
            )
    for clip in range(clips):
        write_wav(audio_folder / f"{clip}.wav", tone(clip, seconds))
    return folder


def read_annotations(data: Path) -> list[dict[str, str]]:
    """Read the annotations without the package."""
    with (data / "dataset" / "v0" / "v0.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
