"""Stems: the sound and the speech of each clip as separate audio files.

A folder of stems contains ``sound/ID.wav`` and ``speech/ID.wav`` (or ``.flac``), and, if they were
estimated or checked, ``stems.json`` with the recipe (empty if they were made with another program),
the hashes of the files and the results of the gates.
"""

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jasco.data.audio import SAMPLING_RATE, Audio, file_sha256, read_audio, read_file
from jasco.data.csv_files import whole_file
from jasco.data.dataset import DataSet
from jasco.data.folders import cache_folder
from jasco.errors import InputError, did_you_mean_path
from jasco.interventions.gates import GATES, Gates
from jasco.protocol.clips import Clip
from jasco.protocol.conditions import CUES, Cue

RECORDS = "stems.json"
"""Name of the file that describes stems."""
SCHEMA = 1
SUFFIXES = (".wav", ".flac")
TOLERANCE = SAMPLING_RATE // 100
"""Number of samples by which the lengths of a stem and its clip may differ (10 ms)."""


@dataclass(frozen=True)
class StemRecord:
    """The files of a clip from which its gates were computed, and their results.

    Attributes
    ----------
    clip_sha256, source_sha256 : str
        Hashes of the annotations and of the audio file of the clip.
    stems : mapping of str to str
        Hashes of the files by cue.
    gates : Gates
        The results of the gates.
    """

    clip_sha256: str
    source_sha256: str
    stems: Mapping[Cue, str]
    gates: Gates

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        return {
            "clip_sha256": self.clip_sha256,
            "source_sha256": self.source_sha256,
            "stems": dict(self.stems),
            "failures": dict(self.gates.failures),
        }

    @classmethod
    def from_json(cls, record: Any) -> "StemRecord":
        """Return a record (``ValueError`` if it is not the JSON object of one)."""
        texts = [record["clip_sha256"], record["source_sha256"]]
        stems, failures = dict(record["stems"]), dict(record["failures"])
        texts += [*stems.values(), *failures.values()]
        is_valid = all(isinstance(text, str) for text in texts)
        if not is_valid or not set(failures) <= set(GATES) or set(stems) != {*CUES}:
            raise ValueError
        return cls(texts[0], texts[1], stems, Gates(failures))


@dataclass(frozen=True)
class StemSet:
    """The stems of a data set.

    Attributes
    ----------
    folder : Path
        The folder that contains them.
    recipe : mapping
        How they were estimated; empty if they were made with another program.
    gates : mapping of str to Gates
        The results of the gates by clip id; empty if unknown.
    records : mapping of str to StemRecord
        The hashes and the gates of each clip; empty if unknown.
    checks : mapping
        The models, parameters and versions with which stems that were made with another program
        were checked; empty for other stems.
    """

    folder: Path
    recipe: Mapping[str, Any] = field(default_factory=dict)
    gates: Mapping[str, Gates] = field(default_factory=dict)
    records: Mapping[str, StemRecord] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)

    def path(self, cue: Cue, clip: Clip) -> Path:
        """Return the path of a stem.

        Raises
        ------
        InputError
            The file is missing, or both a WAV and a FLAC file exist.
        """
        names = [self.folder / cue / f"{clip.id}{suffix}" for suffix in SUFFIXES]
        found = [path for path in names if path.exists()]
        if len(found) > 1:
            raise InputError(f"{found[0]}: {found[1].name} exists as well; remove one of them")
        if found:
            return found[0]
        raise InputError(
            f"{names[0]}: the {cue} stem of clip {clip.id} is missing; add the file, or estimate "
            "stems with: jasco data stems DATA"
        )

    def audio(self, cue: Cue, clip: Clip, length: int) -> Audio:
        """Read a stem, with silence added at the end or samples removed to the clip's length.

        Parameters
        ----------
        cue : str
        clip : Clip
        length : int
            Number of samples of the clip at 16 kHz.

        Raises
        ------
        InputError
            The file cannot be read, has changed since it was estimated or checked, or its length
            differs by more than 10 ms.
        """
        path = self.path(cue, clip)
        file = read_file(path)
        record = self.records.get(clip.id)
        if record and record.stems.get(cue) != file.sha256:
            change = (
                "estimated; delete it and run jasco data stems again"
                if self.recipe
                else f"checked; run: jasco data stems DATA {shlex.quote(str(self.folder))} --check"
            )
            raise InputError(f"{path}: the file has changed since the stem was {change}")
        samples = file.audio.samples
        missing = length - len(samples)
        if abs(missing) > TOLERANCE:
            raise InputError(
                f"{path}: {file.audio.seconds:.3f} s long, but its clip has "
                f"{length / SAMPLING_RATE:.3f} s; a stem must have the length of its clip"
            )
        return Audio(np.pad(samples[:length], (0, max(0, missing))), file.audio.conversions)

    def samples(self, data: DataSet, cue: Cue, clip: Clip) -> NDArray[np.int16]:
        """Read a stem as samples at 16 kHz, as many as the clip has; errors as :meth:`audio`."""
        path = data.audio_path(clip)
        assert path is not None
        return self.audio(cue, clip, len(read_audio(path).samples)).samples

    def hashes(self, clips: Iterable[Clip]) -> dict[str, str]:
        """Return a hash of both stems of each clip, by its id.

        Raises
        ------
        InputError
            A stem is missing.
        """
        return {
            clip.id: hashlib.sha256(
                "".join(file_sha256(self.path(cue, clip)) for cue in CUES).encode()
            ).hexdigest()[:16]
            for clip in clips
        }

    def to_json(self) -> dict[str, Any]:
        """Return the recipe, and which stems of each clip pass their gates, for a run."""
        gates = {id_: {cue: gates.passed(cue) for cue in CUES} for id_, gates in self.gates.items()}
        return {"recipe": dict(self.recipe), "gates": gates}

    def is_exact(self, data: DataSet, clips: Iterable[Clip]) -> bool:
        """Return whether the sum of both stems of each clip is the clip, sample by sample.

        Raises
        ------
        InputError
            A file is missing or cannot be read.
        """
        return not self.recipe and all(self._is_exact(data, clip) for clip in clips)

    def _is_exact(self, data: DataSet, clip: Clip) -> bool:
        path = data.audio_path(clip)
        assert path is not None
        mix = read_audio(path).samples
        stems = [self.audio(cue, clip, len(mix)).samples for cue in CUES]
        return np.array_equal(np.sum(stems, axis=0, dtype=np.int32), mix)


