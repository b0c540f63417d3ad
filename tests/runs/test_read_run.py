"""The results of a run."""

from collections.abc import Callable
from pathlib import Path

from command import Jasco
from jasco.data.csv_files import write_table
from jasco.data.responses_csv import read_responses_csv
from jasco.runs.read_csv import results_of_files
from jasco.runs.read_run import results_of_run
from judged_files import READABLE

Write = Callable[..., Path]


def test_a_judged_file_scores_as_its_run_does(
    jasco: Jasco, write_judged: Write, tmp_path: Path
) -> None:
    judged = write_judged("judged.csv", "Rating: 1\nOrientation: Neither")
    result = jasco("judge", judged, "--judge", f"csv/{judged}", "-o", tmp_path / "again.csv")
    assert result.status == 0, result
    by_run = results_of_run(tmp_path / "again.run").figures.judges[f"csv/{judged}"]
    assert results_of_files([tmp_path / "again.csv"]).figures.judges["again"] == by_run
    compat = results_of_files([judged], compat=False)
    assert compat.figures.judges["judged"] == by_run


def test_a_run_is_scored_as_published_from_its_texts(
    jasco: Jasco, write_judged: Write, tmp_path: Path
) -> None:
    judged = write_judged("judged.csv", "My Rating: 2 of 10\nso Orientation: Good")
    rows = read_responses_csv(judged).table.rows
    rows[0]["judge_output"] = READABLE  # one readable verdict
    write_table(judged, list(rows[0]), rows)
    jasco("judge", judged, "--judge", f"csv/{judged}", "-o", tmp_path / "again.csv")
    by_run = results_of_run(tmp_path / "again.run", compat=True)
    by_file = results_of_files([judged], compat=True)
    [run_score] = by_run.figures.judges.values()
    [file_score] = by_file.figures.judges.values()
    assert run_score == file_score
    assert file_score.best_mean.value == (2 + 0) / 2
