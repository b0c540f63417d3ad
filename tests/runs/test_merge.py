"""Merging shards into one file."""

import shutil
from pathlib import Path

import pytest

from divided_runs import write_shards
from jasco.errors import InputError, RunConflictError
from jasco.runs import merge as merging
from jasco.runs.merge import merge
from jasco.runs.read_run import read_run
from jasco.runs.shards import Shard
from jasco.runs.spending import spending_of
from jasco.runs.writer import RunWriter
from rows_of_runs import CLIPS, DATA


def test_the_merged_run_holds_what_its_shards_held(tmp_path: Path) -> None:
    run = write_shards(tmp_path / "run")
    before = read_run(run)
    assert merge(run) == 2
    after = read_run(run)
    assert sorted(path.name for path in run.iterdir()) == ["run.db", "run.lock"]
    results, items = after
    assert items == before[1]
    for name in ("model", "data", "protocol", "judges", "clips", "reasons_without_verdict"):
        assert getattr(results, name) == getattr(before[0], name), name
    assert results.answers == before[0].answers
    assert results.answers.answered == 21
    assert results.answers.audio_warnings == {"silent": ["0", "1", "2"]}
    assert results.judges.keys() == {"p/k"}
    assert results.judges["p/k"].proxy
    assert results.spent is not None
    assert results.spent.total.calls == 3
    with RunWriter.open(run) as store:
        assert (store.shards, store.shard) == (0, None)
        assert spending_of(store).total.calls == 3
        assert store.data() == DATA
        assert [clip.id for clip in store.clips()] == [clip.id for clip in CLIPS]


def test_a_shard_can_be_read_by_itself(tmp_path: Path) -> None:
    run = write_shards(tmp_path / "run")
    results, items = read_run(Shard(1, 2).folder(run))
    assert [clip.id for clip in items.clips] == ["0", "2"]
    assert results.data.items == 16
    assert results.matrices["p/k"].ratings.shape == (2, 8)
    assert results.matrices["p/k"].readable[:, :7].all()


def test_a_merge_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_shards(tmp_path / "run")
    before = read_run(run)[1]
    with RunWriter.open(Shard(2, 2).folder(run)), pytest.raises(RunConflictError, match="0002-of"):
        merge(run)  # a worker is still writing
    with RunWriter.open(run), pytest.raises(RunConflictError):
        merge(run)
    monkeypatch.setattr(merging.RunWriter, "add_rows_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        merge(run)
    monkeypatch.undo()
    assert read_run(run)[1] == before
    assert merge(run) == 2
    assert read_run(run)[1] == before


def test_what_a_killed_merge_left_is_removed(tmp_path: Path) -> None:
    run = write_shards(tmp_path / "run")
    shutil.copytree(run / "shards", tmp_path / "shards")
    merge(run)
    shutil.copytree(tmp_path / "shards", run / "shards")  # it was killed before it removed them
    with pytest.raises(InputError, match="not divided into shards"):
        merge(run)
    assert not (run / "shards").exists()
    assert read_run(run)[0].answers.answered == 21
    with pytest.raises(InputError, match="run not found"):
        merge(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_shards_that_have_not_begun_are_missing_answers(tmp_path: Path) -> None:
    run = write_shards(tmp_path / "run")
    shutil.rmtree(Shard(2, 2).folder(run))
    results = read_run(run)[0]
    assert (results.answers.expected, results.answers.answered) == (24, 14)
    assert results.data.audio_sha256 is None
    assert not results.complete
    assert merge(run) == 1
    assert read_run(run)[0].answers.answered == 14
