"""The targets of scoring: runs and judged CSV files."""

from pathlib import Path

import pytest

from jasco.errors import InputError
from jasco.runs.targets import check_targets, files_of_model, results_of


def test_a_model_may_be_several_files_of_a_name(tmp_path: Path) -> None:
    assert files_of_model(Path("m=a.csv+b.csv")) == ("m", [Path("a.csv"), Path("b.csv")])
    file = tmp_path / "m=a.csv"
    file.touch()
    for target in (file, Path("a.csv"), Path("=a.csv"), Path("m=")):
        assert files_of_model(target) == ("", [target])


def test_a_target_that_does_not_exist_is_refused_with_a_near_name(tmp_path: Path) -> None:
    (tmp_path / "judged.csv").touch()
    with pytest.raises(InputError, match=r"juged\.csv.*judged\.csv"):
        check_targets([tmp_path / "juged.csv"])
    with pytest.raises(InputError, match=r"other\.csv"):
        check_targets([Path(f"m={tmp_path / 'judged.csv'}+other.csv")])


def test_targets_are_runs_or_files_each_once(tmp_path: Path) -> None:
    file, run = tmp_path / "judged.csv", tmp_path / "run"
    file.touch()
    run.mkdir()
    with pytest.raises(InputError, match="not both"):
        results_of([file, run])
    with pytest.raises(InputError, match="twice"):
        results_of([run, tmp_path / "run" / ".." / "run"])


def test_a_name_is_for_files_not_for_runs(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="is a run, and NAME= is for judged CSV files"):
        check_targets([Path(f"a={tmp_path / 'run'}")])
