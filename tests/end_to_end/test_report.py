"""Tables for papers, READMEs and data frames: from the command line."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from chat_server import Serve
from command import Jasco
from synthetic import make_data


class Place:
    """Runs of two models that the same server judges, and files of the like."""

    def __init__(self, jasco: Jasco, url: str, folder: Path) -> None:
        self._jasco, self._url, self.folder = jasco, url, folder
        self._data = make_data(folder / "data", clips=2)

    def run(self, name: str, model: str, data: Path | None = None) -> Path:
        """Evaluate a model into a run."""
        done = self._jasco(
            "eval", f"openai/{model},base_url={self._url}", "--data", data or self._data,
            "--run", self.folder / name, "--judge", f"openai/j,base_url={self._url}",
        )  # fmt: skip
        assert done.status in (0, 4), done.stderr
        return self.folder / name

    def judged(self, name: str) -> Path:
        """Fill in a CSV, and its verdicts too."""
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
def place(jasco: Jasco, serve: Serve, tmp_path: Path) -> Place:
    return Place(jasco, serve().url, tmp_path)


def test_two_runs_make_a_file_of_each_format(jasco: Jasco, place: Place, tmp_path: Path) -> None:
    runs = [place.run("a", "ears"), place.run("b", "other")]
    summary = json.loads(jasco("score", *runs, "--json", "--published").stdout)
    pairs = json.loads(jasco("compare", *runs, "--json").stdout)["pairs"]
    for name, begins in (
        ("out.md", "## JASCO on data: 2 clips"),
        ("out.tex", "% jasco signature: jasco:"),
        ("out.csv", "model,judge,best_mean,"),
        ("out.JSON", "{"),
    ):
        done = jasco("report", *runs, "-o", tmp_path / name)
        assert (done.status, done.stdout, done.stderr) == (0, "", "")
        text = (tmp_path / name).read_bytes().decode()
        assert text.startswith(begins)
        assert summary["signature"] in text
        assert "openai/other" in text
    told = json.loads((tmp_path / "out.JSON").read_text())
    assert told == summary | {"pairs": pairs, "not_compared": []}
    assert not list(tmp_path.glob(".out*"))  # no draft is left


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "json"])
def test_without_a_file_it_goes_to_standard_output(
    jasco: Jasco, place: Place, tmp_path: Path, form: str
) -> None:
    judged = place.judged("mine")
    done = jasco("report", judged, "--format", form)
    assert (done.status, done.stderr) == (0, "")
    jasco("report", judged, "--format", form, "-o", tmp_path / "file.txt")
    assert (tmp_path / "file.txt").read_bytes().decode() == done.stdout
    assert "mine" in done.stdout


def test_two_runs_of_one_model_are_numbered_by_score_and_report(jasco: Jasco, place: Place) -> None:
    runs = [place.run("a", "ears"), place.run("b", "ears")]
    names = ["openai/ears (1)", "openai/ears (2)"]
    assert list(json.loads(jasco("score", *runs, "--json").stdout)["models"]) == names
    told = json.loads(jasco("report", *runs, "--format", "json").stdout)
    assert list(told["models"]) == names
    assert [(pair["first"], pair["second"]) for pair in told["pairs"]] == [tuple(names)]
    assert re.search(r"openai/ears \(2\) .*\n +by openai/j", jasco("score", *runs).stdout)


def test_judged_files_are_several_models_even_if_alike_by_name(
    jasco: Jasco, place: Place, tmp_path: Path
) -> None:
    one, other = place.judged("one"), place.judged("other")
    (tmp_path / "elsewhere").mkdir()
    twin = one.rename(tmp_path / "elsewhere" / "other.csv")
    told = json.loads(jasco("report", other, twin, "--format", "json").stdout)
    assert list(told["models"]) == ["other (1)", "other (2)"]
    assert told["published"] == []  # nobody knows by which protocol they were judged


def test_what_is_incomplete_is_written_and_says_so(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    place = Place(jasco, serve(judge_says={"clip 1": "I cannot tell."}).url, tmp_path)
    run = place.run("a", "ears")
    for form in ("md", "tex", "csv", "json"):
        done = jasco("report", run, "-o", tmp_path / f"out.{form}")
        assert done.status == 0
        assert "incomplete: openai/ears: coverage 50.0%" in done.stderr
    assert "INCOMPLETE" in (tmp_path / "out.md").read_text()
    assert "INCOMPLETE: coverage 50.0" in (tmp_path / "out.tex").read_text()
    assert (
        json.loads((tmp_path / "out.json").read_text())["models"]["openai/ears"]["coverage"] == 0.5
    )


def refused(jasco: Jasco, *arguments: object) -> str:
    done = jasco("report", *arguments)
    assert (done.status, done.stdout) == (2, ""), done
    [line] = done.stderr.splitlines()
    return line


def test_other_data_are_refused_and_the_file_stays(
    jasco: Jasco, place: Place, tmp_path: Path
) -> None:
    out = tmp_path / "out.md"
    run = place.run("a", "ears")
    assert jasco("report", run, "-o", out).status == 0
    before = out.read_bytes()
    elsewhere = place.run("b", "ears", make_data(tmp_path / "more", clips=3))
    assert "differ in data" in refused(jasco, run, elsewhere, "-o", out)
    assert out.read_bytes() == before
    assert jasco("report", elsewhere, "-o", out).status == 0
    assert "3 clips" in out.read_text()  # replaced


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-o", "{}/none/out.md"), "there is no folder"),
        (("-o", "{}/out.txt"), "end it in .html, .md, .tex, .csv, .json"),
        (("-o", "{}/data", "--format", "csv"), "not to be replaced"),
        (("-o", "{}/mine.csv"), "would replace what it is about"),
        (("-o", "{}/out.md", "--audio", "none"), "--audio is for the page"),
        (("--format", "pdf"), "'--format': 'pdf'"),
        (("{}/mine.csv", "--format", "csv"), "the same file is given twice"),
        (("{}/data", "--format", "csv"), "give runs or judged CSV files, not both"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(
    jasco: Jasco, place: Place, tmp_path: Path, arguments: Sequence[str], says: str
) -> None:
    judged = place.judged("mine")
    before = judged.read_bytes()
    line = refused(jasco, judged, *(each.format(tmp_path) for each in arguments))
    assert says in line
    assert judged.read_bytes() == before


def test_a_link_is_written_through(jasco: Jasco, place: Place, tmp_path: Path) -> None:
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    assert jasco("report", place.judged("mine"), "-o", tmp_path / "link.md").status == 0
    assert (tmp_path / "link.md").is_symlink()
    assert "## JASCO" in (tmp_path / "real.md").read_text()
