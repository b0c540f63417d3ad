"""Checkpoints: finding them in order, and noticing those that are not completely written."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.evaluation.distributed.checkpoints import (
    SeenCheckpoints,
    find_checkpoints,
    natural_order,
    step_of,
    unready_reason,
)
from sweep_files import safetensors

FILE = safetensors(b"weights")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Write a complete checkpoint in two files with an index."""
    folder = tmp_path / "step-10"
    folder.mkdir()
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for name in names:
        (folder / name).write_bytes(FILE)
    index = {"metadata": {}, "weight_map": {"a": names[0], "b": names[1], "c": names[0]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_checkpoints_are_found_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("step-10", "step-9", "step-100", "best"):
        (tmp_path / "run" / name).mkdir(parents=True)
    found = find_checkpoints(tmp_path, "run/step-*")
    assert [path.name for path in found] == ["step-9", "step-10", "step-100"]
    assert find_checkpoints(tmp_path / "run", str(tmp_path / "run" / "step-*")) == found
    assert find_checkpoints(tmp_path / "run", "../run/./step-*") == found
    assert find_checkpoints(tmp_path / "nowhere", "step-*") == []


@given(st.lists(st.text("a0٣²-", max_size=4), max_size=4), st.integers(0), st.integers(0))
def test_numbers_are_ordered_by_value(parts: list[str], one: int, other: int) -> None:
    before = "".join(parts) + "-"
    paths = [Path(f"{before}{number}") for number in (max(one, other), min(one, other))]
    assert min(paths, key=natural_order) == Path(f"{before}{min(one, other)}")


@pytest.mark.parametrize(
    ("name", "step"), [("step-100", 100), ("epoch2-step0030", 30), ("best", None), ("v1.5", 5)]
)
def test_the_step_is_the_last_number_in_the_name(name: str, step: int | None) -> None:
    assert step_of(Path("run-7") / name) == step


def test_a_complete_checkpoint_is_ready_once_nothing_has_changed_for_a_while(
    checkpoint: Path,
) -> None:
    assert unready_reason(checkpoint, settle=0) is None
    assert unready_reason(checkpoint, settle=60) == "changed less than 60 s ago"
    os.utime(checkpoint / "model.safetensors.index.json", (0, 0))  # a copy with the old time
    assert unready_reason(checkpoint, settle=60)


@pytest.mark.parametrize("length", range(len(FILE)))
def test_a_file_that_is_cut_anywhere_is_incomplete(checkpoint: Path, length: int) -> None:
    path = checkpoint / "model-00002-of-00002.safetensors"
    path.write_bytes(FILE[:length])
    assert unready_reason(checkpoint, settle=0) == f"{path.name} is incomplete"


@given(st.binary(max_size=40))
def test_other_bytes_are_no_complete_file(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(content)
        is_ready = unready_reason(Path(folder), settle=0) is None
    assert not is_ready or content[8:].strip().startswith(b"{")


def test_a_missing_file_or_a_cut_index_is_noticed(checkpoint: Path) -> None:
    index = checkpoint / "model.safetensors.index.json"
    text = index.read_text()
    index.write_text(text[:-5])
    assert unready_reason(checkpoint, settle=0) == f"{index.name} is incomplete"
    index.write_text('{"weight_map": {}}')
    assert unready_reason(checkpoint, settle=0) == f"{index.name} names no files"
    index.write_text(text)
    (checkpoint / "model-00001-of-00002.safetensors").unlink()
    reason = unready_reason(checkpoint, settle=0)
    assert reason == "model-00001-of-00002.safetensors is missing"


def test_an_empty_folder_and_a_file_are_not_ready(tmp_path: Path) -> None:
    (tmp_path / "step-1" / "inner").mkdir(parents=True)
    assert unready_reason(tmp_path / "step-1", settle=0) == "empty"
    (tmp_path / "latest").write_text("step-1")
    assert unready_reason(tmp_path / "latest", settle=0) == "not a folder"


def test_seen_checkpoints_are_remembered(tmp_path: Path) -> None:
    seen = SeenCheckpoints(tmp_path / "runs" / "seen.json")
    assert seen.of("step-*") == []
    for name in ("step-1", "step-2", "step-1"):
        seen.add("step-*", tmp_path / name)
    again = SeenCheckpoints(tmp_path / "runs" / "seen.json")
    assert again.of("step-*") == [tmp_path / "step-1", tmp_path / "step-2"]
    assert again.of("other-*") == []
    (tmp_path / "runs" / "seen.json").write_text("[")
    assert again.of("step-*") == []
