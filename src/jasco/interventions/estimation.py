"""Estimation of stems for clips that were published as mixtures.

The intervals of the speech are the times of the words that Whisper recognises, limited to those in
which the voice activity detector Silero finds a voice, and padded. The speech is enhanced by GTCRN
before its intervals are cut out (see :mod:`jasco.interventions.separation`). One thread computes
everything, and nothing is random, so the same versions of the libraries give the same files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jasco.backends.optional_imports import import_optional
from jasco.backends.weights import GTCRN, WHISPER, YAMNET, find_weight
from jasco.data.audio import SAMPLING_RATE, Audio, file_sha256, read_file, write_audio
from jasco.data.dataset import DataSet
from jasco.errors import InputError
from jasco.evaluation.progress import counted
from jasco.interventions.enhancement import Enhancer
from jasco.interventions.gates import MAX_WORD_ERROR_RATE, TOP_TAGS, Recognizer, check_stems
from jasco.interventions.separation import Interval, Samples, as_audio, padded, sound_of, speech_of
from jasco.interventions.stems import RECORDS, StemRecord, StemSet, read_stems, write_stems
from jasco.models.cascade.sounds import Tagger
from jasco.models.cascade.speech import Transcriber
from jasco.protocol.clips import Clip
from jasco.protocol.conditions import CUES, Cue

_VERSION = 1  # of the method, to be increased with any change that alters the stems
_VOICE = 0.3  # probability above which Silero finds a voice
_VOICE_PADDING = 0.2  # seconds; a word outside is kept whole
_PADDING = 0.15  # seconds on both sides of a word
_MIXTURE = 0.05  # share of the clip in the enhanced speech: without it, words are lost
_STRENGTH, _FLOOR = 1.0, 0.02  # of the noise filter
_GATE_PADDING = 0.4  # seconds around a voice in the sound stem
_SAVED_EVERY = 20  # clips


class Separator(Recognizer):
    """The models with which stems are estimated and checked.

    Raises
    ------
    InputError
        A library of the extra ``stems`` is missing, or weights cannot be downloaded.
    """

    def __init__(self) -> None:
        names = ("ctranslate2", "faster_whisper", "numpy", "onnxruntime", "soundfile")
        load = partial(import_optional, user="jasco data stems", extra="stems")
        self._vad = load("faster_whisper.vad")
        self.recipe: dict[str, Any] = {
            "method": "words cut out in time",
            "version": _VERSION,
            "weights": {
                weight.name: [*weight.files.values()] for weight in (WHISPER, YAMNET, GTCRN)
            },
            "voice": _VOICE,
            "voice_padding": _VOICE_PADDING,
            "padding": _PADDING,
            "mixture": _MIXTURE,
            "strength": _STRENGTH,
            "floor": _FLOOR,
            "max_word_error_rate": MAX_WORD_ERROR_RATE,
            "top_tags": TOP_TAGS,
            "versions": {name: str(load(name).__version__) for name in names},
        }
        self._transcriber = _TimedTranscriber(find_weight(WHISPER))
        self._tagger = Tagger(find_weight(YAMNET))
        self._enhancer = Enhancer(find_weight(GTCRN) / next(iter(GTCRN.files)))

    def intervals(self, samples: Samples) -> list[Interval]:
        """Return the padded intervals of the recognised words; none if no word is recognised."""
        length = len(samples)
        voices = padded(self._voices(samples), round(_VOICE_PADDING * SAMPLING_RATE), length)
        spoken: list[Interval] = []
        for first, last in self._transcriber.word_intervals(samples):
            common = [(max(first, begin), min(last, end)) for begin, end in voices]
            spoken += [(begin, end) for begin, end in common if begin < end] or [(first, last)]
        return padded(sorted(spoken), round(_PADDING * SAMPLING_RATE), length)

    def enhanced(self, samples: Samples) -> Samples:
        """Attenuate sounds other than speech."""
        speech = (1 - _MIXTURE) * self._enhancer.speech(samples) + _MIXTURE * samples
        return speech.astype(np.float32)

    def transcript(self, samples: Samples) -> str:
        """Return the words that Whisper recognises."""
        return self._transcriber.transcript(samples)

    def speech_transcript(self, samples: Samples) -> str:
        """Return the words that Whisper recognises where Silero finds a voice."""
        padding = round(_GATE_PADDING * SAMPLING_RATE)
        voices = padded(self._voices(samples), padding, len(samples))
        parts = [samples[begin:end] for begin, end in voices]
        return self.transcript(np.concatenate(parts)) if parts else ""

    def tags(self, samples: Samples, number: int) -> list[str]:
        """Return the sounds that YAMNet finds, the most likely first."""
        return self._tagger.tags(samples, number)

    def _voices(self, samples: Samples) -> list[Interval]:
        options = self._vad.VadOptions(
            threshold=_VOICE, min_silence_duration_ms=100, speech_pad_ms=0
        )
        found = self._vad.get_speech_timestamps(samples, options)
        return [(voice["start"], voice["end"]) for voice in found]


class _TimedTranscriber(Transcriber):
    """Whisper with the times of words."""

    def word_intervals(self, samples: Samples) -> list[Interval]:
        """Return the intervals of the recognised words."""
        segments, _ = self._model.transcribe(
            samples,
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        words = [word for segment in segments for word in segment.words]
        times = [(round(w.start * SAMPLING_RATE), round(w.end * SAMPLING_RATE)) for w in words]
        limited = [(max(0, first), min(last, len(samples))) for first, last in times]
        return [(first, last) for first, last in limited if first < last]


@dataclass(frozen=True)
class Estimation:
    """Estimated stems.

    Attributes
    ----------
    data : DataSet
        The data set.
    stems : StemSet
        Its stems, with a record for each clip.
    kept : int
        Number of clips whose stems existed already.
    """

    data: DataSet
    stems: StemSet
    kept: int


def estimate_stems(data: DataSet, folder: Path, notify: Callable[[str], None]) -> Estimation:
    """Estimate the stems of a data set, and check them.

    Stems that were estimated from the same files with the same recipe are kept.

    Parameters
    ----------
    data : DataSet
    folder : Path
        The folder of the stems; it is created if needed.
    notify : callable
        Called with lines about the progress.

    Raises
    ------
    InputError
        The folder contains other stems, the audio of a clip cannot be read, or a library or weight
        is missing.
    IncompleteError
        A file cannot be written.
    """
    if data.folder is None:
        raise InputError(f"{data.name}: the data set has no audio; give the folder of a data set")
    existing = _existing(folder)
    separator = Separator()
    is_same = existing.recipe == separator.recipe
    records = {
        clip.id: existing.records[clip.id]
        for clip in data.clips
        if is_same and _is_kept(data, clip, existing)
    }
    kept = len(records)
    left = [clip for clip in data.clips if clip.id not in records]

    def described() -> StemSet:
        ordered = {clip.id: records[clip.id] for clip in data.clips if clip.id in records}
        gates = {id_: record.gates for id_, record in ordered.items()}
        return StemSet(folder, separator.recipe, gates, ordered)

    write_stems(described())
    try:
        for number, clip in enumerate(counted(left, "stems", "clip", notify), start=1):
            records[clip.id] = _estimate(data, clip, folder, separator)
            if number % _SAVED_EVERY == 0:
                write_stems(described())
    finally:
        write_stems(described())
    return Estimation(data, described(), kept)


def _existing(folder: Path) -> StemSet:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: not a folder; give another one for the stems")
    if not (folder / RECORDS).exists():
        for cue in CUES:
            if (folder / cue).exists():
                raise InputError(
                    f"{folder / cue}: not estimated by jasco, so it is not overwritten; give "
                    "another folder"
                )
    return read_stems(folder)


def _is_kept(data: DataSet, clip: Clip, existing: StemSet) -> bool:
    record, path = existing.records.get(clip.id), data.audio_path(clip)
    if record is None or path is None or record.clip_sha256 != clip.sha256:
        return False
    try:
        if read_file(path).sha256 != record.source_sha256:
            return False
        return all(
            read_file(existing.path(cue, clip)).sha256 == sha256
            for cue, sha256 in record.stems.items()
        )
    except InputError:  # a stem is missing or damaged; if it is the clip, it is reported next
        return False


def _estimate(data: DataSet, clip: Clip, folder: Path, separator: Separator) -> StemRecord:
    path = data.audio_path(clip)
    assert path is not None
    file = read_file(path)
    samples = file.audio.floats
    speech = separator.intervals(samples)
    stems: dict[Cue, Audio] = {
        "sound": as_audio(sound_of(samples, speech)),
        "speech": as_audio(speech_of(separator.enhanced(samples), speech, _STRENGTH, _FLOOR)),
    }
    paths = {cue: folder / cue / f"{clip.id}.flac" for cue in CUES}
    for cue, path in paths.items():
        write_audio(path, stems[cue])
    hashes = {cue: file_sha256(path) for cue, path in paths.items()}
    sound, speech_only = stems["sound"].floats, stems["speech"].floats
    gates = check_stems(clip.speech, samples, sound, speech_only, separator)
    return StemRecord(clip.sha256, file.sha256, hashes, gates)
