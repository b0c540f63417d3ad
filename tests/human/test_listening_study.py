"""The listening study: items of a participant, and answers that are never lost or replaced."""

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
from synthetic import make_data, tone, write_wav

CLIPS = tuple(Clip(str(n), f"rain {n}", "run", "a", "b", "c", "k") for n in range(80))
NAMES = st.text(st.characters(categories=("L", "M", "N", "P", "S")), min_size=1, max_size=40)


@pytest.fixture
def data_set(data: Path) -> DataSet:
    return read_data_set(data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "listeners"


# --- what they are asked ---


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
    asked = items_for("Anna", CLIPS)
    assert asked == items_for("Anna", CLIPS[::-1])
    # As on any other day and machine: who comes back goes on with the same.
    assert [(item.clip.id, item.number) for item in asked[:4]] == [
        ("22", 8), ("25", 2), ("43", 4), ("47", 3),
    ]  # fmt: skip
    assert [item.clip.id for item in asked] != [item.clip.id for item in items_for("anna", CLIPS)]
    assert items_for("anna", CLIPS) != items_for("Bert", CLIPS)


def test_over_many_participants_every_clip_is_asked_with_every_instruction_alike() -> None:
    asked = [items_for(f"listener {n}", CLIPS) for n in range(400)]
    total = Counter(item.number for items in asked for item in items)
    assert set(total.values()) == {400 * 10}
    pairs = Counter((item.clip.id, item.number) for items in asked for item in items)
    # 640 cells of 50 on average: as uneven as chance makes them, and no more.
    chi_square = sum((pairs[clip.id, n] - 50) ** 2 / 50 for clip in CLIPS for n in range(1, 9))
    assert 420 < chi_square < 700
    firsts = Counter(items[0].clip.id for items in asked)
    assert len(firsts) > 70


# --- their runs ---


def test_a_participant_is_created_and_continued(folder: Path, data_set: DataSet) -> None:
    assert not exists(folder, "Anna")
    anna = Participant.open(folder, "Anna", data_set)
    assert (anna.done, anna.total, anna.answered()) == (0, 4, [])
    assert exists(folder, " Anna ")
    assert not exists(folder, "anna")

    first = anna.next()
    assert first
    assert anna.answer(first, "They flee.\r\n")
    again = Participant.open(folder, "Anna", data_set)
    assert again.items == anna.items
    assert again.answered() == [(first, "They flee.")]
    second = again.next()
    assert second == anna.items[1]
    assert second
    assert again.answer(second, CANNOT_TELL)
    assert anna.answered() == [(first, "They flee."), (second, CANNOT_TELL)]
    for item in anna.items[2:]:
        assert again.next() == item
        again.answer(item, "x" * 2_000)
    assert again.next() is None
    assert (again.done, again.total) == (4, 4)


def test_a_participant_stands_in_an_ordinary_run(
    folder: Path, data_set: DataSet, tmp_path: Path
) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    anna.answer(anna.items[0], "They flee.")
    run_job(Job(tmp_path / "model", data_set, _noise(), [], preflight=False), print)
    with RunReader.open(anna.folder) as ours, RunReader.open(tmp_path / "model") as theirs:
        [(model, label, identity)] = ours.models()
        assert (label, identity) == ("human/Anna", {"provider": "human", "name": "Anna"})
        assert ours.covered == theirs.covered == 4
        assert ours.audio_sha256() == theirs.audio_sha256() is not None
        assert ours.fact("annotations_sha256") == theirs.fact("annotations_sha256")
        place = anna.places[anna.items[0].clip.id]
        assert ours.responses(model, place) == {anna.items[0].number: Response("They flee.")}
        assert ours.fact("holder") is None


def _noise() -> FunctionModel:
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
    model = Job(run_folder(folder, "Dora"), data_set, _noise(), [], preflight=False)
    run_job(model, print)
    shutil.copytree(anna.folder, run_folder(folder, "Emil"), dirs_exist_ok=True)
    assert exists(folder, "Anna")
    for name in ("Bert", "Cleo", "Dora", "Emil"):
        assert not exists(folder, name)


def test_names_that_are_no_good_make_nothing(folder: Path, data_set: DataSet) -> None:
    for ask in (lambda: Participant.open(folder, "a,b", data_set), lambda: exists(folder, "")):
        with pytest.raises(InputError, match="a name"):
            ask()
    assert not folder.exists()


def test_audio_that_cannot_be_read_is_reported_before_anything_is_made(
    folder: Path, data_set: DataSet
) -> None:
    with pytest.raises(InputError, match="comes without audio"):
        Participant.open(folder, "Anna", replace(data_set, folder=None))
    path = data_set.audio_path(data_set.clips[2])
    assert path
    path.unlink()
    with pytest.raises(InputError, match=r"2\.wav: the audio file is missing"):
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
    with pytest.raises(RunConflictError, match="the run holds the data set synthetic"):
        Participant.open(folder, "Anna", other)
    path = data_set.audio_path(data_set.clips[0])
    assert path
    write_wav(path, tone(7))
    with pytest.raises(RunConflictError, match="other audio than the run"):
        Participant.open(folder, "Anna", data_set)


def test_clips_in_another_order_are_the_same_clips(folder: Path, data_set: DataSet) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    anna.answer(anna.items[0], "They flee.")
    turned = Participant.open(folder, "Anna", replace(data_set, clips=data_set.clips[::-1]))
    assert turned.items == anna.items
    assert turned.answered() == [(anna.items[0], "They flee.")]


# --- their answers ---


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the answer is empty"),
        (" \n\t\u00a0", "the answer is empty"),
        ("\u200b\u200e\0", "the answer is empty"),
        ("x" * 2_001, "has 2001 characters; it may have 2000"),
    ],
)
def test_an_answer_that_is_none_is_refused(
    folder: Path, data_set: DataSet, text: str, complaint: str
) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    with pytest.raises(InputError, match=complaint):
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
        with pytest.raises(InputError, match="Anna is not asked this"):
            anna.answer(wrong, "They flee.")
    assert anna.done == 0


