"""Records of judges' exams, in a file of the user's and as copies in a run.

Exams are kept in one SQLite file of the user's, ``exams.db``: each verdict by judge, by what its
server called the model, and by the very text that was asked, so that an exam goes on where it was
interrupted and a larger one costs only what is new; and each result by judge, served model,
protocol, data and labels. An exam is of one served model: where the server answers as another one
than before, everything is asked anew.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from jasco.backends.specs import identity_key
from jasco.data.folders import data_folder
from jasco.protocol.judgement import Judgement
from jasco.protocol.responses import served_name
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.database import check_sqlite
from jasco.runs.store import RunUnwritableError, Store

Identity = Mapping[str, Any]
"""What may change a judge's verdicts: see :class:`jasco.backends.specs.Spec`."""

_SCHEMA_VERSION = 1
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
);
"""
_FROM_VERSION_0 = """
INSERT INTO verdicts SELECT judge, ifnull(served, ''), question, rating, orientation, attempts,
  tokens, seconds, written_at FROM verdicts_0;
INSERT INTO results SELECT judge,
  ifnull((SELECT group_concat(value, char(10)) FROM json_each(result, '$.served')), ''),
  protocol, data, labels, result, written_at FROM results_0;
DROP TABLE verdicts_0;
DROP TABLE results_0;
"""
_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


class ExamStore:
    """The file of exams, open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        check_sqlite()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._connection.execute("PRAGMA synchronous = EXTRA")
            _bring_up_to_date(self._connection)
        except (OSError, sqlite3.OperationalError) as error:
            raise RunUnwritableError(f"{path}: {error}; JASCO_DATA names another folder") from None

    @classmethod
    def of_user(cls) -> Self:
        """Open the user's own."""
        return cls(data_folder() / "exams.db")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def served(self, judge: Identity) -> str:
        """Give what the judge's server called the model when it was last asked."""
        query = "SELECT served FROM verdicts WHERE judge = ? ORDER BY written_at DESC LIMIT 1"
        row = self._connection.execute(query, (identity_key(judge),)).fetchone()
        return str(row[0]) if row else ""

    def verdicts(self, judge: Identity) -> dict[str, Verdict]:
        """Give the verdicts of the model that was served last, by what was asked."""
        query = "SELECT question, rating, orientation FROM verdicts WHERE judge = ? AND served = ?"
        rows = self._connection.execute(query, (identity_key(judge), self.served(judge)))
        return {
            question: Verdict(rating, orientation and Orientation(orientation))
            for question, rating, orientation in rows
        }

    def keep(self, judge: Identity, question: str, judgement: Judgement, seconds: float) -> None:
        """Keep a verdict."""
        said = [
            {"asked": each.asked, "text": each.text, "finish_reason": each.finish_reason}
            for each in judgement.attempts
        ]
        tokens = sum(sum(each.usage.values()) for each in judgement.attempts)
        verdict = judgement.verdict
        served = judgement.attempts[0].served if judgement.attempts else None
        values = (
            identity_key(judge), served or "", question, verdict.rating, verdict.orientation,
            json.dumps(said, ensure_ascii=False), tokens, seconds,
        )  # fmt: skip
        self._write(
            f"INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, {_NOW})", values
        )

    def cost(self, judge: Identity) -> tuple[float | None, float | None]:
        """Give mean seconds and tokens of a verdict."""
        query = (
            "SELECT avg(seconds), avg(nullif(tokens, 0)) FROM verdicts "
            "WHERE judge = ? AND served = ?"
        )
        row = self._connection.execute(query, (identity_key(judge), self.served(judge))).fetchone()
        return row[0], row[1]

    def keep_result(
        self,
        judge: Identity,
        protocol: str,
        annotations_sha256: str,
        labels_sha256: str,
        result: Mapping[str, Any],
    ) -> None:
        """Keep an exam's result, as it is shown."""
        self._write(
            f"INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, {_NOW})",
            (
                identity_key(judge), "\n".join(result["served"]), protocol,
                annotations_sha256, labels_sha256,
                json.dumps(result, ensure_ascii=False),
            ),
        )  # fmt: skip

    def _write(self, statement: str, values: Sequence[Any]) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise RunUnwritableError(f"{self._path}: {error}") from None


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Make the tables, or take over those of the version before there was one."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] < _SCHEMA_VERSION:
            known = "SELECT count(*) FROM sqlite_master WHERE name = 'verdicts'"
            old = connection.execute(known).fetchone()[0]
            for table in ("verdicts", "results") if old else ():
                connection.execute(f"ALTER TABLE {table} RENAME TO {table}_0")
            for statement in (_SCHEMA + (_FROM_VERSION_0 if old else "")).split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def exam_taken(
    identity: Mapping[str, Any], served: Sequence[str], protocol: str, data: str
) -> dict[str, Any] | None:
    """Look up a judge's exam.

    One of the model that was served so if there is one, on this data if there is one, with labels
    if there is one, the latest.
    """
    path = data_folder() / "exams.db"
    if not path.is_file():
        return None
    query = (
        "SELECT result, data = ?, labels != '', written_at FROM results "
        "WHERE judge = ? AND protocol = ?"
    )
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)
        ) as exams:
            rows = exams.execute(query, (data, identity_key(identity), protocol)).fetchall()
    except sqlite3.Error:  # what stands beside the figures must not keep them from being shown
        return None
    taken = [(json.loads(result), *order) for result, *order in rows]
    best = max(taken, key=lambda each: (is_of(each[0], served), *each[1:]), default=None)
    return best[0] if best else None


def is_of(exam: Mapping[str, Any], served: Sequence[str]) -> bool:
    """Whether an exam is of the model that was served so, as far as both tell."""
    examined = sorted(map(served_name, exam["served"]))
    return not served or not examined or examined == sorted(map(served_name, served))


def exam_fact(judge: int) -> str:
    """Name the fact under which a run keeps a copy of a judge's exam."""
    return f"exam of judge {judge}"


def copy_exams(store: Store, judges: Mapping[int, Identity], model: int) -> None:
    """Keep with a run the exams that its judges have taken: the run may move elsewhere."""
    protocol, data = store.fact("protocol") or "", store.fact("annotations_sha256") or ""
    for number, judge in judges.items():
        served = store.served("verdicts", model, number)
        if taken := exam_taken(judge, served, protocol, data):
            store.remember({exam_fact(number): json.dumps(taken, ensure_ascii=False)})
