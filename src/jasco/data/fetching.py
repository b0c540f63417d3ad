"""Where data sets come from: a folder, or the published one, fetched file by file."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from tqdm import tqdm

from jasco.data.audio import file_sha256, read_file
from jasco.data.dataset import MINI, PUBLISHED, PUBLISHED_SHA256, DataSet, read_data_set
from jasco.data.folders import cache_folder
from jasco.data.known_issues import known_faults, repetitions
from jasco.data.published_files import name_with_audio, published_files
from jasco.errors import IncompleteError, InputError, count, one_line
from jasco.protocol.clips import annotations_sha256

LICENCE = (
    "What Are They Doing, by Wang, Mousavi, Ploujnikov and Ravanelli; CC BY-NC 4.0: "
    "not for commercial use"
)
_COMMIT = "e728f83c6014d97a47294ab4810a6390598f8af5"
_SOURCE = f"https://raw.githubusercontent.com/BenoitWang/What_Are_They_Doing/{_COMMIT}/"
_LARGEST_FILE = 64 << 20  # bytes; a clip has less than one million
_ABANDONED = 3_600  # seconds without a change after which a temporary file is abandoned
_SOURCE_VARIABLE = "JASCO_WATD_URL"
"""Environment variable that names a mirror of the published repository."""


class DownloadError(IncompleteError):
    """What should be fetched cannot be reached; what was fetched is kept."""


def find_data(name: str, notify: Callable[[str], None]) -> DataSet:
    """Open a data set by its folder or its name.

    ``mini`` comes with the package; the published one is fetched where it is not yet.

    Raises
    ------
    InputError
        There is no such folder, or it is no data set.
    DownloadError
        The published data set is not here and cannot be fetched.
    """
    if name == MINI:
        return read_data_set(Path(str(files("jasco.data") / MINI)))
    if name == PUBLISHED:
        folder = cache_folder() / PUBLISHED
        if any(_missing(folder)):
            fetch(folder, notify)
        return read_data_set(folder)
    return read_data_set(Path(name))


def fetch(folder: Path | None, notify: Callable[[str], None]) -> Path:
    """Bring the published data set; what is there and whole is not fetched again.

    Parameters
    ----------
    folder : pathlib.Path or None
        Where to; None is the user's cache.
    notify : callable
        Is told the licence.

    Raises
    ------
    DownloadError
        The source cannot be reached, or gives other files than the published ones.
    """
    import pooch
    import requests

    folder = folder or cache_folder() / PUBLISHED
    source = os.environ.get(_SOURCE_VARIABLE, _SOURCE).rstrip("/") + "/"
    expected = published_files()
    pooch.get_logger().setLevel("ERROR")
    files_there = pooch.create(
        path=folder,
        base_url=source,
        registry={path: f"sha256:{sha256}" for path, sha256 in expected.items()},
        retry_if_failed=2,
    )
    done = 0
    _remove_left_behind(folder, expected)
    try:
        for path in tqdm(expected, "fetching", unit="file", disable=None):
            files_there.fetch(path, downloader=_download)
            done += 1
    except (requests.RequestException, ValueError) as error:
        offline = isinstance(error, requests.ConnectionError)
        reason = "cannot be reached; is this machine offline?" if offline else one_line(error)
        raise DownloadError(
            f"{source}{path}: {reason} ({done} of {len(expected)} files are in {folder}; "
            "the same command goes on from there)"
        ) from None
    except OSError as error:
        raise DownloadError(
            f"{folder}: {error.strerror}; make it writable or free some room, and repeat"
        ) from None
    notify(LICENCE)
    return folder


def _download(url: str, file: object, _pooch: object) -> None:
    """Download a file, up to a size that none of ours has."""
    import requests

    size = 0
    # Its length is not always told, and a packed answer may unpack to anything.
    with requests.get(url, stream=True, timeout=30) as answer, Path(str(file)).open("wb") as target:
        answer.raise_for_status()
        for part in answer.iter_content(1 << 16):
            size += len(part)
            if size > _LARGEST_FILE:
                raise ValueError(f"larger than {_LARGEST_FILE >> 20} MiB, which no file of it is")
            target.write(part)


def _remove_left_behind(folder: Path, expected: Iterable[str]) -> None:
    """Remove what a download that was killed has left; it only takes up space."""
    for place in {(folder / path).parent for path in expected}:
        for path in place.glob("tmp*"):
            with suppress(OSError):
                if path.is_file() and time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()


def verify(data: DataSet) -> Iterator[str]:
    """Look at every clip of a data set; give a line for each thing that a user should know.

    Raises
    ------
    InputError
        The data set cannot be used: the first thing that is wrong with it.
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
    yield f"{seconds:.0f} s of audio, every file readable"
    for fault in known_faults(data.clips):
        yield f"clip {fault.clip}: known fault: {fault.what}"
    for repetition in repetitions(data.clips):
        yield f"known of the data: {repetition}"
    if sha256 == PUBLISHED_SHA256:
        assert data.folder is not None
        name = name_with_audio(data.name, hashes)
        for file_name, expected in published_files().items():
            path = data.folder / file_name
            held = hashes.get(path.stem) if path.suffix == ".wav" else None
            if path.exists() and (held or file_sha256(path)) != expected:
                raise InputError(f"{name}: {path}: not the published file; fetch it again")
        yield "annotations and audio are the published ones"
        yield LICENCE


def _missing(folder: Path) -> Iterator[str]:
    return (path for path in published_files() if not (folder / path).is_file())