def test_a_clip_that_was_answered_with_another_instruction_is_not_heard_again(
    folder: Path, data_set: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    item = anna.items[0]
    anna.answer(item, "They flee.")

    def otherwise(name: str, clips: Any) -> tuple[Item, ...]:
        return tuple(Item(each.clip, each.number % 8 + 1) for each in items_for(name, clips))

    monkeypatch.setattr(listening_study, "items_for", otherwise)
    changed = Participant.open(folder, "Anna", data_set)
    assert changed.next() == changed.items[1]
    assert not changed.answer(changed.items[0], "again")
    assert changed.answered() == [(item, "They flee.")]


def test_many_threads_may_answer_for_one_participant_and_for_several(
    folder: Path, tmp_path: Path
) -> None:
    data_set = read_data_set(make_data(tmp_path / "more", clips=9, seconds=0.05))
    opened = [Participant.open(folder, name, data_set) for name in ("Anna", "Anna", "Bert")]

    def answer_all(participant: Participant) -> int:
        kept = 0
        while item := participant.next():
            kept += participant.answer(item, f"by {threading.get_ident()}")
        return kept

    with ThreadPoolExecutor(6) as pool:
        kept = list(pool.map(answer_all, opened * 2))
    assert kept[0] + kept[1] + kept[3] + kept[4] == 9
    assert kept[2] + kept[5] == 9
    assert participants(folder) == [("Anna", 9), ("Bert", 9)]


def test_another_writer_is_waited_for_but_not_for_ever(
    folder: Path, data_set: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = Participant.open(folder, "Anna", data_set)
    judging = RunWriter.open(anna.folder)
    monkeypatch.setattr(listening_study, "_PATIENCE", 0.2)
    with pytest.raises(RunConflictError, match="is writing to this run"):
        anna.answer(anna.items[0], "They flee.")
    assert anna.next() == anna.items[0]  # looking on is always possible
    monkeypatch.setattr(listening_study, "_PATIENCE", 30)
    with ThreadPoolExecutor(1) as pool:
        answering = pool.submit(anna.answer, anna.items[0], "They flee.")
        time.sleep(0.3)
        assert not answering.done()
        judging.close()
        assert answering.result()
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
        store.set_model(_noise().spec)
    with pytest.raises(RunConflictError, match="no longer the run of Anna"):
        anna.answer(anna.items[0], "They flee.")
    bert = Participant.open(folder, "Bert", data_set)
    bert.folder.rename(tmp_path / "moved")
    with pytest.raises(RunUnwritableError, match="the run is gone"):
        bert.answer(bert.items[0], "They flee.")
    with pytest.raises(InputError, match="no run there"):
        bert.next()
    assert not bert.folder.exists()


# --- kills ---


def _answer_until_killed(folder: Path, data: Path, pipe: Any) -> None:
    participant = Participant.open(folder, "Anna", read_data_set(data))
    while item := participant.next():
        participant.answer(item, f"about {item.clip.id}")
        pipe.send(item.clip.id)
    signal.pause()


def test_a_participant_who_is_killed_again_and_again_loses_no_answer(
    folder: Path, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "more", clips=80, seconds=0.05)
    context = multiprocessing.get_context("forkserver")
    sent: list[str] = []
    for _ in range(4):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_answer_until_killed, args=(folder, data, theirs))
        process.start()
        theirs.close()
        try:
            sent += [ours.recv() for _ in range(2)]
        finally:
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        with suppress(EOFError):  # what it sent before the kill reached it
            while True:
                sent.append(ours.recv())
    anna = Participant.open(folder, "Anna", read_data_set(data))
    kept = [item.clip.id for item, text in anna.answered() if text == f"about {item.clip.id}"]
    assert set(sent) <= set(kept)
    assert len(sent) == len(set(sent)) >= 8
    assert kept == [item.clip.id for item in anna.items[: len(kept)]]
