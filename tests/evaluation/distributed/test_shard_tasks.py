"""The files in which workers report their progress."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.evaluation.distributed import shard_tasks
from jasco.evaluation.distributed.shard_tasks import PROGRESS_FILE, ProgressFile, read_progress
from jasco.evaluation.progress import Counts


def test_progress_is_read_as_it_was_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_progress(tmp_path).counts == Counts(0, 0)
    progress = ProgressFile(tmp_path)
    progress.watch(Counts(0, 8))
    progress.notify("careful: 犬")
    progress.watch(Counts(5, 8, 1, 2))  # too soon for another report
    assert read_progress(tmp_path).counts == Counts(0, 8)
    progress.end()
    read = read_progress(tmp_path)
    assert read.counts == Counts(5, 8, 1, 2)
    assert read.messages == ["careful: 犬"]
    assert "careful" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS_FILE]


def test_counts_are_reported_at_most_once_per_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_tasks, "_INTERVAL", 0.0)
    progress = ProgressFile(tmp_path)
    progress.watch(Counts(1, 8))
    progress.watch(Counts(2, 8))
    assert read_progress(tmp_path).counts.done == 2


def test_many_messages_are_not_all_kept(tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path)
    for number in range(200):
        progress.notify(f"message {number}")
    assert len(read_progress(tmp_path).messages) == 50


def test_a_folder_that_does_not_exist_is_no_error(tmp_path: Path) -> None:
    ProgressFile(tmp_path / "none").watch(Counts(1, 2))
    assert read_progress(tmp_path / "none").messages == []


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(), lambda inner:
    st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["counts", "messages"]), inner),
    max_leaves=6).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_file_is_read_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("shard")
    (folder / PROGRESS_FILE).write_bytes(content)
    progress = read_progress(folder)
    assert len(progress.counts) == 4
    assert all("\n" not in line for line in progress.messages)
