"""SQL queries of a run."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def query(run: Path, sql: str) -> list[Any]:
    """Return the rows of a query of a run's database."""
    with closing(sqlite3.connect(run / "run.db", timeout=30)) as connection:
        return connection.execute(sql).fetchall()