def default_folder(data: DataSet) -> Path:
    """Return the folder in which the estimated stems of a data set are stored."""
    return cache_folder() / "stems" / data.annotations_sha256[:16]


def find_stems(data: DataSet, folder: Path | None) -> StemSet:
    """Return the stems of a data set.

    Parameters
    ----------
    data : DataSet
    folder : Path or None
        The folder that contains them; None: the folder ``stems`` of the data set, or the one in
        which ``jasco data stems`` stores them.

    Raises
    ------
    InputError
        There are no stems, their description is invalid, or the audio of a clip has changed since
        they were estimated or checked.
    """
    found = folder or used_folder(data)
    if not found:
        raise InputError(
            f"{data.folder or data.name}: no stems; make them with: {data_stems_command(data)}, "
            "or give a folder with --stems"
        )
    stems = open_stems(found)
    for clip in data.clips:
        path, record = data.audio_path(clip), stems.records.get(clip.id)
        if record and path and path.is_file() and file_sha256(path) != record.source_sha256:
            change = "estimated; run" if stems.recipe else "checked; replace the stems and run"
            command = data_stems_command(data, found, check=not stems.recipe)
            raise InputError(
                f"{path}: the audio has changed since its stems in {found} were {change}: {command}"
            )
    return stems


def own_folder(data: DataSet) -> Path | None:
    """Return the folder ``stems`` of a data set; None if it has none."""
    folder = data.folder and data.folder / "stems"
    return folder if folder and folder.is_dir() else None


def used_folder(data: DataSet) -> Path | None:
    """Return the folder of the stems that are used if no other is given; None if there is none."""
    folder = own_folder(data) or default_folder(data)
    return folder if folder.is_dir() else None


def data_stems_command(data: DataSet, folder: Path | None = None, *, check: bool = False) -> str:
    """Return the command that estimates the stems of a data set, or checks those in a folder."""
    arguments = [data.folder or data.name, *([folder] if folder else [])]
    quoted = " ".join(shlex.quote(str(argument)) for argument in arguments)
    return f"jasco data stems {quoted}{' --check' if check else ''}"


def open_stems(folder: Path) -> StemSet:
    """Return the stems in a folder, with their description if there is one.

    Raises
    ------
    InputError
        The folder does not contain stems, or their description cannot be read or is invalid.
    """
    if not folder.is_dir():
        hint = did_you_mean_path(folder, folders=True)
        raise InputError(f"{folder}: no such folder; give a folder with stems{hint}")
    if lacking := [cue for cue in CUES if not (folder / cue).is_dir()]:
        raise InputError(
            f"{folder}: not a folder of stems: {folder / lacking[0]} not found; give the folder "
            f"that contains {' and '.join(CUES)}"
        )
    return read_stems(folder)


def read_stems(folder: Path) -> StemSet:
    """Read the description of the stems in a folder, if there is one.

    Raises
    ------
    InputError
        The description cannot be read or is invalid.
    """
    path = folder / RECORDS
    if not path.exists():
        return StemSet(folder)
    try:
        description = json.loads(path.read_text("utf-8"))
        if description["schema"] != SCHEMA:
            raise InputError(
                f"{path}: written by another version of jasco; delete it if the stems are your "
                "own, else delete the folder and run jasco data stems again"
            )
        recipe, checks = dict(description["recipe"]), dict(description.get("checks", {}))
        records = {
            id_: StemRecord.from_json(record) for id_, record in description["clips"].items()
        }
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{path}: not a valid description of stems; delete it if the stems are your own, else "
            "delete the folder and run jasco data stems again"
        ) from None
    gates = {id_: record.gates for id_, record in records.items()}
    return StemSet(folder, recipe, gates, records, checks)


def write_stems(stems: StemSet) -> None:
    """Write the description of stems atomically (``IncompleteError`` if that fails)."""
    records = {id_: record.to_json() for id_, record in stems.records.items()}
    description: dict[str, Any] = {"schema": SCHEMA, "recipe": dict(stems.recipe)}
    if stems.checks:
        description["checks"] = dict(stems.checks)
    description["clips"] = records
    with whole_file(stems.folder / RECORDS) as file:
        json.dump(description, file, indent=1, ensure_ascii=False)
        file.write("\n")
