"""Records of exams, and the record of a run's judge."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jasco.errors import RunConflictError
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict
from jasco.runs.database import RunUnwritableError
from jasco.runs.exam_records import ExamStore, copy_exams, find_exam
from jasco.runs.reader import RunReader
from jasco.runs.schema import judge_fact
from jasco.runs.writer import RunWriter
from rows_of_runs import DATA, JUDGEMENT, add_verdicts, spec

JUDGE = spec("j").identity


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JASCO_DATA", str(tmp_path))
    return tmp_path / "exams.db"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with RunWriter.open(tmp_path / "run") as run:
        run.set_data(DATA)
        add_verdicts(run, JUDGEMENT)
    return tmp_path / "run"


def judgement_of(name: str, rating: int) -> Judgement:
    attempt = Attempt("verdict", "…", usage={"completion_tokens": 5}, served=name)
    return Judgement(Verdict(rating, Orientation.BOTH), (attempt,))


def test_verdicts_are_those_of_the_model_that_was_served_last(path: Path) -> None:
    with closing(ExamStore(path)) as exams:
        assert (exams.served(JUDGE), exams.verdicts(JUDGE)) == ("", {})
        exams.keep(JUDGE, "a question", judgement_of("model-1", 1), 2.0)
    with closing(ExamStore.of_user()) as exams:
        assert exams.verdicts(JUDGE) == {"a question": Verdict(1, Orientation.BOTH)}
        assert exams.cost(JUDGE) == (2.0, 5.0)
        exams.keep(JUDGE, "another", judgement_of("model-2", 2), 4.0)
        assert exams.served(JUDGE) == "model-2"
        assert exams.verdicts(JUDGE) == {"another": Verdict(2, Orientation.BOTH)}
        assert exams.verdicts(spec("k").identity) == {}


def test_of_two_models_at_the_same_time_the_later_row_is_the_last(path: Path) -> None:
    with closing(ExamStore(path)) as exams:
        for served in ("model-1", "model-2", "model-1"):
            exams.keep(JUDGE, "a question", judgement_of(served, 1), 2.0)
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("UPDATE verdicts SET written_at = '2026-01-01T00:00:00.000Z'")
            assert exams.served(JUDGE) == served


def test_the_exam_of_the_served_model_is_found_on_the_data_of_the_run_first(
    path: Path, run: Path
) -> None:
    with closing(ExamStore(path)) as exams, RunReader.open(run) as reader:
        assert find_exam(reader, JUDGE, ()) is None
        data = reader.fact("annotations_sha256") or ""
        exam_keys = [
            ("m", "v2", data),
            ("m", "v2", "other"),
            ("n", "v2", data),
            ("m", "v1", data),
        ]
        for number, (served, protocol, data_sha256) in enumerate(exam_keys):
            result = {"served": [served], "protocol": protocol, "number": number}
            exams.keep_result(JUDGE, "", {**result, "data": {"annotations_sha256": data_sha256}})
        exam = find_exam(reader, JUDGE, ("m",))
        assert exam
        assert exam["number"] == 0
    with RunWriter.open(run) as writer:
        copy_exams(writer, {1: JUDGE}, 1)
        assert writer.json_fact(judge_fact("exam", 1))


@pytest.mark.parametrize("content", [b"text" * 99, b"SQLite format 3\0" + b"x" * 4080])
def test_a_broken_file_is_refused_but_does_not_keep_the_figures_from_a_user(
    path: Path, run: Path, content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(RunConflictError, match=r"exams\.db"):
        ExamStore(path)
    with RunReader.open(run) as reader:
        assert find_exam(reader, JUDGE, ()) is None
    assert path.read_bytes() == content


def test_a_newer_file_is_refused(path: Path) -> None:
    ExamStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(RunConflictError, match="newer"):
        ExamStore(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunUnwritableError, match="JASCO_DATA"):
        ExamStore(tmp_path / "file" / "exams.db")
