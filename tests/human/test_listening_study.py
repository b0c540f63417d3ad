"""The listening study: a participant's items, and answers that are never lost or replaced."""

import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.data.dataset import DataSet, read_data_set
from jasco.errors import InputError, RunConflictError
from jasco.evaluation.job import Job
from jasco.evaluation.run_job import run_job
from jasco.human import listening_study
from jasco.human.listening_study import (
    CANNOT_TELL,
    Participant,
    exists,
    items_for,
    run_folder,
)
from jasco.models.function_model import FunctionModel
from jasco.protocol.clips import Clip, Item
from jasco.protocol.responses import Response
from jasco.runs.database import RunUnwritableError
from jasco.runs.reader import RunReader
from jasco.runs.writer import RunWriter
from participants import participants
from runs import audio_sha256
from synthetic import make_data, tone, write_wav

CLIPS = tuple(Clip(str(n), f"rain {n}", "run", "a", "b", "c", "k") for n in range(80))
NAMES = st.text(st.characters(categories=("L", "M", "N", "P", "S")), min_size=1, max_size=40)


@pytest.fixture
def data_set(data: Path) -> DataSet:
    return read_data_set(data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "listeners"


# --- the items of a participant ---


@given(NAMES, st.integers(0, 30))
def test_every_clip_is_asked_once_and_every_eight_with_eight_instructions(
    name: str, clips: int
) -> None:
    items = items_for(name, CLIPS[:clips])
    assert {item.clip.id for item in items} == {clip.id for clip in CLIPS[:clips]}
    assert len(items) == clips
    for start in range(0, clips, 8):
        numbers = [item.number for item in items[start : start + 8]]
        assert len(set(numbers)) == len(numbers)
        assert set(numbers) <= set(range(1, 9))


def test_it_depends_on_the_name_and_the_clips_alone() -> None:
    items = items_for("Anna", CLIPS)
    assert items == items_for("Anna", CLIPS[::-1])
    # The same on any day and machine: a participant who comes back continues with these.
    assert [(item.clip.id, item.number) for item in items[:4]] == [
        ("22", 8), ("25", 2), ("43", 4), ("47", 3),
    ]  # fmt: skip
    assert [item.clip.id for item in items] != [item.clip.id for item in items_for("anna", CLIPS)]
    assert items_for("anna", CLIPS) != items_for("Bert", CLIPS)


def test_over_many_participants_every_clip_is_asked_with_every_instruction_alike() -> None:
    sequences = [items_for(f"listener {n}", CLIPS) for n in range(400)]
    by_instruction = Counter(item.number for items in sequences for item in items)
    assert set(by_instruction.values()) == {400 * 10}
    by_pair = Counter((item.clip.id, item.number) for items in sequences for item in items)
    # 640 cells of 50 on average: no more uneven than by chance.
    chi_square = sum((by_pair[clip.id, n] - 50) ** 2 / 50 for clip in CLIPS for n in range(1, 9))
    assert 420 < chi_square < 700
    first_clips = Counter(items[0].clip.id for items in sequences)
    assert len(first_clips) > 70


# --- the runs of participants ---


def test_a_participant_is_created_and_continued(folder: Path, data_set: DataSet) -> None:
    assert not exists(folder, "Anna")
    anna = Participant.open(folder, "Anna", data_set)
    assert (anna.done, anna.total, anna.answered()) == (0, 4, [])
    assert exists(folder, " Anna ")
    assert not exists(folder, "anna")

    first = anna.next()
    assert first
    assert anna.answer(first, "They flee.\r\n")
    reopened = Participant.open(folder, "Anna", data_set)
    assert reopened.items == anna.items
    assert reopened.answered() == [(first, "They flee.")]
    second = reopened.next()
    assert second == anna.items[1]
    assert second
    assert reopened.answer(second, CANNOT_TELL)
    assert anna.answered() == [(first, "They flee."), (second, CANNOT_TELL)]
    for item in anna.items[2:]:
        assert reopened.next() == item
        reopened.answer(item, "x" * 2_000)
    assert reopened.next() is None
    assert (reopened.done, reopened.total) == (4, 4)


def test_a_participant_stands_in_an_ordinary_run(
    folder: Path, data_set: DataSet, tmp_path: Path
) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    anna.answer(anna.items[0], "They flee.")
    run_job(Job(tmp_path / "model", data_set, _noise_model(), [], preflight=False), print)
    with RunReader.open(anna.folder) as human_run, RunReader.open(tmp_path / "model") as model_run:
        [(model, label, identity)] = human_run.models()
        assert (label, identity) == ("human/Anna", {"provider": "human", "name": "Anna"})
        assert human_run.covered == model_run.covered == 4
        assert audio_sha256(human_run) == audio_sha256(model_run) is not None
        assert human_run.fact("annotations_sha256") == model_run.fact("annotations_sha256")
        clip_index = anna.places[anna.items[0].clip.id]
        expected = {anna.items[0].number: Response("They flee.")}
        assert human_run.responses(model, clip_index) == expected
        assert human_run.fact("holder") is None


def _noise_model() -> FunctionModel:
    return FunctionModel.of(lambda audio, sampling_rate, prompt: f"{prompt} {audio.sum()}", "noise")


@given(st.sets(NAMES, min_size=2, max_size=2))
def test_no_name_leaves_the_folder_and_no_two_share_one(names: set[str]) -> None:
    runs = [run_folder(Path("/listeners"), name) for name in names]
    assert len({str(run).casefold() for run in runs}) == 2
    for run in runs:
        assert run.parent == Path("/listeners")
        assert run.name.isascii()
        assert len(run.name) <= 41
        assert not set(run.name) & set("/\\.~$%: ")
        assert not run.name.startswith("-")


@pytest.mark.parametrize("name", ["../../../etc", "/", "..", "~", "CON", "李", "a'; DROP TABLE x"])
def test_a_hostile_name_is_a_name(folder: Path, data_set: DataSet, name: str) -> None:
    participant = Participant.open(folder, name, data_set)
    assert participant.folder.parent == folder
    assert {path.name for path in folder.parent.iterdir()} == {"listeners", "synthetic"}
    assert participants(folder) == [(name, 0)]
    assert exists(folder, name)


def test_only_the_run_of_a_participant_is_one(folder: Path, data_set: DataSet) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    for name in ("Bert", "Cleo", "Dora", "Emil"):
        assert not exists(folder, name)
        run_folder(folder, name).mkdir()
    (run_folder(folder, "Cleo") / "run.db").write_text("x" * 5_000)
    model = Job(run_folder(folder, "Dora"), data_set, _noise_model(), [], preflight=False)
    run_job(model, print)
    shutil.copytree(anna.folder, run_folder(folder, "Emil"), dirs_exist_ok=True)
    assert exists(folder, "Anna")
    for name in ("Bert", "Cleo", "Dora", "Emil"):
        assert not exists(folder, name)


def test_names_that_are_no_good_make_nothing(folder: Path, data_set: DataSet) -> None:
    for operation in (
        lambda: Participant.open(folder, "a,b", data_set),
        lambda: exists(folder, ""),
    ):
        with pytest.raises(InputError, match="invalid name"):
            operation()
    assert not folder.exists()


def test_audio_that_cannot_be_read_is_reported_before_anything_is_made(
    folder: Path, data_set: DataSet
) -> None:
    with pytest.raises(InputError, match="has no audio"):
        Participant.open(folder, "Anna", replace(data_set, folder=None))
    path = data_set.audio_path(data_set.clips[2])
    assert path
    path.unlink()
    with pytest.raises(InputError, match=r"2\.wav: .*missing"):
        Participant.open(folder, "Anna", data_set)
    assert not folder.exists()


def test_other_data_or_audio_is_refused_once_there_is_an_answer(
    folder: Path, data_set: DataSet, tmp_path: Path
) -> None:
    other = read_data_set(make_data(tmp_path / "other", clips=2))
    Participant.open(folder, "Anna", other)
    anna = Participant.open(folder, "Anna", data_set)
    assert anna.total == 4
    anna.answer(anna.items[0], "They flee.")
    with pytest.raises(RunConflictError, match="data set synthetic"):
        Participant.open(folder, "Anna", other)
    path = data_set.audio_path(data_set.clips[0])
    assert path
    write_wav(path, tone(7))
    with pytest.raises(RunConflictError, match="audio differs"):
        Participant.open(folder, "Anna", data_set)


def test_clips_in_another_order_are_the_same_clips(folder: Path, data_set: DataSet) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    anna.answer(anna.items[0], "They flee.")
    reordered = Participant.open(folder, "Anna", replace(data_set, clips=data_set.clips[::-1]))
    assert reordered.items == anna.items
    assert reordered.answered() == [(anna.items[0], "They flee.")]


# --- the answers of participants ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty answer"),
        (" \n\t\u00a0", "empty answer"),
        ("\u200b\u200e\0", "empty answer"),
        ("x" * 2_001, "too long: 2001 characters .at most 2000"),
    ],
)
def test_an_answer_that_is_none_is_refused(
    folder: Path, data_set: DataSet, text: str, message: str
) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    with pytest.raises(InputError, match=message):
        anna.answer(anna.items[0], text)
    assert anna.done == 0


