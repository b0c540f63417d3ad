"""Writing reports from Python, also on several data sets."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import jasco
from cue_models import JOINT, CueJudge
from jasco.data.dataset import read_data_set
from jasco.errors import InputError
from runs import verdict, write_run
from synthetic import make_data


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Write runs of two models on one data set, and of one of them on another."""
    folders = []
    for number, (data_name, clips, model) in enumerate(
        [("first", 3, "a"), ("first", 3, "b"), ("second", 4, "a")]
    ):
        folder = tmp_path / data_name
        data = read_data_set(folder if folder.exists() else make_data(folder, clips=clips))
        judges = {"j": lambda *_: verdict(1, "Both")}
        run = tmp_path / f"run-{number}"
        folders.append(write_run(run, data, lambda *_: "They flee.", judges, model))
    return folders


def test_the_extension_selects_the_format(runs: list[Path], tmp_path: Path) -> None:
    for extension, start in (
        (".md", "## JASCO"),
        (".tex", "%"),
        (".json", "{"),
        (".csv", "model,"),
    ):
        output = tmp_path / f"report{extension}"
        assert jasco.report(runs[:2], output) == ""
        assert output.read_text().startswith(start)
    assert jasco.report(runs[0], format="markdown").startswith("## JASCO")


def test_tables_of_modality_reliance_follow_those_of_the_scores(
    runs: list[Path], tmp_path: Path
) -> None:
    settings = {"data": "mini", "conditions": "sound", "limit": 2, "preflight": False}
    measured, unjudged = tmp_path / "measured", tmp_path / "unjudged"
    model = {"name": JOINT.name, **settings}
    for run in (measured, unjudged):
        jasco.reliance(JOINT.answer, judges=[CueJudge()], run=run, **model)  # type: ignore[arg-type]
    jasco.open_run(unjudged).forget("test/cues")
    with pytest.raises(InputError, match="not judged yet"):
        jasco.reliance(run=unjudged)
    text = jasco.report([*runs[:1], measured], format="markdown")
    assert text.index("## JASCO on mini") < text.index("## Modality reliance of")
    assert "tab:jasco-reliance-" in jasco.report(measured, format="latex")
    assert "reliance" not in jasco.report(unjudged, format="markdown").lower()


def test_models_on_several_data_sets_have_a_table_for_each(runs: list[Path]) -> None:
    text = jasco.report(runs, format="markdown")
    assert text.count("## JASCO on first") == text.count("## JASCO on second") == 1
    reports = json.loads(jasco.report(runs, format="json"))["reports"]
    assert [report["data"]["name"] for report in reports] == ["first", "second"]
    assert [list(report["models"]) for report in reports] == [["csv/a", "csv/b"], ["csv/a"]]
    rows = list(csv.DictReader(io.StringIO(jasco.report(runs, format="csv"), newline="")))
    own = [(row["model"], row["data"], row["clips"]) for row in rows if not row["judge"]]
    assert own == [("csv/a", "first", "3"), ("csv/b", "first", "3"), ("csv/a", "second", "4")]


def test_scores_of_several_data_sets_are_selected_by_both_names(runs: list[Path]) -> None:
    scores = jasco.score(runs)
    assert len(scores) == 3
    assert scores["csv/b"].data == "first"
    assert scores["csv/a", "second"].best_mean.value == 1
    with pytest.raises(KeyError, match="several data sets"):
        scores["csv/a"]
    with pytest.raises(KeyError, match="not found"):
        scores["csv/c"]
    with pytest.raises(ValueError, match="3 models; select one"):
        scores.best_mean  # noqa: B018
    assert str(scores).count("JASCO on") == 2
    assert [each.data for each in scores] == ["first", "first", "second"]
    assert scores.scalars()["second/csv/a/judges/openai/j/best_mean"] == 1


def test_wrong_arguments_are_named(runs: list[Path], tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"output": 7}, "output must be"),
        ({"format": "docx"}, "format must be"),
        ({"audio": "none"}, "audio must be"),
        ({"output": tmp_path / "x.docx"}, "extension"),
        ({"output": tmp_path / "missing" / "x.md"}, "no such folder"),
        ({}, "requires a file"),
    ]
    for arguments, message in wrong:
        with pytest.raises(jasco.InputError, match=message):
            jasco.report(runs[0], **arguments)


def test_runs_of_one_name_are_numbered_and_their_folders_are_listed(
    runs: list[Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs[0], copy)
    text = str(jasco.score([runs[0], copy]))
    assert f"csv/a (1): {runs[0]}" in text
    assert f"csv/a (2): {copy}" in text
    assert f": {runs[0]}" not in str(jasco.score(runs[0]))
