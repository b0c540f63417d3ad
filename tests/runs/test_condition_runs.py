"""The runs of conditions in the folder of a run."""

from pathlib import Path

import numpy as np
import pytest

from jasco.errors import RunConflictError
from jasco.protocol.conditions import condition_of
from jasco.runs.condition_runs import (
    condition_folder,
    conditions_of,
    donor_folder,
    gates_of,
    has_conditions,
)
from jasco.runs.reader import RunReader
from jasco.runs.summary import find_runs
from jasco.runs.writer import RunWriter


def make_runs(run: Path, *keys: str) -> None:
    for key in keys:
        with RunWriter.open(condition_folder(run, key)) as store:
            store.set_condition(condition_of(key))


def test_conditions_are_listed_in_their_order_and_other_folders_are_ignored(tmp_path: Path) -> None:
    keys = ["original", "sound", "none", "swap-sound-2", "swap-sound-10", "text"]
    make_runs(tmp_path, *reversed(keys))
    (tmp_path / "conditions" / "silence").mkdir()
    make_runs(tmp_path / "conditions" / "notes", "original")
    assert [each.key for each in conditions_of(tmp_path)] == keys
    assert has_conditions(tmp_path)
    assert not has_conditions(tmp_path / "conditions" / "text")
    assert conditions_of(tmp_path / "nowhere") == []


def test_conditions_are_parts_of_their_run(tmp_path: Path) -> None:
    make_runs(tmp_path / "a", "original", "sound")
    make_runs(donor_folder(tmp_path / "a", "swap-sound-1"), "original")
    assert list(find_runs(tmp_path)) == [tmp_path / "a"]
    with RunReader.open(condition_folder(tmp_path / "a", "sound")) as run:
        assert run.condition == condition_of("sound")


def test_a_new_run_takes_any_condition(tmp_path: Path) -> None:
    with RunWriter.open(tmp_path) as store:
        assert store.set_condition(None).key == "original"
        assert store.set_condition(condition_of("none")).key == "none"
        assert store.set_condition(None).key == "none"


def test_a_run_with_answers_keeps_its_condition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunWriter.open(tmp_path) as store:
        store.set_condition(condition_of("sound"))
        monkeypatch.setattr(RunWriter, "has_answers", lambda _: True)
        with pytest.raises(RunConflictError, match="condition sound, not text"):
            store.set_condition(condition_of("text"))


def test_clips_without_a_check_do_not_pass_the_gates() -> None:
    stems = {"exact": False, "gates": {"1": {"sound": True, "speech": False}}}
    gates = gates_of(stems, ["1", "2"])
    assert gates is not None
    assert np.array_equal(gates["sound"], [True, False])
    assert np.array_equal(gates["speech"], [False, False])
    assert gates_of({**stems, "exact": True}, ["1"]) is None
    assert gates_of({"gates": {}}, ["1"]) is None
    assert gates_of({}, ["1"]) is None
