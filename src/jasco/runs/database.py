"""SQLite files: opened in one way, durable, and tolerant of other programs that read them.

No write-ahead log is used: it needs shared memory, which network file systems do not have.
"""

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from jasco.errors import IncompleteError, InputError, RunConflictError
from jasco.version import __version__

OLDEST_SQLITE = (3, 25)
"""The version that introduced ``ALTER TABLE ... RENAME COLUMN``; all other features are older."""
ATTEMPT = 5.0
"""Seconds to wait for the file per attempt; between attempts, other programs can begin to read."""
ANNOUNCED = 30.0
"""Seconds after which the user is notified that the file is in use."""
PATIENCE = 600.0
"""Seconds after which writing to a run fails if the file is still in use."""
SHORT_PATIENCE = 60.0
"""Seconds after which writing to any other file fails if it is still in use."""
READING_PATIENCE = 60.0
"""Seconds after which reading fails if another program is still writing to the file."""
HURRY = 10.0
"""Seconds after which writing fails if the command is ending."""
_PAUSE = 0.2
_NEXT_STEPS = {
    "disk is full": "free some disk space and run the same command again",
    "readonly database": "make the folder and its files writable",
    "database is locked": "another program has the file open; close that program and run the "
    "same command again",
    "disk I/O error": "check the disk and its free space, and run the same command again",
    "unable to open": "check that the folder exists and is readable and writable",
}


class RunUnwritableError(IncompleteError):
    """The run or the file of exam records cannot be written, for example on a full disk."""


@dataclass(frozen=True)
class DatabaseFormat:
    """A kind of SQLite file.

    Attributes
    ----------
    name : str
        The name of the format in messages: ``a run``.
    version : int
        The version of the schema, as in ``PRAGMA user_version``.
    schema : str
        Statements that create the tables of a new file.
    application_id : int
        As in the pragma of that name; identifies files of this format.
    migrations : mapping of int to sequence of str
        By older version, the statements that upgrade a file to the next version.
    """

    name: str
    version: int
    schema: str
    application_id: int = 0
    migrations: Mapping[int, Sequence[str]] = field(default_factory=dict)


