"""The run: one folder, one SQLite file, and what may be written into it.

The schema is documented in ``docs/run-store.md``; users may query the file with any tool.

No write-ahead log: it needs shared memory, which network file systems do not have. One process
writes, under a lock on ``run.lock``; readers may look on at any time.
"""

import json
import os
import platform
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from filelock import BaseFileLock, Timeout
from numpy.typing import NDArray

from jasco.backends.specs import Spec, identity_key
from jasco.data.dataset import DataSet, name_with_audio
from jasco.errors import IncompleteError, InputError, RunConflictError
from jasco.protocol.clips import Clip, annotations_sha256, combined_sha256
from jasco.protocol.failure_reasons import Reason, commonest_reasons
from jasco.protocol.responses import Failure, Response, served_name
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.database import Connection, check_sqlite
from jasco.runs.locks import if_it_is_dead, lock_of
from jasco.runs.no_run import no_run, what_to_do
from jasco.runs.schema import (
    APPLICATION_ID,
    MIGRATIONS,
    PUT_FACT,
    SCHEMA,
    SCHEMA_VERSION,
    VIEWS,
    Row,
    attempts_text,
)
from jasco.version import __version__

PREFLIGHT = "preflight"
"""The fact that says what the preflight has seen."""
_RUNTIME, _MAX_SECONDS, _AUDIO = "circumstances", "window", "audio"
_TOLD_BY_THE_MODEL = (PREFLIGHT, _RUNTIME, _MAX_SECONDS)


class RunUnwritableError(IncompleteError):
    """The run cannot be written any further: disk full, folder gone."""


@dataclass(frozen=True)
class AudioFacts:
    """What the run knows of a clip's audio: never the audio itself."""

    path: str
    sha256: str
    seconds: float
    conversions: tuple[str, ...]
    clipped: int = 0
    warnings: tuple[str, ...] = ()


