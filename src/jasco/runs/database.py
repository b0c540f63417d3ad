"""SQLite files that we write to: durable, and patient with other programs that read them."""

import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from jasco.errors import InputError

OLDEST = (3, 24)
"""Where ``INSERT ... ON CONFLICT (...) DO UPDATE`` came in; all else that we use is older."""
ATTEMPT = 5.0
"""Seconds to wait at a time for the file; in between, others can begin to read."""
ANNOUNCED = 30.0
"""Seconds after which it is said that the file is in use."""
PATIENCE = 600.0
"""Seconds after which writing is given up."""
HURRY = 10.0
"""The same, once the command is to end."""
_PAUSE = 0.2


def check_sqlite() -> None:
    """Raise ``InputError`` where the SQLite library is too old or lacks its JSON functions."""
    if sqlite3.sqlite_version_info < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise InputError(
            f"SQLite {sqlite3.sqlite_version}: too old, {needed} or later is needed; take a Python "
            "that comes with one"
        )
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("SELECT json_extract('[1]', '$[0]')")
    except sqlite3.OperationalError:
        raise InputError(
            f"SQLite {sqlite3.sqlite_version}: built without its JSON functions (JSON1), which are "
            "needed; take a Python that comes with them"
        ) from None
    finally:
        connection.close()


class Connection(sqlite3.Connection):
    """A connection whose transactions (``with connection:``) wait until the file is not in use.

    Without a write-ahead log, a commit fails while another program has a read transaction open.
    Each transaction therefore locks the whole file when it begins.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.notify: Callable[[str], None] = _to_stderr
        self.hurried = False

    def __enter__(self) -> Self:
        """Begin a transaction."""
        if not self.in_transaction:
            self._begin()
        return super().__enter__()

    def make_durable(self) -> None:
        """Have each commit survive a loss of power, the removal of its journal included."""
        self.execute("PRAGMA synchronous = EXTRA")

    def _begin(self) -> None:
        [(timeout,)] = self.execute("PRAGMA busy_timeout")
        began, said = time.monotonic(), False
        try:
            while True:
                self.execute(f"PRAGMA busy_timeout = {round(1000 * ATTEMPT)}")
                try:
                    self.execute("BEGIN EXCLUSIVE")
                    return
                except sqlite3.OperationalError as error:
                    waited = time.monotonic() - began
                    if not is_in_use(error):
                        raise
                    if waited >= (HURRY if self.hurried else PATIENCE):
                        raise sqlite3.OperationalError(
                            f"another program has been reading {self._name()} for {waited:.0f} s; "
                            "close it there, then repeat the command"
                        ) from None
                if waited >= ANNOUNCED and not said:
                    said = True
                    self.notify(
                        f"waiting: another program is reading {self._name()}; close it there "
                        f"(given up after {PATIENCE / 60:.0f} minutes)"
                    )
                time.sleep(_PAUSE)
        finally:
            self.execute(f"PRAGMA busy_timeout = {timeout}")

    def _name(self) -> str:
        return Path(self.execute("PRAGMA database_list").fetchone()[2]).name


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"jasco: {line}\n")


def is_in_use(error: sqlite3.OperationalError) -> bool:
    """Return whether an error means that another program is using the file."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
