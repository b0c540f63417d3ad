"""Comparing models from Python."""

from pathlib import Path

import pytest

import jasco
from jasco.data.dataset import read_data_set
from runs import verdict, write_run
from synthetic import make_data


def write_runs(folder: Path) -> list[Path]:
    """Write runs of a good and of a weak model on 12 clips; return their folders."""
    data = read_data_set(make_data(folder / "data", clips=12))

    def judged(name: str, rating: int) -> Path:
        judges = {"j": lambda *_: verdict(rating, "Both")}
        return write_run(folder / name, data, lambda *_: "They flee.", judges, name)

    return [judged("good", 2), judged("weak", 0)]


def test_models_are_compared_in_pairs(tmp_path: Path) -> None:
    comparisons = jasco.compare(write_runs(tmp_path))
    [pair] = comparisons
    assert (pair.first, pair.second) == ("csv/good", "csv/weak")
    assert pair.comparison.best_mean.value == 2
    assert comparisons.to_json()["pairs"][0]["best_mean"] == 2
    assert "csv/good minus csv/weak: 2.00" in repr(comparisons)
    frame = comparisons.to_pandas()
    assert frame["best_mean"][0] == 2
    assert frame["p"][0] == pair.comparison.p
    assert "csv/good" in str(comparisons)
    assert "<td>csv/good<br>  minus csv/weak</td>" in comparisons._repr_html_()


def test_one_model_cannot_be_compared(tmp_path: Path) -> None:
    [good, _] = write_runs(tmp_path)
    with pytest.raises(jasco.InputError, match="at least two models"):
        jasco.compare([good])


def test_a_mismatch_is_named_as_a_parameter(tmp_path: Path) -> None:
    first, _ = write_runs(tmp_path)
    data = read_data_set(make_data(tmp_path / "other", clips=3))
    judges = {"j": lambda *_: verdict(1, "Both")}
    other = write_run(tmp_path / "run", data, lambda *_: "They flee.", judges)
    with pytest.raises(jasco.RunConflictError, match="allow_mismatch=True"):
        jasco.compare([first, other])
    assert len(jasco.compare([first, other], allow_mismatch=True)) == 1
