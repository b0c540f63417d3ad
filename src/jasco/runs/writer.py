"""Writing a run: one process at a time, with a lock on ``run.lock``; others may read meanwhile."""

import json
import os
import platform
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from filelock import BaseFileLock, Timeout

from jasco.backends.specs import Spec, identity_key
from jasco.data.dataset import ANNOTATIONS, DataSet, name_by_hash
from jasco.errors import InputError, RunConflictError, count, whole_text
from jasco.protocol.conditions import Condition
from jasco.protocol.instructions import INSTRUCTIONS, instructions_difference
from jasco.runs import database
from jasco.runs.clip_index import CLIP_COLUMNS, PUT_CLIP, PUT_INDEXED, clip_rows, index_clips
from jasco.runs.database import Connection, RunUnwritableError, copy_database, sqlite_errors
from jasco.runs.locks import RunBusyError, lock_of, remedy_if_killed
from jasco.runs.reader import RunReader
from jasco.runs.schema import (
    CONDITION_FACT,
    FORMAT,
    INSTRUCTIONS_FACT,
    PREFLIGHT,
    PUT_FACT,
    SAMPLES_FACT,
    Row,
    fact_about,
)
from jasco.runs.shards import SHARD_FACT, SHARDS_FACT, Shard
from jasco.version import __version__

if TYPE_CHECKING:  # it imports libraries that read audio
    from jasco.runs.audio_manifest import AudioFacts

_FACTS_OF_MODEL = (PREFLIGHT, "runtime", "max_audio_seconds")
_STAMP = "annotations_file"  # the fact that holds size and time of the file that was read
_OF_WHOLE = {"holder", _STAMP, SHARDS_FACT}  # facts that a shard does not copy
_UNANNOUNCED = 2.0  # seconds of waiting for another writer before the user is notified
_ANOTHER_RUN = "use a different --run"


