"""The clips of a large data set, stored and hashed in one pass, without keeping them in memory."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from jasco.data.dataset import ANNOTATIONS, duplicate_id, read_clips
from jasco.errors import InputError
from jasco.protocol.clips import Clip

CLIP_COLUMNS = (
    "clip, id, sound, speech, audio_only, speech_only, reference, keywords, annotations_sha256"
)
PUT_CLIP = f"INSERT INTO clips ({CLIP_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
PUT_INDEXED = f"INSERT INTO clips ({CLIP_COLUMNS}) SELECT * FROM temp.indexed"
"""The statement that stores the clips of :func:`index_clips` in a run."""
_CREATE = f"CREATE TEMP TABLE indexed ({CLIP_COLUMNS}, PRIMARY KEY (clip), UNIQUE (id))"


def clip_rows(places: Iterable[int], clips: Iterable[Clip]) -> Iterator[tuple[object, ...]]:
    """Yield the rows of clips, given their indices in the whole data set."""
    for place, clip in zip(places, clips, strict=False):
        yield place, *clip.cells, clip.sha256


def index_clips(connection: sqlite3.Connection, folder: Path) -> str:
    """Read a data set into the temporary table ``indexed``; return the hash of its annotations.

    Parameters
    ----------
    connection : sqlite3.Connection
        No transaction is open on it.
    folder : pathlib.Path
        The folder that contains ``dataset/v0/v0.csv``.

    Raises
    ------
    InputError
        The data set cannot be read, or an id is duplicate.
    """
    connection.execute("DROP TABLE IF EXISTS temp.indexed")
    connection.execute(_CREATE)
    latest = ""

    def clips() -> Iterator[Clip]:
        nonlocal latest
        for clip in read_clips(folder, any_size=True):
            latest = clip.id
            yield clip

    put = PUT_CLIP.replace("INTO clips", "INTO temp.indexed")
    try:
        connection.executemany(put, clip_rows(_count(), clips()))
    except sqlite3.IntegrityError:
        [(first,)] = connection.execute("SELECT clip FROM temp.indexed WHERE id = ?", (latest,))
        [(rows,)] = connection.execute("SELECT count(*) FROM temp.indexed")
        connection.rollback()
        message = duplicate_id(folder / ANNOTATIONS, latest, first + 1, rows + 1)
        raise InputError(message) from None
    connection.commit()
    return _annotations_sha256(connection)


def _count() -> Iterator[int]:
    place = 0
    while True:
        yield place
        place += 1


def _annotations_sha256(connection: sqlite3.Connection) -> str:
    """Compute :func:`jasco.protocol.clips.annotations_sha256` of the table ``indexed``."""
    others = (
        "SELECT EXISTS (SELECT 1 FROM temp.indexed WHERE id GLOB '*[^0-9]*' OR length(id) > 18)"
    )
    [(is_text,)] = connection.execute(others)
    order = "id" if is_text else "CAST(id AS INTEGER), id"
    combined, separator = hashlib.sha256(), b""
    query = f"SELECT annotations_sha256 FROM temp.indexed ORDER BY {order}"
    for (sha256,) in connection.execute(query):
        combined.update(separator + sha256.encode())
        separator = b"\n"
    return combined.hexdigest()
