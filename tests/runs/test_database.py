"""SQLite files: waiting for other programs, foreign files, old versions of the library."""

import sqlite3
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from jasco.errors import InputError, RunConflictError
from jasco.runs import database
from jasco.runs.database import RunUnwritableError
from jasco.runs.exam_records import ExamStore
from jasco.runs.reader import RunReader
from jasco.runs.schema import FORMAT
from jasco.runs.writer import RunWriter
from rows_of_runs import another_program_that_reads
from single_rows import count_first_clip_rows, first_clip_row


@pytest.mark.usefixtures("short_waits")
def test_a_writer_waits_for_another_program_that_reads_and_notifies_the_user(run: Path) -> None:
    lines: list[str] = []
    with (
        RunWriter.open(run, notify=lines.append) as store,
        another_program_that_reads(run) as reader,
    ):
        assert reader.stdin
        threading.Timer(0.8, reader.stdin.close).start()
        began = time.monotonic()
        store.commit([first_clip_row(1)])
        assert 0.6 < time.monotonic() - began < 1.4
        store.set_facts({"another": "fact"})
    [line] = lines
    assert "run.db" in line
    assert count_first_clip_rows(run) == 1


@pytest.mark.usefixtures("short_waits")
def test_others_can_read_while_a_writer_waits(run: Path) -> None:
    with RunWriter.open(run) as store, another_program_that_reads(run):

        def write() -> None:
            with pytest.raises(RunUnwritableError):
                store.commit([first_clip_row(1)])

        thread = threading.Thread(target=write)
        thread.start()
        time.sleep(0.2)
        began = time.monotonic()
        assert count_first_clip_rows(run) == 0
        assert time.monotonic() - began < 0.8
        thread.join()


@pytest.mark.usefixtures("short_waits")
def test_after_a_long_time_a_writer_gives_up(run: Path) -> None:
    with another_program_that_reads(run):
        with RunWriter.open(run) as store:
            with pytest.raises(RunUnwritableError, match=r"run\.db"):
                store.commit([first_clip_row(1)])
            store.hurry()
        with pytest.raises(RunUnwritableError, match=r"run\.db"), RunWriter.open(run) as store:
            store.set_facts({"a": "fact"})
    assert count_first_clip_rows(run) == 0


@pytest.mark.slow
def test_a_program_that_reads_for_more_than_a_minute_ends_no_run(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factor = 15
    fast = SimpleNamespace(monotonic=lambda: factor * time.monotonic(), sleep=time.sleep)
    monkeypatch.setattr(database, "time", fast)
    monkeypatch.setattr(database, "ATTEMPT", database.ATTEMPT / factor)
    lines: list[str] = []
    with (
        RunWriter.open(run, notify=lines.append) as store,
        another_program_that_reads(run) as reader,
    ):
        assert reader.stdin
        threading.Timer(65 / factor, reader.stdin.close).start()
        store.commit([first_clip_row(1)])
    assert len(lines) == 1
    assert count_first_clip_rows(run) == 1


def test_commits_survive_a_loss_of_power(run: Path, tmp_path: Path) -> None:
    exams = ExamStore(tmp_path / "exams.db")
    with RunWriter.open(run) as store:
        for connection in (store._connection, exams._connection):
            assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    exams.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"SQLite format 3\0" + b"x" * 4080, "corrupt, or not a run"), (b"text" * 99, "not a run")],
)
def test_a_broken_file_is_refused(folder: Path, content: bytes, message: str) -> None:
    folder.mkdir(parents=True)
    (folder / "run.db").write_bytes(content)
    for open_run in (RunReader.open, RunWriter.open):
        with pytest.raises(RunConflictError, match=message):
            open_run(folder)
    assert (folder / "run.db").read_bytes() == content


@pytest.mark.parametrize(
    ("application", "version", "message"),
    [
        (7, FORMAT.version, "a database of another program"),
        (0, 0, "a database of another program"),
        (
            FORMAT.application_id,
            FORMAT.version + 1,
            f"created by a newer jasco .schema version {FORMAT.version + 1}",
        ),
    ],
)
def test_a_foreign_or_newer_file_is_refused_and_left_alone(
    folder: Path, application: int, version: int, message: str
) -> None:
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "run.db")
    connection.executescript(
        f"CREATE TABLE x (y); PRAGMA application_id = {application};"
        f"PRAGMA user_version = {version};"
    )
    connection.close()
    before = (folder / "run.db").read_bytes()
    for open_run in (RunReader.open, RunWriter.open):
        with pytest.raises(RunConflictError, match=message):
            open_run(folder)
    assert (folder / "run.db").read_bytes() == before


def test_an_sqlite_that_is_too_old_is_refused_by_its_version(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 25, 0))
    RunWriter.open(run).close()
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 23, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.23.1")
    for open_run in (RunWriter.open, RunReader.open, lambda run: ExamStore(run / "exams.db")):
        with pytest.raises(InputError, match=r"3\.23\.1.*3\.25"):
            open_run(run)


def test_every_upsert_names_what_it_conflicts_with() -> None:
    """Without a conflict target, SQLite before 3.35 accepts only ``DO NOTHING``."""
    source = Path(database.__file__).parents[1]
    names = [
        path.name
        for path in source.rglob("*.py")
        if "ON CONFLICT DO UPDATE" in path.read_text("utf-8")
    ]
    assert names == []
