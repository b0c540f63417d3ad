"""The documented tables of a run, and their older versions."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jasco.data.dataset import DataSet
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import PROXY_MARK, Attempt, Judgement, Orientation, Verdict
from jasco.runs.audio_manifest import AudioFacts
from jasco.runs.read_run import results_of_run
from jasco.runs.reader import RunReader
from jasco.runs.schema import FORMAT, response_row, verdict_row
from jasco.runs.writer import RunWriter
from rows_of_runs import ANSWER, DATA, FAILED, JUDGEMENT, add_verdicts, spec
from run_database import query
from runs import verdict, write_run

DOCUMENTED = {
    "facts": ("name", "value"),
    "clips": ("clip", "id", "sound", "speech", "audio_path", "audio_sha256", "conversions"),
    "models": ("model", "label", "identity"),
    "judges": ("judge", "label", "identity", "proxy"),
    "responses": ("model", "clip", "instruction", "sample", "text", "failure_kind",
                  "failure_message", "finish_reason", "usage", "served", "seconds", "written_at"),
    "verdicts": ("model", "judge", "protocol", "repeat", "clip", "instruction", "sample", "rating",
                 "orientation", "failure_kind", "failure_message", "attempts", "seconds"),
}  # fmt: skip


def test_users_may_query_the_file_with_any_tool(folder: Path) -> None:
    with RunWriter.open(folder) as run, closing(sqlite3.connect(folder / "run.db")) as connection:
        run.set_data(DATA)
        add_verdicts(run, JUDGEMENT)
        for table, columns in DOCUMENTED.items():
            connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
        query = (
            "SELECT id, label, rating, orientation, json_extract(attempts, '$[0].text') "
            "FROM verdicts JOIN judges USING (judge) JOIN clips USING (clip)"
        )
        assert connection.execute(query).fetchall() == [("0", "p/j", 2, "Both", "Rating: 2 …")]
        assert connection.execute("PRAGMA application_id").fetchone() == (FORMAT.application_id,)
        assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT.version,)
        assert connection.execute("PRAGMA journal_mode").fetchone() != ("wal",)


# --- older versions ---


def _without_sample(table: str, key: str) -> list[str]:
    """Return statements that remove the column that version 6 added, by copying the table."""
    columns = [
        column
        for column in DOCUMENTED[table] + ("final", "reasoning", "served", "written_at")
        if column != "sample" and (column != "reasoning" or table == "responses")
    ]
    listed = ", ".join(dict.fromkeys(columns))
    return [
        f"CREATE TABLE copy AS SELECT {listed} FROM {table} ORDER BY rowid",
        f"DROP TABLE {table}",
        f"ALTER TABLE copy RENAME TO {table}",
        f"CREATE UNIQUE INDEX {table}_key ON {table} ({key})",
    ]


def downgrade(folder: Path, version: int) -> bytes:
    """Change a run to an older version; return the bytes of its file."""
    steps = {
        5: [
            *_without_sample("responses", "model, clip, instruction"),
            *_without_sample("verdicts", "model, judge, protocol, repeat, clip, instruction"),
        ],
        4: [
            "ALTER TABLE clips RENAME COLUMN conversions TO treatments",
            "ALTER TABLE judges DROP COLUMN proxy",
            "UPDATE facts SET name = 'circumstances' WHERE name = 'runtime'",
            "UPDATE facts SET name = 'window' WHERE name = 'max_audio_seconds'",
            "DELETE FROM facts WHERE name = 'data_root'",
        ],
        3: ["ALTER TABLE responses DROP COLUMN reasoning"],
        2: [f"ALTER TABLE {table} DROP COLUMN final" for table in ("responses", "verdicts")],
    }
    with closing(sqlite3.connect(folder / "run.db")) as run, run:
        for step_version, statements in steps.items():
            for statement in statements if step_version >= version else ():
                run.execute(statement)
        run.execute(f"PRAGMA user_version = {version}")
    return (folder / "run.db").read_bytes()


@pytest.fixture
def full_run(folder: Path) -> Path:
    """Write a run with a proxy and a judge, a final failure, and facts of every kind."""
    text = f"{PROXY_MARK}: by a classifier.\nRating: 2\nOrientation: Both"
    proxy_judgement = Judgement(Verdict(2, Orientation.BOTH), (Attempt("verdict", text),))
    failure = Failure("rejected", "HTTP 400", final=True)
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model, _ = add_verdicts(run, JUDGEMENT)
        [_, proxy] = run.add_judges([spec("j"), spec("proxy")])
        run.set_proxy(proxy, True)
        run.commit([response_row(model, 0, 2, failure, 1), response_row(model, 0, 3, FAILED, 1)])
        run.commit([verdict_row(model, proxy, "v2", 0, 0, 1, proxy_judgement, 1.0)])
        run.add_runtime({"device": "cpu"}, 30.0)
        run.set_audio({"0": AudioFacts("/data/dataset/v0/0.wav", "x", 1.0, ("resampled",))})
        run.set_facts({"data_root": "/data"})
    return folder


def read_all(run: RunReader) -> list[object]:
    """Return everything that an older version stores in another way."""
    [(model, *_)] = run.models()
    return [
        run.responses(model, 0), run.count_final(model), run.runtime(), run.max_audio_seconds(),
        run.count_converted_clips(), run.data_root, run.audio_files(), run.data(),
        [(label, run.is_proxy(judge)) for judge, label, _ in run.judges()],
        [run.judgements(model, judge) for judge, *_ in run.judges_of(model)],
        run.judged(model, "v2", 0, retry_final=True),
    ]  # fmt: skip


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_a_run_of_an_older_version_is_read_unchanged_and_migrated_once_it_is_written_to(
    full_run: Path, version: int
) -> None:
    with RunReader.open(full_run) as run:
        expected = read_all(run)
    assert [("p/j", False), ("p/proxy", True)] in expected
    before = downgrade(full_run, version)
    with RunReader.open(full_run) as run:
        assert read_all(run) == expected
    assert (full_run / "run.db").read_bytes() == before
    assert [path.name for path in full_run.glob("*.db")] == ["run.db"]
    with_reasoning = Response("They flee.", reasoning="A siren.")
    final = Failure("content filter", "no", final=True)
    with RunWriter.open(full_run) as run:
        assert read_all(run) == expected
        run.commit([response_row(1, 1, 1, with_reasoning, 1.0), response_row(1, 1, 2, final, 1.0)])
        run.add_judges([spec("j"), spec("k")])
    with RunReader.open(full_run) as run:
        assert run.responses(1, 1) == {1: with_reasoning, 2: final}
        assert run.responses(1, 0)[1] == ANSWER
    with closing(sqlite3.connect(full_run / f"run-version-{version}.db")) as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (version,)
        assert backup.execute("SELECT count(*) FROM responses").fetchone() == (3,)
        names = {name for (name,) in backup.execute("SELECT name FROM facts")}
        assert ({"circumstances", "window"} <= names) == (version < 5)
    with closing(sqlite3.connect(full_run / "run.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT.version,)
        facts = dict(connection.execute("SELECT name, value FROM facts"))
        assert json.loads(facts["runtime"]) == [{"device": "cpu"}]
        assert facts["data_root"] == "/data"
        assert "circumstances" not in facts


def test_every_row_and_figure_survives_the_column_of_samples(tmp_path: Path) -> None:
    """Version 6 changes the keys of two tables, which are copied for that."""
    data = DataSet("three", DATA.clips)
    run = write_run(
        tmp_path / "run",
        data,
        lambda clip, number: None if (clip, number) == (2, 8) else f"answer {clip} {number}",
        {"j": lambda clip, number: verdict(number % 3, "Both" if clip else "Neither")},
    )
    tables = {table: query(run, f"SELECT * FROM {table}") for table in ("responses", "verdicts")}
    assert {len(rows) for rows in tables.values()} == {23}
    expected = results_of_run(run)
    downgrade(run, 5)
    for _ in range(2):
        figures = results_of_run(run).figures
        assert figures == expected.figures
        assert results_of_run(run).answers == expected.answers
        RunWriter.open(run).close()
    for table, rows in tables.items():
        assert query(run, f"SELECT * FROM {table}") == rows
        assert query(run, f"SELECT DISTINCT sample FROM {table}") == [(0,)]
    with RunWriter.open(run) as store:
        store.commit([response_row(1, 0, 1, Response("another"), 1.0)])
        store.commit([response_row(1, 0, 1, Response("a further one"), 1.0, sample=1)])
        assert store.responses(1, 0)[1] == Response("answer 0 1", "stop")
        assert store.responses(1, 0, 1) == {1: Response("a further one")}


def test_a_migration_that_fails_changes_nothing(full_run: Path) -> None:
    before = downgrade(full_run, 4)
    (full_run / "run-version-4.db").mkdir()  # in place of the backup
    with pytest.raises(Exception, match=r"run-version-4\.db"):
        RunWriter.open(full_run)
    assert (full_run / "run.db").read_bytes() == before
