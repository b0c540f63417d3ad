"""Examining a judge: asking it what is known, and keeping what it said.

Exams are kept in one SQLite file of the user's, ``exams.db``: each verdict by judge, by what its
server called the model, and by the very text that was asked, so that an exam goes on where it was
interrupted and a larger one costs only what is new; and each result by judge, served model,
protocol, data and labels. An exam is of one served model: where the server answers as another one
than before, everything is asked anew.
"""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from jasco.benchmark.clips import annotations_sha256
from jasco.benchmark.dataset import DataSet
from jasco.benchmark.exam import (
    CANARY,
    KNOWN,
    LABELLED,
    Labels,
    Part,
    Question,
    canaries,
    known_answers,
    mark,
    read_labels,
)
from jasco.benchmark.protocols import Protocol
from jasco.benchmark.responses import Failure, served_name
from jasco.benchmark.verdicts import Orientation, Verdict
from jasco.evaluation.database import check_sqlite
from jasco.evaluation.progress import Progress
from jasco.evaluation.runner import all_at_once, stop_on_sigterm
from jasco.evaluation.store import RunUnwritable, Store
from jasco.judges.judge import Judge, Judgement
from jasco.providers.folders import data_folder
from jasco.providers.specs import identity_key

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


@dataclass(frozen=True)
class Exam:
    """What a judge is asked.

    Attributes
    ----------
    data : DataSet
        Whose clips it is about.
    protocol : Protocol
        How it is asked.
    questions : tuple of Question
        Known answers, canaries, labelled rows.
    labels : Labels or None
        What was read from the labelled rows' file.
    labels_sha256 : str
        Hash of that file; empty without one.
    trained_on : int
        Labelled rows left out because the judge was trained on their clips.
    """

    data: DataSet
    protocol: Protocol
    questions: tuple[Question, ...]
    labels: Labels | None = None
    labels_sha256: str = ""
    trained_on: int = 0

    @classmethod
    def about(cls, data: DataSet, protocol: Protocol, judge: Judge, gold: Path | None) -> Self:
        """Put the questions together (``InputError`` where the labelled rows are no good)."""
        clips = data.clips
        asked = [*known_answers(clips), *canaries(clips)]
        if gold is None:
            return cls(data, protocol, tuple(asked))
        labels = read_labels(gold, clips)
        new = [q for q in labels.questions if not judge.trained_on(q.item.clip)]
        return cls(
            data,
            protocol,
            (*asked, *new),
            labels,
            hashlib.sha256(gold.read_bytes()).hexdigest(),
            len(labels.questions) - len(new),
        )


@dataclass(frozen=True)
class ExamResult:
    """How a judge did.

    Attributes
    ----------
    judge : str
        Its label.
    identity : mapping
        What may change its verdicts.
    exam : Exam
        What it was asked.
    parts : mapping of str to Part
        By kind of question.
    failed : sequence of Failure
        Calls that failed in this session.
    seconds, tokens : float or None
        A verdict's, on average.
    served : tuple of str
        What its server called it.
    """

    judge: str
    identity: Mapping[str, Any]
    exam: Exam
    parts: Mapping[str, Part]
    failed: Sequence[Failure] = ()
    seconds: float | None = None
    tokens: float | None = None
    served: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether there is a verdict on every question."""
        return all(part.judged == part.asked for part in self.parts.values())

    @property
    def left(self) -> int:
        """How many questions a repeat may still bring a verdict on."""
        missing = sum(part.asked - part.judged for part in self.parts.values())
        return max(0, missing - sum(failure.final for failure in self.failed))


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
            raise RunUnwritable(f"{path}: {error}; JASCO_DATA names another folder") from None

    @classmethod
    def of_user(cls) -> Self:
        """Open the user's own."""
        return cls(data_folder() / "exams.db")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def served(self, judge: Judge) -> str:
        """Give what the judge's server called the model when it was last asked."""
        query = "SELECT served FROM verdicts WHERE judge = ? ORDER BY written_at DESC LIMIT 1"
        row = self._connection.execute(query, (_key(judge),)).fetchone()
        return str(row[0]) if row else ""

    def verdicts(self, judge: Judge) -> dict[str, Verdict]:
        """Give the verdicts of the model that was served last, by what was asked."""
        query = "SELECT question, rating, orientation FROM verdicts WHERE judge = ? AND served = ?"
        rows = self._connection.execute(query, (_key(judge), self.served(judge)))
        return {
            question: Verdict(rating, orientation and Orientation(orientation))
            for question, rating, orientation in rows
        }

    def keep(self, judge: Judge, question: str, judgement: Judgement, seconds: float) -> None:
        """Keep a verdict."""
        said = [
            {"asked": each.asked, "text": each.text, "finish_reason": each.finish_reason}
            for each in judgement.attempts
        ]
        tokens = sum(sum(each.usage.values()) for each in judgement.attempts)
        verdict = judgement.verdict
        served = judgement.attempts[0].served if judgement.attempts else None
        values = (
            _key(judge), served or "", question, verdict.rating, verdict.orientation,
            json.dumps(said, ensure_ascii=False), tokens, seconds,
        )  # fmt: skip
        self._write(
            f"INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, {_NOW})", values
        )

    def cost(self, judge: Judge) -> tuple[float | None, float | None]:
        """Give mean seconds and tokens of a verdict."""
        query = (
            "SELECT avg(seconds), avg(nullif(tokens, 0)) FROM verdicts "
            "WHERE judge = ? AND served = ?"
        )
        row = self._connection.execute(query, (_key(judge), self.served(judge))).fetchone()
        return row[0], row[1]

    def keep_result(self, judge: Judge, exam: Exam, result: Mapping[str, Any]) -> None:
        """Keep an exam's result, as it is shown."""
        self._write(
            f"INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, {_NOW})",
            (
                _key(judge), "\n".join(result["served"]), exam.protocol.name,
                annotations_sha256(exam.data.clips), exam.labels_sha256,
                json.dumps(result, ensure_ascii=False),
            ),
        )  # fmt: skip

    def _write(self, statement: str, values: Sequence[Any]) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise RunUnwritable(f"{self._path}: {error}") from None


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