@pytest.mark.parametrize("text", ["\ud800 lone", "=1+1", "a\0b", "Rating: 2\nOrientation: Both"])
def test_any_text_is_kept_as_it_is(folder: Path, data_set: DataSet, text: str) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    anna.answer(anna.items[0], text)
    assert anna.answered() == [(anna.items[0], text.replace("\ud800", "\ufffd"))]


def test_the_first_answer_stands(folder: Path, data_set: DataSet) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    item = anna.items[0]
    assert anna.answer(item, "They flee.")
    assert not anna.answer(item, "It is what the solution says.")
    assert not Participant.open(folder, "Anna", data_set).answer(item, CANNOT_TELL)
    assert anna.answered() == [(item, "They flee.")]


def test_only_what_the_participant_is_asked_can_be_answered(
    folder: Path, data_set: DataSet
) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    item = anna.items[0]
    for wrong in (Item(item.clip, item.number % 8 + 1), Item(CLIPS[0], 1)):
        with pytest.raises(InputError, match="Anna"):
            anna.answer(wrong, "They flee.")
    assert anna.done == 0


def test_a_clip_that_was_answered_with_another_instruction_is_not_played_again(
    folder: Path, data_set: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    item = anna.items[0]
    anna.answer(item, "They flee.")

    def other_items_for(name: str, clips: Any) -> tuple[Item, ...]:
        return tuple(Item(item.clip, item.number % 8 + 1) for item in items_for(name, clips))

    monkeypatch.setattr(listening_study, "items_for", other_items_for)
    reopened = Participant.open(folder, "Anna", data_set)
    assert reopened.next() == reopened.items[1]
    assert not reopened.answer(reopened.items[0], "again")
    assert reopened.answered() == [(item, "They flee.")]


def test_many_threads_may_answer_for_one_participant_and_for_several(
    folder: Path, tmp_path: Path
) -> None:
    data_set = read_data_set(make_data(tmp_path / "more", clips=9, seconds=0.05))
    sessions = [Participant.open(folder, name, data_set) for name in ("Anna", "Anna", "Bert")]

    def answer_all(participant: Participant) -> int:
        accepted = 0
        while item := participant.next():
            accepted += participant.answer(item, f"by {threading.get_ident()}")
        return accepted

    with ThreadPoolExecutor(6) as pool:
        counts = list(pool.map(answer_all, sessions * 2))
    assert counts[0] + counts[1] + counts[3] + counts[4] == 9
    assert counts[2] + counts[5] == 9
    assert participants(folder) == [("Anna", 9), ("Bert", 9)]


def test_another_writer_is_waited_for_but_not_for_ever(
    folder: Path, data_set: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    writer = RunWriter.open(anna.folder)
    monkeypatch.setattr(listening_study, "_PATIENCE", 0.2)
    with pytest.raises(RunConflictError, match="is writing"):
        anna.answer(anna.items[0], "They flee.")
    assert anna.next() == anna.items[0]  # reading is always possible
    monkeypatch.setattr(listening_study, "_PATIENCE", 30)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(anna.answer, anna.items[0], "They flee.")
        time.sleep(0.3)
        assert not answer.done()
        writer.close()
        assert answer.result()
    assert anna.done == 1


def test_between_answers_the_run_is_free(folder: Path, data_set: DataSet) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    for item in anna.items:
        RunWriter.open(anna.folder).close()
        anna.answer(item, "They flee.")
    RunWriter.open(anna.folder).close()


def test_a_run_that_is_gone_or_of_another_participant_takes_no_answer(
    folder: Path, data_set: DataSet, tmp_path: Path
) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    with RunWriter.open(anna.folder) as store:
        store.set_model(_noise_model().spec)
    with pytest.raises(RunConflictError, match="the run of Anna"):
        anna.answer(anna.items[0], "They flee.")
    bert = Participant.open(folder, "Bert", data_set)
    bert.folder.rename(tmp_path / "moved")
    with pytest.raises(RunUnwritableError, match="the run no longer exists"):
        bert.answer(bert.items[0], "They flee.")
    with pytest.raises(InputError, match="run not found"):
        bert.next()
    assert not bert.folder.exists()


# --- kills ---


def _answer_until_killed(folder: Path, data: Path, sender: Any) -> None:
    participant = Participant.open(folder, "Anna", read_data_set(data))
    while item := participant.next():
        participant.answer(item, f"about {item.clip.id}")
        sender.send(item.clip.id)
    signal.pause()


def test_a_participant_who_is_killed_again_and_again_loses_no_answer(
    folder: Path, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "more", clips=80, seconds=0.05)
    context = multiprocessing.get_context("forkserver")
    sent: list[str] = []
    for _ in range(4):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_answer_until_killed, args=(folder, data, sender))
        process.start()
        sender.close()
        try:
            sent += [receiver.recv() for _ in range(2)]
        finally:
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        with suppress(EOFError):  # messages that were sent before the kill
            while True:
                sent.append(receiver.recv())
    anna = Participant.open(folder, "Anna", read_data_set(data))
    answered = [item.clip.id for item, text in anna.answered() if text == f"about {item.clip.id}"]
    assert set(sent) <= set(answered)
    assert len(sent) == len(set(sent)) >= 8
    assert answered == [item.clip.id for item in anna.items[: len(answered)]]