class Connection(sqlite3.Connection):
    """A connection whose transactions (``with connection:``) wait until the file is not in use.

    Without a write-ahead log, a commit fails while another program has a read transaction open.
    Each transaction therefore locks the whole file when it begins, and waits up to ``patience``
    seconds for the lock.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.notify: Callable[[str], object] = lambda line: sys.stderr.write(f"jasco: {line}\n")
        self.patience = SHORT_PATIENCE

    def __enter__(self) -> Self:
        """Begin a transaction."""
        if not self.in_transaction:
            self._begin()
        return super().__enter__()

    def _begin(self) -> None:
        began, announced = time.monotonic(), False
        while True:
            try:
                self.execute("BEGIN EXCLUSIVE")
                return
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            waited = time.monotonic() - began
            if waited >= self.patience:
                raise sqlite3.OperationalError(
                    f"another program has been reading {self._name()} for {waited:.0f} s; "
                    "close that program and run the same command again"
                )
            if waited >= ANNOUNCED and not announced:
                announced = True
                self.notify(
                    f"waiting: another program is reading {self._name()}; close that "
                    f"program (this command stops after {self.patience / 60:.0f} minutes)"
                )
            time.sleep(_PAUSE)

    def _name(self) -> str:
        return Path(self.execute("PRAGMA database_list").fetchone()[2]).name


def open_database(path: Path, kind: DatabaseFormat, remedy: str, *, write: bool) -> Connection:
    """Open a SQLite file.

    For writing, the file is created if it is missing, and a file of an older version is migrated
    in one transaction, after a copy has been written next to it. For reading, nothing is written:
    a file of an older version is copied to a temporary file, which is migrated.

    Parameters
    ----------
    path : pathlib.Path
        The path of the file.
    kind : DatabaseFormat
        The expected format.
    remedy : str
        What the user can do if the file is something else: the end of the message.
    write : bool
        Whether to open the file for writing; each commit then survives a power failure.

    Raises
    ------
    InputError
        The SQLite library is too old.
    RunConflictError
        The file is corrupt, is something else, or has an unknown version.
    RunUnwritableError
        It cannot be opened or written.
    """
    check_sqlite()
    # A reader also opens the file for writing: it must roll back what a killed writer left.
    mode = "rwc" if write else "rw" if os.access(path.parent, os.W_OK) else "ro"
    with sqlite_errors(path, f"corrupt, or not {kind.name}", remedy):
        timeout = ATTEMPT if write else READING_PATIENCE
        connection = _connect(f"{path.absolute().as_uri()}?mode={mode}", timeout)
        try:
            if write:
                connection.execute("PRAGMA synchronous = EXTRA")
                _create(connection, kind)
            version = _check_version(connection, path, kind, remedy)
            if version != kind.version and write:
                copy_database(connection, path.with_name(f"{path.stem}-version-{version}.db"))
                _migrate(connection, kind)
            elif version != kind.version:
                connection, original = _connect(), connection
                with closing(original):
                    original.backup(connection)
                _migrate(connection, kind)
            if not write:
                connection.execute("PRAGMA query_only = 1")
        except BaseException:
            connection.close()
            raise
    return connection


def _connect(address: str = "", timeout: float = 0) -> Connection:
    """Open a connection, by default to a new temporary file."""
    return sqlite3.connect(
        address,
        timeout=timeout,
        uri=bool(address),
        check_same_thread=False,
        factory=Connection,
    )


def _create(connection: Connection, kind: DatabaseFormat) -> None:
    # If the process that created the file was killed, it is empty again after a rollback.
    tables = "SELECT count(*) FROM sqlite_master"
    if connection.execute(tables).fetchone()[0]:
        return
    with connection:
        if not connection.execute(tables).fetchone()[0]:
            statements = f"{kind.schema}; PRAGMA application_id = {kind.application_id}"
            _execute_all(connection, statements.split(";"), kind.version)


def _check_version(connection: Connection, path: Path, kind: DatabaseFormat, remedy: str) -> int:
    if _pragma(connection, "application_id") != kind.application_id:
        raise RunConflictError(f"{path}: a database of another program, not {kind.name}; {remedy}")
    version = _pragma(connection, "user_version")
    if version == kind.version or version in kind.migrations:
        return version
    maker, step = "a different", "use the jasco that created it"
    if version > kind.version:
        maker, step = "a newer", "update jasco"
    raise RunConflictError(
        f"{path}: created by {maker} jasco (schema version {version}; this is jasco "
        f"{__version__}, with version {kind.version}); {step}, or {remedy}"
    )


def _migrate(connection: Connection, kind: DatabaseFormat) -> None:
    with connection:
        for version in range(_pragma(connection, "user_version"), kind.version):
            _execute_all(connection, kind.migrations[version], version + 1)


@contextmanager
def sqlite_errors(
    place: Path, otherwise: str = "corrupt", remedy: str = "restore a copy of it"
) -> Iterator[None]:
    """Raise errors of SQLite as errors of this package, with the path and what to do.

    Raises
    ------
    RunUnwritableError
        The file cannot be opened or written.
    RunConflictError
        It is not a database, or is corrupt; the message describes it as ``otherwise``.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        steps = [f"; {step}" for text, step in _NEXT_STEPS.items() if text in str(error)]
        raise RunUnwritableError(f"{place}: {error}{''.join(steps[:1])}") from None
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # for example a violated constraint
            raise
        raise RunConflictError(f"{place}: {otherwise} ({error}); {remedy}") from None


def copy_database(connection: sqlite3.Connection, path: Path) -> None:
    """Write a copy of an open database atomically (``RunUnwritableError`` if that fails)."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with closing(sqlite3.connect(draft)) as copy:
            connection.backup(copy)
        draft.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise RunUnwritableError(
            f"{path}: the run could not be copied to this file ({error}); check the disk and that "
            "the folder is writable"
        ) from None
    finally:
        draft.unlink(missing_ok=True)


def check_sqlite() -> None:
    """Raise ``InputError`` if the SQLite library is too old or lacks its JSON functions."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise InputError(
            f"SQLite {sqlite3.sqlite_version} is too old: {needed} or later is required; use a "
            "Python built with a newer SQLite"
        )
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("SELECT json_extract('[1]', '$[0]')")
    except sqlite3.OperationalError:
        raise InputError(
            f"SQLite {sqlite3.sqlite_version} was built without JSON functions (JSON1), which are "
            "required; use a Python whose SQLite has them"
        ) from None


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _execute_all(connection: Connection, statements: Sequence[str], version: int) -> None:
    for statement in (*statements, f"PRAGMA user_version = {version}"):
        connection.execute(statement)
