"""Annotations: verdicts of annotators, which are not part of any figure."""

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
from divided_runs import write_shards
from jasco.backends.specs import Spec
from jasco.data.csv_files import read_table
from jasco.data.dataset import DataSet
from jasco.data.sources import find_data
from jasco.errors import InputError, RunConflictError
from jasco.human.annotations import GOLD_COLUMNS, Annotation, Annotations
from jasco.judge_exam.questions import read_labels
from jasco.protocol.clips import Clip
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.database import RunUnwritableError
from jasco.runs.schema import response_row
from jasco.runs.writer import RunWriter
from rows_of_runs import DATA

CLIPS = tuple(Clip(id_, f"rain {id_}", "run", "a", "b", "c", "犬") for id_ in ("10", "9", "8"))
GOOD, BAD = Verdict(2, Orientation.BOTH), Verdict(0, Orientation.AUDIO)
AWKWARD = '=1+1 "they", flee\r\n犬'


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Write a run with two answers to a clip, one to another clip, and a failure."""
    answers = (
        (0, 1, Response("They flee.")), (0, 2, Response(AWKWARD)), (1, 8, Response("")),
        (2, 1, Failure("timeout", "too late")),
    )  # fmt: skip
    return write_run(tmp_path / "run", DataSet("three", CLIPS), *answers)


def write_run(folder: Path, data: DataSet, *answers: tuple[int, int, Response | Failure]) -> Path:
    spec = Spec("p", "m", {}, {"provider": "p", "name": "m"}, "p/m")
    with RunWriter.open(folder) as store:
        store.set_data(data)
        model = store.set_model(spec)
        store.widen(len(data.clips))
        store.commit([response_row(model, *answer, 0.5) for answer in answers])
    return folder


def cells(annotation: Annotation) -> tuple[Any, ...]:
    return (
        annotation.annotator,
        annotation.clip_id,
        annotation.number,
        annotation.verdict,
        annotation.note,
    )


# --- storing ---


def test_annotations_are_stored_by_clip_instruction_and_annotator(run: Path) -> None:
    annotations = Annotations.of_run(run)
    assert annotations.all() == []
    annotations.put("Bert", "10", 2, BAD)
    annotations.put(" Anna ", "10", 2, GOOD, "\nboth cues ")
    annotations.put("Anna", "10", 1, GOOD)
    annotations.put("Anna", "9", 8, BAD, "empty")
    assert [cells(annotation) for annotation in Annotations.of_run(run).all()] == [
        ("Anna", "9", 8, BAD, "empty"),
        ("Anna", "10", 1, GOOD, ""),
        ("Anna", "10", 2, GOOD, "both cues"),
        ("Bert", "10", 2, BAD, ""),
    ]
    assert [annotation.answer for annotation in annotations.all()] == [
        "",
        "They flee.",
        AWKWARD,
        AWKWARD,
    ]
    assert {annotation.clip_sha256 for annotation in annotations.all()} == {
        CLIPS[0].sha256,
        CLIPS[1].sha256,
    }


def test_an_annotator_may_change_a_verdict(run: Path) -> None:
    annotations = Annotations.of_run(run)
    annotations.put("Anna", "10", 1, GOOD, "clear")
    annotations.put("Bert", "10", 1, GOOD)
    with closing(sqlite3.connect(run / "labels.db")) as file, file:
        file.execute("UPDATE labels SET written_at = '2020-01-01T00:00:00.000Z'")
    annotations.put("Anna", "10", 1, BAD)
    anna, bert = annotations.all()
    assert cells(anna) == ("Anna", "10", 1, BAD, "")
    assert cells(bert) == ("Bert", "10", 1, GOOD, "")
    assert anna.written_at > bert.written_at == "2020-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "10", 1, GOOD), "expected 1 to 40"),
        (("a,b", "10", 1, GOOD), "comma"),
        (("Anna", "10", 1, Verdict(None, Orientation.BOTH)), "incomplete label"),
        (("Anna", "10", 1, Verdict(2, None)), "incomplete label"),
        (("Anna", "10", 1, Verdict(3, Orientation.BOTH)), "incomplete label"),
        (("Anna", "10", 1, GOOD, "x" * 2_001), "note too long: 2001 characters"),
        (("Anna", "7", 1, GOOD), "no answer for clip '7', instruction 1"),
        (("Anna", "\ud800\n", 1, GOOD), "no answer for clip"),
        (("Anna", "10", 3, GOOD), "no answer for clip '10', instruction 3"),
        (("Anna", "8", 1, GOOD), "no answer for clip '8', instruction 1"),
    ],
)
def test_an_invalid_annotation_is_refused(
    run: Path, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        Annotations.of_run(run).put(*arguments)
    assert len(str(error.value).splitlines()) == 1
    assert not (run / "labels.db").exists()


def test_where_there_is_no_run_there_are_no_annotations(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run not found"):
        Annotations.of_run(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_annotations_are_written_while_the_run_is(run: Path) -> None:
    annotations = Annotations.of_run(run)
    with RunWriter.open(run):
        annotations.put("Anna", "10", 1, GOOD)
        assert len(annotations.all()) == 1


def test_many_write_at_once(run: Path) -> None:
    def put(annotator: int) -> None:
        for number in (1, 2, 1, 2):
            Annotations.of_run(run).put(f"annotator {annotator}", "10", number, GOOD)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(16)))
    assert len(Annotations.of_run(run).all()) == 32


def _put_until_killed(run: Path, sender: Any) -> None:
    for turn in range(10_000):
        Annotations.of_run(run).put(f"annotator {turn}", "10", 1, GOOD)
        sender.send(turn)


def test_a_kill_loses_no_annotation(run: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_put_until_killed, args=(run, sender))
    process.start()
    sender.close()
    turns = [receiver.recv() for _ in range(3)]
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert {f"annotator {turn}" for turn in turns} <= {
        annotation.annotator for annotation in Annotations.of_run(run).all()
    }


def test_an_annotation_stays_with_the_answer_that_it_is_about(run: Path) -> None:
    annotations = Annotations.of_run(run)
    annotations.put("Anna", "10", 1, GOOD)
    (run / "run.db").unlink()
    write_run(run, DataSet("three", CLIPS), (0, 1, Response("another answer")))
    assert [annotation.answer for annotation in annotations.all()] == ["They flee."]
    annotations.put("Anna", "10", 1, BAD)
    assert [annotation.answer for annotation in annotations.all()] == ["another answer"]


# --- undoing ---


def test_undoing_restores_the_earlier_annotation_or_none(run: Path) -> None:
    annotations = Annotations.of_run(run)
    first = annotations.put("Anna", "10", 2, GOOD, "sure")
    [stored] = annotations.all()
    second = annotations.put("Anna", "10", 2, BAD)
    annotations.put("Bert", "10", 2, BAD)
    assert (first.before, second.before) == (None, stored)
    annotations.undo(second)
    assert annotations.all()[0] == stored  # with its time
    annotations.undo(first)
    assert [annotation.annotator for annotation in annotations.all()] == ["Bert"]


def test_a_change_that_has_been_replaced_cannot_be_undone(run: Path) -> None:
    annotations = Annotations.of_run(run)
    change = annotations.put("Anna", "10", 2, GOOD)
    later = annotations.put("Anna", "10", 2, GOOD, "in another browser")
    with pytest.raises(InputError, match="has been changed since"):
        annotations.undo(change)
    assert [annotation.note for annotation in annotations.all()] == ["in another browser"]
    annotations.undo(later)
    annotations.undo(change)
    with pytest.raises(InputError, match="has been changed since"):
        annotations.undo(change)
    assert annotations.all() == []


PUTS = st.tuples(
    st.sampled_from(["Anna", "Bert"]), st.sampled_from([("10", 1), ("10", 2), ("9", 8)]),
    st.sampled_from([GOOD, BAD]),
)  # fmt: skip


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(earlier=st.lists(PUTS, max_size=3), later=st.lists(PUTS, max_size=5))
def test_undoing_all_changes_in_reverse_restores_everything(
    run: Path, earlier: list[Any], later: list[Any]
) -> None:
    (run / "labels.db").unlink(missing_ok=True)
    annotations = Annotations.of_run(run)
    for name, answer, given_verdict in earlier:
        annotations.put(name, *answer, given_verdict)
    before = annotations.all()
    changes = [
        annotations.put(name, *answer, given_verdict) for name, answer, given_verdict in later
    ]
    for change in reversed(changes):
        annotations.undo(change)
    assert annotations.all() == before


# --- other files of this name ---


def test_a_file_that_was_being_made_when_it_was_killed_is_an_empty_one(run: Path) -> None:
    (run / "labels.db").touch()
    assert Annotations.of_run(run).all() == []
    Annotations.of_run(run).put("Anna", "10", 1, GOOD)
    assert len(Annotations.of_run(run).all()) == 1


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
    annotations = Annotations.of_run(run)
    for operation in (annotations.all, lambda: annotations.put("Anna", "10", 1, GOOD)):
        with pytest.raises(RunConflictError, match=r"labels\.db"):
            operation()
    assert (run / "labels.db").read_bytes() == before


def test_a_broken_file_is_refused(run: Path) -> None:
    (run / "labels.db").write_bytes(b"text" * 2_000)
    annotations = Annotations.of_run(run)
    for operation in (annotations.all, lambda: annotations.put("Anna", "10", 1, GOOD)):
        with pytest.raises(RunConflictError, match=r"labels\.db: corrupt"):
            operation()


def test_a_file_that_cannot_be_written_is_reported(run: Path) -> None:
    (run / "labels.db").mkdir()
    with pytest.raises(RunUnwritableError, match=r"labels\.db: unable to open"):
        Annotations.of_run(run).put("Anna", "10", 1, GOOD)


def test_users_may_query_the_file_with_any_tool(run: Path) -> None:
    Annotations.of_run(run).put("Anna", "10", 1, GOOD, "clear")
    query = (
        "SELECT person, clip_id, clip_sha256, instruction, answer, rating, orientation, note "
        "FROM labels WHERE written_at > '2024'"
    )
    with closing(sqlite3.connect(run / "labels.db")) as file:
        assert file.execute(query).fetchall() == [
            ("Anna", "10", CLIPS[0].sha256, 1, "They flee.", 2, "Both", "clear")
        ]
        assert file.execute("PRAGMA journal_mode").fetchone() != ("wal",)


# --- the gold CSV ---


def write_gold(annotations: Annotations, path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        annotations.write_gold(file)
    return path


def test_annotations_are_written_as_labelled_rows(run: Path, tmp_path: Path) -> None:
    annotations = Annotations.of_run(run)
    annotations.put("Anna", "10", 2, GOOD, "sure")
    annotations.put("Bert", "10", 2, BAD)
    annotations.put("Bert", "9", 8, BAD)
    gold = write_gold(annotations, tmp_path / "gold.csv")
    table = read_table(gold)
    assert table.columns == GOLD_COLUMNS
    mini_folder = find_data("mini", print).folder
    assert mini_folder
    assert (*read_table(mini_folder / "gold.csv").columns, "person") == GOLD_COLUMNS
    assert table.rows[1] == {
        "row_id": "2", "id": "10", "clip_sha": CLIPS[0].sha256[:12], "prompt_index": "2",
        "allm_output": AWKWARD, "rating": "2", "orientation": "Both", "style": "",
        "adversarial": "0", "note": "sure", "person": "Anna",
    }  # fmt: skip

    labels = read_labels(gold, CLIPS)
    assert not labels.by_id
    questions = labels.questions
    assert [(question.name, question.item.clip.id) for question in questions] == [
        ("1", "9"), ("2", "10"), ("3", "10"),
    ]  # fmt: skip
    assert [(question.answer, question.expected) for question in questions] == [
        ("", BAD), (AWKWARD, GOOD), (AWKWARD, BAD),
    ]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(note=st.text(max_size=50))
def test_any_note_is_written_and_read_again(run: Path, tmp_path: Path, note: str) -> None:
    annotations = Annotations.of_run(run)
    annotations.put("Anna", "10", 1, GOOD, note)
    [row] = read_table(write_gold(annotations, tmp_path / "gold.csv")).rows
    assert row["note"] == annotations.all()[0].note
    assert row["note"] == note.strip()


def test_a_judge_is_examined_with_them_and_no_figure_counts_them(
    jasco: Jasco, tmp_path: Path
) -> None:
    data = find_data("mini", print)
    clip, other = data.clips[:2]
    answers = ((0, 3, Response(clip.reference)), (1, 5, Response("I hear nothing at all.")))
    run = write_run(tmp_path / "run", data, *answers)
    jasco("judge", run, "--judge", "offline")
    before = jasco("score", run, "--json").stdout

    annotations = Annotations.of_run(run)
    annotations.put("Anna", clip.id, 3, GOOD)
    annotations.put("Bert", clip.id, 3, GOOD, "as she says")
    annotations.put("Bert", other.id, 5, Verdict(0, Orientation.NEITHER))
    gold = write_gold(annotations, tmp_path / "gold.csv")
    result = jasco("exam", "offline", "--data", "mini", "--gold", gold, "--json")
    assert result.status == 0, result.stderr
    exam = json.loads(result.stdout)["labelled"]
    assert (exam["n"], exam["read"]) == (3, 3)
    assert exam["rating_accuracy"] == 1

    after = json.loads(jasco("score", run, "--json").stdout)
    [(name, model)] = after["models"].items()
    [judge] = model["judges"].values()
    assert judge.pop("exam")  # an exam is not a figure
    expected = json.loads(before)
    expected["models"][name]["judges"]["offline"].pop("exam")
    assert after == expected


def test_answers_to_other_instructions_take_no_labels(tmp_path: Path) -> None:
    with RunWriter.open(tmp_path / "run") as store:
        store.set_instructions(["What?"])
    run = write_run(tmp_path / "run", DataSet("three", CLIPS), (0, 1, Response("They flee.")))
    with pytest.raises(InputError, match="instructions"):
        Annotations.of_run(run).put("Ada", "10", 1, GOOD)


def test_answers_in_any_shard_can_be_annotated(tmp_path: Path) -> None:
    annotations = Annotations.of_run(write_shards(tmp_path / "run"))
    for clip in ("0", "1", "2"):
        annotations.put("Anna", clip, 3, GOOD)
    with pytest.raises(InputError, match="no answer for clip '1', instruction 8"):
        annotations.put("Anna", "1", 8, GOOD)  # it failed
    assert [row.clip_sha256 for row in annotations.all()] == [clip.sha256 for clip in DATA.clips]