def copy_exams(store: Store, judges: Mapping[int, Judge], model: int) -> None:
    """Keep with a run the exams that its judges have taken: the run may move elsewhere."""
    protocol, data = store.fact("protocol") or "", store.fact("annotations_sha256") or ""
    for number, judge in judges.items():
        served = store.served("verdicts", model, number)
        if taken := exam_taken(judge.spec.identity, served, protocol, data):
            store.remember({exam_fact(number): json.dumps(taken, ensure_ascii=False)})


def take_exam(
    judge: Judge,
    exam: Exam,
    store: ExamStore,
    concurrency: int,
    failed: list[Failure],
    *,
    again: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Ask what was not answered yet; failures are counted in ``failed``.

    Parameters
    ----------
    again : bool
        Whether to ask everything anew, whatever is known.
    say : callable
        Takes lines about the progress.

    Raises
    ------
    InputError, ServerGone, RunUnwritable
        Going on is pointless; what was done is kept.
    KeyboardInterrupt
        It was told to stop; what was done is kept.
    """
    try:
        asyncio.run(_take(judge, exam, store, concurrency, failed, again=again, say=say))
    except asyncio.CancelledError:  # SIGTERM
        raise KeyboardInterrupt from None


def exam_result(
    judge: Judge, exam: Exam, store: ExamStore, failed: Sequence[Failure]
) -> ExamResult:
    """Mark an exam as far as it was taken."""
    verdicts = store.verdicts(judge)
    parts = {}
    for kind in (KNOWN, CANARY, LABELLED):
        asked = [question for question in exam.questions if question.kind == kind]
        if exam.labels or kind != LABELLED:
            parts[kind] = mark(asked, [verdicts.get(_asked(each, exam)) for each in asked])
    seconds, tokens = store.cost(judge)
    served = tuple(filter(None, [served_name(store.served(judge))]))
    return ExamResult(
        judge.spec.label, judge.spec.identity, exam, parts, failed, seconds, tokens, served
    )


async def _take(
    judge: Judge,
    exam: Exam,
    store: ExamStore,
    concurrency: int,
    failed: list[Failure],
    *,
    again: bool,
    say: Callable[[str], None],
) -> None:
    stop_on_sigterm()
    asked_about = {_asked(each, exam): each for each in exam.questions}

    def not_in(held: Mapping[str, Verdict]) -> dict[str, Question]:
        return {asked: each for asked, each in asked_about.items() if asked not in held}

    missing = not_in({} if again else store.verdicts(judge))
    served = store.served(judge)
    slots = asyncio.Semaphore(concurrency)

    async def ask(asked: str, question: Question, watch: Callable[[Any], None]) -> None:
        async with slots:
            began = asyncio.get_running_loop().time()
            outcome = await judge.judge(question.item, question.answer, exam.protocol)
            seconds = asyncio.get_running_loop().time() - began
        if isinstance(outcome, Failure):
            failed.append(outcome)
        else:
            store.keep(judge, asked, outcome, seconds)
        watch(outcome)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(judge.close)
        if missing:
            judge.check()
            await judge.prepare(exam.data)
            with Progress(len(missing), say) as progress:
                watch = partial(progress.see, judge.spec.label)
                await all_at_once(ask(*each, watch) for each in missing.items())
            # Another model is served than before: what the one before said is not its exam.
            if store.served(judge) != served and (left := not_in(store.verdicts(judge))):
                failed.clear()
                with Progress(len(left), say) as progress:
                    watch = partial(progress.see, judge.spec.label)
                    await all_at_once(ask(*each, watch) for each in left.items())


def _asked(question: Question, exam: Exam) -> str:
    """Hash what a judge is asked, word for word."""
    prompt = exam.protocol.judge_prompt(question.item, question.answer)
    return hashlib.sha256(f"{exam.protocol.name}\n{prompt}".encode()).hexdigest()


def _key(judge: Judge) -> str:
    return identity_key(judge.spec.identity)
