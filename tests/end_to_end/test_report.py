"""``jasco report``: tables for papers, READMEs and data frames."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from chat_server import Serve
from command import Jasco, error_line
from synthetic import make_data


class Workspace:
    """A folder for runs and judged files on one data set, with one server for all models."""

    def __init__(self, jasco: Jasco, url: str, folder: Path) -> None:
        self._jasco, self._url, self.folder = jasco, url, folder
        self._data = make_data(folder / "data", clips=2)

    def run(self, name: str, model: str, data: Path | None = None) -> Path:
        """Evaluate a model into a run."""
        result = self._jasco(
            "eval", f"openai/{model},base_url={self._url}", "--data", data or self._data,
            "--run", self.folder / name, "--judge", f"openai/j,base_url={self._url}",
        )  # fmt: skip
        assert result.status in (0, 4), result.stderr
        return self.folder / name

    def judged_csv(self, name: str) -> Path:
        """Write a responses CSV with verdicts."""
        template, path = self.folder / "template.csv", self.folder / f"{name}.csv"
        self._jasco("data", "template", self._data, "-o", template)
        with template.open(newline="") as file:
            rows = [
                row | {"allm_output": name, "judge_output": "Rating: 2\nOrientation: Both"}
                for row in csv.DictReader(file)
            ]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path


@pytest.fixture
def workspace(jasco: Jasco, serve: Serve, tmp_path: Path) -> Workspace:
    return Workspace(jasco, serve().url, tmp_path)


def test_two_runs_make_a_file_of_each_format(
    jasco: Jasco, workspace: Workspace, tmp_path: Path
) -> None:
    runs = [workspace.run("a", "ears"), workspace.run("b", "other")]
    summary = json.loads(jasco("score", *runs, "--json", "--published").stdout)
    pairs = json.loads(jasco("compare", *runs, "--json").stdout)["pairs"]
    for name, start in (
        ("out.md", "## JASCO on data: 2 clips"),
        ("out.tex", "% jasco signature: jasco:"),
        ("out.csv", "model,judge,best_mean,"),
        ("out.JSON", "{"),
    ):
        result = jasco("report", *runs, "-o", tmp_path / name)
        assert (result.status, result.stdout, result.stderr) == (0, "", "")
        text = (tmp_path / name).read_bytes().decode()
        assert text.startswith(start)
        assert summary["signature"] in text
        assert "openai/other" in text
    report = json.loads((tmp_path / "out.JSON").read_text())
    assert report == summary | {"pairs": pairs, "not_compared": []}
    assert not list(tmp_path.glob(".out*"))  # no temporary file is left


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "json"])
def test_without_a_file_it_goes_to_standard_output(
    jasco: Jasco, workspace: Workspace, tmp_path: Path, form: str
) -> None:
    judged = workspace.judged_csv("mine")
    result = jasco("report", judged, "--format", form)
    assert (result.status, result.stderr) == (0, "")
    jasco("report", judged, "--format", form, "-o", tmp_path / "file.txt")
    assert (tmp_path / "file.txt").read_bytes().decode() == result.stdout
    assert "mine" in result.stdout


def test_two_runs_of_one_model_are_numbered_by_score_and_report(
    jasco: Jasco, workspace: Workspace
) -> None:
    runs = [workspace.run("a", "ears"), workspace.run("b", "ears")]
    names = ["openai/ears (1)", "openai/ears (2)"]
    assert list(json.loads(jasco("score", *runs, "--json").stdout)["models"]) == names
    report = json.loads(jasco("report", *runs, "--format", "json").stdout)
    assert list(report["models"]) == names
    assert [(pair["first"], pair["second"]) for pair in report["pairs"]] == [tuple(names)]
    assert re.search(r"openai/ears \(2\) .*\n +by openai/j", jasco("score", *runs).stdout)


def test_judged_files_of_the_same_name_are_numbered(
    jasco: Jasco, workspace: Workspace, tmp_path: Path
) -> None:
    one, other = workspace.judged_csv("one"), workspace.judged_csv("other")
    (tmp_path / "elsewhere").mkdir()
    moved = one.rename(tmp_path / "elsewhere" / "other.csv")
    report = json.loads(jasco("report", other, moved, "--format", "json").stdout)
    assert list(report["models"]) == ["other (1)", "other (2)"]
    assert report["published"] == []  # their protocol is unknown


def test_an_incomplete_report_says_so(jasco: Jasco, serve: Serve, tmp_path: Path) -> None:
    workspace = Workspace(jasco, serve(judge_says={"clip 1": "I cannot tell."}).url, tmp_path)
    run = workspace.run("a", "ears")
    for form in ("md", "tex", "csv", "json"):
        result = jasco("report", run, "-o", tmp_path / f"out.{form}")
        assert result.status == 0
        assert "openai/ears: coverage 50.0%" in result.stderr
    assert "INCOMPLETE" in (tmp_path / "out.md").read_text()
    assert "INCOMPLETE: coverage 50.0" in (tmp_path / "out.tex").read_text()
    assert (
        json.loads((tmp_path / "out.json").read_text())["models"]["openai/ears"]["coverage"] == 0.5
    )


def refused(jasco: Jasco, *arguments: object) -> str:
    """Run ``report`` with invalid arguments and return the error."""
    result = jasco("report", *arguments)
    assert (result.status, result.stdout) == (2, ""), result
    return error_line(result)


def test_a_page_shows_one_data_set_and_other_formats_a_table_for_each(
    jasco: Jasco, workspace: Workspace, tmp_path: Path
) -> None:
    page, table = tmp_path / "out.html", tmp_path / "out.md"
    run = workspace.run("a", "ears")
    assert jasco("report", run, "-o", page).status == 0
    before = page.read_bytes()
    elsewhere = workspace.run("b", "ears", make_data(tmp_path / "more", clips=3))
    assert "data" in refused(jasco, run, elsewhere, "-o", page)
    assert page.read_bytes() == before
    for command in (["report", run, elsewhere, "-o", table], ["score", run, elsewhere]):
        assert jasco(*command).status == 0
    assert "3 clips" in table.read_text()
    printed = jasco("score", run, elsewhere).stdout
    assert "2 clips" in printed
    assert "3 clips" in printed
    reports = json.loads(jasco("score", run, elsewhere, "--json").stdout)["reports"]
    assert [report["data"]["clips"] for report in reports] == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "{}/none/out.md"), "no such folder"),
        (("-o", "{}/out.txt"), ".html, .md, .tex, .csv, .json"),
        (("-o", "{}/data", "--format", "csv"), "not a regular file"),
        (("-o", "{}/mine.csv"), "would overwrite"),
        (("-o", "{}/out.md", "--audio", "none"), "--audio"),
        (("--format", "pdf"), "'--format': 'pdf'"),
        (("{}/mine.csv", "--format", "csv"), "the same file is given twice"),
        (("{}/data", "--format", "csv"), "give runs or judged CSV files, not both"),
    ],
)
def test_invalid_arguments_are_one_line(
    jasco: Jasco, workspace: Workspace, tmp_path: Path, arguments: Sequence[str], message: str
) -> None:
    judged = workspace.judged_csv("mine")
    before = judged.read_bytes()
    line = refused(jasco, judged, *(argument.format(tmp_path) for argument in arguments))
    assert message in line
    assert judged.read_bytes() == before


def test_a_symbolic_link_is_followed(jasco: Jasco, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    assert jasco("report", workspace.judged_csv("mine"), "-o", tmp_path / "link.md").status == 0
    assert (tmp_path / "link.md").is_symlink()
    assert "## JASCO" in (tmp_path / "real.md").read_text()
