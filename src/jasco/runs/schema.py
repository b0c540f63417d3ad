"""The tables of a run, and how an outcome becomes a row of them.

Documented for users in ``docs/run-store.md``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from jasco.protocol.judgement import Judgement
from jasco.protocol.responses import Failure, Response

SCHEMA_VERSION = 4
APPLICATION_ID = 0x4A415343  # "JASC": tells a run from any other SQLite file
SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE clips (
  clip INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sound TEXT NOT NULL, speech TEXT NOT NULL,
  audio_only TEXT NOT NULL, speech_only TEXT NOT NULL, reference TEXT NOT NULL,
  keywords TEXT NOT NULL, annotations_sha256 TEXT NOT NULL,
  audio_path TEXT, audio_sha256 TEXT, seconds REAL, treatments TEXT
);
CREATE TABLE models (model INTEGER PRIMARY KEY, label TEXT NOT NULL, identity TEXT NOT NULL UNIQUE);
CREATE TABLE judges (judge INTEGER PRIMARY KEY, label TEXT NOT NULL, identity TEXT NOT NULL UNIQUE);
CREATE TABLE responses (
  model INTEGER NOT NULL REFERENCES models, clip INTEGER NOT NULL REFERENCES clips,
  instruction INTEGER NOT NULL, text TEXT, failure_kind TEXT, failure_message TEXT,
  finish_reason TEXT, usage TEXT, served TEXT, seconds REAL, written_at TEXT NOT NULL,
  final INTEGER NOT NULL DEFAULT 0, reasoning TEXT,
  UNIQUE (model, clip, instruction), CHECK ((text IS NULL) = (failure_kind IS NOT NULL))
);
CREATE TABLE verdicts (
  model INTEGER NOT NULL REFERENCES models, judge INTEGER NOT NULL REFERENCES judges,
  protocol TEXT NOT NULL, repeat INTEGER NOT NULL, clip INTEGER NOT NULL REFERENCES clips,
  instruction INTEGER NOT NULL, rating INTEGER, orientation TEXT, served TEXT,
  failure_kind TEXT, failure_message TEXT, attempts TEXT, seconds REAL, written_at TEXT NOT NULL,
  final INTEGER NOT NULL DEFAULT 0,
  UNIQUE (model, judge, protocol, repeat, clip, instruction)
);
"""
# Version 2 did not say which failures are final; what a server refused is. Version 3 did not keep
# what a model reasoned before its answer.
MIGRATIONS = {
    2: (
        *(
            f"ALTER TABLE {table} ADD COLUMN final INTEGER NOT NULL DEFAULT 0"
            for table in ("responses", "verdicts")
        ),
        *(
            f"UPDATE {table} SET final = 1 WHERE failure_kind = 'rejected'"
            for table in ("responses", "verdicts")
        ),
        "PRAGMA user_version = 3",
    ),
    3: ("ALTER TABLE responses ADD COLUMN reasoning TEXT", "PRAGMA user_version = 4"),
}
"""By version, what makes a run of it one of the next version."""
_FINAL = "ifnull(failure_kind = 'rejected', 0) AS final"
VIEWS = {
    2: (
        f"CREATE TEMP VIEW responses AS SELECT *, {_FINAL}, NULL AS reasoning FROM main.responses",
        f"CREATE TEMP VIEW verdicts AS SELECT *, {_FINAL} FROM main.verdicts",
    ),
    3: ("CREATE TEMP VIEW responses AS SELECT *, NULL AS reasoning FROM main.responses",),
}
"""By version, what has a connection read a run of it like one of this version, unchanged."""
_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
# What is done stays as it is; only a failure gives way to a later attempt.
_PUT_RESPONSE = f"""
INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {_NOW}, ?, ?)
ON CONFLICT (model, clip, instruction) DO UPDATE SET
  text = excluded.text, failure_kind = excluded.failure_kind,
  failure_message = excluded.failure_message, finish_reason = excluded.finish_reason,
  usage = excluded.usage, served = excluded.served, seconds = excluded.seconds,
  written_at = excluded.written_at, final = excluded.final, reasoning = excluded.reasoning
WHERE responses.failure_kind IS NOT NULL
"""
_PUT_VERDICT = f"""
INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {_NOW}, ?)
ON CONFLICT (model, judge, protocol, repeat, clip, instruction) DO UPDATE SET
  rating = excluded.rating, orientation = excluded.orientation, served = excluded.served,
  failure_kind = excluded.failure_kind, failure_message = excluded.failure_message,
  attempts = excluded.attempts, seconds = excluded.seconds, written_at = excluded.written_at,
  final = excluded.final
WHERE verdicts.failure_kind IS NOT NULL
"""
# Asked for again all the same, an unreadable verdict gives way to a later one, not to a failure.
_PUT_VERDICT_AGAIN = f"""{_PUT_VERDICT} OR (
  (verdicts.rating IS NULL OR verdicts.orientation IS NULL) AND excluded.failure_kind IS NULL)
"""

PUT_FACT = "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"

Row = tuple[str, tuple[Any, ...]]
"""A statement and its values, ready to be committed."""


def response_row(
    model: int, clip: int, number: int, answer: Response | Failure, seconds: float | None
) -> Row:
    """Make the row of an answer, or of its failure; None where nobody knows how long it took."""
    values: tuple[Any, ...]
    reasoning = None
    if isinstance(answer, Failure):
        values = (None, answer.kind, answer.message, None, None, None)
    else:
        reasoning = answer.reasoning or None
        usage = json.dumps(dict(answer.usage)) if answer.usage else None
        values = (answer.text, None, None, answer.finish_reason, usage, answer.served)
    key = model, clip, number
    return _PUT_RESPONSE, (*key, *values, seconds, _is_final(answer), reasoning)


def verdict_row(
    model: int,
    judge: int,
    protocol: str,
    repeat: int,
    clip: int,
    number: int,
    outcome: Judgement | Failure,
    seconds: float,
    *,
    again: bool = False,
) -> Row:
    """Make the row of a verdict, or of its failure; ``again`` replaces an unreadable one."""
    values: tuple[Any, ...]
    if isinstance(outcome, Failure):
        values = (None, None, None, outcome.kind, outcome.message, None)
    else:
        verdict = outcome.verdict
        attempts = [
            {key: value for key, value in asdict(attempt).items() if value}
            for attempt in outcome.attempts
        ]
        said = attempts_text(attempts)
        served = outcome.attempts[0].served if outcome.attempts else None
        values = (verdict.rating, verdict.orientation, served, None, None, said)
    statement = _PUT_VERDICT_AGAIN if again else _PUT_VERDICT
    key = model, judge, protocol, repeat, clip, number
    return statement, (*key, *values, seconds, _is_final(outcome))


def _is_final(outcome: object) -> bool:
    return isinstance(outcome, Failure) and outcome.final


def attempts_text(attempts: Sequence[Mapping[str, Any]]) -> str:
    """Write what a judge wrote as the table holds it."""
    return json.dumps(attempts, ensure_ascii=False)
