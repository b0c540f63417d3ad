"""Estimation of stems for clips that were published as mixtures, and checks of existing stems.

The intervals of the speech are the times of the words that Whisper recognises, limited to those in
which the voice activity detector Silero finds a voice, and padded. The speech is enhanced by GTCRN
before its intervals are cut out (see :mod:`jasco.interventions.separation`). One thread computes
everything, and nothing is random, so the same versions of the libraries give the same files.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from jasco.backends.optional_imports import import_optional
from jasco.backends.weights import GTCRN, WHISPER, YAMNET, find_weight
from jasco.data.audio import SAMPLING_RATE, file_sha256, read_audio, read_file, write_audio
from jasco.data.dataset import DataSet
from jasco.errors import InputError
from jasco.evaluation.progress import counted
from jasco.interventions.enhancement import Enhancer
from jasco.interventions.gates import (
    MAX_WORD_ERROR_RATE,
    TOP_TAGS,
    Recognizer,
    check_stems,
    residual,
)
from jasco.interventions.separation import Interval, Samples, as_audio, padded, sound_of, speech_of
from jasco.interventions.stems import (
    RECORDS,
    StemRecord,
    StemSet,
    data_stems_command,
    open_stems,
    own_folder,
    read_stems,
    used_folder,
    write_stems,
)
from jasco.interventions.voices import voices
from jasco.models.cascade.sounds import Tagger
from jasco.models.cascade.speech import Transcriber
from jasco.protocol.clips import Clip
from jasco.protocol.conditions import CUES

_VERSION = 1  # of the method, to be increased with any change that alters the stems
_VOICE = 0.3  # probability above which Silero finds a voice
_PAUSE = 0.1  # seconds; a shorter one belongs to the voice
_VOICE_PADDING = 0.2  # seconds; a word outside is kept whole
_PADDING = 0.15  # seconds on both sides of a word
_MIXTURE = 0.05  # share of the clip in the enhanced speech: without it, words are lost
_STRENGTH, _FLOOR = 1.0, 0.02  # of the noise filter
_GATE_PADDING = 0.4  # seconds around a voice in the sound stem
_SAVED_EVERY = 20  # clips


class Separator(Recognizer):
    """The models with which stems are estimated and checked.

    Attributes
    ----------
    recipe, checks : dict
        The models, parameters and versions with which stems are estimated, and only checked.

    Raises
    ------
    InputError
        A library of the extra ``stems`` is missing, or weights cannot be downloaded.
    """

    def __init__(self) -> None:
        names = ("ctranslate2", "faster_whisper", "numpy", "onnxruntime", "soundfile")
        load = partial(import_optional, user="jasco data stems", extra="stems")
        load("faster_whisper.vad")
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
        self.checks: dict[str, Any] = {
            "weights": {weight.name: [*weight.files.values()] for weight in (WHISPER, YAMNET)},
            "voice": _VOICE,
            "voice_padding": _GATE_PADDING,
            "max_word_error_rate": MAX_WORD_ERROR_RATE,
            "top_tags": TOP_TAGS,
            "versions": self.recipe["versions"],
        }
        self._transcriber = _TimedTranscriber(find_weight(WHISPER))
        self._tagger = Tagger(find_weight(YAMNET))
        self._enhancer = Enhancer(find_weight(GTCRN) / next(iter(GTCRN.files)))

    def intervals(self, samples: Samples) -> list[Interval]:
        """Return the padded intervals of the recognised words; none if no word is recognised."""
        length = len(samples)
        heard = padded(self._voices(samples), round(_VOICE_PADDING * SAMPLING_RATE), length)
        spoken: list[Interval] = []
        for first, last in self._transcriber.word_intervals(samples):
            common = [(max(first, begin), min(last, end)) for begin, end in heard]
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
        heard = padded(self._voices(samples), padding, len(samples))
        parts = [samples[begin:end] for begin, end in heard]
        return self.transcript(np.concatenate(parts)) if parts else ""

    def tags(self, samples: Samples, number: int) -> list[str]:
        """Return the sounds that YAMNet finds, the most likely first."""
        return self._tagger.tags(samples, number)

    def _voices(self, samples: Samples) -> list[Interval]:
        return voices(samples, "jasco data stems", probability=_VOICE, pause=_PAUSE)


class _TimedTranscriber(Transcriber):
    """Whisper with the times of words."""

    def word_intervals(self, samples: Samples) -> list[Interval]:
        """Return the intervals of the recognised words."""
        segments = self._segments(samples, word_timestamps=True)
        words = [word for segment in segments for word in segment.words]
        times = [(round(w.start * SAMPLING_RATE), round(w.end * SAMPLING_RATE)) for w in words]
        limited = [(max(0, first), min(last, len(samples))) for first, last in times]
        return [(first, last) for first, last in limited if first < last]


@dataclass(frozen=True)
class CheckedStems:
    """Stems with the results of their gates.

    Attributes
    ----------
    data : DataSet
        The data set.
    stems : StemSet
        Its stems, with a record for each clip; without records if they are exact.
    kept : int
        Number of clips whose stems had been estimated, or checked, before.
    exact : bool
        Whether the sum of both stems of each clip is the clip, so that no gates are needed.
    residual : float or None
        Median over the clips of :func:`jasco.interventions.gates.residual`; None if the stems were
        estimated or are exact, or all clips are silent.
    """

    data: DataSet
    stems: StemSet
    kept: int = 0
    exact: bool = False
    residual: float | None = None


def estimate_stems(data: DataSet, folder: Path, notify: Callable[[str], None]) -> CheckedStems:
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
    _require_audio(data)
    existing = _estimated(data, folder)
    own = own_folder(data)
    if own and own.resolve() != folder.resolve():
        notify(f"{data.name} has its own stems in {own}, which are used unless --stems is given")
    separator = Separator()
    if existing.recipe != separator.recipe:
        existing = StemSet(folder, separator.recipe)
    return _completed(data, existing, partial(_estimate, data, separator, folder), notify)


def check_existing_stems(
    data: DataSet, folder: Path | None, notify: Callable[[str], None]
) -> CheckedStems:
    """Check stems that were made with another program; only their description is written.

    Stems that were checked before are not checked again, unless a file has changed. Exact stems are
    not checked.

    Parameters
    ----------
    data : DataSet
    folder : Path or None
        The folder of the stems; None: the folder that is used if no other is given.
    notify : callable
        Called with lines about the progress.

    Raises
    ------
    InputError
        There are no stems, a stem is missing or does not have the length of its clip, a file cannot
        be read, the stems were estimated by jasco, or a library or weight is missing.
    IncompleteError
        The description cannot be written.
    """
    _require_audio(data)
    found = folder or used_folder(data)
    if not found:
        raise InputError(
            f"{data.folder}: no stems to check; give the folder that contains {' and '.join(CUES)}"
        )
    existing = open_stems(found)
    if existing.recipe:
        raise InputError(
            f"{found}: these stems were estimated and checked by jasco; delete "
            f"{found / RECORDS} if they are your own, else run: {data_stems_command(data, found)}"
        )
    stems = StemSet(found)  # without records, so that changed files are read
    if stems.is_exact(data, data.clips):
        if existing.records:
            write_stems(stems)
        return CheckedStems(data, stems, exact=True)
    residuals = [_residual(data, stems, clip) for clip in data.clips]
    ratios = [ratio for ratio in residuals if ratio is not None]
    separator = Separator()
    if existing.checks != separator.checks:
        existing = StemSet(found, checks=separator.checks)
    checked = _completed(data, existing, partial(_check, data, separator, found), notify)
    return replace(checked, residual=median(ratios) if ratios else None)


def _completed(
    data: DataSet,
    existing: StemSet,
    record: Callable[[Clip], StemRecord],
    notify: Callable[[str], None],
) -> CheckedStems:
    """Compute the records of the clips whose files have changed or have none, and save all."""
    records = {
        clip.id: existing.records[clip.id] for clip in data.clips if _is_kept(data, clip, existing)
    }
    kept = len(records)
    left = [clip for clip in data.clips if clip.id not in records]

    def described() -> StemSet:
        ordered = {clip.id: records[clip.id] for clip in data.clips if clip.id in records}
        gates = {id_: record.gates for id_, record in ordered.items()}
        return replace(existing, gates=gates, records=ordered)

    write_stems(described())
    try:
        for number, clip in enumerate(counted(left, "stems", "clip", notify), start=1):
            records[clip.id] = record(clip)
            if number % _SAVED_EVERY == 0:
                write_stems(described())
    finally:
        write_stems(described())
    return CheckedStems(data, described(), kept)


def _require_audio(data: DataSet) -> None:
    if data.folder is None:
        raise InputError(f"{data.name}: the data set has no audio; give the folder of a data set")


def _estimated(data: DataSet, folder: Path) -> StemSet:
    """Return what is known of estimated stems in a folder; refuse others."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: not a folder; give another one for the stems")
    existing = read_stems(folder)
    for cue in CUES:
        if not existing.recipe and (folder / cue).exists():
            raise InputError(
                f"{folder / cue}: not estimated by jasco, so it is not overwritten; give another "
                f"folder, or check these stems with: {data_stems_command(data, folder, check=True)}"
            )
    return existing


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


