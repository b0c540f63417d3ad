"""The data set that runs are about, with its sounds."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from jasco.data.audio import file_sha256
from jasco.data.dataset import MINI, DataSet, read_data_set
from jasco.data.fetching import find_data
from jasco.errors import InputError
from jasco.protocol.clips import annotations_sha256
from jasco.runs.reader import RunReader

Heard = dict[str, tuple[str, str]]
"""Path and hash of what was heard of each clip, by its id."""


def check_alike(runs: Sequence[Path], given: DataSet | None) -> None:
    """See that all runs that are there are about the same data (``InputError`` otherwise)."""
    known = {"--data": annotations_sha256(given.clips)} if given else {}
    for run in runs:
        if run.exists() and not run.is_dir():
            raise InputError(f"{run}: a file; view takes the folders of runs")
        with suppress(InputError), RunReader.open(run) as store:  # it may come yet
            if sha256 := store.fact("annotations_sha256"):
                known[str(run)] = sha256
    for name, sha256 in known.items():
        first, other = next(iter(known.items()))
        if sha256 != other:
            raise InputError(f"{name} and {first} are about different data; view them one by one")


class Finder:
    """Finds what there is to listen to: the data set given, or that of the runs, or ``mini``."""

    def __init__(self, runs: Sequence[Path], given: DataSet | None) -> None:
        self._runs = runs
        self._given = given
        self._found: DataSet | None = None

    def __call__(self) -> DataSet:
        """Find it.

        Raises
        ------
        InputError
            No run is there yet, its sounds are not where they were, or they are not those that
            its model heard.
        """
        if not self._found:
            self._found = self._find()
        return self._found

    def _find(self) -> DataSet:
        if not self._runs:
            return self._given or find_data(MINI, _be_silent)
        given = self._given
        there = {run: held for run in self._runs if (held := _held(run))}
        for run, (data, heard) in there.items():
            if given and not _same(given, data):
                raise InputError(f"{run} is about other data than --data")
            if found := given or _beside(data):
                _check_sounds(run, found, heard)
                return found
        if there:
            raise InputError("the sounds of these runs are not where they were; give --data DATA")
        raise InputError("no run is there yet, and so there is nothing to listen to")


def _same(one: DataSet, other: DataSet) -> bool:
    return annotations_sha256(one.clips) == annotations_sha256(other.clips)


def _held(run: Path) -> tuple[DataSet, Heard] | None:
    """Return a run's data set, with the folder that it was read from, and what was heard."""
    with suppress(InputError), RunReader.open(run) as store:
        held = replace(store.data(), folder=store.data_root)
        return (held, store.audio_files()) if held.clips else None
    return None


def _beside(held: DataSet) -> DataSet | None:
    """Read the data set of a run where it was when the run was made."""
    if held.folder:
        with suppress(InputError):
            data = read_data_set(held.folder)
            if _same(data, held):
                return data
    if held.name == MINI:
        return find_data(MINI, _be_silent)
    return None


def _check_sounds(run: Path, data: DataSet, heard: Heard) -> None:
    """See that a listener hears what the model of a run has heard."""
    for clip in data.clips:
        path = data.audio_path(clip)
        if path and clip.id in heard and _sha256(path) != heard[clip.id][1]:
            raise InputError(f"{path}: not what the model of {run} has heard")


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _be_silent(_line: str) -> None:
    pass
