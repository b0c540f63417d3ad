"""The commands ``score`` with labels of annotators, and ``report`` with formats for publication."""

import json
from pathlib import Path

import pytest

from command import Jasco, error_line
from jasco.data.dataset import read_data_set
from judged_files import CLIPS, write_judged_file
from labelled_files import write_gold
from runs import verdict, write_run

EEE = ("--format", "eee", "--model-id", "Org/Model", "--evaluator", "X", "--relationship", "other")
HF = ("--format", "hf", "--hub-task", "org/data/default")


def test_corrected_figures_are_printed_only_with_labels(jasco: Jasco, tmp_path: Path) -> None:
    judged = write_judged_file(tmp_path / "judged.csv")
    labels = [(clip, number, "an answer", 1) for clip in CLIPS for number in range(1, 9)]
    labels += [(CLIPS[0], 1, "\x1b[31manother", 2)]
    gold = write_gold(tmp_path / "gold.csv", labels)
    result = jasco("score", judged, "--gold", gold)
    assert (result.status, result.stderr) == (0, "")
    assert "1 of 17 rows label other answers and are not used" in result.stdout
    assert "mean of judged" in result.stdout
    assert "at least 5 are needed" in result.stdout
    plain = jasco("score", judged).stdout
    assert "orrected" not in plain
    # Everything else is the same.
    added = result.stdout.partition("\nfigure ")[2].partition("\nDetails")[0]
    assert result.stdout.replace(f"\nfigure {added}", "") == plain


def test_corrected_figures_are_in_the_json(jasco: Jasco, tmp_path: Path) -> None:
    judged = write_judged_file(tmp_path / "judged.csv")
    gold = write_gold(tmp_path / "gold.csv", [(CLIPS[1], 2, "an answer", 1)])
    [model] = json.loads(jasco("score", judged, "--gold", gold, "--json").stdout)["models"].values()
    assert model["labels"]["items"] == 1
    assert model["corrected"]["mean"]["bias"] == 1
    assert model["corrected"]["mean"]["estimate"] is None


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    judges = {"j": lambda *_: verdict(1, "Both")}
    return write_run(tmp_path / "run", read_data_set(data), lambda *_: "They flee.", judges)


def test_results_are_written_in_the_formats_for_publication(
    jasco: Jasco, run: Path, tmp_path: Path
) -> None:
    result = jasco("report", run, *EEE, "-o", tmp_path / "records")
    assert (result.status, result.stdout) == (0, "")
    assert "a record with" in result.stderr
    assert len([*(tmp_path / "records" / "data").rglob("*.json*")]) == 2
    result = jasco("report", run, *HF)
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.startswith("- dataset:")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((*EEE, "-o", "RUN/run.db"), "not a folder"),
        (EEE, "-o FOLDER"),
        ((*EEE, "--audio", "none"), "--audio"),
        (HF[:2], "--hub-task"),
        (("--format", "csv", "--evaluator", "X"), "--evaluator has no effect"),
        ((*HF, "RUN/../other"), "about one model"),
    ],
)
def test_a_wrong_combination_is_refused_in_one_line(
    jasco: Jasco, run: Path, options: tuple[str, ...], message: str
) -> None:
    options = tuple(each.replace("RUN", str(run)) for each in options)
    result = jasco("report", run, *options)
    assert (result.status, result.stdout) == (2, "")
    assert message in error_line(result)
