"""The data of the listening study, and checks that runs are about the same data."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runs import write_run
from synthetic import make_data, tone, write_wav

pytest.importorskip("starlette", reason="needs the extra viewer")

from jasco.data.dataset import read_data_set
from jasco.data.sources import find_data
from jasco.errors import InputError, RunConflictError
from jasco.viewer.listening_data import check_same_data, find_listening_data

MakeRun = Callable[..., Path]


def test_runs_on_the_same_data_are_viewed_together(
    make_run: MakeRun, data: Path, tmp_path: Path
) -> None:
    runs = [make_run("a"), tmp_path / "none", make_run("b", model="two")]
    check_same_data(runs, None)
    check_same_data(runs, read_data_set(data))
    write_run(tmp_path / "c", read_data_set(make_data(tmp_path / "other", 2)), lambda *_: "x", {})
    with pytest.raises(InputError, match=r"c and .*a .*different data"):
        check_same_data([*runs, tmp_path / "c"], None)


def test_what_cannot_be_viewed_is_named(tmp_path: Path) -> None:
    (tmp_path / "judged.csv").touch()
    with pytest.raises(InputError, match=r"judged\.csv: is a file"):
        check_same_data([tmp_path / "judged.csv"], None)
    (tmp_path / "run.db").write_text("x" * 1000)
    with pytest.raises(RunConflictError, match="not a run"):
        check_same_data([tmp_path], None)


def test_the_data_of_a_run_is_found_by_its_audio(make_run: MakeRun, data: Path) -> None:
    data_set = find_listening_data([make_run()], None)
    assert data_set.folder == data
    assert data_set.clips == read_data_set(data).clips


def test_audio_that_has_moved_needs_data_named(
    make_run: MakeRun, data: Path, tmp_path: Path
) -> None:
    run = make_run()
    moved = tmp_path / "moved" / data.name
    shutil.move(data, moved)
    with pytest.raises(InputError, match="specify it with --data"):
        find_listening_data([run], None)
    assert find_listening_data([run], read_data_set(moved)).folder == moved
    write_wav(moved / "dataset" / "v0" / "3.wav", tone(9))
    with pytest.raises(InputError, match=r"3\.wav: differs from the audio"):
        find_listening_data([run], read_data_set(moved))
    (moved / "dataset" / "v0" / "3.wav").unlink()
    with pytest.raises(InputError, match=r"3\.wav: No such file"):
        find_listening_data([run], read_data_set(moved))


def test_annotations_that_were_changed_are_not_what_the_run_is_about(
    make_run: MakeRun, data: Path
) -> None:
    run = make_run()
    table = data / "dataset" / "v0" / "v0.csv"
    table.write_text(table.read_text("utf-8").replace("rain", "hail"), "utf-8")
    with pytest.raises(InputError, match="specify it with --data"):
        find_listening_data([run], None)
    with pytest.raises(InputError, match="different data"):
        find_listening_data([run], read_data_set(data))


def test_mini_is_always_there(tmp_path: Path) -> None:
    mini = find_data("mini", print)
    assert find_listening_data([], None).clips == mini.clips
    copy = shutil.copytree(str(mini.folder), tmp_path / "mini")
    run = write_run(tmp_path / "run", read_data_set(copy), lambda *_: "said", {})
    shutil.rmtree(copy)
    assert find_listening_data([run], None).folder == mini.folder


def test_a_run_that_is_not_there_yet_may_come(make_run: MakeRun, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(InputError, match="no run"):
        find_listening_data([run], None)
    make_run("run")
    assert len(find_listening_data([run], None).clips) == 4
