"""The runs that the app lists."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra viewer")

from jasco.data.dataset import read_data_set
from jasco.viewer import refreshed
from jasco.viewer.catalogue import Catalogue, Entry, key_of
from runs import write_run
from synthetic import make_data

MakeRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshed, "_PAUSE", 0.0)
    monkeypatch.setattr(refreshed, "_SHARE", 0.0)


def names(entries: Mapping[str, Entry]) -> list[str]:
    return [entry.summary.folder.name for entry in entries.values()]


def test_runs_are_those_given_and_those_found_in_folders(make_run: MakeRun, tmp_path: Path) -> None:
    for name in ("runs/a", "runs/deep/b", "c"):
        make_run(name)
    catalogue = Catalogue([tmp_path / "runs", tmp_path / "c", tmp_path / "later"], print)
    assert names(catalogue.now()) == ["a", "b", "c", "later"]
    make_run("runs/new")
    assert "new" in names(catalogue.now())
    shutil.rmtree(tmp_path / "runs" / "a")
    assert "a" not in names(catalogue.now())


def test_a_run_has_the_same_key_each_time(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("a")
    [key] = Catalogue([tmp_path], print).now()
    assert key == key_of(run) == key_of(tmp_path / "x" / ".." / "a")
    catalogue = Catalogue([tmp_path], print)
    assert catalogue.folders([key]) == [run]
    for unknown in ("", "0" * len(key), str(run), ".."):
        with pytest.raises(KeyError):
            catalogue.folders([unknown])


def test_without_a_choice_a_folder_shows_the_runs_on_the_latest_data(
    make_run: MakeRun, tmp_path: Path
) -> None:
    catalogue = Catalogue([tmp_path], print)
    assert catalogue.first() == []
    make_run("a")
    time.sleep(0.01)
    other = read_data_set(make_data(tmp_path / "other", clips=2))
    write_run(tmp_path / "b", other, lambda *_: "said", {}, "two")
    assert catalogue.first() == [tmp_path / "b"]
    assert catalogue.differ()
    time.sleep(0.01)
    make_run("c")
    assert catalogue.first() == [tmp_path / "b"]  # does not change while the report is open
    assert Catalogue([tmp_path / "a", tmp_path / "c"], print).first() == [
        tmp_path / "a", tmp_path / "c",
    ]  # fmt: skip


def test_equal_names_are_followed_by_the_folder(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(f"runs/{name}", model=name[-1]) for name in ("a/1", "b/1", "2")]
    for roots, folders in (([tmp_path / "runs"], ["a/1", "b/1"]), (runs, runs[:2])):
        names = Catalogue(roots, print).beside(key_of(runs[0]))
        assert {*names.values()} == {"csv/2", *(f"csv/1 ({folder})" for folder in folders)}
