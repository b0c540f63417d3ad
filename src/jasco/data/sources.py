"""Sources of data sets: a folder, or the published data set, downloaded file by file."""

import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

from jasco.data.audio import file_sha256, read_file
from jasco.data.dataset import (
    MINI,
    PUBLISHED,
    PUBLISHED_SHA256,
    DataSet,
    name_with_audio,
    published_files,
    read_data_set,
)
from jasco.data.download import DownloadError, download
from jasco.data.folders import cache_folder
from jasco.data.known_issues import known_issues, repetitions
from jasco.errors import InputError, count
from jasco.protocol.clips import annotations_sha256

LICENCE = (
    "What Are They Doing, by Wang, Mousavi, Ploujnikov and Ravanelli; CC BY-NC 4.0: "
    "not for commercial use"
)
_COMMIT = "e728f83c6014d97a47294ab4810a6390598f8af5"
PUBLISHED_FILES = f"https://raw.githubusercontent.com/BenoitWang/What_Are_They_Doing/{_COMMIT}/"
_SIZE = 19_194_005  # bytes of all files
_SOURCE_VARIABLE = "JASCO_WATD_URL"
"""Environment variable that names a mirror of the published repository."""


def find_data(name: str, notify: Callable[[str], None]) -> DataSet:
    """Read a data set, given by its folder or its name; errors as :func:`find_folder`."""
    return read_data_set(find_folder(name, notify))


def find_folder(name: str, notify: Callable[[str], None]) -> Path:
    """Return the folder of a data set, given by its folder or its name.

    ``mini`` ships with the package; the published data set is downloaded if files are missing.

    Raises
    ------
    DownloadError
        The published data set is not in the cache and cannot be downloaded.
    """
    if name == MINI:
        return Path(str(files("jasco.data") / MINI))
    if name != PUBLISHED:
        return Path(name)
    folder = cache_folder() / PUBLISHED
    if not all((folder / path).is_file() for path in published_files()):
        fetch(folder, notify)
    return folder


def fetch(folder: Path | None, notify: Callable[[str], None]) -> Path:
    """Download the published data set; existing valid files are kept.

    Parameters
    ----------
    folder : pathlib.Path or None
        The destination; None: the user's cache.
    notify : callable
        Called with the licence.

    Raises
    ------
    DownloadError
        The source cannot be reached, or its files differ from the published ones.
    """
    folder = folder or cache_folder() / PUBLISHED
    source = os.environ.get(_SOURCE_VARIABLE, PUBLISHED_FILES).rstrip("/") + "/"
    try:
        download(source, published_files(), folder, title=PUBLISHED, size=_SIZE)
    except DownloadError as error:
        raise DownloadError(f"{error}; run the same command again to resume") from None
    except OSError as error:
        raise DownloadError(
            f"{folder}: {error.strerror}; make it writable or free some space, then run the same "
            "command again"
        ) from None
    notify(LICENCE)
    return folder


def verify(data: DataSet) -> Iterator[str]:
    """Read every clip of a data set and yield one line for each finding.

    Raises
    ------
    InputError
        The data set cannot be used; the message states the first problem.
    """
    sha256 = annotations_sha256(data.clips)
    yield f"{count(len(data.clips), 'clip')}, annotations {sha256}"
    seconds, hashes = 0.0, dict[str, str]()
    for clip in data.clips:
        path = data.audio_path(clip)
        assert path is not None
        file = read_file(path)
        audio, hashes[clip.id] = file.audio, file.sha256
        seconds += audio.seconds
        if audio.conversions:
            yield f"clip {clip.id}: will be {', '.join(audio.conversions)} (to 16 kHz mono PCM16)"
        if file.clipped:
            yield f"clip {clip.id}: clipped samples: {file.clipped} of {file.frames}"
        for warning in file.warnings:
            yield f"clip {clip.id}: {warning}"
    yield f"{seconds:.0f} s of audio, all files readable"
    for issue in known_issues(data.clips):
        yield f"clip {issue.clip}: known issue: {issue.text}"
    for repetition in repetitions(data.clips):
        yield f"known issue of the data set: {repetition}"
    if sha256 == PUBLISHED_SHA256:
        assert data.folder is not None
        name = name_with_audio(data.name, hashes)
        for file_name, expected in published_files().items():
            path = data.folder / file_name
            sha256_read = hashes.get(path.stem) if path.suffix == ".wav" else None
            if path.exists() and (sha256_read or file_sha256(path)) != expected:
                raise InputError(
                    f"{name}: {path}: differs from the published file; run: jasco data fetch "
                    f"{data.folder}"
                )
        yield "annotations and audio match the published data set"
        yield LICENCE
