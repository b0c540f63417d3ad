"""The tables of a run, their older versions, and the conversion of outcomes to rows.

Documented for users in ``docs/run-store.md``.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import PROXY_MARK, Attempt, Judgement
from jasco.runs.database import DatabaseFormat

_RESPONSES = """
CREATE TABLE responses (
  model INTEGER NOT NULL REFERENCES models, clip INTEGER NOT NULL REFERENCES clips,
  instruction INTEGER NOT NULL, sample INTEGER NOT NULL DEFAULT 0, text TEXT,
  failure_kind TEXT, failure_message TEXT, finish_reason TEXT, usage TEXT, served TEXT,
  seconds REAL, written_at TEXT NOT NULL, final INTEGER NOT NULL DEFAULT 0, reasoning TEXT,
  UNIQUE (model, clip, instruction, sample),
  CHECK ((text IS NULL) = (failure_kind IS NOT NULL))
)"""
_VERDICTS = """
CREATE TABLE verdicts (
  model INTEGER NOT NULL REFERENCES models, judge INTEGER NOT NULL REFERENCES judges,
  protocol TEXT NOT NULL, repeat INTEGER NOT NULL, clip INTEGER NOT NULL REFERENCES clips,
  instruction INTEGER NOT NULL, sample INTEGER NOT NULL DEFAULT 0, rating INTEGER,
  orientation TEXT, served TEXT, failure_kind TEXT, failure_message TEXT, attempts TEXT,
  seconds REAL, written_at TEXT NOT NULL, final INTEGER NOT NULL DEFAULT 0,
  UNIQUE (model, judge, protocol, repeat, clip, instruction, sample)
)"""
_SCHEMA = f"""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE clips (
  clip INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sound TEXT NOT NULL, speech TEXT NOT NULL,
  audio_only TEXT NOT NULL, speech_only TEXT NOT NULL, reference TEXT NOT NULL,
  keywords TEXT NOT NULL, annotations_sha256 TEXT NOT NULL,
  audio_path TEXT, audio_sha256 TEXT, seconds REAL, conversions TEXT
);
CREATE TABLE models (model INTEGER PRIMARY KEY, label TEXT NOT NULL, identity TEXT NOT NULL UNIQUE);
CREATE TABLE judges (
  judge INTEGER PRIMARY KEY, label TEXT NOT NULL, identity TEXT NOT NULL UNIQUE,
  proxy INTEGER NOT NULL DEFAULT 0
);
{_RESPONSES};
{_VERDICTS}
"""

_FINAL = "final INTEGER NOT NULL DEFAULT 0"
_PROXY_TEXT = f'[{{"asked": "verdict", "text": "{PROXY_MARK}'
_PROXIES = (
    "SELECT judge FROM verdicts WHERE repeat = 0 AND failure_kind IS NULL "
    f"AND substr(attempts, 1, {len(_PROXY_TEXT)}) = '{_PROXY_TEXT}'"
)
_ROOT_OF_AUDIO = (
    "SELECT 'data_root', substr(audio_path, 1, instr(audio_path, '/dataset/v0/') - 1) FROM clips "
    "WHERE instr(audio_path, '/dataset/v0/') > 1 ORDER BY clip LIMIT 1"
)
_RESPONSE_COLUMNS_5 = (
    "model, clip, instruction, text, failure_kind, failure_message, finish_reason, usage, served, "
    "seconds, written_at, final, reasoning"
)
_VERDICT_COLUMNS_5 = (
    "model, judge, protocol, repeat, clip, instruction, rating, orientation, served, failure_kind, "
    "failure_message, attempts, seconds, written_at, final"
)


def _rebuilt(table: str, create: str, columns: str) -> list[str]:
    """Return the statements that copy some columns of a table into a new one of the same name."""
    return [
        f"ALTER TABLE {table} RENAME TO old_{table}",
        create,
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM old_{table} ORDER BY rowid",
        f"DROP TABLE old_{table}",
    ]


_MIGRATIONS = {
    2: [  # did not store which failures are final; those rejected by a server are
        f"ALTER TABLE responses ADD COLUMN {_FINAL}",
        f"ALTER TABLE verdicts ADD COLUMN {_FINAL}",
        "UPDATE responses SET final = 1 WHERE failure_kind = 'rejected'",
        "UPDATE verdicts SET final = 1 WHERE failure_kind = 'rejected'",
    ],
    3: ["ALTER TABLE responses ADD COLUMN reasoning TEXT"],
    4: [  # stored neither proxies nor the data's folder, which follow from texts and paths
        "ALTER TABLE clips RENAME COLUMN treatments TO conversions",
        "ALTER TABLE judges ADD COLUMN proxy INTEGER NOT NULL DEFAULT 0",
        f"UPDATE judges SET proxy = 1 WHERE judge IN ({_PROXIES})",
        "UPDATE facts SET name = 'runtime' WHERE name = 'circumstances'",
        "UPDATE facts SET name = 'max_audio_seconds' WHERE name = 'window'",
        f"INSERT INTO facts {_ROOT_OF_AUDIO}",
    ],
    5: [  # held one response to each item; a key can only be changed by copying the table
        *_rebuilt("responses", _RESPONSES, _RESPONSE_COLUMNS_5),
        *_rebuilt("verdicts", _VERDICTS, _VERDICT_COLUMNS_5),
    ],
}
FORMAT = DatabaseFormat("a run", 6, _SCHEMA, 0x4A415343, _MIGRATIONS)  # "JASC"

# --- facts ---

PUT_FACT = "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
PREFLIGHT = "preflight"
"""The fact that holds the finding of the preflight."""
INSTRUCTIONS_FACT = "instructions"
"""The fact that holds the instructions as a JSON array, unless they are the published ones."""
CONDITION_FACT = "condition"
"""The fact that holds the key of the condition, unless it is ``original``."""
SKIPPED_FACT = "skipped"
"""The fact that holds why a condition was skipped; empty if it was not."""
STEMS_FACT = "stems"
"""The fact that holds, as JSON, how the stems of a run's conditions were made."""
SAMPLES_FACT = "samples"
"""The fact that holds the expected number of responses to each item."""


