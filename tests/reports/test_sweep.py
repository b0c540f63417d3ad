"""The tables, curves and rows of a sweep, from runs that are complete, incomplete or missing."""

from pathlib import Path
from typing import Any

import pytest

from jasco.api.scores import scores_of
from jasco.data.dataset import read_data_set
from jasco.evaluation.distributed.sweep_plan import Cell
from jasco.evaluation.distributed.sweep_status import CellState, CellStatus
from jasco.reports.sweep import (
    SweepResults,
    cells_json,
    curves_json,
    render_status,
    render_sweep,
)
from runs import verdict, write_run
from synthetic import make_data

CLIPS = 3


def cell(folder: Path, model: str, data: str = "one", step: int | None = None) -> Cell:
    series = "" if step is None else "mine"
    return Cell(model, data, folder / model / data, None, data, model, step, series, {})


def status(of: Cell, state: CellState = "complete", reason: str = "") -> CellStatus:
    return CellStatus(of, state, reason, 8 * CLIPS, 8 * CLIPS, 1.0, "2026-01-02T03:04:05Z")


@pytest.fixture
def results(tmp_path: Path) -> SweepResults:
    """Write the runs of a sweep: a model, three checkpoints, one of them incomplete, and failures.

    The best-mean of the model is 2, those of the checkpoints are 0, 1 and 2.
    """
    data = read_data_set(make_data(tmp_path / "data", CLIPS, seconds=0.02))

    def write(of: Cell, rating: int, judged: int = CLIPS) -> Cell:
        judge: Any = lambda clip, _: verdict(rating, "Both") if clip < judged else None  # noqa: E731
        write_run(of.folder, data, lambda clip, prompt: f"{clip} {prompt}", {"m": judge}, of.model)
        return of

    steps = [
        write(cell(tmp_path, f"step-{step}", step=step), rating, judged)
        for step, rating, judged in ((10, 1, CLIPS), (9, 0, CLIPS), (100, 2, 2))
    ]
    base = write(cell(tmp_path, "base"), 2)
    statuses = [
        status(base),
        status(cell(tmp_path, "base", "two"), "failed", "server gone"),
        *map(status, steps),
        status(cell(tmp_path, "step-200", step=200), "not started"),
    ]
    return SweepResults(
        statuses, scores_of([base.folder, *(each.folder for each in steps)]).reports
    )


def cells_of(text: str, name: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.split("  ")[0] == name]
    return [part.strip() for part in line.split("  ")[1:] if part]


def test_the_table_has_a_row_per_model_and_a_column_per_data_set(results: SweepResults) -> None:
    text = results.table.to_text()
    assert results.table.header == ["model", "one [95%]", "two [95%]"]
    assert cells_of(text, "base") == ["2.00", "failed"]
    assert cells_of(text, "step-10") == ["1.00"]
    assert cells_of(text, "step-100")[0].endswith("(coverage 66.7%)")
    assert cells_of(text, "step-200") == ["not started"]
    assert "base on two: server gone" in render_sweep(results)


def test_a_curve_is_in_order_of_its_steps_with_the_change_to_the_first(
    results: SweepResults,
) -> None:
    [curve] = results.curves
    assert (curve.data, curve.series) == ("one", "mine")
    assert [point.step for point in curve.points] == [9, 10, 100]
    assert [point.change.value for point in curve.points] == [None, 1.0, 2.0]
    assert curve.table.header[0] == "step"
    assert "coverage" in curve.table.header
    [json] = curves_json(results.curves)
    first, second, _ = json["points"]
    assert (first["best_mean"], first["change"], first["change_ci"]) == (0.0, None, None)
    assert (second["model"], second["change"], second["coverage"]) == ("step-10", 1.0, 1.0)


def test_rows_have_the_names_of_the_plan_and_the_step(results: SweepResults) -> None:
    rows = list(results.rows())
    assert len(rows) == 8  # four runs, each with its judge
    assert {row["judge"] for row in rows} == {None, "openai/m"}
    steps = {row["model"]: row["step"] for row in rows}
    assert steps == {"base": None, "step-9": 9, "step-10": 10, "step-100": 100}
    assert {row["data"] for row in rows} == {"one"}


def test_the_status_lists_every_cell(results: SweepResults) -> None:
    text = render_status(results.statuses)
    assert len(text.splitlines()) == 2 + 6 + 1
    assert "2026-01-02 03:04" in text
    states = [(each["model"], each["state"]) for each in cells_json(results.statuses)]
    assert states[1:3] == [("base", "failed"), ("step-10", "complete")]
    assert render_status([]) == render_sweep(SweepResults([])) == "no models found"


def test_the_same_reason_is_given_once_per_model(tmp_path: Path) -> None:
    failed = [
        status(cell(tmp_path, "base", data), "failed", "gone") for data in ("one", "two", "three")
    ]
    assert render_status(failed).splitlines()[-1] == "base on one, two, three: gone"
