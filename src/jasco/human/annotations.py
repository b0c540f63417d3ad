"""Annotations: verdicts of human annotators on a run's answers.

They are not verdicts of a judge and do not affect the figures of the run. A judge can be examined
with them (``jasco exam JUDGE --gold FILE``). They are stored in a separate file, ``labels.db`` in
the run's folder, because only one process may write to ``run.db`` while a run is in progress.

The file is documented in ``docs/run-store.md``. Each annotation includes the answer that it refers
to, so it stays valid if the run changes.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TextIO

from jasco.data.csv_files import write_rows
from jasco.errors import InputError, whole_text
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.clips import id_order
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Response
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.database import DatabaseFormat, open_database, sqlite_errors
from jasco.runs.participants import participant_name
from jasco.runs.reader import RunReader

GOLD_COLUMNS = (
    "row_id", "id", "clip_sha", "prompt_index", "allm_output", "rating", "orientation", "style",
    "adversarial", "note", "person",
)  # fmt: skip
"""Columns of labelled rows, as an exam reads them, and the annotator's name."""
LONGEST_NOTE = 2_000  # characters
_SHA_DIGITS = 12
_FORMAT = DatabaseFormat(
    name="the labels of a run",
    application_id=0x4A41534C,  # "JASL"
    version=1,
    schema="""
CREATE TABLE labels (
  person TEXT NOT NULL, clip_id TEXT NOT NULL, clip_sha256 TEXT NOT NULL,
  instruction INTEGER NOT NULL, answer TEXT NOT NULL, rating INTEGER NOT NULL,
  orientation TEXT NOT NULL, note TEXT NOT NULL, written_at TEXT NOT NULL,
  UNIQUE (person, clip_id, instruction)
)""",
)
_GET = "SELECT * FROM labels WHERE person = ? AND clip_id = ? AND instruction = ?"
_REMOVE = "DELETE FROM labels WHERE person = ? AND clip_id = ? AND instruction = ?"
_RESTORE = "INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT = """
INSERT OR REPLACE INTO labels
VALUES (?, ?, ?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
"""


@dataclass(frozen=True)
class Annotation:
    """An annotator's verdict on an answer: a row of the file's table, in the order of its columns.

    Attributes
    ----------
    annotator : str
        Name of the annotator.
    clip_id : str
        Id of the clip.
    clip_sha256 : str
        Hash of the clip's texts.
    number : int
        Number of the instruction, from 1.
    answer : str
        The model's answer.
    rating : int
        0, 1 or 2.
    orientation : str
        Value of an :class:`~jasco.protocol.verdicts.Orientation`.
    note : str
        The annotator's note; may be empty.
    written_at : str
        Time of writing, in UTC.
    """

    annotator: str
    clip_id: str
    clip_sha256: str
    number: int
    answer: str
    rating: int
    orientation: str
    note: str
    written_at: str

    @property
    def verdict(self) -> Verdict:
        """Rating and orientation."""
        return Verdict(self.rating, Orientation(self.orientation))

    @property
    def place(self) -> tuple[str, str, int]:
        """What is unique in the file: annotator, clip and instruction."""
        return self.annotator, self.clip_id, self.number


@dataclass(frozen=True)
class Change:
    """What storing an annotation has changed, so that it can be undone.

    Attributes
    ----------
    before : Annotation or None
        The annotation that was replaced; None if there was none.
    after : Annotation
        The annotation that was stored.
    """

    before: Annotation | None
    after: Annotation


@dataclass(frozen=True)
class Annotations:
    """The annotations of a run, to which any number of threads and processes can add."""

    folder: Path

    @classmethod
    def of_run(cls, folder: Path) -> Self:
        """Return the annotations of a run (``InputError`` if there is no run)."""
        RunReader.open(folder).close()
        return cls(folder)

    def put(
        self, annotator: str, clip_id: str, number: int, verdict: Verdict, note: str = ""
    ) -> Change:
        """Store an annotator's verdict on an answer; it is on disk when this returns.

        A later verdict of the same annotator on the same answer replaces the earlier one.

        Parameters
        ----------
        annotator : str
            Name as entered by the user.
        clip_id : str
            Id of the clip.
        number : int
            Number of the instruction, from 1.
        verdict : Verdict
            Rating and orientation, both given.
        note : str
            Up to 2,000 characters.

        Returns
        -------
        Change
            What :meth:`undo` reverts.

        Raises
        ------
        InputError
            The name is invalid, the verdict is incomplete, the note is too long, or the run does
            not contain the answer.
        RunConflictError
            The file of annotations is of another kind or version.
        RunUnwritableError
            The file cannot be written.
        """
        name, note = participant_name(annotator), whole_text(note).strip()
        if verdict.rating not in RATINGS or verdict.orientation is None:
            raise InputError("incomplete label: choose a rating (0, 1 or 2) and an orientation")
        if len(note) > LONGEST_NOTE:
            raise InputError(
                f"note too long: {len(note)} characters (at most {LONGEST_NOTE} are allowed)"
            )
        clip_sha256, answer = self._answer(clip_id, number)
        row = (
            name, clip_id, clip_sha256, number, answer,
            verdict.rating, Orientation(verdict.orientation), note,
        )  # fmt: skip
        place = name, clip_id, number
        with self._open(write=True) as connection, connection:
            before = _read(connection, place)
            connection.execute(_PUT, row)
            after = _read(connection, place)
        assert after
        return Change(before, after)

    def undo(self, change: Change) -> None:
        """Restore what an annotation has replaced.

        Raises
        ------
        InputError
            The annotation has been replaced or removed since.
        RunConflictError, RunUnwritableError
            As in :meth:`put`.
        """
        place = change.after.place
        with self._open(write=True) as connection, connection:
            if _read(connection, place) != change.after:
                raise InputError("cannot undo: this label has been changed since")
            connection.execute(_REMOVE, place)
            if change.before:
                connection.execute(_RESTORE, tuple(vars(change.before).values()))

    def all(self) -> list[Annotation]:
        """Return the annotations, ordered by clip, instruction and annotator."""
        if not self._path.is_file() or not self._path.stat().st_size:
            return []
        with self._open(write=False) as connection:
            annotations = [Annotation(*row) for row in connection.execute("SELECT * FROM labels")]
        ids = id_order({annotation.clip_id for annotation in annotations})
        order = {clip_id: place for place, clip_id in enumerate(ids)}
        return sorted(annotations, key=lambda row: (order[row.clip_id], row.number, row.annotator))

    def write_gold(self, file: TextIO) -> None:
        """Write the annotations as labelled rows, which ``jasco exam --gold`` reads.

        Annotations of one answer by two annotators are two rows.

        Parameters
        ----------
        file : text file
            Open for writing, without translation of line ends (``newline=""``).
        """
        cells = (
            (
                row_id, row.clip_id, row.clip_sha256[:_SHA_DIGITS], row.number, row.answer,
                row.rating, row.orientation, "", 0, row.note, row.annotator,
            )
            for row_id, row in enumerate(self.all(), start=1)
        )  # fmt: skip
        write_rows(file, GOLD_COLUMNS, (dict(zip(GOLD_COLUMNS, row, strict=True)) for row in cells))

    @property
    def _path(self) -> Path:
        return self.folder / "labels.db"

    def _answer(self, clip_id: str, number: int) -> tuple[str, str]:
        """Return the hash of a clip and the first answer to one of its instructions."""
        with RunReader.open(self.folder) as store:
            if store.instructions != INSTRUCTIONS:
                raise InputError(
                    f"{self.folder}: the run has custom instructions, but labels and exams support "
                    "the published ones only; label answers in a run with the published ones"
                )
            with suppress(InputError), store.part_with(store.clip_index(clip_id)) as part:
                place = part.clip_index(clip_id)
                answers = [part.responses(model, place).get(number) for model, *_ in part.models()]
                if answers and isinstance(answers[0], Response):
                    return part.clip(place).sha256, answers[0].text
        raise InputError(
            f"{self.folder}: the run contains no answer for clip {clip_id[:40]!r}, "
            f"instruction {number}"
        )

    @contextmanager
    def _open(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        with (
            closing(open_database(self._path, _FORMAT, "move it elsewhere", write=write)) as labels,
            sqlite_errors(self._path),
        ):
            yield labels


def _read(connection: sqlite3.Connection, place: tuple[str, str, int]) -> Annotation | None:
    row = connection.execute(_GET, place).fetchone()
    return Annotation(*row) if row else None
