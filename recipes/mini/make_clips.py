"""Make ``mini``, the small data set that comes with the package, from the table of its scenes.

Usage: ``python recipes/mini/make_clips.py [OUT_DIR]``

It needs NumPy, soundfile and the program ``flite`` (Debian: ``apt-get install flite``), and writes
``OUT_DIR/dataset/v0/v0.csv`` and ``ID.wav`` beside it. A sentence is spoken by a voice of flite; a
sound is computed from formulas and runs through the whole clip. ``OUT_DIR/stems/sound/ID.flac`` and
``OUT_DIR/stems/speech/ID.flac`` contain the two alone, as they are in the clip: their sum is the
clip, sample by sample. The same versions of the three write the same bytes.

Conventions
-----------
Sounds and voices are float64, shape (samples,), at 16 kHz. A sound is a function of the times of
its samples (seconds) and a random generator; its level does not matter, as clips are mixed by
root mean square.
"""

import csv
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator
from numpy.typing import NDArray

Samples = NDArray[np.float64]
Sound = Callable[[Samples, Generator], Samples]

RATE = 16_000
"""Samples a second."""
SCENES = Path(__file__).with_name("scenes.csv")
"""The published columns, then how a clip is made and the tags that are right for it."""
PUBLISHED_COLUMNS = 7
MINI = Path(__file__).parents[2] / "src" / "jasco" / "data" / "mini"

_BEFORE, _AFTER = 1.0, 0.4  # seconds of the sound alone
_FADE = 0.05  # seconds
_RAMP = 0.2  # seconds in which the sound is attenuated before the voice
_PEAK = 0.8  # full scale is 1
_QUIET = 0.01  # amplitude below which a voice has not begun


@dataclass(frozen=True)
class Scene:
    """The recipe of a clip.

    Attributes
    ----------
    annotations : tuple of str
        The published columns; the first is the id.
    sentence : str
        The spoken sentence.
    sound : str
        Name of the sound in :data:`SOUNDS`.
    voice : str
        Name of the voice in flite.
    over : float
        Decibels by which the voice is louder than the sound.
    tags : tuple of str
        Classes of AudioSet that are right for the sound.
    """

    annotations: tuple[str, ...]
    sentence: str
    sound: str
    voice: str
    over: float
    tags: tuple[str, ...]

    @property
    def id(self) -> str:
        """Number of the clip."""
        return self.annotations[0]


def read_scenes() -> list[Scene]:
    """Read the table of scenes."""
    with SCENES.open(encoding="utf-8", newline="") as file:
        return [
            Scene(
                annotations=tuple(row.values())[:PUBLISHED_COLUMNS],
                sentence=row["Speech"],
                sound=row["sound"],
                voice=row["voice"],
                over=float(row["over"]),
                tags=tuple(row["tags"].split("|")),
            )
            for row in csv.DictReader(file)
        ]


# Parts of sounds