def _audio_path(data: DataSet, clip: Clip) -> Path:
    path = data.audio_path(clip)
    assert path is not None
    return path


def _estimate(data: DataSet, separator: Separator, folder: Path, clip: Clip) -> StemRecord:
    samples = read_audio(_audio_path(data, clip)).floats
    speech = separator.intervals(samples)
    enhanced = separator.enhanced(samples)
    sound, spoken = sound_of(samples, speech), speech_of(enhanced, speech, _STRENGTH, _FLOOR)
    write_audio(folder / "sound" / f"{clip.id}.flac", as_audio(sound))
    write_audio(folder / "speech" / f"{clip.id}.flac", as_audio(spoken))
    return _check(data, separator, folder, clip)


def _check(data: DataSet, separator: Separator, folder: Path, clip: Clip) -> StemRecord:
    file = read_file(_audio_path(data, clip))
    samples, stems = file.audio.floats, StemSet(folder)
    hashes = {cue: file_sha256(stems.path(cue, clip)) for cue in CUES}
    sound, speech = (stems.audio(cue, clip, len(samples)).floats for cue in CUES)
    gates = check_stems(clip.speech, samples, sound, speech, separator)
    return StemRecord(clip.sha256, file.sha256, hashes, gates)


def _residual(data: DataSet, stems: StemSet, clip: Clip) -> float | None:
    mix = read_audio(_audio_path(data, clip)).samples
    sound, speech = (stems.audio(cue, clip, len(mix)).samples for cue in CUES)
    return residual(mix, sound, speech)
