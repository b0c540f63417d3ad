"""Labels: what people say of a run's answers, beside its judges and never over them."""

import io
import json
import multiprocessing
import os
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command import Jasco
from jasco.backends.specs import Spec
from jasco.data.csv_files import read_table
from jasco.data.dataset import DataSet
from jasco.data.fetching import find_data
from jasco.errors import IncompleteError, InputError, RunConflictError
from jasco.human.annotations import GOLD_COLUMNS, Label, Labels
from jasco.judge_exam.questions import read_labels
from jasco.protocol.clips import Clip
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.database import RunUnwritableError
from jasco.runs.schema import response_row
from jasco.runs.writer import RunWriter

CLIPS = tuple(Clip(id_, f"rain {id_}", "run", "a", "b", "c", "犬") for id_ in ("10", "9", "8"))
GOOD, BAD = Verdict(2, Orientation.BOTH), Verdict(0, Orientation.AUDIO)
AWKWARD = '=1+1 "they", flee\r\n犬'


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Make a run that holds two answers to a clip, one to another, a failure, and no more."""
    answers = (
        (0, 1, Response("They flee.")), (0, 2, Response(AWKWARD)), (1, 8, Response("")),
        (2, 1, Failure("timeout", "too late")),
    )  # fmt: skip
    return answered(tmp_path / "run", DataSet("three", CLIPS), *answers)


def answered(folder: Path, data: DataSet, *answers: tuple[int, int, Response | Failure]) -> Path:
    spec = Spec("p", "m", {}, {"provider": "p", "name": "m"}, "p/m")
    with RunWriter.open(folder) as store:
        store.set_data(data)
        model = store.set_model(spec)
        store.widen(len(data.clips))
        store.commit([response_row(model, *each, 0.5) for each in answers])
    return folder


def told(label: Label) -> tuple[Any, ...]:
    return label.person, label.clip_id, label.number, label.verdict, label.note


# --- what is kept ---


def test_what_people_say_is_kept_by_clip_instruction_and_person(run: Path) -> None:
    labels = Labels.of_run(run)
    assert labels.all() == []
    labels.put("Bert", "10", 2, BAD)
    labels.put(" Anna ", "10", 2, GOOD, "\nboth cues ")
    labels.put("Anna", "10", 1, GOOD)
    labels.put("Anna", "9", 8, BAD, "empty")
    assert [told(label) for label in Labels.of_run(run).all()] == [
        ("Anna", "9", 8, BAD, "empty"),
        ("Anna", "10", 1, GOOD, ""),
        ("Anna", "10", 2, GOOD, "both cues"),
        ("Bert", "10", 2, BAD, ""),
    ]
    assert [label.answer for label in labels.all()] == ["", "They flee.", AWKWARD, AWKWARD]
    assert {label.clip_sha256 for label in labels.all()} == {CLIPS[0].sha256, CLIPS[1].sha256}


def test_a_person_may_change_their_mind(run: Path) -> None:
    labels = Labels.of_run(run)
    labels.put("Anna", "10", 1, GOOD, "clear")
    labels.put("Bert", "10", 1, GOOD)
    with closing(sqlite3.connect(run / "labels.db")) as file, file:
        file.execute("UPDATE labels SET written_at = '2020-01-01T00:00:00.000Z'")
    labels.put("Anna", "10", 1, BAD)
    anna, bert = labels.all()
    assert told(anna) == ("Anna", "10", 1, BAD, "")
    assert told(bert) == ("Bert", "10", 1, GOOD, "")
    assert anna.written_at > bert.written_at == "2020-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("", "10", 1, GOOD), "a name has 1 to 40 characters"),
        (("a,b", "10", 1, GOOD), "cannot hold a comma"),
        (("Anna", "10", 1, Verdict(None, Orientation.BOTH)), "needs both a rating"),
        (("Anna", "10", 1, Verdict(2, None)), "needs both a rating"),
        (("Anna", "10", 1, Verdict(3, Orientation.BOTH)), "needs both a rating"),
        (("Anna", "10", 1, GOOD, "x" * 2_001), "the note has 2001 characters"),
        (("Anna", "7", 1, GOOD), "no answer about clip '7', prompt 1"),
        (("Anna", "\ud800\n", 1, GOOD), "no answer about clip"),
        (("Anna", "10", 3, GOOD), "no answer about clip '10', prompt 3"),
        (("Anna", "8", 1, GOOD), "no answer about clip '8', prompt 1"),
    ],
)
def test_what_is_no_label_is_refused(run: Path, arguments: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as refusal:
        Labels.of_run(run).put(*arguments)
    assert len(str(refusal.value).splitlines()) == 1
    assert not (run / "labels.db").exists()


def test_where_there_is_no_run_there_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run there"):
        Labels.of_run(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_while_the_run_is_written_to_people_go_on(run: Path) -> None:
    labels = Labels.of_run(run)
    with RunWriter.open(run):
        labels.put("Anna", "10", 1, GOOD)
        assert len(labels.all()) == 1


def test_many_put_labels_at_once(run: Path) -> None:
    def put(person: int) -> None:
        for number in (1, 2, 1, 2):
            Labels.of_run(run).put(f"person {person}", "10", number, GOOD)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(16)))
    assert len(Labels.of_run(run).all()) == 32


def _put_until_killed(run: Path, pipe: Any) -> None:
    for turn in range(10_000):
        Labels.of_run(run).put(f"person {turn}", "10", 1, GOOD)
        pipe.send(turn)


def test_a_kill_loses_no_label(run: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_put_until_killed, args=(run, theirs))
    process.start()
    theirs.close()
    said = [ours.recv() for _ in range(3)]
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert {f"person {turn}" for turn in said} <= {each.person for each in Labels.of_run(run).all()}


def test_a_label_stays_with_the_answer_that_it_is_about(run: Path) -> None:
    labels = Labels.of_run(run)
    labels.put("Anna", "10", 1, GOOD)
    (run / "run.db").unlink()
    answered(run, DataSet("three", CLIPS), (0, 1, Response("another answer")))
    assert [label.answer for label in labels.all()] == ["They flee."]
    labels.put("Anna", "10", 1, BAD)
    assert [label.answer for label in labels.all()] == ["another answer"]


# --- what lies there is something else ---


def test_a_file_that_was_being_made_when_it_was_killed_is_an_empty_one(run: Path) -> None:
    (run / "labels.db").touch()
    assert Labels.of_run(run).all() == []
    Labels.of_run(run).put("Anna", "10", 1, GOOD)
    assert len(Labels.of_run(run).all()) == 1


@pytest.mark.parametrize(("application", "version"), [(7, 1), (0, 0), (0x4A41534C, 2)])
def test_a_foreign_or_newer_file_is_refused_and_left_alone(
    run: Path, application: int, version: int
) -> None:
    with closing(sqlite3.connect(run / "labels.db")) as file:
        file.executescript(
            f"CREATE TABLE x (y); PRAGMA application_id = {application};"
            f"PRAGMA user_version = {version};"
        )
    before = (run / "labels.db").read_bytes()
    labels = Labels.of_run(run)
    for use_it in (labels.all, lambda: labels.put("Anna", "10", 1, GOOD)):
        with pytest.raises(RunConflictError, match=r"labels\.db"):
            use_it()
    assert (run / "labels.db").read_bytes() == before


def test_a_broken_file_is_refused(run: Path) -> None:
    (run / "labels.db").write_bytes(b"text" * 2_000)
    labels = Labels.of_run(run)
    for use_it in (labels.all, lambda: labels.put("Anna", "10", 1, GOOD)):
        with pytest.raises(RunConflictError, match=r"labels\.db: broken"):
            use_it()


def test_what_cannot_be_written_is_told(run: Path) -> None:
    (run / "labels.db").mkdir()
    with pytest.raises(RunUnwritableError, match=r"labels\.db: unable to open"):
        Labels.of_run(run).put("Anna", "10", 1, GOOD)


def test_users_may_query_the_file_with_any_tool(run: Path) -> None:
    Labels.of_run(run).put("Anna", "10", 1, GOOD, "clear")
    query = (
        "SELECT person, clip_id, clip_sha256, instruction, answer, rating, orientation, note "
        "FROM labels WHERE written_at > '2024'"
    )
    with closing(sqlite3.connect(run / "labels.db")) as file:
        assert file.execute(query).fetchall() == [
            ("Anna", "10", CLIPS[0].sha256, 1, "They flee.", 2, "Both", "clear")
        ]
        assert file.execute("PRAGMA journal_mode").fetchone() != ("wal",)


# --- as labelled rows ---


def test_labels_are_written_as_labelled_rows(run: Path, tmp_path: Path) -> None:
    labels = Labels.of_run(run)
    labels.put("Anna", "10", 2, GOOD, "sure")
    labels.put("Bert", "10", 2, BAD)
    labels.put("Bert", "9", 8, BAD)
    gold = tmp_path / "gold.csv"
    assert labels.write_gold(gold) == 3
    table = read_table(gold)
    assert table.columns == GOLD_COLUMNS
    shipped = find_data("mini", print).folder
    assert shipped
    assert (*read_table(shipped / "gold.csv").columns, "person") == GOLD_COLUMNS
    assert table.rows[1] == {
        "row_id": "2", "id": "10", "clip_sha": CLIPS[0].sha256[:12], "prompt_index": "2",
        "allm_output": AWKWARD, "rating": "2", "orientation": "Both", "style": "",
        "adversarial": "0", "note": "sure", "person": "Anna",
    }  # fmt: skip
    buffer = io.StringIO(newline="")
    assert labels.write_gold(buffer) == 3
    assert buffer.getvalue() == gold.read_bytes().decode()

    read = read_labels(gold, CLIPS)
    assert not read.by_id
    assert [(q.name, q.item.clip.id, q.answer, q.expected) for q in read.questions] == [
        ("1", "9", "", BAD), ("2", "10", AWKWARD, GOOD), ("3", "10", AWKWARD, BAD),
    ]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(note=st.text(max_size=50))
def test_any_note_is_written_and_read_again(run: Path, tmp_path: Path, note: str) -> None:
    labels = Labels.of_run(run)
    labels.put("Anna", "10", 1, GOOD, note)
    labels.write_gold(tmp_path / "gold.csv")
    [row] = read_table(tmp_path / "gold.csv").rows
    assert row["note"] == labels.all()[0].note
    assert row["note"] == note.strip()


def test_a_file_that_cannot_be_written_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(IncompleteError, match="cannot be written"):
        Labels.of_run(run).write_gold(tmp_path / "file" / "gold.csv")


def test_a_judge_is_examined_with_them_and_no_figure_counts_them(
    jasco: Jasco, tmp_path: Path
) -> None:
    data = find_data("mini", print)
    clip, other = data.clips[:2]
    answers = ((0, 3, Response(clip.reference)), (1, 5, Response("I hear nothing at all.")))
    run = answered(tmp_path / "run", data, *answers)
    jasco("judge", run, "--judge", "offline")
    before = jasco("score", run, "--json").stdout

    labels = Labels.of_run(run)
    labels.put("Anna", clip.id, 3, GOOD)
    labels.put("Bert", clip.id, 3, GOOD, "as she says")
    labels.put("Bert", other.id, 5, Verdict(0, Orientation.NEITHER))
    gold = tmp_path / "gold.csv"
    labels.write_gold(gold)
    done = jasco("exam", "offline", "--data", "mini", "--gold", gold, "--json")
    assert done.status == 0, done.stderr
    exam = json.loads(done.stdout)["labelled"]
    assert (exam["n"], exam["read"]) == (3, 3)
    assert exam["rating_accuracy"] == 1

    after = json.loads(jasco("score", run, "--json").stdout)
    [(name, model)] = after["models"].items()
    [judge] = model["judges"].values()
    assert judge.pop("exam")  # what stands beside the figures
    held = json.loads(before)
    held["models"][name]["judges"]["offline"].pop("exam")
    assert after == held
