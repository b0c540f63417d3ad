"""Reading a run: its whole content as of one moment."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from jasco.data.dataset import DataPart, DataSet, name_with_audio
from jasco.data.responses_csv import Key
from jasco.errors import InputError, did_you_mean_path, one_line, whole_text
from jasco.metrics.verdict_matrix import BITS, ORIENTATIONS, PACKED, RATINGS, UNREADABLE
from jasco.protocol.clips import Clip, ClipHash
from jasco.protocol.conditions import ORIGINAL, Condition, condition_of
from jasco.protocol.failure_reasons import Reason, commonest_reasons
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response, served_name
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.clip_index import CLIP_COLUMNS
from jasco.runs.database import Connection, open_database, sqlite_errors
from jasco.runs.participants import is_single_prompt
from jasco.runs.schema import (
    CONDITION_FACT,
    FORMAT,
    INSTRUCTIONS_FACT,
    SAMPLES_FACT,
    fact_about,
)
from jasco.runs.shards import SHARD_FACT, SHARDS_FACT, Shard, all_shards, shard_of_place

Entry = tuple[int, str, dict[str, Any]]
"""Number, label and identity of a model or judge."""


class VerdictCounts(NamedTuple):
    """Numbers of a judge's verdicts on the responses of a model.

    Attributes
    ----------
    verdicts : int
        Number of verdicts, without repeats but including unreadable ones.
    failed : int
        Number of items without a verdict because the call failed.
    cut_off : int
        Number of unreadable verdicts that were cut off at the maximum length.
    repeats : int
        Number of verdicts on an item that was judged repeatedly.
    served : tuple of str
        The names that the judge's server reported.
    """

    verdicts: int
    failed: int
    cut_off: int
    repeats: int
    served: tuple[str, ...]


class RunReader:
    """An open run.

    All that is read until it is closed is as of one moment, even if the run grows meanwhile. The
    writer waits until then (up to ten minutes): close it as soon as everything is read.
    """

    def __init__(self, folder: Path, connection: Connection) -> None:
        self.folder = folder
        self._connection = connection

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a run for reading; nothing is written, whatever its version.

        Raises
        ------
        InputError
            There is no run.
        RunConflictError, RunUnwritableError
            As :func:`.open_database`.
        """
        path = folder / "run.db"
        if not is_run(folder):
            raise InputError(_no_run(folder))
        connection = open_database(path, FORMAT, "give the folder of a different run", write=False)
        connection.execute("BEGIN")
        return cls(folder, connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.close()
        if isinstance(error, sqlite3.OperationalError):
            with sqlite_errors(self.folder):
                raise error

    # --- what the run is about ---

    @property
    def covered(self) -> int:
        """Number of clips of the data set, from the first on, that the run covers.

        A shard covers those among them that belong to it; see :attr:`places`.
        """
        return int(self.fact("clips_covered") or 0)

    @property
    def places(self) -> Sequence[int]:
        """The indices, in the whole data set, of the covered clips."""
        return self.shard.places(self.covered) if self.shard else range(self.covered)

    @property
    def shard(self) -> Shard | None:
        """The shard of another run that this run is; None for a run of its own."""
        text = self.fact(SHARD_FACT)
        return Shard.parse(text) if text else None

    @property
    def shards(self) -> int:
        """Number of shards into which the run is divided; 0 if it is not divided."""
        return int(self.fact(SHARDS_FACT) or 0)

    def parts(self) -> Iterator["RunReader"]:
        """Yield the runs that hold the answers: this one or, one after the other, its shards.

        A shard that has not been started yet is left out. Each is read as of the moment when it is
        opened, and closed when the next is opened.
        """
        if not self.shards:
            yield self
        for folder in self.shard_folders():
            with RunReader.open(folder) as shard:
                yield shard

    def shard_folders(self) -> list[Path]:
        """Return the folders of the shards that have been started."""
        folders = (shard.folder(self.folder) for shard in all_shards(self.shards))
        return [folder for folder in folders if is_run(folder)]

    @contextmanager
    def part_with(self, place: int) -> Iterator["RunReader"]:
        """Open the run that holds the answers to the clip at an index: this one, or a shard.

        Raises
        ------
        InputError
            The shard has not been started yet.
        """
        if not self.shards:
            yield self
            return
        with RunReader.open(shard_of_place(place, self.shards).folder(self.folder)) as shard:
            yield shard

    @property
    def samples(self) -> int:
        """Expected number of responses to each item."""
        return int(self.fact(SAMPLES_FACT) or 1)

    @property
    def instructions(self) -> tuple[str, ...]:
        """The texts of the instructions, in order."""
        return tuple(self.json_fact(INSTRUCTIONS_FACT) or INSTRUCTIONS)

    @property
    def condition(self) -> Condition:
        """What the model is given."""
        return condition_of(self.fact(CONDITION_FACT) or ORIGINAL)

    @property
    def clip_count(self) -> int:
        """Number of clips of the data set, covered or not; of a shard, those that it holds."""
        return int(self._value("SELECT count(*) FROM clips"))

    def facts(self) -> dict[str, str]:
        """Return all facts of the run, by name."""
        return dict(self._all("SELECT name, value FROM facts"))

    def fact(self, name: str) -> str | None:
        """Return one of the run's facts, or None."""
        row = self._one("SELECT value FROM facts WHERE name = ?", name)
        return row[0] if row else None

    def json_fact(self, name: str) -> Any:
        """Return one of the run's facts that is stored as JSON, or None."""
        return json.loads(self.fact(name) or "null")

    def data(self) -> DataSet:
        """Return the data set of the run, without audio: all its clips, or those of a shard."""
        query = (
            "SELECT id, sound, speech, audio_only, speech_only, reference, keywords "
            "FROM clips ORDER BY clip"
        )
        clips = tuple(Clip(*row) for row in self._all(query))
        if not self.shard:
            return DataSet(self.data_name, clips)
        return DataPart(
            self.data_name,
            clips,
            places=[place for (place,) in self._all("SELECT clip FROM clips ORDER BY clip")],
            total=int(self.fact("clips") or 0),
            annotations_sha256=self.fact("annotations_sha256") or "",
        )

    def clip(self, place: int) -> Clip:
        """Return the clip at an index of the data set, which this run holds."""
        return Clip(*next(self.clip_rows([place]))[1:-1])  # without place and hash

    def clips(self) -> tuple[Clip, ...]:
        """Return the covered clips."""
        return self.data().clips[: len(self.places)]

    def clip_rows(self, places: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the clips at some indices, with :data:`.CLIP_COLUMNS`."""
        query = f"SELECT {CLIP_COLUMNS} FROM clips WHERE clip = ?"
        return (self._one(query, place) for place in places)

    def clip_hashes(self) -> list[ClipHash]:
        """Return the ids of the covered clips, with the hashes of their annotations."""
        return [ClipHash(*row) for row in self._covered_clips("id, annotations_sha256")]

    @property
    def data_name(self) -> str:
        """Name of the data set, by its annotations and by the audio that was read."""
        query = "SELECT id, audio_sha256 FROM clips WHERE audio_sha256 NOT NULL"
        return name_with_audio(self.fact("data") or "", dict(self._all(query)))

    @property
    def data_root(self) -> Path | None:
        """Folder that the data set was read from; None if there is none."""
        root = self.fact("data_root")
        return Path(root) if root else None

    def clip_index(self, clip_id: str) -> int:
        """Return the index of a clip in the data set (``InputError`` if it is not covered)."""
        rows = self._covered_clips("clip", "id = ?", whole_text(clip_id))
        if rows:
            return int(rows[0][0])
        ids = [id_ for (id_,) in self._covered_clips("id")]
        known = one_line(", ".join(ids), 200) or "none"
        raise InputError(
            f"{self.folder}: no clip {one_line(clip_id, 60)!r} in this run; its clips: {known}"
        )

    def models(self) -> list[Entry]:
        """List number, label and identity of the models."""
        return self._entries("models")

    def judges(self) -> list[Entry]:
        """List number, label and identity of the judges."""
        return self._entries("judges")

    def judges_of(self, model: int) -> list[Entry]:
        """List number, label and identity of the judges with a verdict on a model's responses."""
        judged = (
            "SELECT 1 FROM verdicts WHERE model = ? AND verdicts.judge = judges.judge "
            "AND clip < ? AND failure_kind IS NULL"
        )
        return self._entries("judges", f"EXISTS ({judged})", model, self.covered)

    def name_of(self, model: int) -> str:
        """Return the name that the user gave to a model; empty if there is none."""
        return self.fact(fact_about("name", "models", model)) or ""

    @property
    def tags(self) -> dict[str, str | int | float]:
        """The user's tags, by key."""
        return self.json_fact("tags") or {}

    def is_proxy(self, judge: int) -> bool:
        """Return whether a judge is a proxy for a language model."""
        return bool(self._value("SELECT proxy FROM judges WHERE judge = ?", judge))

    def adaptations(self, table: str, number: int) -> dict[str, Any]:
        """Return how requests of a model or judge were adapted to its server; empty if not."""
        return self.json_fact(fact_about("adaptations", table, number)) or {}

    def max_audio_seconds(self) -> float | None:
        """Return the seconds of a clip that the model uses; None if it uses all, or if unknown."""
        seconds: float | None = self.json_fact("max_audio_seconds")
        return seconds

    def runtime(self) -> list[dict[str, str]]:
        """List how responses were computed (precision, device, versions), each combination once."""
        return self.json_fact("runtime") or []

    # --- audio ---

    def audio_hashes(self) -> dict[str, str | None]:
        """Return the hash of the audio of each covered clip, by id; None if it was not read."""
        return dict(self._covered_clips("id, audio_sha256"))

    def audio_files(self) -> dict[str, tuple[str, str]]:
        """Return path and SHA-256 of the audio that was read, by clip id."""
        rows = self._covered_clips("id, audio_path, audio_sha256", "audio_sha256 NOT NULL")
        return {id_: (path, sha256) for id_, path, sha256 in rows}

    def audio_of(self, clip: int) -> tuple[str, str, float] | None:
        """Return path, SHA-256 and seconds of a clip's audio; None if it was not read."""
        condition = "audio_sha256 NOT NULL AND clip = ?"
        rows = self._covered_clips("audio_path, audio_sha256, seconds", condition, clip)
        return rows[0] if rows else None

    def audio_findings(self) -> dict[str, dict[str, Any]] | None:
        """Return the findings about the audio of the covered clips, for clips that have any.

        Returns
        -------
        dict or None
            By clip id: the number of ``clipped`` samples, and ``warnings``. None if the audio was
            not examined: the answers come from a file, or an older jasco read the audio.
        """
        findings = self.json_fact("audio")
        if findings is None:
            return None
        return {id_: findings[id_] for (id_,) in self._covered_clips("id") if id_ in findings}

    def count_converted_clips(self) -> int:
        """Count the clips whose audio had to be resampled, mixed down or converted."""
        return len(self._covered_clips("clip", "conversions != ''"))

    def count_longer_clips(self, seconds: float) -> int:
        """Count the covered clips that are longer."""
        return len(self._covered_clips("clip", "seconds > ?", seconds))

    # --- responses ---

    def has_answers(self) -> bool:
        """Return whether the run holds any answer."""
        return any(part.holds("responses") for part in self.parts())

    def responses(self, model: int, clip: int, sample: int = 0) -> dict[int, Response | Failure]:
        """Return the responses to a clip, including failures, by number of the instruction."""
        query = (
            "SELECT instruction, text, failure_kind, failure_message, final, finish_reason, usage, "
            "served, reasoning FROM responses WHERE model = ? AND clip = ? AND sample = ?"
        )
        return {
            number: Failure(kind, message, bool(final))
            if kind
            else Response(text, reason, json.loads(usage or "{}"), served, reasoning or "")
            for number, text, kind, message, final, reason, usage, served, reasoning in self._all(
                query, model, clip, sample
            )
        }

    def count_expected(self, model: int) -> int:
        """Count the responses that a model is expected to give to the covered clips."""
        identities = {number: identity for number, _, identity in self.models()}
        if is_single_prompt(identities[model]):
            return len(self.places)
        return len(self.places) * len(self.instructions) * self.samples

    def count_responses(self, model: int) -> tuple[int, int]:
        """Count the answers, and the truncated ones among them."""
        columns = "count(*), count(nullif(finish_reason = 'length', 0))"
        answered, truncated = self._outcomes(columns, model, more=_GIVEN).fetchone()
        return answered, truncated

    # --- verdicts ---

    def judged(
        self, model: int, protocol: str, clip: int, sample: int = 0, *, retry_final: bool = False
    ) -> set[tuple[int, int, int]]:
        """List (judge, instruction, repeat) of a clip's verdicts that are not requested again."""
        query = (
            "SELECT judge, instruction, repeat FROM verdicts AS v "
            "WHERE model = ? AND protocol = ? AND clip = ? AND sample = ? "
            f"AND {_is_done(retry_final)}"
        )
        return set(self._all(query, model, protocol, clip, sample))

    def verdict_table(
        self, model: int, judge: int, repeat: int = 0, sample: int = 0
    ) -> NDArray[np.int64]:
        """Return a judge's verdicts as :meth:`.VerdictMatrix.enter_packed` reads them.

        Returns
        -------
        numpy.ndarray of int, shape (clips, 1 + integers)
            The clips with a verdict, and their packed verdicts.
        """
        columns = ["clip"]
        for first in range(1, len(self.instructions) + 1, PACKED):
            shift = f"{BITS} * (instruction - {first})"
            within = f"instruction BETWEEN {first} AND {first + PACKED - 1}"
            columns.append(f"sum(CASE WHEN {within} THEN {_CODE} << {shift} ELSE 0 END)")
        # Grouped in the order of the index, so that nothing is sorted.
        more = f"{_GIVEN} GROUP BY protocol, repeat, clip"
        rows = self._outcomes(", ".join(columns), model, judge, more, repeat=repeat, sample=sample)
        return np.fromiter(rows, np.dtype((np.int64, len(columns))))

    def judgements(
        self, model: int, judge: int, sample: int = 0
    ) -> dict[Key, tuple[list[str], Verdict]]:
        """Return all texts of a judge about each item, and its verdict; clip by clip."""
        ids, verdicts = self._ids(), {}
        columns = "clip, instruction, attempts, rating, orientation"
        more = f"{_GIVEN} ORDER BY clip, instruction"
        rows = self._outcomes(columns, model, judge, more, sample=sample)
        for clip, number, attempts, rating, orientation in rows:
            texts = [attempt.get("text", "") for attempt in json.loads(attempts)]
            verdict = Verdict(rating, Orientation(orientation) if orientation else None)
            verdicts[ids[clip], number] = texts, verdict
        return verdicts

    def failures(self, model: int, judge: int, sample: int = 0) -> dict[Key, Failure]:
        """Return a judge's failed calls, by item."""
        ids = self._ids()
        columns = "clip, instruction, failure_kind, ifnull(failure_message, ''), final"
        rows = self._outcomes(columns, model, judge, _FAILED, sample=sample)
        return {
            (ids[clip], number): Failure(kind, message, bool(final))
            for clip, number, kind, message, final in rows
        }

    def has_readable_verdict(self, judge: int) -> bool:
        """Return whether the run holds a readable verdict of a judge."""
        condition = "AND rating NOT NULL AND orientation NOT NULL AND judge = ?"
        return self.holds("verdicts", condition, judge)

    def verdict_counts(self, model: int, judge: int) -> VerdictCounts:
        """Count a judge's verdicts, in one pass over its rows."""
        counted = "repeat = 0 AND clip < :covered"
        unreadable = f"{counted} {_GIVEN} AND (rating IS NULL OR orientation IS NULL)"
        query = (
            f"SELECT count(CASE WHEN {counted} {_GIVEN} THEN 1 END), "
            f"count(CASE WHEN {counted} THEN failure_kind END), "
            f"count(CASE WHEN {unreadable} "
            "THEN nullif(json_extract(attempts, '$[0].finish_reason') = 'length', 0) END), "
            "ifnull(max(repeat), 0) + 1, min(served), max(served) "
            "FROM verdicts WHERE model = :model AND judge = :judge"
        )
        values = {"covered": self.covered, "model": model, "judge": judge}
        *counts, first, last = self._connection.execute(query, values).fetchone()
        verdicts, failed, cut_off, repeats = counts
        # Another pass is required only if there are several names.
        several = first != last
        served = self.served("verdicts", model, judge) if several else _served_names([first])
        return VerdictCounts(verdicts, failed, cut_off, repeats, served)

    def count_readable(self, model: int, judge: int) -> int:
        """Count a judge's readable verdicts."""
        more = f"{_GIVEN} AND rating NOT NULL AND orientation NOT NULL"
        return int(self._outcomes("count(*)", model, judge, more).fetchone()[0])

    def count_repeats(self, model: int, judge: int, repeats: int) -> int:
        """Count a judge's repeated verdicts, of at most ``repeats`` verdicts per item."""
        query = (
            "SELECT count(*) FROM verdicts WHERE model = ? AND judge = ? AND clip < ? "
            "AND repeat > 0 AND repeat < ? AND failure_kind IS NULL"
        )
        return int(self._value(query, model, judge, self.covered, repeats))

    def count_unjudged(
        self,
        model: int,
        judge: int,
        protocol: str,
        repeat: int = 0,
        every: int = 1,
        *,
        retry_final: bool = False,
    ) -> int:
        """Count the answers, to one clip in ``every``, that a judge has not judged yet."""
        query = (
            "SELECT count(*) FROM responses AS r WHERE model = ? AND clip < ? "
            "AND clip % ? = 0 AND failure_kind IS NULL AND NOT EXISTS (SELECT 1 FROM verdicts AS v "
            "WHERE v.model = r.model AND v.judge = ? AND v.protocol = ? AND v.repeat = ? "
            "AND v.clip = r.clip AND v.instruction = r.instruction AND v.sample = r.sample "
            f"AND {_is_done(retry_final)})"
        )
        return int(self._value(query, model, self.covered, every, judge, protocol, repeat))

    # --- responses or verdicts ---

    def count_final(self, model: int) -> int:
        """Count a model's failures that a retry cannot fix."""
        more = f"{_FAILED} AND final"
        return int(self._outcomes("count(*)", model, more=more).fetchone()[0])

    def reasons(self, model: int, judge: int | None = None) -> tuple[Reason, ...]:
        """Return the most common message of each kind of failure of the model or of a judge."""
        columns = "failure_kind, ifnull(failure_message, ''), count(*), sum(final)"
        return commonest_reasons(self._outcomes(columns, model, judge, f"{_FAILED} GROUP BY 1, 2"))

    def served(self, table: str, model: int, judge: int | None = None) -> tuple[str, ...]:
        """List the names under which servers served the model or judge of the stored answers."""
        query = f"SELECT DISTINCT served FROM {table} WHERE served IS NOT NULL AND model = ?"
        numbers = [model]
        if judge is not None:
            query, numbers = f"{query} AND judge = ?", [model, judge]
        return _served_names(name for (name,) in self._all(query, *numbers))

    def mean_seconds(self, table: str) -> float | None:
        """Return the mean duration of a call in ``responses`` or ``verdicts``."""
        seconds: float | None = self._value(f"SELECT avg(seconds) FROM {table}")
        return seconds

    def updated_at(self) -> str | None:
        """Return the time of the latest answer or verdict, in UTC (ISO 8601), or None."""
        times = "SELECT written_at FROM responses UNION ALL SELECT written_at FROM verdicts"
        time: str | None = self._value(f"SELECT max(written_at) FROM ({times})")
        return time

    def written_since(
        self, time: str, model: int, judge: int | None = None
    ) -> tuple[int, str | None]:
        """Count a model's answers, or a judge's verdicts, written after a time, with failures.

        Repeated verdicts are not counted.

        Returns
        -------
        tuple of int and str or None
            Their number, and the time of the first of them.
        """
        more = f"AND written_at > '{time}'"
        number, first = self._outcomes("count(*), min(written_at)", model, judge, more).fetchone()
        return number, first

    def rows_of(
        self, table: str, clip: int, instruction: int, sample: int = 0
    ) -> list[dict[str, Any]]:
        """Return an item's rows of ``responses`` or ``verdicts``, with all columns by name."""
        query = (
            f"SELECT * FROM {table} WHERE clip = ? AND instruction = ? AND sample = ? "
            "ORDER BY 1, 2, 3, 4"
        )
        rows = self._all(query, clip, instruction, sample)
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """Iterate over the rows of ``responses`` or ``verdicts`` about covered clips, by column."""
        key = "clip, instruction, sample" + (", judge, repeat" if table == "verdicts" else "")
        rows = self._all(f"SELECT * FROM {table} WHERE clip < ? ORDER BY {key}", self.covered)
        names = [column[0] for column in rows.description]
        return (dict(zip(names, row, strict=True)) for row in rows)

    def covered_clips(self) -> list[dict[str, Any]]:
        """Return the rows of the covered clips, by column."""
        columns = f"{CLIP_COLUMNS}, audio_sha256, seconds, conversions"
        names = columns.split(", ")
        return [dict(zip(names, row, strict=True)) for row in self._covered_clips(columns)]

    def usages(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Iterate over the calls to servers that left a row: label of the provider, and usage.

        Repeated requests and failures, which leave no row, are not included.
        """
        query = (
            "SELECT label, usage FROM responses JOIN models USING (model) "
            "WHERE usage NOT NULL OR served NOT NULL UNION ALL "
            "SELECT label, json_extract(value, '$.usage') AS usage FROM verdicts "
            "JOIN judges USING (judge), json_each(attempts) "
            "WHERE usage NOT NULL OR json_extract(value, '$.served') NOT NULL"
        )
        for label, usage in self._all(query):
            yield label, json.loads(usage or "{}")

    # --- details ---

    def _all(self, query: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(query, values)

    def _one(self, query: str, *values: object) -> Any:
        return self._all(query, *values).fetchone()

    def _value(self, query: str, *values: object) -> Any:
        return self._one(query, *values)[0]

    def _ids(self) -> dict[int, str]:
        return dict(self._covered_clips("clip, id"))

    def _covered_clips(self, columns: str, condition: str = "1", *values: object) -> list[Any]:
        query = f"SELECT {columns} FROM clips WHERE clip < ? AND {condition} ORDER BY clip"
        return self._all(query, self.covered, *values).fetchall()

    def _outcomes(
        self,
        columns: str,
        model: int,
        judge: int | None = None,
        more: str = "",
        repeat: int = 0,
        sample: int | None = None,
    ) -> sqlite3.Cursor:
        """Select from a model's responses to the covered clips, or a judge's verdicts on them."""
        table, condition, values = "responses", "model = ? AND clip < ?", [model, self.covered]
        if judge is not None:
            # The plus keeps the repeat in the order of the index, for grouping by it.
            table, condition = "verdicts", f"{condition} AND judge = ? AND +repeat = ?"
            values += [judge, repeat]
        if sample is not None:
            condition, values = f"{condition} AND sample = ?", [*values, sample]
        return self._all(f"SELECT {columns} FROM {table} WHERE {condition} {more}", *values)

    def _entries(self, table: str, condition: str = "1", *values: object) -> list[Entry]:
        query = f"SELECT rowid, label, identity FROM {table} WHERE {condition} ORDER BY 1"
        rows = self._all(query, *values)
        return [(number, label, json.loads(identity)) for number, label, identity in rows]

    def holds(self, table: str, condition: str = "", *values: object) -> bool:
        """Return whether ``responses`` or ``verdicts`` has a row without a failure."""
        query = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE failure_kind IS NULL {condition})"
        return bool(self._value(query, *values))


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run."""
    path = folder / "run.db"
    return path.is_file() and path.stat().st_size > 0


_GIVEN, _FAILED = "AND failure_kind IS NULL", "AND failure_kind IS NOT NULL"
_CASES = " ".join(f"WHEN '{name}' THEN {index}" for index, name in enumerate(ORIENTATIONS))
_CODE = (
    f"CASE WHEN rating BETWEEN {RATINGS[0]} AND {RATINGS[-1]} THEN "
    f"ifnull(1 + {len(ORIENTATIONS)} * rating + CASE orientation {_CASES} END, {UNREADABLE}) "
    f"ELSE {UNREADABLE} END"
)
"""The code of a verdict for :meth:`.VerdictMatrix.enter_packed`."""


def _served_names(reported: Iterable[str | None]) -> tuple[str, ...]:
    """Return the different names that servers reported, in their printed form."""
    names = {served_name(name) for name in reported if name is not None}
    return tuple(sorted(names - {""}))


def _is_done(retry_final: bool) -> str:
    """Return the condition that a row ``v`` of ``verdicts`` is not requested again."""
    if retry_final:
        return "v.failure_kind IS NULL AND v.rating NOT NULL AND v.orientation NOT NULL"
    return "(v.failure_kind IS NULL OR v.final)"


def _no_run(folder: Path) -> str:
    """Format an error about a path that is not a run, with the runs that may be meant."""
    if folder.is_dir():
        try:
            runs = sorted(str(path.parent) for path in folder.glob("*/run.db"))[:3]
        except OSError:
            runs = []
        meant = f"; did you mean {' or '.join(runs)}?" if runs else ""
        return f"{folder}: not a run (it contains no run.db){meant}"
    if folder.exists():
        meant = f"; did you mean {folder.parent}?" if folder.name == "run.db" else ""
        return f"{folder}: not a run (a run is a folder, this is a file){meant}"
    return f"{folder}: run not found{did_you_mean_path(folder, folders=True)}"
