"""Data sets in the published layout: ``FOLDER/dataset/v0/v0.csv`` and ``ID.wav`` next to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from jasco.data.csv_files import open_table
from jasco.errors import InputError, did_you_mean, did_you_mean_path, whole_text
from jasco.protocol.clips import Clip, Item, annotations_sha256, items_of

ANNOTATIONS = Path("dataset", "v0", "v0.csv")
COLUMNS = (
    "audio_id", "Audio", "Speech", "Audio-Only Answer", "Speech-Only Answer",
    "Correct Answer", "Correct Answer Keyword",
)  # fmt: skip

PUBLISHED = "watd"
"""Name of the published data set, *What Are They Doing* v0."""
PUBLISHED_SHA256 = "3fd0912f1bd7d7a3c0275446a6f0ccfa6fdcaaf3b8df972e7367832bc3703d7a"
"""Hash of its annotations."""
ALTERED = f"{PUBLISHED} (altered audio)"
"""Name of the published annotations with audio that differs from the published one."""
OTHER_CLIPS = f"{PUBLISHED} (other clips)"
"""Name of a data set that is called ``watd`` but has other annotations."""
MINI = "mini"
MINI_SHA256 = "6b64a9175055a15cb84efacabb15a90c1e2a4ed427d44d29052ce1562c90cd79"
"""Hash of the annotations of ``mini``."""
"""Name of the small data set that ships with the package, free for any use."""


@dataclass(frozen=True)
class DataSet:
    """Clips and the folder that contains their audio.

    Attributes
    ----------
    name : str
        The name in reports.
    clips : tuple of Clip
        In the order of the annotations.
    folder : pathlib.Path or None
        None if the clips have no audio (from a responses CSV).
    """

    name: str
    clips: tuple[Clip, ...]
    folder: Path | None = None

    @cached_property
    def annotations_sha256(self) -> str:
        """The hash of the annotations of the whole data set."""
        return annotations_sha256(self.clips)

    @property
    def places(self) -> Sequence[int]:
        """The index of each clip in the whole data set."""
        return range(len(self.clips))

    @property
    def total(self) -> int:
        """Number of clips of the whole data set."""
        return len(self.clips)

    def items(self) -> list[Item]:
        """Return the items: each clip with each of the published instructions, clip by clip."""
        return [item for clip in self.clips for item in items_of(clip)]

    def audio_path(self, clip: Clip) -> Path | None:
        """Return the path of a clip's audio file, whether or not it exists."""
        return self.folder and (self.folder / ANNOTATIONS).with_name(f"{clip.id}.wav")


@dataclass(frozen=True)
class DataPart(DataSet):
    """Some of the clips of a data set.

    Attributes
    ----------
    places : sequence of int
        The index of each clip in the whole data set.
    total : int
        Number of clips of the whole data set.
    annotations_sha256 : str
        The hash of the annotations of the whole data set.
    """

    places: Sequence[int] = ()
    total: int = 0
    annotations_sha256: str = ""


def name_of(clips: Sequence[Clip], otherwise: str) -> str:
    """Return the name of a data set; ``watd`` and ``mini`` are identified by their annotations.

    Parameters
    ----------
    clips : sequence of Clip
        Its clips.
    otherwise : str
        The name of any other data set.
    """
    return name_by_hash(annotations_sha256(clips), otherwise)


def name_by_hash(sha256: str, otherwise: str) -> str:
    """Return the name of a data set, as :func:`name_of`, by the hash of its annotations."""
    if sha256 in (PUBLISHED_SHA256, MINI_SHA256):
        return PUBLISHED if sha256 == PUBLISHED_SHA256 else MINI
    return OTHER_CLIPS if otherwise in (PUBLISHED, ALTERED) else whole_text(otherwise)