class Store:
    """An open run."""

    def __init__(self, folder: Path, connection: Connection, lock: BaseFileLock | None) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock

    @classmethod
    def to_write(
        cls, folder: Path, patience: float = 0, notify: Callable[[str], None] | None = None
    ) -> Self:
        """Open a run as its one writer; make it where there is none.

        Parameters
        ----------
        folder : pathlib.Path
            The run's.
        patience : float
            Seconds to wait for another writer's end.
        notify : callable, optional
            Is told where it waits because another program reads the run; None writes to stderr.

        Raises
        ------
        RunConflictError
            Another process writes to it, or what lies there is no run of this version.
        RunUnwritableError
            It cannot be written.
        """
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: a file; --run takes a folder, which need not exist yet")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = lock_of(folder)
            lock.acquire(timeout=patience)
        except Timeout:
            remedy = if_it_is_dead(lock) or "; wait until it has ended, or end it"
            raise RunConflictError(
                f"{folder}: {_holder(folder)} is writing to this run{remedy}"
            ) from None
        except OSError as error:
            raise RunUnwritableError(
                f"{folder}: the run's folder cannot be written to ({error.strerror or error}); "
                "make it writable, free some room, or take another --run"
            ) from None
        try:
            return cls(folder, _connect(folder, create=True, notify=notify), lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def to_read(cls, folder: Path) -> Self:
        """Open a run to look at it (``InputError`` where there is none).

        Until it is closed, all that is read is of one moment, however the run grows meanwhile. Its
        writer waits that long (up to ten minutes): close it as soon as everything is read.
        """
        path = folder / "run.db"
        if not path.is_file() or not path.stat().st_size:
            raise InputError(no_run(folder))
        connection = _connect(folder, create=False)
        connection.execute("BEGIN")
        return cls(folder, connection, None)

    def close(self) -> None:
        """Close the file and give the lock back."""
        if self._lock:
            with suppress(sqlite3.Error):  # a full disk must not keep us from leaving
                self.forget("holder")
        self._connection.close()
        if self._lock:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.close()
        if isinstance(error, sqlite3.OperationalError):
            raise RunUnwritableError(f"{self.folder}: {error}{what_to_do(error)}") from None

    # --- what the run is about ---

    def hold(self, data: DataSet) -> DataSet:
        """Take a data set into a new run; make sure that an old run holds this one.

        Returns
        -------
        DataSet
            The same, its clips in the order of the run: a row's place says which clip it is about.

        Raises
        ------
        RunConflictError
            The run was made with other data.
        """
        held, given = self.fact("annotations_sha256"), annotations_sha256(data.clips)
        if held and held != given and not self._holds_any("responses"):
            with self._connection:  # nothing hangs on it: an earlier command that came to nothing
                for table in ("verdicts", "responses", "clips"):
                    self._connection.execute(f"DELETE FROM {table}")
            self.forget("clips_covered", _AUDIO, *_TOLD_BY_THE_MODEL)
            held = None
        if held and held != given:
            raise RunConflictError(
                f"{self.folder}: the run holds the data set {self.fact('data')} ({held[:12]}), "
                f"this one is {data.name} ({given[:12]}); take another --run"
            )
        facts = {"holder": f"process {os.getpid()} on {socket.gethostname()}"}
        if not held:
            facts |= {
                "data": data.name,
                "annotations_sha256": given,
                "created_with": f"jasco {__version__}, Python {platform.python_version()}, "
                f"{platform.platform()}",
            }
        with self._connection:
            if not held:
                self._connection.executemany(
                    "INSERT INTO clips VALUES (?,?,?,?,?,?,?,?,?,NULL,NULL,NULL,NULL)",
                    ((place, *clip.cells, clip.sha256) for place, clip in enumerate(data.clips)),
                )
            self._remember(facts)
        return replace(data, clips=self.data().clips)

    def hold_audio(self, audio: Mapping[int, AudioFacts]) -> None:
        """Keep what the audio of some clips is, by place.

        Raises
        ------
        RunConflictError
            The run was made with other audio.
        """
        held = dict(self._connection.execute("SELECT clip, audio_sha256 FROM clips"))
        answered = self._holds_any("responses")
        for place, facts in audio.items():
            if answered and held[place] not in (None, facts.sha256):
                raise RunConflictError(
                    f"{facts.path}: other audio than the run {self.folder} was made with; "
                    "take another --run"
                )
        with self._connection:
            self._connection.executemany(
                "UPDATE clips SET audio_path=?, audio_sha256=?, seconds=?, treatments=? "
                "WHERE clip=?",
                (
                    (facts.path, facts.sha256, facts.seconds, ", ".join(facts.conversions), place)
                    for place, facts in audio.items()
                ),
            )
            self._remember({"data": self.data_name, _AUDIO: self._audio_found(audio)})

    def hold_model(self, spec: Spec) -> int:
        """Number the run's model (``RunConflictError`` where the run has answers of another)."""
        given = "SELECT model FROM responses WHERE failure_kind IS NULL"
        unlike = f"identity != ? AND model NOT IN ({given})"
        this = (identity_key(spec.identity),)
        with self._connection:  # of another model that gave no answer, its failures go too
            self._connection.execute(
                f"DELETE FROM responses WHERE model IN (SELECT model FROM models WHERE {unlike})",
                this,
            )
            gone = self._connection.execute(f"DELETE FROM models WHERE {unlike}", this).rowcount
        if gone:
            self.forget(*_TOLD_BY_THE_MODEL)
            with self._connection:
                for what in ("source", "adaptations"):
                    self._connection.execute(
                        "DELETE FROM facts WHERE name LIKE ?", (f"{what} of model %",)
                    )
        for _, label, identity in self.models():
            if identity != dict(spec.identity):
                raise RunConflictError(
                    f"{self.folder}: the run holds answers of {label}, not of {spec.label}"
                    f" ({_difference(identity, spec.identity)}); take another --run"
                )
        return self._number("models", spec)

    def hold_judges(self, specs: Sequence[Spec]) -> list[int]:
        """Number these judges. Those of earlier commands stay, if they gave a single verdict."""
        named = [identity_key(spec.identity) for spec in specs]
        for number, _, identity in self.judges():
            if identity_key(identity) not in named and not self._has_judged(number):
                self.remove_judge(number)
        for spec in specs:
            for _, label, identity in self.judges():
                # Two judges of one name could not be told apart in what is shown.
                if label == spec.label and identity != json.loads(identity_key(spec.identity)):
                    raise RunConflictError(
                        f"{self.folder}: the run holds verdicts of another {label} "
                        f"({_difference(identity, spec.identity)}); tell the two apart with "
                        "label=NAME in the spec, or remove the other one's verdicts: jasco forget "
                        f"{self.folder} --judge {label}"
                    )
        return [self._number("judges", spec) for spec in specs]

    def hold_source(self, table: str, number: int, label: str, fingerprint: str) -> None:
        """Keep what a model or judge (``models`` or ``judges``) works with, as a hash.

        Raises
        ------
        RunConflictError
            What the run holds was made with other code, or another file or folder.
        """
        name, held = _source_fact(table, number), self.fact(_source_fact(table, number))
        made = self._has_answered(number) if table == "models" else self._has_judged(number)
        if made and held and fingerprint and held != fingerprint:
            raise RunConflictError(
                f"{self.folder}: {label} has changed: its code, file or folder is not what gave "
                + (
                    "the answers in this run; put it back, or take another --run"
                    if table == "models"
                    else "the verdicts in this run; put it back, or remove them: jasco forget "
                    f"{self.folder} --judge {label}"
                )
            )
        if fingerprint:
            self.remember({name: fingerprint})

    def hold_adaptations(self, table: str, number: int, adaptations: Mapping[str, Any]) -> None:
        """Keep how requests of a model or judge differ from the usual, as its server asked."""
        if adaptations:
            held = self.adaptations(table, number) | dict(adaptations)
            self.remember({_adaptations_fact(table, number): json.dumps(held)})

    def adaptations(self, table: str, number: int) -> dict[str, Any]:
        """Give what :meth:`hold_adaptations` keeps; empty where nothing was changed."""
        held: dict[str, Any] = json.loads(self.fact(_adaptations_fact(table, number)) or "{}")
        return held

    def remove_judge(self, number: int) -> int:
        """Remove a judge with its verdicts; give how many those were, failures included."""
        facts = (
            _source_fact("judges", number),
            _adaptations_fact("judges", number),
            f"exam of judge {number}",
            check_fact(number),
        )
        with self._connection:
            given = self._connection.execute("DELETE FROM verdicts WHERE judge = ?", (number,))
            self._connection.execute("DELETE FROM judges WHERE judge = ?", (number,))
            self._connection.executemany(
                "DELETE FROM facts WHERE name = ?", [(fact,) for fact in facts]
            )
        return given.rowcount

    def back_up(self) -> Path:
        """Copy the file to a new one beside it, and give that one's path."""
        taken = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        paths = (self.folder / f"run-{taken}{after}.db" for after in ("", *range(1, 1000)))
        path = next(path for path in paths if not path.exists())
        _copy(self._connection, path)
        return path

    def hold_protocol(self, name: str) -> None:
        """Fix the run's protocol (``RunConflictError`` where it has verdicts under another one)."""
        held = self.fact("protocol")
        if held and held != name and self._holds_any("verdicts"):
            raise RunConflictError(
                f"{self.folder}: the run is judged by protocol {held}, not {name}; "
                f"take --protocol {held}, or another --run"
            )
        with self._connection:
            self._remember({"protocol": name})

    def widen(self, clips: int) -> int:
        """Extend the run to its first ``clips`` clips; give how many it covers now."""
        covered = max(clips, self.covered)
        self.remember({"clips_covered": str(covered)})
        return covered

    def narrow(self, clips: int) -> None:
        """Give up what the run covers beyond the first ``clips``, if nothing is answered there."""
        beyond = "SELECT EXISTS (SELECT 1 FROM responses WHERE clip >= ? AND failure_kind IS NULL)"
        if clips < self.covered and not self._connection.execute(beyond, (clips,)).fetchone()[0]:
            self.remember({"clips_covered": str(clips)})

    def has_answers(self) -> bool:
        """Whether the run holds any answer."""
        return self._holds_any("responses")

    @property
    def covered(self) -> int:
        """How many clips, from the first on, the run is about."""
        return int(self.fact("clips_covered") or 0)

    def fact(self, name: str) -> str | None:
        """Look up one of the run's facts."""
        query = "SELECT value FROM facts WHERE name = ?"
        row = self._connection.execute(query, (name,)).fetchone()
        return row[0] if row else None

    def remember(self, facts: Mapping[str, str]) -> None:
        """Keep facts of the run."""
        with self._connection:
            self._remember(facts)

    def forget(self, *names: str) -> None:
        """Remove some of the run's facts."""
        with self._connection:
            self._connection.executemany(
                "DELETE FROM facts WHERE name = ?", [(name,) for name in names]
            )

    def data(self) -> DataSet:
        """The data set of the run, with all of its clips."""
        query = (
            "SELECT id, sound, speech, audio_only, speech_only, reference, keywords "
            "FROM clips ORDER BY clip"
        )
        clips = tuple(Clip(*row) for row in self._connection.execute(query))
        return DataSet(self.data_name, clips)

    @property
    def data_name(self) -> str:
        """What the data set is called, by its annotations and by the audio that was read."""
        query = "SELECT id, audio_sha256 FROM clips WHERE audio_sha256 NOT NULL"
        return name_with_audio(self.fact("data") or "", dict(self._connection.execute(query)))

    def audio_sha256(self) -> str | None:
        """Hash the audio of the clips covered; None where some of it was never read."""
        query = "SELECT id, audio_sha256 FROM clips WHERE clip < ?"
        hashes = dict(self._connection.execute(query, (self.covered,)))
        return None if None in hashes.values() else combined_sha256(hashes)

    def audio_files(self) -> dict[str, tuple[str, str]]:
        """Give path and SHA-256 of the clips' audio, by id, as far as it was read."""
        query = (
            "SELECT id, audio_path, audio_sha256 FROM clips WHERE audio_sha256 NOT NULL "
            "AND clip < ? ORDER BY clip"
        )
        rows = self._connection.execute(query, (self.covered,))
        return {id_: (path, sha256) for id_, path, sha256 in rows}

    def audio_seconds(self) -> dict[str, float]:
        """Give the length of the clips' audio, by id, as far as it was read."""
        query = "SELECT id, seconds FROM clips WHERE seconds NOT NULL AND clip < ?"
        return dict(self._connection.execute(query, (self.covered,)))

    def treated_clips(self) -> int:
        """Count the clips whose audio had to be resampled, mixed down or converted."""
        query = "SELECT count(*) FROM clips WHERE treatments != '' AND clip < ?"
        return int(self._connection.execute(query, (self.covered,)).fetchone()[0])

    def audio_found(self) -> dict[str, dict[str, Any]] | None:
        """Give what was found in the audio of the clips covered, by id, if anything was.

        Returns
        -------
        dict or None
            By clip id: how many samples are ``clipped``, and ``warnings``. None where nobody has
            looked: answers come from a file, or an older jasco has read the audio.
        """
        found = self.fact(_AUDIO)
        if found is None:
            return None
        query = "SELECT id FROM clips WHERE clip < ? ORDER BY clip"
        ids = [id_ for (id_,) in self._connection.execute(query, (self.covered,))]
        held = json.loads(found)
        return {id_: held[id_] for id_ in ids if id_ in held}

    def clips_longer_than(self, seconds: float) -> int:
        """Count the clips covered that last longer."""
        query = "SELECT count(*) FROM clips WHERE seconds > ? AND clip < ?"
        return int(self._connection.execute(query, (seconds, self.covered)).fetchone()[0])

    def hold_runtime(self, facts: Mapping[str, str], max_audio_seconds: float | None) -> None:
        """Keep how answers come about, beside what earlier commands on this run have told.

        Parameters
        ----------
        facts : mapping of str to str
            Precision, device, versions, as the model tells them.
        max_audio_seconds : float or None
            Seconds of a clip that the model hears.
        """
        held = self.runtime()
        if max_audio_seconds is not None:
            self.remember({_MAX_SECONDS: str(max_audio_seconds)})
        if facts and facts not in held:
            self.remember({_RUNTIME: json.dumps([*held, dict(facts)])})

    def max_audio_seconds(self) -> float | None:
        """Give the seconds of a clip that the model hears; None: all, or nobody knows."""
        told = self.fact(_MAX_SECONDS)
        return float(told) if told else None

    def runtime(self) -> list[dict[str, str]]:
        """List how answers came about: precision, device, versions; each combination once."""
        held: list[dict[str, str]] = json.loads(self.fact(_RUNTIME) or "[]")
        return held

    def models(self) -> list[tuple[int, str, dict[str, Any]]]:
        """List number, label and identity of the models."""
        return self._named("models")

    def judges(self) -> list[tuple[int, str, dict[str, Any]]]:
        """List number, label and identity of the judges."""
        return self._named("judges")

    # --- responses and verdicts ---

    def responses(self, model: int, clip: int) -> dict[int, Response | Failure]:
        """Give what there is for a clip, by number of the instruction."""
        query = (
            "SELECT instruction, text, failure_kind, failure_message, final, finish_reason, usage, "
            "served, reasoning FROM responses WHERE model = ? AND clip = ?"
        )
        return {
            number: Failure(kind, message, bool(final))
            if kind
            else Response(text, reason, json.loads(usage or "{}"), served, reasoning or "")
            for number, text, kind, message, final, reason, usage, served, reasoning in (
                self._connection.execute(query, (model, clip))
            )
        }

    def judged(
        self, model: int, protocol: str, clip: int, *, retry_final: bool = False
    ) -> set[tuple[int, int, int]]:
        """List (judge, instruction, repeat) of a clip that are not to be judged again."""
        query = (
            "SELECT judge, instruction, repeat FROM verdicts AS v "
            f"WHERE model = ? AND protocol = ? AND clip = ? AND {_is_done(retry_final)}"
        )
        return set(self._connection.execute(query, (model, protocol, clip)))

    def judging(self, model: int) -> list[tuple[int, str, dict[str, Any]]]:
        """List number, label and identity of the judges that gave this model a verdict."""
        given = (
            "SELECT DISTINCT judge FROM verdicts WHERE model = ? AND clip < ? "
            "AND failure_kind IS NULL"
        )
        numbers = {row[0] for row in self._connection.execute(given, (model, self.covered))}
        return [judge for judge in self.judges() if judge[0] in numbers]

    def verdicts(self, model: int, judge: int) -> Iterator[tuple[int, int, Verdict]]:
        """Go through a judge's verdicts: clip, instruction, verdict."""
        query = (
            "SELECT clip, instruction, rating, orientation FROM verdicts "
            "WHERE model = ? AND judge = ? AND clip < ? AND failure_kind IS NULL AND repeat = 0"
        )
        rows = self._connection.execute(query, (model, judge, self.covered))
        for clip, number, rating, orientation in rows:
            yield clip, number, Verdict(rating, orientation and Orientation(orientation))

    def verdict_table(self, model: int, judge: int, repeat: int = 0) -> NDArray[np.int64]:
        """Give a judge's verdicts as :meth:`.VerdictMatrix.of` reads them."""
        places = " ".join(f"WHEN '{name}' THEN {place}" for place, name in enumerate(Orientation))
        query = (
            f"SELECT clip, instruction, ifnull(rating, -1), CASE orientation {places} ELSE -1 END "
            "FROM verdicts WHERE model = ? AND judge = ? AND clip < ? AND failure_kind IS NULL "
            "AND repeat = ?"
        )
        rows = self._connection.execute(query, (model, judge, self.covered, repeat)).fetchall()
        return np.array(rows, np.int64).reshape(-1, 4)

    def repeats(self, model: int, judge: int) -> int:
        """Count how many verdicts there are on an item that was judged repeatedly."""
        query = "SELECT ifnull(max(repeat), 0) + 1 FROM verdicts WHERE model = ? AND judge = ?"
        return int(self._connection.execute(query, (model, judge)).fetchone()[0])

    def served(self, table: str, model: int, judge: int | None = None) -> tuple[str, ...]:
        """List what servers called the model, or the judge, whose answers are here."""
        query = f"SELECT DISTINCT served FROM {table} WHERE served IS NOT NULL AND model = ?"
        judge_too = " AND judge = ?" if judge is not None else ""
        rows = self._connection.execute(
            query + judge_too, (model,) if judge is None else (model, judge)
        )
        return tuple(sorted({served_name(name) for (name,) in rows} - {""}))

    def judge_texts(self, model: int, judge: int) -> Iterator[tuple[int, int, list[Any]]]:
        """Go through what a judge wrote: clip, instruction, attempts; clip by clip."""
        query = (
            "SELECT clip, instruction, attempts FROM verdicts "
            "WHERE model = ? AND judge = ? AND clip < ? AND failure_kind IS NULL AND repeat = 0 "
            "ORDER BY clip, instruction"
        )
        for clip, number, attempts in self._connection.execute(query, (model, judge, self.covered)):
            yield clip, number, json.loads(attempts)

    def writes(self, model: int, judge: int, beginning: str) -> bool:
        """Whether anything that a judge wrote begins so."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM verdicts WHERE model = ? AND judge = ? AND repeat = 0 "
            "AND failure_kind IS NULL AND substr(attempts, 1, ?) = ?)"
        )
        written = attempts_text([{"asked": "verdict", "text": beginning}]).removesuffix('"}]')
        values = (model, judge, len(written), written)
        return bool(self._connection.execute(query, values).fetchone()[0])

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
        """Count the answers, to one clip in ``every``, that a judge is still to judge."""
        query = (
            "SELECT count(*) FROM responses AS r WHERE model = ? AND clip < ? "
            "AND clip % ? = 0 AND failure_kind IS NULL AND NOT EXISTS (SELECT 1 FROM verdicts AS v "
            "WHERE v.model = r.model AND v.judge = ? AND v.protocol = ? AND v.repeat = ? "
            f"AND v.clip = r.clip AND v.instruction = r.instruction AND {_is_done(retry_final)})"
        )
        values = (model, self.covered, every, judge, protocol, repeat)
        return int(self._connection.execute(query, values).fetchone()[0])

    def count_final(self, model: int) -> int:
        """Count the items whose failure a repeat cannot mend."""
        query = (
            "SELECT count(*) FROM responses WHERE model = ? AND clip < ? "
            "AND failure_kind IS NOT NULL AND final"
        )
        return int(self._connection.execute(query, (model, self.covered)).fetchone()[0])

    def count_responses(self, model: int) -> tuple[int, int, dict[str, int]]:
        """Count the answers, the truncated ones among them, and the failures by kind."""
        query = (
            "SELECT failure_kind, finish_reason = 'length', count(*) FROM responses "
            "WHERE model = ? AND clip < ? GROUP BY 1, 2"
        )
        answered, truncated, failed = 0, 0, dict[str, int]()
        for kind, cut, number in self._connection.execute(query, (model, self.covered)):
            if kind:
                failed[kind] = failed.get(kind, 0) + number
            else:
                answered += number
                truncated += number if cut else 0
        return answered, truncated, failed

    def count_verdicts(self, model: int, judge: int) -> tuple[int, dict[str, int]]:
        """Count a judge's verdicts, and its failures by kind."""
        query = (
            "SELECT failure_kind, count(*) FROM verdicts "
            "WHERE model = ? AND judge = ? AND clip < ? AND repeat = 0 GROUP BY 1"
        )
        counts = dict(self._connection.execute(query, (model, judge, self.covered)))
        return counts.pop(None, 0), counts

    def reasons(self, model: int, judge: int | None = None) -> tuple[Reason, ...]:
        """Find the commonest message of each kind of failure: the model's, or a judge's."""
        table, condition, values = "responses", "model = ? AND clip < ?", [model, self.covered]
        if judge is not None:
            table, condition = "verdicts", f"{condition} AND judge = ? AND repeat = 0"
            values.append(judge)
        query = (
            f"SELECT failure_kind, ifnull(failure_message, ''), count(*), sum(final) FROM {table} "
            f"WHERE {condition} AND failure_kind IS NOT NULL GROUP BY 1, 2"
        )
        return commonest_reasons(self._connection.execute(query, values))

    def verdict_failures(self, model: int, judge: int) -> Iterator[tuple[int, int, Failure]]:
        """Go through a judge's calls that failed: clip, instruction, failure."""
        query = (
            "SELECT clip, instruction, failure_kind, ifnull(failure_message, ''), final "
            "FROM verdicts WHERE model = ? AND judge = ? AND clip < ? AND repeat = 0 "
            "AND failure_kind IS NOT NULL"
        )
        rows = self._connection.execute(query, (model, judge, self.covered))
        for clip, number, kind, message, final in rows:
            yield clip, number, Failure(kind, message, bool(final))

    def has_readable_verdict(self, judge: int) -> bool:
        """Whether the run holds a verdict of a judge that could be read."""
        return self._exists(
            "verdicts", "rating NOT NULL AND orientation NOT NULL AND judge = ?", judge
        )

    def count_final_verdicts(self, model: int, judge: int) -> int:
        """Count a judge's failures that a repeat cannot mend."""
        query = (
            "SELECT count(*) FROM verdicts WHERE model = ? AND judge = ? AND clip < ? "
            "AND repeat = 0 AND failure_kind IS NOT NULL AND final"
        )
        row = self._connection.execute(query, (model, judge, self.covered)).fetchone()
        return int(row[0])

    def count_cut_off(self, model: int, judge: int) -> int:
        """Count a judge's unreadable verdicts that ended at the longest length allowed."""
        query = (
            "SELECT count(*) FROM verdicts WHERE model = ? AND judge = ? AND clip < ? "
            "AND repeat = 0 AND failure_kind IS NULL AND (rating IS NULL OR orientation IS NULL) "
            "AND json_extract(attempts, '$[0].finish_reason') = 'length'"
        )
        row = self._connection.execute(query, (model, judge, self.covered)).fetchone()
        return int(row[0])

    def count_repeats(self, model: int, judge: int, repeats: int) -> int:
        """Count a judge's further verdicts on items that it judges so often."""
        query = (
            "SELECT count(*) FROM verdicts WHERE model = ? AND judge = ? AND clip < ? "
            "AND repeat > 0 AND repeat < ? AND failure_kind IS NULL"
        )
        row = self._connection.execute(query, (model, judge, self.covered, repeats)).fetchone()
        return int(row[0])

    def mean_seconds(self, table: str) -> float | None:
        """How long a call took on average in ``responses`` or ``verdicts``."""
        return self._connection.execute(f"SELECT avg(seconds) FROM {table}").fetchone()[0]  # type: ignore[no-any-return]

    def audio_of(self, clip: int) -> tuple[str, str, float] | None:
        """Give path, SHA-256 and seconds of a clip's audio; None where it was never read."""
        query = (
            "SELECT audio_path, audio_sha256, seconds FROM clips "
            "WHERE clip = ? AND audio_sha256 NOT NULL"
        )
        row: tuple[str, str, float] | None = self._connection.execute(query, (clip,)).fetchone()
        return row

    def rows_of(self, table: str, clip: int, instruction: int) -> list[dict[str, Any]]:
        """Give an item's rows of ``responses`` or ``verdicts``, whole, by name of the column."""
        query = f"SELECT * FROM {table} WHERE clip = ? AND instruction = ? ORDER BY 1, 2, 3, 4"
        found = self._connection.execute(query, (clip, instruction))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def remove_rows(
        self,
        *,
        judge: int | None = None,
        clips: Sequence[int] | None = None,
        failed: bool = False,
        count_only: bool = False,
    ) -> tuple[int, int]:
        """Remove answers and verdicts, so that they are made again; give how many of each.

        Parameters
        ----------
        judge : int or None
            Remove only the verdicts of this judge; None removes all verdicts, and the answers.
        clips : sequence of int or None
            The places of the clips that they are about; None takes all.
        failed : bool
            Failures and unreadable verdicts only.
        count_only : bool
            Whether to count them, and leave them there.
        """
        on = f"clip IN ({','.join('?' * len(clips))})" if clips is not None else "1"
        values = [*(clips or ())]
        failure = "failure_kind IS NOT NULL"
        answers = f"{on} AND {failure if failed else '1'}"
        verdicts = f"{on} AND {_TO_REPLACE if failed else '1'}"
        if judge is not None:
            answers, verdicts = "0", f"{verdicts} AND judge = {judge:d}"
        counts = []
        with self._connection:
            for table, which in (("responses", answers), ("verdicts", verdicts)):
                given = values if "?" in which else []
                query = f"SELECT count(*) FROM {table} WHERE {which}"
                counts.append(int(self._connection.execute(query, given).fetchone()[0]))
                if not count_only:
                    self._connection.execute(f"DELETE FROM {table} WHERE {which}", given)
        return counts[0], counts[1]

    def usages(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Go through the calls to servers that the rows tell of: label of the asked, and usage.

        Repeated requests and failures, of which no row tells, are not among them.
        """
        answers = (
            "SELECT label, usage FROM responses JOIN models USING (model) "
            "WHERE usage NOT NULL OR served NOT NULL"
        )
        for label, usage in self._connection.execute(answers):
            yield label, json.loads(usage or "{}")
        verdicts = "SELECT label, attempts FROM verdicts JOIN judges USING (judge)"
        for label, attempts in self._connection.execute(f"{verdicts} WHERE attempts NOT NULL"):
            for attempt in json.loads(attempts):
                if attempt.get("usage") or attempt.get("served"):
                    yield label, attempt.get("usage") or {}

    def hurry(self) -> None:
        """Wait for other programs that read the run for seconds from now on, not for minutes."""
        self._connection.hurried = True

    def commit(self, rows: list[Row]) -> None:
        """Write rows in one transaction: all are on disk when this returns.

        Waits as long as another program has a read transaction open.

        Raises
        ------
        RunUnwritableError
            Nothing of it was written.
        """
        try:
            with self._connection:
                for statement, values in rows:
                    self._connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise RunUnwritableError(f"{self.folder}: {error}{what_to_do(error)}") from None

    # --- details ---

    def _has_judged(self, judge: int) -> bool:
        return self._exists("verdicts", "judge = ?", judge)

    def _has_answered(self, model: int) -> bool:
        return self._exists("responses", "model = ?", model)

    def _exists(self, table: str, condition: str, value: int) -> bool:
        query = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {condition} AND failure_kind IS NULL)"
        return bool(self._connection.execute(query, (value,)).fetchone()[0])

    def _holds_any(self, table: str) -> bool:
        query = f"SELECT EXISTS (SELECT * FROM {table} WHERE failure_kind IS NULL)"
        return bool(self._connection.execute(query).fetchone()[0])

    def _audio_found(self, audio: Mapping[int, AudioFacts]) -> str:
        """Add what was found in clips' audio to what the run holds of the others."""
        ids = dict(self._connection.execute("SELECT clip, id FROM clips"))
        held = json.loads(self.fact(_AUDIO) or "{}")
        for place, facts in audio.items():
            held.pop(ids[place], None)
            if facts.clipped or facts.warnings:
                held[ids[place]] = {"clipped": facts.clipped, "warnings": facts.warnings}
        return json.dumps(held, ensure_ascii=False)

    def _remember(self, facts: Mapping[str, str]) -> None:
        self._connection.executemany(PUT_FACT, facts.items())

    def _number(self, table: str, spec: Spec) -> int:
        identity = identity_key(spec.identity)
        query = f"SELECT rowid FROM {table} WHERE identity = ?"
        with self._connection:
            self._connection.execute(
                f"INSERT OR IGNORE INTO {table} VALUES (NULL, ?, ?)",
                (spec.label, identity),
            )
        return int(self._connection.execute(query, (identity,)).fetchone()[0])

    def _named(self, table: str) -> list[tuple[int, str, dict[str, Any]]]:
        rows = self._connection.execute(f"SELECT * FROM {table} ORDER BY 1")
        return [(number, label, json.loads(identity)) for number, label, identity in rows]


def _connect(
    folder: Path, *, create: bool, notify: Callable[[str], None] | None = None
) -> Connection:
    path = folder / "run.db"
    check_sqlite()
    try:
        # Even a reader opens for writing: after a kill it has to roll back what was half-written.
        mode = "rwc" if create else "rw" if os.access(folder, os.W_OK) else "ro"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=60,
            check_same_thread=False,
            factory=Connection,
        )
        if notify:
            connection.notify = notify
        if create:
            connection.make_durable()
        # A run killed while it was made is empty again once this has rolled it back.
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if create and not tables:
            connection.executescript(
                f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version in MIGRATIONS and application == APPLICATION_ID:
            if create:
                _migrate(folder, connection, version)
            else:
                for statement in VIEWS[version]:
                    connection.execute(statement)
            version = SCHEMA_VERSION
        if not create:
            connection.execute("PRAGMA query_only = 1")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise RunUnwritableError(f"{path}: {error}{what_to_do(error)}") from None
        raise RunConflictError(
            f"{path}: broken, or not a run ({error}); {_ANOTHER[create]}"
        ) from None
    if application != APPLICATION_ID:
        connection.close()
        raise RunConflictError(f"{path}: a database of something else; {_ANOTHER[create]}")
    if version != SCHEMA_VERSION:
        connection.close()
        raise RunConflictError(
            f"{path}: made by {'a newer' if version > SCHEMA_VERSION else 'another'} jasco (schema "
            f"version {version}; this is jasco {__version__}, with version {SCHEMA_VERSION}); "
            f"{'update jasco' if version > SCHEMA_VERSION else 'use the jasco it was made with'}"
            f"{', or take another --run' if create else ''}"
        )
    return connection


_ANOTHER = {True: "take another --run", False: "give the folder of a run"}
"""What to do where there is no run, by whether one was to be made there."""


def _migrate(folder: Path, connection: Connection, version: int) -> None:
    """Make a run of an older version one of this version; a copy of it stays beside it."""
    _copy(connection, folder / f"run-version-{version}.db")
    with connection:
        for each in range(version, SCHEMA_VERSION):
            for statement in MIGRATIONS[each]:
                connection.execute(statement)


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with closing(sqlite3.connect(draft)) as copy:
            connection.backup(copy)
        draft.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise RunUnwritableError(f"{path}: the run cannot be copied there: {error}") from None
    finally:
        draft.unlink(missing_ok=True)


_TO_REPLACE = "(failure_kind IS NOT NULL OR rating IS NULL OR orientation IS NULL)"


def _is_done(retry_final: bool) -> str:
    """Write the condition that a row ``v`` of ``verdicts`` is not to be asked for again."""
    if retry_final:
        return "v.failure_kind IS NULL AND v.rating NOT NULL AND v.orientation NOT NULL"
    return "(v.failure_kind IS NULL OR v.final)"


def check_fact(judge: int) -> str:
    """Name the fact that says how a judge answered the question whose verdict is known."""
    return f"check of judge {judge}"


def _source_fact(table: str, number: int) -> str:
    return f"source of {table.removesuffix('s')} {number}"


def _adaptations_fact(table: str, number: int) -> str:
    return f"adaptations of {table.removesuffix('s')} {number}"


def _holder(folder: Path) -> str:
    for _ in range(10):  # the holder may be just about to say who it is
        with (
            suppress(InputError, RunConflictError, RunUnwritableError, sqlite3.Error),
            Store.to_read(folder) as store,
        ):
            if holder := store.fact("holder"):
                return holder
        time.sleep(0.05)
    return "another process"


def _difference(held: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    names = [name for name in {**held, **given} if held.get(name) != given.get(name)]
    return ", ".join(f"{name}: {held.get(name)} there, {given.get(name)} here" for name in names)