class RunWriter(RunReader):
    """An open run and its only writer, which can read what it has written."""

    def __init__(self, folder: Path, connection: Connection, lock: BaseFileLock) -> None:
        super().__init__(folder, connection)
        self._lock = lock

    @classmethod
    def open(
        cls, folder: Path, patience: float = 0, notify: Callable[[str], object] | None = None
    ) -> Self:
        """Open a run as its only writer; create it if it does not exist.

        Parameters
        ----------
        folder : pathlib.Path
            The run's folder.
        patience : float
            Seconds to wait for another writer to finish.
        notify : callable, optional
            Takes a line when it waits because another program reads the run; None writes to
            stderr.

        Raises
        ------
        InputError
            The path is a file.
        RunConflictError
            Another process is writing to the run, or the folder holds something else.
        RunUnwritableError
            The run cannot be written.
        """
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: a file; --run takes a folder, which is created if missing")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = lock_of(folder)
            if patience and notify:
                _acquire_and_announce(lock, folder, patience, notify)
            else:
                lock.acquire(timeout=patience)
        except Timeout:
            remedy = remedy_if_killed(lock) or "; wait until it has finished, or stop it"
            raise RunBusyError(
                f"{folder}: {_holder_of(folder)} is writing to this run{remedy}"
            ) from None
        except OSError as error:
            raise RunUnwritableError(
                f"{folder}: the run's folder is not writable ({error.strerror or error}); make "
                f"it writable, free some disk space, or {_ANOTHER_RUN}"
            ) from None
        try:
            connection = database.open_database(folder / "run.db", FORMAT, _ANOTHER_RUN, write=True)
        except BaseException:
            lock.release()
            raise
        connection.patience = database.PATIENCE
        if notify:
            connection.notify = notify
        return cls(folder, connection, lock)

    def close(self) -> None:
        """Close the file and release the lock."""
        # A full disk must not prevent the command from ending.
        with suppress(sqlite3.Error), self._connection:
            self._delete_facts("holder")
        super().close()
        self._lock.release()

    # --- what the run is about ---

    def set_facts(self, facts: Mapping[str, str]) -> None:
        """Store facts of the run; those of the same names are replaced."""
        with self._connection:
            self._put_facts(facts)

    def set_data(self, data: DataSet) -> DataSet:
        """Store a data set in a new run; check that an existing run holds the same one.

        Returns
        -------
        DataSet
            The data set with its clips in the order of the run, as the indices in rows assume.

        Raises
        ------
        RunConflictError
            The run was made with different data.
        """
        stored, sha256 = self.fact("annotations_sha256"), data.annotations_sha256
        facts = _holder_fact()
        if data.folder:
            facts["data_root"] = whole_text(str(data.folder.absolute()))
        if stored and stored != sha256 and self.has_answers():
            raise self._other_data(data.name, sha256)
        with self._connection:
            if stored != sha256:
                self._delete_data()
                self._connection.executemany(PUT_CLIP, clip_rows(data.places, data.clips))
                facts |= {"data": data.name, "annotations_sha256": sha256, **_created_with()}
            self._put_facts(facts)
        return replace(data, clips=self.data().clips)

    def index_data(self, folder: Path) -> int:
        """Store a data set, as :meth:`set_data`, without keeping its clips in memory.

        A file of annotations that was indexed before, and has the same size and time of change, is
        not read again.

        Parameters
        ----------
        folder : pathlib.Path
            The folder that contains ``dataset/v0/v0.csv``.

        Returns
        -------
        int
            Number of clips.

        Raises
        ------
        InputError
            The data set cannot be read; see :func:`jasco.data.dataset.read_clips`.
        RunConflictError
            The run was made with different data.
        """
        file = (folder / ANNOTATIONS).stat() if (folder / ANNOTATIONS).is_file() else None
        stamp = f"{file.st_size} {file.st_mtime_ns}" if file else ""
        root = whole_text(str(folder.absolute()))
        facts = {**_holder_fact(), "data_root": root, _STAMP: stamp}
        stored = self.fact("annotations_sha256")
        if stored and self.fact(_STAMP) == stamp:
            self.set_facts(facts)
        else:
            sha256 = index_clips(self._connection, folder)
            name = name_by_hash(sha256, folder.resolve().name)
            if stored and stored != sha256 and self.has_answers():
                raise self._other_data(name, sha256)
            with self._connection:
                if stored != sha256:
                    self._delete_data()
                    self._all(PUT_INDEXED)
                    facts |= {"data": name, "annotations_sha256": sha256, **_created_with()}
                self._put_facts(facts)
            self._all("DROP TABLE temp.indexed")
        return int(self._value("SELECT count(*) FROM clips"))

    def set_shards(self, shards: int) -> None:
        """Divide a new run into shards; check that an existing run is divided in the same way.

        Raises
        ------
        RunConflictError
            The run is not divided, has a different number of shards, or is a shard itself.
        """
        if self.shard:
            raise RunConflictError(
                f"{self.folder}: this is shard {self.shard} of another run; "
                "give the folder of that run"
            )
        if self.shards == shards:
            return
        if self.has_answers() and not self.shards:
            raise RunConflictError(
                f"{self.folder}: the run is not divided into shards, and only a new run can be; "
                f"continue it without shards, or {_ANOTHER_RUN}"
            )
        if self.has_answers():
            raise RunConflictError(
                f"{self.folder}: the run is divided into {count(self.shards, 'shard')}, not into "
                f"{shards}; use the same number, or {_ANOTHER_RUN}"
            )
        for folder in self.shard_folders():  # they hold no answers
            shutil.rmtree(folder)
        self.set_facts({SHARDS_FACT: str(shards)})

    def become_shard(self, shard: Shard, whole: RunReader) -> None:
        """Make this run a shard of another run: copy from that run what the shard is about.

        Raises
        ------
        RunConflictError
            This run has answers, and is another shard or about other data.
        """
        sha256 = whole.fact("annotations_sha256") or ""
        stored = self.fact("annotations_sha256"), self.fact(SHARD_FACT)
        is_new = stored != (sha256, str(shard))
        if is_new and self.has_answers():
            raise RunConflictError(
                f"{self.folder}: it holds answers about other data, or is not shard {shard} of "
                f"{whole.folder}; move it elsewhere, or {_ANOTHER_RUN}"
            )
        places = shard.places(whole.clip_count)
        with self._connection:
            if is_new:
                self._delete_data()
                self._connection.executemany(PUT_CLIP, whole.clip_rows(places))
            for table in ("models", "judges"):
                self._connection.executemany(
                    f"INSERT OR IGNORE INTO {table} ({table[:-1]}, label, identity) "
                    "VALUES (?, ?, ?)",
                    (
                        (number, label, identity_key(identity))
                        for number, label, identity in (
                            whole.models() if table == "models" else whole.judges()
                        )
                    ),
                )
            facts = whole.facts()
            self._put_facts({name: value for name, value in facts.items() if name not in _OF_WHOLE})
            self._put_facts(
                {SHARD_FACT: str(shard), "clips": str(whole.clip_count), **_holder_fact()}
            )

    def set_audio(self, audio: Mapping[str, "AudioFacts"]) -> None:
        """Store facts about the audio of some clips, by id.

        Raises
        ------
        RunConflictError
            The run was made with different audio.
        """
        stored = dict(self._all("SELECT id, audio_sha256 FROM clips"))
        answered = self.has_answers()
        findings = self.json_fact("audio") or {}
        for id_, facts in audio.items():
            if answered and stored[id_] not in (None, facts.sha256):
                raise RunConflictError(
                    f"{facts.path}: the audio differs from that used in the run {self.folder}; "
                    f"restore the file, or {_ANOTHER_RUN}"
                )
            findings.pop(id_, None)
            if facts.clipped or facts.warnings:
                findings[id_] = {"clipped": facts.clipped, "warnings": facts.warnings}
        with self._connection:
            self._connection.executemany(
                "UPDATE clips SET audio_path = ?, audio_sha256 = ?, seconds = ?, conversions = ? "
                "WHERE id = ?",
                (
                    (facts.path, facts.sha256, facts.seconds, ", ".join(facts.conversions), id_)
                    for id_, facts in audio.items()
                ),
            )
            texts = {"data": self.data_name, "audio": json.dumps(findings, ensure_ascii=False)}
            self._put_facts(texts)

    def set_model(self, spec: Spec) -> int:
        """Return the number of the model (``RunConflictError`` if the run is about another one)."""
        identity = identity_key(spec.identity)
        others = [stored for _, _, stored in self.models() if stored != dict(spec.identity)]
        if others and not self.has_answers():  # another model is removed with its failures
            with self._connection:
                self._all(
                    "DELETE FROM responses WHERE model IN "
                    "(SELECT model FROM models WHERE identity != ?)",
                    identity,
                )
                if self._all("DELETE FROM models WHERE identity != ?", identity).rowcount:
                    self._delete_facts(*_FACTS_OF_MODEL, "* of model *")
        for _, label, stored in self.models():
            if stored != dict(spec.identity):
                raise RunConflictError(
                    f"{self.folder}: the run holds answers of {label}, not of {spec.label}"
                    f"{_difference(stored, spec.identity)}; {_ANOTHER_RUN}"
                )
        return self._number("models", spec)

    def describe(self, model: int, name: str | None, tags: Mapping[str, str | int | float]) -> None:
        """Store the name of a model, if given, and add tags to those of the run."""
        facts = {fact_about("name", "models", model): name} if name else {}
        if tags:
            facts["tags"] = json.dumps(self.tags | dict(tags), ensure_ascii=False)
        self.set_facts(facts)

    def add_judges(self, specs: Sequence[Spec]) -> list[int]:
        """Return the numbers of these judges; remove earlier judges that gave no verdict."""
        identities = [identity_key(spec.identity) for spec in specs]
        # The numbers of a divided run's judges are those of its shards: none is used again.
        for number, _, identity in () if self.shards or self.shard else self.judges():
            has_judged = self.holds("verdicts", "AND judge = ?", number)
            if identity_key(identity) not in identities and not has_judged:
                self.remove_judge(number)
        for spec in specs:
            for _, label, identity in self.judges():
                # Reports could not distinguish two judges with the same label.
                if label == spec.label and identity != json.loads(identity_key(spec.identity)):
                    raise RunConflictError(
                        f"{self.folder}: the run holds verdicts of a different {label}"
                        f"{_difference(identity, spec.identity)}; distinguish the two with "
                        "label=NAME in the spec, or remove the earlier verdicts: jasco forget "
                        f"{self.folder} --judge {label}"
                    )
        return [self._number("judges", spec) for spec in specs]

    def set_proxy(self, judge: int, proxy: bool) -> None:
        """Store whether a judge is a proxy for a language model."""
        with self._connection:
            self._all("UPDATE judges SET proxy = ? WHERE judge = ?", proxy, judge)

    def set_source(self, table: str, number: int, label: str, fingerprint: str) -> None:
        """Store a hash of the code, file or folder of a model or judge (``models`` or ``judges``).

        Raises
        ------
        RunConflictError
            The rows in the run were made with different code, or a different file or folder.
        """
        name = fact_about("source", table, number)
        if table == "models":
            rows, column, made, remedy = "responses", "model", "answers", _ANOTHER_RUN
        else:
            rows, column, made = "verdicts", "judge", "verdicts"
            remedy = f"remove the verdicts: jasco forget {self.folder} --judge {label}"
        changed = fingerprint and self.fact(name) not in (None, fingerprint)
        if changed and self.holds(rows, f"AND {column} = ?", number):
            raise RunConflictError(
                f"{self.folder}: {label} has changed: its code, file or folder differs from the "
                f"one that gave the {made} in this run; restore it, or {remedy}"
            )
        if fingerprint:
            self.set_facts({name: fingerprint})

    def add_adaptations(self, table: str, number: int, adaptations: Mapping[str, Any]) -> None:
        """Store how requests of a model or judge were adapted to its server."""
        if adaptations:
            adapted = self.adaptations(table, number) | dict(adaptations)
            self.set_facts({fact_about("adaptations", table, number): json.dumps(adapted)})

    def set_instructions(self, instructions: Sequence[str] | None) -> tuple[str, ...]:
        """Store the instructions of a new run; check that an existing run has the same ones.

        Parameters
        ----------
        instructions : sequence of str or None
            Their texts; None keeps those of the run, which by default are the published ones.

        Returns
        -------
        tuple of str
            The run's instructions.

        Raises
        ------
        RunConflictError
            The run has answers to different instructions.
        """
        stored = self.instructions
        if instructions is None or tuple(instructions) == stored:
            return stored
        if self.has_answers():
            raise RunConflictError(
                f"{self.folder}: the run was made with different instructions "
                f"({instructions_difference(stored, instructions)}); use the run's instructions, "
                "or a different --run"
            )
        with self._connection:  # without an answer, nothing depends on the earlier instructions
            for table in ("verdicts", "responses"):
                self._all(f"DELETE FROM {table}")
            self._delete_facts(INSTRUCTIONS_FACT, PREFLIGHT)
            if tuple(instructions) != INSTRUCTIONS:
                text = json.dumps(list(instructions), ensure_ascii=False)
                self._put_facts({INSTRUCTIONS_FACT: text})
        return self.instructions

    def set_condition(self, condition: Condition | None) -> Condition:
        """Store the condition of a new run; check that an existing run has the same one.

        Parameters
        ----------
        condition : Condition or None
            None keeps that of the run, which is ``original`` by default.

        Returns
        -------
        Condition
            The run's condition.

        Raises
        ------
        RunConflictError
            The run has answers under another condition.
        """
        stored = self.condition
        if condition is None or condition.key == stored.key:
            return stored
        if self.has_answers():
            raise RunConflictError(
                f"{self.folder}: the run holds answers under the condition {stored.key}, not "
                f"{condition.key}; {_ANOTHER_RUN}"
            )
        self.set_facts({CONDITION_FACT: condition.key})
        return condition

    def set_protocol(self, name: str) -> None:
        """Set the run's protocol (``RunConflictError`` if it has verdicts under another one)."""
        stored = self.fact("protocol")
        if stored not in (None, name) and any(part.holds("verdicts") for part in self.parts()):
            raise RunConflictError(
                f"{self.folder}: the run is judged by protocol {stored}, not {name}; "
                f"use --protocol {stored}, or a different --run"
            )
        self.set_facts({"protocol": name})

    def add_runtime(self, facts: Mapping[str, str], max_audio_seconds: float | None) -> None:
        """Store how answers are computed, in addition to what earlier commands stored.

        Parameters
        ----------
        facts : mapping of str to str
            Precision, device, versions, as the model reports them.
        max_audio_seconds : float or None
            Seconds of a clip that the model uses.
        """
        runtime = self.runtime()
        if max_audio_seconds is not None:
            self.set_facts({"max_audio_seconds": str(max_audio_seconds)})
        if facts and facts not in runtime:
            self.set_facts({"runtime": json.dumps([*runtime, dict(facts)])})

    def widen(self, clips: int, samples: int = 1) -> int:
        """Extend the run to its first ``clips`` clips, and to ``samples`` responses to each item.

        Return the number of clips that it covers now.
        """
        covered = max(clips, self.covered)
        facts = {"clips_covered": str(covered)}
        if samples > self.samples:
            facts[SAMPLES_FACT] = str(samples)
        self.set_facts(facts)
        return covered

    def narrow(self, clips: int, samples: int = 1) -> None:
        """Reduce the run to ``clips`` and ``samples``, unless there are answers beyond them."""
        if clips < self.covered and not self.holds("responses", "AND clip >= ?", clips):
            self.set_facts({"clips_covered": str(clips)})
        if samples < self.samples and not self.holds("responses", "AND sample >= ?", samples):
            self.set_facts({SAMPLES_FACT: str(samples)})

    # --- rows ---

    def commit(self, rows: list[Row]) -> None:
        """Write rows in one transaction; all are on disk when this returns.

        Waits while another program has a read transaction open.

        Raises
        ------
        RunUnwritableError
            No row was written.
        """
        with sqlite_errors(self.folder), self._connection:
            for statement, values in rows:
                self._all(statement, *values)

    def hurry(self) -> None:
        """From now on, wait only seconds, not minutes, for other programs that read the run."""
        self._connection.patience = database.HURRY

    def back_up(self) -> Path:
        """Copy the file to a new one next to it, and return the path of the copy."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        paths = (self.folder / f"run-{now}{suffix}.db" for suffix in ("", *range(1, 1000)))
        path = next(path for path in paths if not path.exists())
        self.copy_to(path)
        return path

    def copy_to(self, path: Path) -> None:
        """Write a copy of the file (``RunUnwritableError`` if that fails)."""
        copy_database(self._connection, path)

    def add_rows_of(self, shard: RunReader) -> None:
        """Copy the answers and verdicts of a shard, and the facts about its audio and judges.

        Raises
        ------
        RunUnwritableError
            Nothing was copied.
        """
        columns = "audio_path, audio_sha256, seconds, conversions"
        with sqlite_errors(self.folder):
            self._all("ATTACH ? AS shard", str(shard.folder / "run.db"))
            try:
                with self._connection:
                    for table in ("responses", "verdicts"):
                        self._all(f"INSERT INTO {table} SELECT * FROM shard.{table}")
                    self._all(
                        f"INSERT OR REPLACE INTO clips ({CLIP_COLUMNS}, {columns}) "
                        f"SELECT {CLIP_COLUMNS}, {columns} FROM shard.clips"
                    )
                    proxies = "SELECT judge FROM shard.judges WHERE proxy"
                    self._all(f"UPDATE judges SET proxy = 1 WHERE judge IN ({proxies})")
            finally:
                self._all("DETACH shard")

    def remove_fact(self, name: str) -> None:
        """Remove a fact of the run."""
        with self._connection:
            self._all("DELETE FROM facts WHERE name = ?", name)

    def remove_judge(self, number: int) -> None:
        """Remove a judge with its verdicts, and all facts about it."""
        with self._connection:
            for table in ("verdicts", "judges"):
                self._all(f"DELETE FROM {table} WHERE judge = ?", number)
            self._delete_facts(f"* of judge {number}")

    def remove_rows(
        self,
        *,
        judge: int | None = None,
        clips: Sequence[int] | None = None,
        failed: bool = False,
    ) -> tuple[int, int]:
        """Remove answers and verdicts, so that they are requested again; return their numbers.

        Parameters
        ----------
        judge : int or None
            Remove only the verdicts of this judge; None removes all verdicts, and the answers.
        clips : sequence of int or None
            The indices of the clips that they are about; None for all.
        failed : bool
            Remove only failures and unreadable verdicts.
        """
        answers = verdicts = "1" if clips is None else f"clip IN ({', '.join(map(str, clips))})"
        if failed:
            answers += " AND failure_kind IS NOT NULL"
            verdicts += " AND (failure_kind IS NOT NULL OR rating IS NULL OR orientation IS NULL)"
        if judge is not None:
            answers, verdicts = "0", f"{verdicts} AND judge = {judge:d}"
        with self._connection:
            return (
                self._all(f"DELETE FROM responses WHERE {answers}").rowcount,
                self._all(f"DELETE FROM verdicts WHERE {verdicts}").rowcount,
            )

    # --- details: statements of a transaction that is open ---

    def _put_facts(self, facts: Mapping[str, str]) -> None:
        self._connection.executemany(PUT_FACT, facts.items())

    def _delete_data(self) -> None:
        # Without an answer, nothing depends on the data of an earlier command.
        for table in ("verdicts", "responses", "clips"):
            self._all(f"DELETE FROM {table}")
        self._delete_facts("clips_covered", "audio", "data_root", _STAMP, *_FACTS_OF_MODEL)

    def _other_data(self, name: str, sha256: str) -> RunConflictError:
        stored = self.fact("annotations_sha256") or ""
        return RunConflictError(
            f"{self.folder}: the run holds the data set {self.fact('data')} ({stored[:12]}), "
            f"not {name} ({sha256[:12]}); {_ANOTHER_RUN}"
        )

    def _delete_facts(self, *patterns: str) -> None:
        for pattern in patterns:
            self._all("DELETE FROM facts WHERE name GLOB ?", pattern)

    def _number(self, table: str, spec: Spec) -> int:
        identity = identity_key(spec.identity)
        with self._connection:
            self._all(
                f"INSERT OR IGNORE INTO {table} (label, identity) VALUES (?, ?)",
                spec.label,
                identity,
            )
        return int(self._value(f"SELECT rowid FROM {table} WHERE identity = ?", identity))


def _acquire_and_announce(
    lock: BaseFileLock, folder: Path, patience: float, notify: Callable[[str], object]
) -> None:
    """Acquire a lock (``Timeout`` if that takes too long); announce a wait of some time."""
    brief = min(_UNANNOUNCED, patience)
    try:
        lock.acquire(timeout=brief)
    except Timeout:
        seconds = patience - brief
        notify(f"waiting up to {seconds:.0f} s for {_holder_of(folder)}, which writes to {folder}")
        lock.acquire(timeout=seconds)


def _holder_fact() -> dict[str, str]:
    return {"holder": f"process {os.getpid()} on {socket.gethostname()}"}


def _created_with() -> dict[str, str]:
    python, system = platform.python_version(), platform.platform()
    return {"created_with": f"jasco {__version__}, Python {python}, {system}"}


def _holder_of(folder: Path) -> str:
    for _ in range(10):  # the holder may not have stored its name yet
        with (
            suppress(InputError, RunConflictError, RunUnwritableError, sqlite3.Error),
            RunReader.open(folder) as run,
        ):
            if holder := run.fact("holder"):
                return holder
        time.sleep(0.05)
    return "another process"


def _difference(stored: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """Format, in parentheses, the options that differ; empty for different models or judges."""
    names = [name for name in {**stored, **identity} if stored.get(name) != identity.get(name)]
    if {"provider", "name"} & {*names}:
        return ""  # whose options are not comparable
    options = (f"{name}: {stored.get(name)} in the run, {identity.get(name)} now" for name in names)
    return f" ({', '.join(options)})"