def judge_fact(what: str, judge: int) -> str:
    """Return the name of a fact about a judge, such as its ``check`` or ``exam``."""
    return fact_about(what, "judges", judge)


def fact_about(what: str, table: str, number: int) -> str:
    """Return the name of a fact about a model or judge (``models`` or ``judges``)."""
    return f"{what} of {table.removesuffix('s')} {number}"


# --- rows ---

Row = tuple[str, tuple[Any, ...]]
"""A statement and its values, ready to be committed."""


_RESPONSE_VALUES = (
    "text", "failure_kind", "failure_message", "finish_reason", "usage", "served", "reasoning",
    "final", "seconds",
)  # fmt: skip
_VERDICT_VALUES = (
    "rating", "orientation", "served", "failure_kind", "failure_message", "attempts", "final",
    "seconds",
)  # fmt: skip


_ATTEMPT = tuple(attribute.name for attribute in fields(Attempt))


def _upsert(table: str, key: str, values: Sequence[str]) -> str:
    """Return the statement that inserts a row.

    An existing row is unchanged, except that a later attempt replaces a failure.
    """
    columns = [*values, "written_at"]
    places = "?, " * (len(key.split()) + len(values))
    return (
        f"INSERT INTO {table} ({key}, {', '.join(columns)}) "
        f"VALUES ({places}strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) ON CONFLICT ({key}) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in columns)} "
        f"WHERE {table}.failure_kind IS NOT NULL"
    )


_PUT_RESPONSE = _upsert("responses", "model, clip, instruction, sample", _RESPONSE_VALUES)
_PUT_VERDICT = _upsert(
    "verdicts", "model, judge, protocol, repeat, clip, instruction, sample", _VERDICT_VALUES
)
# If requested again, an unreadable verdict is replaced by a later one, but not by a failure.
_PUT_VERDICT_AGAIN = (
    f"{_PUT_VERDICT} OR (verdicts.rating IS NULL OR verdicts.orientation IS NULL) "
    "AND excluded.failure_kind IS NULL"
)


def response_row(
    model: int,
    clip: int,
    number: int,
    answer: Response | Failure,
    seconds: float | None,
    *,
    sample: int = 0,
) -> Row:
    """Return the row of an answer or failure; ``seconds`` is None if unknown."""
    values: tuple[Any, ...]
    if isinstance(answer, Failure):
        values = (None, answer.kind, answer.message, None, None, None, None, answer.final)
    else:
        usage = json.dumps(dict(answer.usage)) if answer.usage else None
        reasoning = answer.reasoning or None
        ending = answer.finish_reason, usage, answer.served, reasoning, False
        values = (answer.text, None, None, *ending)
    return _PUT_RESPONSE, (model, clip, number, sample, *values, seconds)


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
    sample: int = 0,
    again: bool = False,
) -> Row:
    """Return the row of a verdict or failure; ``again`` replaces an unreadable verdict."""
    values: tuple[Any, ...]
    if isinstance(outcome, Failure):
        values = (None, None, None, outcome.kind, outcome.message, None, outcome.final)
    else:
        verdict = outcome.verdict
        attempts = [
            {name: value for name in _ATTEMPT if (value := getattr(attempt, name))}
            for attempt in outcome.attempts
        ]
        written = json.dumps(attempts, ensure_ascii=False)
        served = outcome.attempts[0].served if outcome.attempts else None
        values = (verdict.rating, verdict.orientation, served, None, None, written, False)
    statement = _PUT_VERDICT_AGAIN if again else _PUT_VERDICT
    return statement, (model, judge, protocol, repeat, clip, number, sample, *values, seconds)
