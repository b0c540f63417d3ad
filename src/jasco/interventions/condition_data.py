"""The audio of conditions, as data sets in the published layout.

Samples are int16 at 16 kHz, as models receive them. The annotations are those of the original data
set, so the clips of all conditions have the same hashes.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jasco.data.audio import Audio, file_sha256, read_audio, write_audio
from jasco.data.csv_files import whole_file
from jasco.data.dataset import ANNOTATIONS, COLUMNS, DataSet
from jasco.interventions.donors import donor_of
from jasco.interventions.separation import FADE, as_audio, repeated
from jasco.interventions.stems import StemSet
from jasco.protocol.clips import Clip
from jasco.protocol.conditions import CUES, Condition, Cue
from jasco.runs.audio_manifest import audio_path

Samples = NDArray[np.int16]
_RANGE = -32_768, 32_767
_RECORD = "sources.json"
"""The file that holds a hash of the files from which the audio of each clip was made."""


def make_data(
    condition: Condition, data: DataSet, clips: Iterable[Clip], stems: StemSet | None, folder: Path
) -> None:
    """Write the audio of a condition, and the annotations, as a data set.

    Audio that was made from the same files is kept.

    Parameters
    ----------
    condition : Condition
        A condition with audio other than ``original``.
    data : DataSet
        The original data set.
    clips : iterable of Clip
        The clips whose audio is needed.
    stems : StemSet or None
        The stems; None if the condition needs none.
    folder : pathlib.Path
        The folder of the data set to write.

    Raises
    ------
    InputError
        The audio or a stem of a clip is missing or invalid, or there is no donor.
    """
    write_annotations(data.clips, folder)
    record = folder / _RECORD
    made: dict[str, str] = json.loads(record.read_text("utf-8")) if record.exists() else {}
    earlier = dict(made)
    try:
        for clip in clips:
            path, target = (
                audio_path(data, clip),
                (folder / ANNOTATIONS).with_name(f"{clip.id}.wav"),
            )
            parts = parts_of(condition, clip, data.clips) if stems else []
            files = [path, *(stems.path(cue, source) for cue, source in parts if stems)]
            sources = hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()
            if made.get(clip.id) != sources or not target.exists():
                sound, speech = (
                    [
                        stems.samples(data, cue, each)
                        for cue, each in parts
                        if cue == wanted and stems
                    ]
                    for wanted in CUES
                )
                length = len(read_audio(path).samples)
                write_audio(target, Audio(mix(sound, speech, length)))
                made[clip.id] = sources
    finally:
        if made != earlier:
            with whole_file(record) as file:
                json.dump(made, file)


def write_annotations(clips: Sequence[Clip], folder: Path) -> None:
    """Write the annotations of a data set, unless they exist."""
    table = folder / ANNOTATIONS
    if not table.exists():
        with whole_file(table) as file:
            csv.writer(file).writerows([COLUMNS, *(clip.cells for clip in clips)])


def parts_of(condition: Condition, clip: Clip, clips: Sequence[Clip]) -> list[tuple[Cue, Clip]]:
    """Return the stems of which the audio of a condition is the sum, each with its clip.

    Parameters
    ----------
    condition : Condition
        The condition.
    clip : Clip
        The clip.
    clips : sequence of Clip
        All clips of the data set, out of which the donor is chosen.
    """
    parts = [(cue, clip) for cue in condition.stems]
    if condition.swapped:
        donor = donor_of(clip, condition.swapped, condition.draw, clips)
        parts.append((condition.swapped, donor))
    return parts


def mix(sound: Sequence[Samples], speech: Sequence[Samples], length: int) -> Samples:
    """Return the sum of stems.

    The result has the length of the clip, or that of the speech if it is longer, so that no word is
    cut off. A sound is cut or repeated to that length.

    Parameters
    ----------
    sound, speech : sequence of ndarray of int16, shape (samples,)
        The stems.
    length : int
        The number of samples of the clip.
    """
    spoken = [np.trim_zeros(stem, "b") for stem in speech]
    length = max([length, *map(len, spoken)])
    total = np.zeros(length, np.int32)
    for stem in spoken:
        total[: len(stem)] += stem
    for stem in sound:
        total += _fitted(stem, length)
    return np.clip(total, *_RANGE).astype(np.int16)


def _fitted(sound: Samples, length: int) -> Samples:
    """Return a sound that is cut or repeated to a length."""
    if len(sound) >= length or len(sound) <= FADE:
        return np.resize(sound, length)
    return as_audio(repeated([Audio(sound).floats], length)).samples
