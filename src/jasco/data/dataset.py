"""Data sets in the published layout: ``FOLDER/dataset/v0/v0.csv`` and ``ID.wav`` beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jasco.data.csv_files import read_table
from jasco.errors import InputError, did_you_mean, did_you_mean_path, whole_text
from jasco.protocol.clips import Clip, annotations_sha256

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
"""Name of its annotations with audio that is not the published one."""
OTHER_CLIPS = f"{PUBLISHED} (other clips)"
"""Name of what would be called as it is, and has other annotations."""
MINI = "mini"
"""Name of the data set that comes with the package: small, and free to use for anything."""


@dataclass(frozen=True)
class DataSet:
    """Clips and the folder that holds their audio.

    Attributes
    ----------
    name : str
        What reports call it.
    clips : tuple of Clip
        In the order of the annotations.
    folder : pathlib.Path or None
        None where the clips come without audio (from a filled CSV).
    """

    name: str
    clips: tuple[Clip, ...]
    folder: Path | None = None

    def audio_path(self, clip: Clip) -> Path | None:
        """Where a clip's audio lies (not: whether it is there)."""
        return self.folder and (self.folder / ANNOTATIONS).with_name(f"{clip.id}.wav")


def name_of(clips: Sequence[Clip], otherwise: str) -> str:
    """Name a data set: the published one by what it holds, wherever it lies."""
    if annotations_sha256(clips) == PUBLISHED_SHA256:
        return PUBLISHED
    return OTHER_CLIPS if otherwise in (PUBLISHED, ALTERED) else whole_text(otherwise)


def read_data_set(folder: Path) -> DataSet:
    """Read the annotations of a data set.

    Parameters
    ----------
    folder : pathlib.Path
        The folder that holds ``dataset/v0/v0.csv``; it gives the data set its name.

    Raises
    ------
    InputError
        The folder or a column is missing, an id occurs twice or leaves the folder, or the file
        is not a CSV in UTF-8.
    """
    path = folder / ANNOTATIONS
    if not folder.is_dir():
        meant = did_you_mean(str(folder), (PUBLISHED, MINI)) or did_you_mean_path(
            folder, folders=True
        )
        raise InputError(
            f"{folder}: no such folder, and no data set of that name; the data is a folder that "
            f"holds {ANNOTATIONS}, or {PUBLISHED}, or {MINI}{meant}"
        )
    if not path.is_file():
        raise InputError(
            f"{folder}: not a data set: there is no file {path}; give the folder that holds "
            f"{ANNOTATIONS}{_meant(folder)}"
        )
    table = read_table(path, required=COLUMNS)
    clips = tuple(_clips(table.rows, path))
    if not clips:
        raise InputError(f"{path}: no clips in it, only a header")
    return DataSet(name_of(clips, folder.resolve().name), clips, folder)


def _meant(folder: Path) -> str:
    """Name the data sets above a folder, or in it."""
    above = [each for each in (folder.parent, folder.parent.parent) if each != folder]
    try:
        near = [*above, *sorted(each for each in folder.iterdir() if each.is_dir())]
        found = [str(each) for each in near if (each / ANNOTATIONS).is_file()]
    except OSError:
        return ""
    return f"; did you mean {' or '.join(found[:3])}?" if found else ""


def _clips(rows: list[dict[str, str]], path: Path) -> Iterator[Clip]:
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        try:
            clip = Clip(*(row[column] for column in COLUMNS))
        except InputError as error:
            raise InputError(f"{path}, row {number}: {error}") from None
        if clip.id in seen:
            raise InputError(f"{path}: id {clip.id} stands in rows {seen[clip.id]} and {number}")
        seen[clip.id] = number
        yield clip