def filtered(samples: Samples, gain: Callable[[Samples], Samples]) -> Samples:
    """Scale the spectrum by a function of the frequency in hertz."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    return np.fft.irfft(np.fft.rfft(samples) * gain(frequencies), len(samples))


def band(low: float, high: float, steepness: float = 4) -> Callable[[Samples], Samples]:
    """Return the gain of a filter between two frequencies, with slopes like analogue filters."""

    def gain(frequencies: Samples) -> Samples:
        f = np.maximum(frequencies, 1e-3)
        return np.asarray(
            1 / np.sqrt((1 + (low / f) ** (2 * steepness)) * (1 + (f / high) ** (2 * steepness)))
        )

    return gain


def band_noise(number: int, low: float, high: float, rng: Generator) -> Samples:
    """Make noise between two frequencies, of standard deviation 1."""
    noise = filtered(rng.standard_normal(number), band(low, high))
    return noise / noise.std()


def slow_noise(number: int, fastest: float, rng: Generator) -> Samples:
    """Make a random curve that changes at most ``fastest`` times a second, of deviation 1."""
    curve = filtered(rng.standard_normal(number), lambda f: np.exp(-((f / fastest) ** 2)))
    return (curve - curve.mean()) / curve.std()


def tone(frequency: Samples | float, time: Samples) -> Samples:
    """Make a sine whose frequency may change; it starts at phase 0."""
    return np.sin(2 * np.pi * np.cumsum(np.broadcast_to(frequency, time.shape)) / RATE)


def harmonics(frequency: Samples | float, amplitudes: Samples, time: Samples) -> Samples:
    """Add up the first multiples of a frequency."""
    return np.sum(
        [
            amplitude * tone(np.multiply(frequency, k), time)
            for k, amplitude in enumerate(amplitudes, 1)
        ],
        axis=0,
    )


def on_and_off(time: Samples, on: float, off: float, edge: float = 0.005) -> Samples:
    """Switch between 1 (at first) and 0, with ramps of ``edge`` seconds."""
    within = time % (on + off)
    return np.clip(np.minimum(within, on - within) / edge, 0, 1)


def add_at(sound: Samples, start: float, part: Samples) -> None:
    """Add a part to a sound in place, from ``start`` (seconds) on; cut it off at the end."""
    first = round(start * RATE)
    part = part[: max(0, len(sound) - first)]
    sound[first : first + len(part)] += part


def pitch_of(note: int) -> float:
    """Compute the frequency of a key, numbered as in MIDI (69 is 440 Hz)."""
    return float(440 * 2 ** ((note - 69) / 12))


def pluck(frequency: float, seconds: float, rng: Generator) -> Samples:
    """Make a plucked string (Karplus and Strong, 1983): noise that repeats and loses its highs."""
    period = round(RATE / frequency)
    loop = filtered(rng.standard_normal(period), band(1, 3_000, 1))
    loop -= loop.mean()
    rounds = []
    for _ in range(-(-round(seconds * RATE) // period)):
        rounds.append(loop)
        loop = 0.996 * (0.5 * loop + 0.5 * np.roll(loop, 1))
    return np.concatenate(rounds)


def echoing(samples: Samples, seconds: float, share: float, rng: Generator) -> Samples:
    """Add the echo of a room that dies away (60 dB) within some seconds."""
    after = np.arange(round(seconds * RATE)) / RATE
    room = rng.standard_normal(len(after)) * np.exp(-6.9 * after / seconds)
    room *= share / np.sqrt(np.sum(room**2))
    number = len(samples) + len(room)
    echo = np.fft.irfft(np.fft.rfft(samples, number) * np.fft.rfft(room, number), number)
    return samples + echo[: len(samples)]


# Sounds


def siren(time: Samples, rng: Generator) -> Samples:
    """Make the slow wail of an ambulance in a street, up and down between 500 and 1,400 Hz."""
    pitch = 950 - 450 * np.cos(2 * np.pi * time / 3.5)
    wail = harmonics(pitch, np.array([1, 0.5, 0.35, 0.2, 0.1]), time)
    return echoing(wail, 0.6, 0.7, rng)


def waves(time: Samples, rng: Generator) -> Samples:
    """Make surf: noise that swells as a wave breaks and hisses as the water runs back."""
    number = len(time)
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * (time / 3.2 + 0.1))
    roar = band_noise(number, 60, 900, rng) * (0.3 + swell)
    hiss = band_noise(number, 800, 6_000, rng) * (0.1 + np.roll(swell, RATE // 3) ** 2)
    return roar + 0.8 * hiss


def wind(time: Samples, rng: Generator) -> Samples:
    """Make gusts: a low rush, a hiss, and a howl whose pitch follows the gusts."""
    number = len(time)
    gust, swirl = slow_noise(number, 1, rng), slow_noise(number, 1, rng)
    rush = band_noise(number, 60, 1_000, rng) * np.exp(0.3 * gust)
    hiss = band_noise(number, 600, 5_000, rng) * np.exp(0.3 * swirl)
    howl = tone(450 + 90 * gust + 15 * slow_noise(number, 8, rng), time) * np.exp(gust)
    return rush + 0.1 * hiss + 0.2 * howl


def telephone(time: Samples, rng: Generator) -> Samples:
    """Make the two bells of an old telephone, struck 25 times a second in turn, with pauses."""
    bells = np.zeros(len(time))
    after = np.arange(RATE // 2) / RATE
    for k, start in enumerate(np.arange(0.05, time[-1], 0.04)):
        if start % 2.2 < 1.5:
            pitch = (1_600, 1_950)[k % 2]
            for multiple, loud in ((1, 1.0), (2.32, 0.3)):
                part = np.sin(2 * np.pi * pitch * multiple * after) * np.exp(-15 * multiple * after)
                add_at(bells, start, loud * part * rng.uniform(0.9, 1))
    return bells


def busy_tone(time: Samples, rng: Generator) -> Samples:
    """Make the busy tone of American telephones: 480 and 620 Hz, half a second on and off."""
    both = tone(480, time) + tone(620, time)
    return both * on_and_off(time, 0.5, 0.5) + 0.01 * rng.standard_normal(len(time))


def organ(time: Samples, rng: Generator) -> Samples:
    """Make four chords of a church organ: pipes of seven ranks, and the echo of a nave."""
    ranks = ((0.5, 0.4), (1, 1), (2, 0.8), (3, 0.4), (4, 0.5), (6, 0.2), (8, 0.3))
    chords = ((60, 64, 67, 72), (60, 65, 69, 72), (59, 62, 67, 74), (60, 64, 67, 72))
    held = np.arange(round(1.2 * RATE)) / RATE
    wind_chest = np.clip(np.minimum(held / 0.05, (held[-1] - held) / 0.1), 0, 1)
    music = np.zeros(len(time))
    for k, chord in enumerate(chords):
        for note in (*chord, chord[0] - 12, chord[0] - 24):
            for rank, loud in ranks:
                pitch = pitch_of(note) * rank * (1 + 0.001 * rng.standard_normal())
                if pitch < RATE / 2:
                    pipe = np.sin(2 * np.pi * (pitch * held + rng.uniform()))
                    add_at(music, 1.1 * k, loud * pipe * wind_chest)
    return echoing(music, 2, 1, rng)


def drums(time: Samples, rng: Generator) -> Samples:
    """Make a march of snare and bass drum, 112 beats a minute."""
    march = np.zeros(len(time))
    after = np.arange(RATE // 5) / RATE
    pattern = (1, 0, 0.4, 0.4, 1, 0, 0.5, 0, 1, 0.3, 0.4, 0.4, 1, 0.5, 0.5, 0.5)
    for k, start in enumerate(np.arange(0, time[-1], 15 / 112)):
        wires = band_noise(len(after), 600, 6_500, rng) * np.exp(-25 * after)
        skin = np.sin(2 * np.pi * 190 * after) * np.exp(-30 * after)
        add_at(march, start, pattern[k % 16] * (wires + 1.2 * skin))
        if k % 4 == 0:
            bass = np.sin(2 * np.pi * 65 * after) * np.exp(-18 * after)
            add_at(march, start, 2.5 * bass)
    return echoing(march, 0.4, 0.3, rng)


def piano(time: Samples, rng: Generator) -> Samples:
    """Make a tune over a bass, in a small room."""
    tune = (60, 64, 67, 64, 65, 62, 59, 55, 60, 64, 67, 72, 67, 64, 60, 55)
    bass = (48, 43, 48, 43, 48, 52, 48, 43)
    music = np.zeros(len(time))
    for notes, step, loud in ((tune, 0.28, 1), (bass, 0.56, 0.8)):
        for k, note in enumerate(notes):
            add_at(music, k * step, loud * piano_note(note, rng))
    return echoing(music, 0.8, 0.3, rng)


def piano_note(note: int, rng: Generator) -> Samples:
    """Make the sound of a piano key with two strings, held for 2 s.

    A partial dies quickly at first, then slowly; the higher it is, the sooner. Stiff strings are a
    little sharp.
    """
    held = np.arange(2 * RATE) / RATE
    sound = np.zeros(len(held))
    for k in range(1, 16):
        slow = np.exp(-held * (0.4 + 0.3 * k))
        for out_of_tune in (-0.0005, 0.0005):
            pitch = pitch_of(note) * (1 + out_of_tune) * k * np.sqrt(1 + 3e-4 * k * k)
            if pitch < RATE / 2:
                vibration = np.sin(2 * np.pi * (pitch * held + rng.uniform()))
                sound += vibration * (0.7 * slow**3 + 0.3 * slow) / k
    return sound * np.minimum(1, held / 0.003)


def heartbeat(time: Samples, rng: Generator) -> Samples:
    """Make a heart as a scanner plays it, 120 beats a minute of two thuds each."""
    beats = np.zeros(len(time))
    after = np.arange(RATE // 4) / RATE
    fading = np.exp(-25 * after) * np.minimum(1, after / 0.01)
    for start in np.arange(0.05, time[-1], 60 / 120):
        for delay, pitch, loud in ((0, 90, 1.0), (0.165, 110, 0.7)):
            thud = np.sin(2 * np.pi * pitch * after * (1 - after)) * fading
            add_at(beats, start + delay, loud * thud * rng.uniform(0.9, 1))
    return beats + 0.01 * band_noise(len(time), 40, 400, rng)


def birds(time: Samples, rng: Generator) -> Samples:
    """Make three birds that each repeat a few quick glides between 2.5 and 6.5 kHz."""
    song = np.zeros(len(time))
    for _ in range(3):
        base, loud = rng.uniform(3_000, 4_800), rng.uniform(0.4, 1)
        start = rng.uniform(0, 0.4)
        while start < time[-1]:
            for _ in range(rng.integers(3, 8)):
                add_at(song, start, loud * chirp(base * rng.uniform(0.9, 1.1), rng))
                start += rng.uniform(0.09, 0.16)
            start += rng.uniform(0.2, 0.6)
    return song + 0.01 * rng.standard_normal(len(time))


def chirp(base: float, rng: Generator) -> Samples:
    """Make one note of a bird: a glide of 50 to 110 ms that bends."""
    along = np.linspace(0, 1, round(rng.uniform(0.05, 0.11) * RATE))
    bend = rng.uniform(-0.3, 0.3) * along + rng.uniform(-0.25, 0.25) * np.sin(np.pi * along)
    return np.sin(2 * np.pi * np.cumsum(base * (1 + bend)) / RATE) * np.sin(np.pi * along) ** 0.7


def crickets(time: Samples, rng: Generator) -> Samples:
    """Make three crickets: trills of pulses on one high pitch each, over the air of a night."""
    night = 0.02 * band_noise(len(time), 200, 6_000, rng)
    for pitch, rate, loud in ((4_300, 2.6, 1.0), (4_750, 2.1, 0.5), (3_900, 3.1, 0.3)):
        within = (time * rate + rng.uniform()) % 1
        trill = (within < 0.5) * np.sin(np.pi * np.minimum(1, within / 0.5))
        pulses = np.maximum(0, tone(30 + rng.uniform(-2, 2), time)) ** 1.5
        night += loud * trill * pulses * tone(pitch + 20 * slow_noise(len(time), 5, rng), time)
    return night


def applause(time: Samples, rng: Generator) -> Samples:
    """Make the clapping of 300 people at different speeds, distances and pitches."""
    hall = np.zeros(len(time))
    after = np.arange(RATE // 20) / RATE
    for _ in range(300):
        pitch, pause = rng.normal(1_300, 350), rng.uniform(0.18, 0.3)
        loud, start = 0.05 + rng.uniform(0.1, 1) ** 2, rng.uniform(0, pause)
        palms = partial(resonance, pitch)
        while start < time[-1]:
            clap = filtered(rng.standard_normal(len(after)), palms) * np.exp(-200 * after)
            add_at(hall, start, loud * clap)
            start += pause * rng.normal(1, 0.08)
    return hall


def resonance(pitch: float, frequencies: Samples) -> Samples:
    """Compute the gain of a filter around a pitch (400 Hz on each side), with some of the rest."""
    return 1 / (1 + ((frequencies - pitch) / 400) ** 2) + 0.1 / (1 + frequencies / 1_500)


def alarm(time: Samples, rng: Generator) -> Samples:
    """Make a smoke alarm: three shrill beeps and a pause."""
    pattern = on_and_off(time, 0.4, 0.2) * (time % 2.2 < 1.75)
    shrill = harmonics(3_100, np.array([1, 0.3]), time)
    return shrill * pattern + 0.01 * rng.standard_normal(len(time))


def helicopter(time: Samples, rng: Generator) -> Samples:
    """Make the blades of a helicopter, 16 slaps of air a second over the rush of the engine."""
    slap = np.exp(-3 * (16 * time % 1))
    air = band_noise(len(time), 70, 1_200, rng) * (0.1 + slap)
    thump = 0.15 * harmonics(16, np.ones(12), time) * slap
    return air + thump + 0.1 * band_noise(len(time), 300, 5_000, rng)


def guitar(time: Samples, rng: Generator) -> Samples:
    """Make broken chords (C, A minor, F, G) on plucked strings."""
    chords = ((130.8, 196, 261.6, 329.6), (110, 164.8, 261.6, 329.6), (87.3, 174.6, 261.6, 349.2),
              (98, 146.8, 246.9, 392))  # fmt: skip
    music = np.zeros(len(time))
    for k in range(int(time[-1] / 0.22) + 1):
        chord = chords[k // 4 % 4]
        add_at(music, k * 0.22, pluck(chord[k % 4], 1.5, rng) * rng.uniform(0.8, 1))
    return music


def train(time: Samples, rng: Generator) -> Samples:
    """Make the three horns of a train (255, 311 and 440 Hz), blown twice, over its rumble."""
    number = len(time)
    horns = np.zeros(number)
    for pitch in (255, 311, 440):
        wavering = pitch * (1 - 0.02 * np.exp(-6 * time)) * (1 + 0.002 * slow_noise(number, 6, rng))
        horns += harmonics(wavering, np.arange(1, 7_000 // pitch) ** -0.7, time)
    horns = filtered(horns, band(250, 2_500, 1))
    blown = horns / horns.std() + 0.2 * band_noise(number, 300, 4_000, rng)
    station = echoing(blown * on_and_off(time, 1.6, 0.4, 0.08), 1.2, 1, rng)
    return station + 0.1 * band_noise(number, 30, 300, rng)


SOUNDS: dict[str, Sound] = {
    sound.__name__: sound
    for sound in (
        siren, waves, wind, telephone, busy_tone, organ, drums, piano, heartbeat, birds,
        crickets, applause, alarm, helicopter, guitar, train,
    )
}  # fmt: skip
"""All sounds by name."""


# Clips


def speak(sentence: str, voice: str) -> Samples:
    """Synthesize a sentence with flite, and cut off the silence at both ends."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "voice.wav")
        subprocess.run(["flite", "-voice", voice, "-t", sentence, "-o", path], check=True)
        samples, rate = soundfile.read(path, dtype="float64")
    if rate != RATE:
        raise ValueError(f"{voice}: speaks at {rate} Hz instead of {RATE}")
    loud = np.flatnonzero(np.abs(samples) > _QUIET)
    return np.asarray(samples[loud[0] : loud[-1] + 1])


