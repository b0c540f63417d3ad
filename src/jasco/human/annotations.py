"""Labels: the verdicts of people on a run's answers, beside those of its judges.

They are no judge's: no figure of the run counts them. They are what a judge can be examined with
(``jasco exam JUDGE --gold FILE``), and lie in a file of their own, ``labels.db`` in the run's
folder: while a run is going on, nobody else may write to ``run.db``.

The file is documented in ``docs/run-store.md``. Every label holds the answer that it is about, so
that it stays true whatever becomes of the run.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TextIO

from jasco.data.csv_files import write_rows, write_table
from jasco.errors import InputError, whole_text
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.clips import id_order
from jasco.protocol.responses import Response
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.database import DatabaseFormat, open_database, sqlite_errors
from jasco.runs.participants import participant_name
from jasco.runs.reader import RunReader

GOLD_COLUMNS = (
    "row_id", "id", "clip_sha", "prompt_index", "allm_output", "rating", "orientation", "style",
    "adversarial", "note", "person",
)  # fmt: skip
"""Of labelled rows, as an exam reads them, and whose label it is."""
LONGEST_NOTE = 2_000
"""Characters."""
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
_PUT = """
INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
ON CONFLICT (person, clip_id, instruction) DO UPDATE SET
  clip_sha256 = excluded.clip_sha256, answer = excluded.answer, rating = excluded.rating,
  orientation = excluded.orientation, note = excluded.note, written_at = excluded.written_at
"""


@dataclass(frozen=True)
class Label:
    """What a person says of an answer.

    Attributes
    ----------
    person : str
        Who.
    clip_id : str
        The clip's id.
    clip_sha256 : str
        Hash of its annotations.
    number : int
        The instruction's number, from 1.
    answer : str
        What the model had said.
    verdict : Verdict
        Rating and orientation.
    note : str
        Why; may be empty.
    written_at : str
        When, in UTC.
    """

    person: str
    clip_id: str
    clip_sha256: str
    number: int
    answer: str
    verdict: Verdict
    note: str
    written_at: str


@dataclass(frozen=True)
class Labels:
    """The labels of a run. Any number of people, threads and processes may put them."""

    folder: Path

    @classmethod
    def of_run(cls, folder: Path) -> Self:
        """Take a run's labels (``InputError`` where there is no run)."""
        RunReader.open(folder).close()
        return cls(folder)

    def put(self, person: str, clip_id: str, number: int, verdict: Verdict, note: str = "") -> None:
        """Keep what a person says of an answer; it is on disk when this returns.

        A person may change their mind: their latest word stands, with its time.

        Parameters
        ----------
        person : str
            Their name, as it was typed.
        clip_id : str
            Of the clip.
        number : int
            The instruction's, from 1.
        verdict : Verdict
            With both of its parts.
        note : str
            Up to 2,000 characters.

        Raises
        ------
        InputError
            The name is no good, the verdict is not whole, the note is too long, or the run holds
            no such answer.
        RunConflictError
            What lies in the place of the labels is something else.
        RunUnwritableError
            They cannot be written.
        """
        who, why = participant_name(person), whole_text(note).strip()
        if verdict.rating not in RATINGS or verdict.orientation is None:
            raise InputError("a label needs both a rating (0, 1 or 2) and an orientation")
        if len(why) > LONGEST_NOTE:
            raise InputError(
                f"the note has {len(why)} characters; it may have {LONGEST_NOTE}: shorten it"
            )
        clip_sha256, answer = self._answer(clip_id, number)
        row = (
            who, clip_id, clip_sha256, number, answer,
            verdict.rating, Orientation(verdict.orientation), why,
        )  # fmt: skip
        with self._open(create=True) as labels, labels:
            labels.execute(_PUT, row)

    def all(self) -> list[Label]:
        """List the labels: by clip, instruction and person."""
        if not self._path.is_file() or not self._path.stat().st_size:
            return []
        query = (
            "SELECT person, clip_id, clip_sha256, instruction, answer, rating, orientation, note, "
            "written_at FROM labels"
        )
        with self._open(create=False) as labels:
            rows = [_label(row) for row in labels.execute(query)]
        ids = id_order({row.clip_id for row in rows})
        places = {clip_id: place for place, clip_id in enumerate(ids)}
        return sorted(rows, key=lambda row: (places[row.clip_id], row.number, row.person))

    def write_gold(self, target: Path | TextIO) -> int:
        """Write the labels as labelled rows, which ``jasco exam --gold`` reads.

        Two people's labels of one answer are two rows.

        Parameters
        ----------
        target : pathlib.Path or text file
            A file that is open for writing must leave line ends alone (``newline=""``).

        Returns
        -------
        int
            How many rows.

        Raises
        ------
        IncompleteError
            The file cannot be written.
        """
        rows = [
            {
                "row_id": row_id,
                "id": label.clip_id,
                "clip_sha": label.clip_sha256[:_SHA_DIGITS],
                "prompt_index": label.number,
                "allm_output": label.answer,
                "rating": label.verdict.rating,
                "orientation": label.verdict.orientation,
                "style": "",
                "adversarial": 0,
                "note": label.note,
                "person": label.person,
            }
            for row_id, label in enumerate(self.all(), start=1)
        ]
        if isinstance(target, Path):
            write_table(target, GOLD_COLUMNS, rows)
        else:
            write_rows(target, GOLD_COLUMNS, rows)
        return len(rows)

    @property
    def _path(self) -> Path:
        return self.folder / "labels.db"

    def _answer(self, clip_id: str, number: int) -> tuple[str, str]:
        """Give the hash of a clip and the run's answer about it."""
        with RunReader.open(self.folder) as store:
            for place, clip in enumerate(store.data().clips):
                if clip.id == clip_id and store.models():
                    answer = store.responses(store.models()[0][0], place).get(number)
                    if isinstance(answer, Response):
                        return clip.sha256, answer.text
        raise InputError(
            f"{self.folder}: the run holds no answer about clip {clip_id[:40]!r}, prompt {number}"
        )

    @contextmanager
    def _open(self, *, create: bool) -> Iterator[sqlite3.Connection]:
        remedy = "move it elsewhere"
        with (
            closing(open_database(self._path, _FORMAT, remedy, write=create)) as labels,
            sqlite_errors(self._path),
        ):
            yield labels


def _label(row: tuple[Any, ...]) -> Label:
    person, clip_id, clip_sha256, number, answer, rating, orientation, note, written_at = row
    verdict = Verdict(rating, Orientation(orientation))
    return Label(person, clip_id, clip_sha256, number, answer, verdict, note, written_at)
