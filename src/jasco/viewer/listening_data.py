"""The data set that runs are about, with its audio."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from jasco.data.audio import file_sha256
from jasco.data.dataset import MINI, DataSet, read_data_set
from jasco.data.sources import find_data
from jasco.errors import InputError
from jasco.protocol.clips import annotations_sha256
from jasco.runs.reader import RunReader

AudioFiles = Mapping[str, tuple[str, str]]
"""Path and hash of the audio that a model was given, by clip id."""


def check_same_data(runs: Sequence[Path], data: DataSet | None) -> None:
    """Raise ``InputError`` where existing runs are about different data, or not about ``data``."""
    hashes = {"--data": annotations_sha256(data.clips)} if data else {}
    for run in runs:
        if run.exists() and not run.is_dir():
            raise InputError(f"{run}: a file; view takes the folders of runs")
        with suppress(InputError), RunReader.open(run) as store:  # the run may be made later
            if sha256 := store.fact("annotations_sha256"):
                hashes[str(run)] = sha256
    for name, sha256 in hashes.items():
        first, first_sha256 = next(iter(hashes.items()))
        if sha256 != first_sha256:
            raise InputError(f"{name} and {first} are about different data; view them one by one")


def find_listening_data(runs: Sequence[Path], data: DataSet | None) -> DataSet:
    """Return the data set to listen to: ``data``, or that of the runs, or ``mini``.

    Raises
    ------
    InputError
        No run exists yet, its audio files have moved, or they are not those that its model was
        given.
    """
    if not runs:
        return data or find_data(MINI, lambda _line: None)
    contents = {run: content for run in runs if (content := _content(run))}
    for run, (run_data, audio) in contents.items():
        if data and not _same(data, run_data):
            raise InputError(f"{run} is about other data than --data")
        if found := data or _original(run_data):
            _check_audio(run, found, audio)
            return found
    if contents:
        raise InputError("the sounds of these runs are not where they were; give --data DATA")
    raise InputError("no run is there yet, and so there is nothing to listen to")


def _same(one: DataSet, other: DataSet) -> bool:
    return annotations_sha256(one.clips) == annotations_sha256(other.clips)


def _content(run: Path) -> tuple[DataSet, AudioFiles] | None:
    """Return a run's data set, with the folder that it was read from, and its audio files."""
    with suppress(InputError), RunReader.open(run) as reader:
        data = replace(reader.data(), folder=reader.data_root)
        return (data, reader.audio_files()) if data.clips else None
    return None


def _original(run_data: DataSet) -> DataSet | None:
    """Return the data set of a run from the folder where it was, if it is still there."""
    if run_data.folder:
        with suppress(InputError):
            data = read_data_set(run_data.folder)
            if _same(data, run_data):
                return data
    return find_data(MINI, lambda _line: None) if run_data.name == MINI else None


def _check_audio(run: Path, data: DataSet, audio: AudioFiles) -> None:
    """Raise ``InputError`` where a file is not what the run's model was given."""
    for clip in data.clips:
        path = data.audio_path(clip)
        if path and clip.id in audio:
            try:
                sha256 = file_sha256(path)
            except OSError as error:
                raise InputError(f"{path}: {error.strerror}") from None
            if sha256 != audio[clip.id][1]:
                raise InputError(f"{path}: not the audio that the model of {run} was given")