def level(samples: Samples) -> float:
    """Compute the root mean square of the samples that are not silence."""
    loud = samples[np.abs(samples) > _QUIET * np.abs(samples).max()]
    return float(np.sqrt(np.mean(loud**2)))


def make_clip(scene: Scene) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Mix a sentence with a sound that begins before it and ends after it.

    Alone, the sound is as loud as the voice; during the sentence it is attenuated. Return the clip
    and its speech alone; the difference of the two is the sound alone.
    """
    voice = speak(scene.sentence, scene.voice)
    time = np.arange(round((_BEFORE + _AFTER) * RATE) + len(voice)) / RATE
    begin, end = _BEFORE, _BEFORE + len(voice) / RATE
    mixed = SOUNDS[scene.sound](time, np.random.default_rng(int(scene.id)))
    decibels = np.interp(
        time,
        [begin - _RAMP, begin, end, end + _RAMP],
        [0, -scene.over, -scene.over, 0],
    )
    mixed *= 10 ** (decibels / 20) / level(mixed)
    mixed *= np.clip(np.minimum(time, time[-1] - time) / _FADE, 0, 1)
    speech = np.zeros(len(time))
    add_at(speech, begin, voice / level(voice))
    mixed += speech
    scale = _PEAK * 32_767 / np.abs(mixed).max()
    return np.rint(mixed * scale).astype(np.int16), np.rint(speech * scale).astype(np.int16)


def main(folder: Path) -> None:
    """Write the table, the clips and their stems."""
    scenes = read_scenes()
    out, stems = folder / "dataset" / "v0", folder / "stems"
    for path in (out, stems / "sound", stems / "speech"):
        path.mkdir(parents=True, exist_ok=True)
    with SCENES.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))[:PUBLISHED_COLUMNS]
    with (out / "v0.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [header, *(scene.annotations for scene in scenes)]
        )
    for scene in scenes:
        clip, speech = make_clip(scene)
        sound = np.subtract(clip, speech, dtype=np.int32)
        if np.abs(sound).max() > np.iinfo(np.int16).max:
            raise ValueError(f"{scene.id}: the sound alone exceeds the range of int16")
        soundfile.write(out / f"{scene.id}.wav", clip, RATE, subtype="PCM_16")
        for name, stem in (("sound", sound.astype(np.int16)), ("speech", speech)):
            soundfile.write(stems / name / f"{scene.id}.flac", stem, RATE, subtype="PCM_16")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else MINI)
