"""The data set of runs, with its audio."""

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
    """Raise ``InputError`` if existing runs use different data, or other data than ``data``."""
    hashes = {"--data": annotations_sha256(data.clips)} if data else {}
    for run in runs:
        if run.exists() and not run.is_dir():
            raise InputError(f"{run}: is a file; jasco view expects the folders of runs")
        with suppress(InputError), RunReader.open(run) as store:  # the run may be created later
            if sha256 := store.fact("annotations_sha256"):
                hashes[str(run)] = sha256
    for name, sha256 in hashes.items():
        first, first_sha256 = next(iter(hashes.items()))
        if sha256 != first_sha256:
            raise InputError(f"{name} and {first} use different data; view them separately")


def find_listening_data(runs: Sequence[Path], data: DataSet | None) -> DataSet:
    """Return the data set to listen to: ``data``, or that of the runs, or ``mini``.

    Raises
    ------
    InputError
        No run exists yet, or its data was moved or has changed.
    """
    if not runs:
        return data or find_data(MINI, lambda _line: None)
    contents = {run: content for run in runs if (content := _content(run))}
    for run, (run_data, audio) in contents.items():
        if data and not _same(data, run_data):
            raise InputError(f"{run} and --data use different data; use the data set of the run")
        if found := data or _original(run_data):
            _check_audio(run, found, audio)
            return found
    if contents:
        raise InputError("the data of these runs was moved or changed; specify it with --data DATA")
    raise InputError("no run found yet, so there are no clips to listen to")


def _same(one: DataSet, other: DataSet) -> bool:
    return annotations_sha256(one.clips) == annotations_sha256(other.clips)


def _content(run: Path) -> tuple[DataSet, AudioFiles] | None:
    """Return a run's data set, including its original folder, and its audio files."""
    with suppress(InputError), RunReader.open(run) as reader:
        data = replace(reader.data(), folder=reader.data_root)
        return (data, reader.audio_files()) if data.clips else None
    return None


def _original(run_data: DataSet) -> DataSet | None:
    """Return the data set of a run from its original folder, if it is still there."""
    if run_data.folder:
        with suppress(InputError):
            data = read_data_set(run_data.folder)
            if _same(data, run_data):
                return data
    return find_data(MINI, lambda _line: None) if run_data.name == MINI else None


def _check_audio(run: Path, data: DataSet, audio: AudioFiles) -> None:
    """Raise ``InputError`` if a file differs from the audio that the run's model was given."""
    for clip in data.clips:
        path = data.audio_path(clip)
        if path and clip.id in audio:
            try:
                sha256 = file_sha256(path)
            except OSError as error:
                raise InputError(f"{path}: {error.strerror}") from None
            if sha256 != audio[clip.id][1]:
                raise InputError(
                    f"{path}: differs from the audio given to the model of {run}; restore the file"
                )
