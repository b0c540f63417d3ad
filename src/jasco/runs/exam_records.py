"""Records of judges' exams: in one file per user, and as copies in runs.

Exams are stored in one SQLite file per user, ``exams.db``. It holds each verdict by judge, served
model (the name that the server gives) and exact prompt, so that an interrupted exam is resumed and
a larger one makes only the additional calls; and each result by judge, served model, protocol, data
and labels. An exam is about one served model: if the server reports a different one than before,
every question is asked again.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from jasco.backends.specs import identity_key
from jasco.data.folders import data_folder
from jasco.errors import IncompleteError, RunConflictError
from jasco.protocol.responses import served_name
from jasco.protocol.verdicts import Judgement, Orientation, Verdict
from jasco.runs.database import DatabaseFormat, RunUnwritableError, open_database, sqlite_errors
from jasco.runs.reader import RunReader
from jasco.runs.schema import judge_fact
from jasco.runs.writer import RunWriter

Identity = Mapping[str, Any]
"""What may change a judge's verdicts: see :class:`jasco.backends.specs.Spec`."""

# ``served`` is empty if the server does not name its model; results join several by newlines.
_SCHEMA = """
CREATE TABLE verdicts (
  judge TEXT NOT NULL, served TEXT NOT NULL, question TEXT NOT NULL, rating INTEGER,
  orientation TEXT, attempts TEXT NOT NULL, tokens INTEGER NOT NULL, seconds REAL NOT NULL,
  written_at TEXT NOT NULL,
  PRIMARY KEY (judge, served, question)
);
CREATE TABLE results (
  judge TEXT NOT NULL, served TEXT NOT NULL, protocol TEXT NOT NULL, data TEXT NOT NULL,
  labels TEXT NOT NULL, result TEXT NOT NULL, written_at TEXT NOT NULL,
  PRIMARY KEY (judge, served, protocol, data, labels)
)
"""
# Version 0 did not key by served model.
_MIGRATION_0 = f"""
ALTER TABLE verdicts RENAME TO verdicts_0;
ALTER TABLE results RENAME TO results_0;
{_SCHEMA};
INSERT INTO verdicts SELECT judge, ifnull(served, ''), question, rating, orientation, attempts,
  tokens, seconds, written_at FROM verdicts_0;
INSERT INTO results SELECT judge,
  ifnull((SELECT group_concat(value, char(10)) FROM json_each(result, '$.served')), ''),
  protocol, data, labels, result, written_at FROM results_0;
DROP TABLE verdicts_0;
DROP TABLE results_0
"""
_FORMAT = DatabaseFormat(
    "a file of exam records", 1, _SCHEMA, migrations={0: _MIGRATION_0.split(";")}
)
_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
_REMEDY = "set JASCO_DATA to a different folder"


class ExamStore:
    """The open file of exam records."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = open_database(path, _FORMAT, _REMEDY, write=True)
        except (OSError, RunUnwritableError) as error:
            raise RunUnwritableError(f"{error}; {_REMEDY}") from None

    @classmethod
    def of_user(cls) -> Self:
        """Open the file of the current user."""
        return cls(data_folder() / "exams.db")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def served(self, judge: Identity) -> str:
        """Return the served model of the judge's latest verdict; empty if there is none."""
        # Two verdicts may have the same time, in milliseconds; a later row has a larger number.
        order = "written_at DESC, rowid DESC"
        query = f"SELECT served FROM verdicts WHERE judge = ? ORDER BY {order} LIMIT 1"
        row = self._connection.execute(query, (identity_key(judge),)).fetchone()
        return str(row[0]) if row else ""

    def verdicts(self, judge: Identity) -> dict[str, Verdict]:
        """Return the verdicts of the model that was served last, by hash of the prompt."""
        rows = self._of_served("question, rating, orientation", judge)
        return {
            question: Verdict(rating, orientation and Orientation(orientation))
            for question, rating, orientation in rows
        }

    def cost(self, judge: Identity) -> tuple[float | None, float | None]:
        """Return the mean seconds and the mean tokens of a verdict."""
        [(seconds, tokens)] = self._of_served("avg(seconds), avg(nullif(tokens, 0))", judge)
        return seconds, tokens

    def keep(self, judge: Identity, question: str, judgement: Judgement, seconds: float) -> None:
        """Store a verdict."""
        attempts = [
            {"asked": attempt.asked, "text": attempt.text, "finish_reason": attempt.finish_reason}
            for attempt in judgement.attempts
        ]
        tokens = sum(sum(attempt.usage.values()) for attempt in judgement.attempts)
        verdict = judgement.verdict
        served = judgement.attempts[0].served if judgement.attempts else None
        self._put(
            "verdicts", identity_key(judge), served or "", question, verdict.rating,
            verdict.orientation, json.dumps(attempts, ensure_ascii=False), tokens, seconds,
        )  # fmt: skip

    def keep_result(self, judge: Identity, labels_sha256: str, result: Mapping[str, Any]) -> None:
        """Store the result of an exam, as reported."""
        self._put(
            "results", identity_key(judge), "\n".join(result["served"]), result["protocol"],
            result["data"]["annotations_sha256"], labels_sha256,
            json.dumps(result, ensure_ascii=False),
        )  # fmt: skip

    def _of_served(self, columns: str, judge: Identity) -> sqlite3.Cursor:
        query = f"SELECT {columns} FROM verdicts WHERE judge = ? AND served = ?"
        return self._connection.execute(query, (identity_key(judge), self.served(judge)))

    def _put(self, table: str, *values: object) -> None:
        statement = f"INSERT OR REPLACE INTO {table} VALUES ({'?, ' * len(values)}{_NOW})"
        with sqlite_errors(self._path), self._connection:
            self._connection.execute(statement, values)


def find_exam(run: RunReader, identity: Identity, served: Sequence[str]) -> dict[str, Any] | None:
    """Find the exam of a run's judge, under the protocol of the run.

    Preferred are, in this order: an exam of the served model, on the run's data, with labels, and
    the latest. None if there is no exam.
    """
    path = data_folder() / "exams.db"
    if not path.is_file():
        return None
    query = (
        "SELECT result, data = ?, labels != '', written_at, rowid FROM results "
        "WHERE judge = ? AND protocol = ?"
    )
    try:
        with closing(open_database(path, _FORMAT, _REMEDY, write=False)) as connection:
            data, protocol = run.fact("annotations_sha256"), run.fact("protocol")
            values = data or "", identity_key(identity), protocol or ""
            rows = connection.execute(query, values).fetchall()
    except (sqlite3.Error, IncompleteError, RunConflictError):
        return None  # an exam is optional: without it, the figures are still shown
    exams = [(json.loads(result), *order) for result, *order in rows]
    best = max(exams, key=lambda exam: (is_of(exam[0], served), *exam[1:]), default=None)
    return best[0] if best else None


def is_of(exam: Mapping[str, Any], served: Sequence[str]) -> bool:
    """Return whether an exam is of the served model, as far as both are known."""
    examined = sorted(map(served_name, exam["served"]))
    return not served or not examined or examined == sorted(map(served_name, served))


def copy_exams(run: RunWriter, judges: Mapping[int, Identity], model: int) -> None:
    """Copy the exams of a run's judges to the run, which may be moved to another machine."""
    for number, judge in judges.items():
        served = run.served("verdicts", model, number)
        if exam := find_exam(run, judge, served):
            fact = judge_fact("exam", number)
            run.set_facts({fact: json.dumps(exam, ensure_ascii=False)})