def published_files() -> dict[str, str]:
    """Return the SHA-256 of each file of the published data set, by its path."""
    lines = (files("jasco.data") / "watd.sha256").read_text("utf-8").splitlines()
    return {path: sha256 for sha256, path in (line.split(maxsplit=1) for line in lines)}


def name_with_audio(name: str, audio: Mapping[str, str]) -> str:
    """Return the name of a data set, given its audio: published annotations may have other audio.

    Parameters
    ----------
    name : str
        The name by its annotations, as :func:`name_of` returns it.
    audio : mapping of str to str
        SHA-256 of the audio files that were read, by clip id. Other clips are ignored.
    """
    if name not in (PUBLISHED, ALTERED):
        return name
    published = published_files()
    is_same = all(published.get(f"dataset/v0/{id_}.wav") == sha256 for id_, sha256 in audio.items())
    return PUBLISHED if is_same else ALTERED


def read_data_set(folder: Path) -> DataSet:
    """Read the annotations of a data set.

    Parameters
    ----------
    folder : pathlib.Path
        The folder that contains ``dataset/v0/v0.csv``; its name is the name of the data set.

    Raises
    ------
    InputError
        As :func:`read_clips`, or an id is duplicate.
    """
    path = folder / ANNOTATIONS
    clips: dict[str, Clip] = {}
    for number, clip in enumerate(read_clips(folder), start=1):
        if clip.id in clips:
            first = list(clips).index(clip.id) + 1
            raise InputError(duplicate_id(path, clip.id, first, number))
        clips[clip.id] = clip
    annotated = tuple(clips.values())
    return DataSet(name_of(annotated, folder.resolve().name), annotated, folder)


def read_clips(folder: Path, *, any_size: bool = False) -> Iterator[Clip]:
    """Read the clips of a data set one by one, in the order of the annotations.

    Parameters
    ----------
    folder : pathlib.Path
        The folder that contains ``dataset/v0/v0.csv``.
    any_size : bool
        Whether to accept a file of any size, because the clips are not kept in memory.

    Raises
    ------
    InputError
        The folder or a column is missing, an id refers to another folder, there is no clip, or the
        file is not a CSV in UTF-8, or is too large.
    """
    path = folder / ANNOTATIONS
    if not folder.is_dir():
        hint = did_you_mean(str(folder), (PUBLISHED, MINI))
        raise InputError(
            f"{folder}: no such folder or data set; give a folder that contains {ANNOTATIONS}, or "
            f"{PUBLISHED}, or {MINI}"
            f"{hint or did_you_mean_path(folder, folders=True)}"
        )
    if not path.is_file():
        raise InputError(
            f"{folder}: not a data set: {path} not found; give the folder that contains "
            f"{ANNOTATIONS}{_data_sets_near(folder)}"
        )
    number = 0
    with open_table(path, required=COLUMNS, any_size=any_size) as (_, rows):
        for number, row in enumerate(rows, start=1):
            yield clip_of_row(row, COLUMNS, f"{path}, row {number}")
    if not number:
        raise InputError(f"{path}: no clips, only a header")


def duplicate_id(path: Path, clip_id: str, first: int, second: int) -> str:
    """Format the error about an id that occurs in two rows."""
    return f"{path}: duplicate id {clip_id} (rows {first} and {second})"


def clip_of_row(row: Mapping[str, str], columns: Sequence[str], where: str) -> Clip:
    """Return the clip of a row with these columns (``InputError`` prefixed with ``where``)."""
    try:
        return Clip(*(row[column] for column in columns))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _data_sets_near(folder: Path) -> str:
    """Format ``; did you mean PATH?`` with the data sets above or in a folder."""
    above = [path for path in (folder.parent, folder.parent.parent) if path != folder]
    try:
        below = sorted(path for path in folder.iterdir() if path.is_dir())
        found = [str(path) for path in (*above, *below) if (path / ANNOTATIONS).is_file()]
    except OSError:
        return ""
    return f"; did you mean {' or '.join(found[:3])}?" if found else ""
