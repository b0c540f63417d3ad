"""What a run, or judged CSV files, hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command import Jasco
from jasco.data.csv_files import write_table
from jasco.data.dataset import DataSet
from jasco.data.responses_csv import COLUMNS, read_responses_csv, template_rows
from jasco.errors import InputError
from jasco.protocol.clips import Clip, annotations_sha256
from jasco.runs.csv_results import results_of_files
from jasco.runs.run_results import results_of_run

CLIPS = tuple(Clip(id_, "rain", "run", "a", "b", "they flee", "flee") for id_ in ("9", "10"))
DATA = DataSet("two", CLIPS)
GOOD = "Rating: 2\nOrientation: Both"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, text: str = GOOD, clips: tuple[Clip, ...] = CLIPS, **cells: Any) -> Path:
        path = tmp_path / name
        rows = template_rows(DataSet("x", clips), {clip.id: 1 for clip in clips})
        added = {"allm_output": "said", "judge_output": text} | cells
        write_table(path, [*COLUMNS, "judge_output"], [row | added for row in rows])
        return path

    return write


Write = Callable[..., Path]


def test_several_files_are_several_judges_of_one_model(write: Write) -> None:
    paths = [write("a.csv"), write("b.csv", "Rating: 1\nOrientation: Both"), write("c.csv", "?")]
    results = results_of_files(paths)
    assert results.model == "a+b+c"
    means = {name: score.best_mean.value for name, score in results.figures.judges.items()}
    assert means == {"a": 2, "b": 1, "c": None}
    assert results.data.annotations_sha256 == annotations_sha256(CLIPS)
    assert (results.data.clips, results.data.items) == (2, 16)
    assert not results.complete


def test_equal_stems_are_told_apart_by_their_paths(write: Write) -> None:
    paths = [write("one/judged.csv"), write("two/judged.csv"), write("other.csv")]
    assert list(results_of_files(paths).judges) == [str(paths[0]), str(paths[1]), "other"]


def test_the_same_file_twice_is_refused(write: Write) -> None:
    path = write("a.csv")
    with pytest.raises(InputError, match="the same file is given twice"):
        results_of_files([path, path])


def test_files_must_be_about_the_same_answers_and_clips(write: Write) -> None:
    with pytest.raises(InputError, match=r"b\.csv: clip 9, prompt 1: another answer than in"):
        results_of_files([write("a.csv"), write("b.csv", allm_output="other")])
    other = Clip("10", "wind", "run", "a", "b", "they flee", "flee")
    with pytest.raises(InputError, match="clip 10 differs from that of another file"):
        results_of_files([write("a.csv"), write("c.csv", clips=(CLIPS[0], other))])


def test_expected_are_the_eight_items_of_every_clip_that_is_named(
    write: Write, tmp_path: Path
) -> None:
    file = read_responses_csv(write("a.csv"))
    write_table(tmp_path / "few.csv", file.table.columns, file.table.rows[3:10])
    results = results_of_files([tmp_path / "few.csv"])
    score = results.figures.judges["few"]
    assert (results.answers.expected, results.answers.answered) == (16, 7)
    assert score.coverage == 7 / 16
    assert score.best_mean.value == 2
    assert not results.complete
    whole = results_of_files([tmp_path / "few.csv", write("b.csv")])
    assert whole.figures.judges["few"].coverage == 7 / 16
    assert whole.figures.judges["b"].complete


def test_a_judged_file_scores_as_its_run_does(jasco: Jasco, write: Write, tmp_path: Path) -> None:
    judged = write("judged.csv", "Rating: 1\nOrientation: Neither")
    done = jasco("judge", judged, "--judge", f"csv/{judged}", "-o", tmp_path / "again.csv")
    assert done.status == 0, done
    by_run = results_of_run(tmp_path / "again.run").figures.judges[f"csv/{judged}"]
    assert results_of_files([tmp_path / "again.csv"]).figures.judges["again"] == by_run
    compat = results_of_files([judged], compat=False)
    assert compat.figures.judges["judged"] == by_run


def test_a_run_is_scored_as_published_from_its_texts(
    jasco: Jasco, write: Write, tmp_path: Path
) -> None:
    judged = write("judged.csv", "My Rating: 2 of 10\nso Orientation: Good")
    rows = read_responses_csv(judged).table.rows
    rows[0]["judge_output"] = GOOD  # something that can be read, so that there is a verdict
    write_table(judged, list(rows[0]), rows)
    jasco("judge", judged, "--judge", f"csv/{judged}", "-o", tmp_path / "again.csv")
    by_run = results_of_run(tmp_path / "again.run", compat=True)
    by_file = results_of_files([judged], compat=True)
    [run_score] = by_run.figures.judges.values()
    [file_score] = by_file.figures.judges.values()
    assert run_score == file_score
    assert file_score.best_mean.value == (2 + 0) / 2
