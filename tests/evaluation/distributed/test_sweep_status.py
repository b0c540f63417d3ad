"""The state of a cell: what is in its run, and why it failed."""

from pathlib import Path

import pytest

from jasco.data.dataset import DataSet, read_data_set
from jasco.evaluation.distributed.sweep_plan import Cell
from jasco.evaluation.distributed.sweep_status import FAILURE_FILE, status_of
from jasco.judges.panel import open_judges
from jasco.protocol.responses import Failure
from jasco.runs.writer import RunWriter
from runs import verdict, write_run
from synthetic import make_data

JUDGES = [*open_judges("openai/m"), *open_judges("openai/other")]


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return Cell("model", "one", tmp_path / "run", None, "one", None, None, "", {})


@pytest.fixture
def data_set(tmp_path: Path) -> DataSet:
    return read_data_set(make_data(tmp_path / "data", clips=2, seconds=0.02))


def test_a_cell_is_complete_once_nothing_is_missing_of_any_judge(
    cell: Cell, data_set: DataSet
) -> None:
    assert status_of(cell, JUDGES).state == "not started"
    write_run(cell.folder, data_set, lambda *_: "Yes." if _[0] else None, {})
    status = status_of(cell, JUDGES)
    assert (status.state, status.answered, status.items) == ("incomplete", 8, 16)
    write_run(cell.folder, data_set, lambda *_: "Yes.", {"m": lambda *_: verdict(2, "Both")})
    assert status_of(cell, JUDGES).state == "incomplete"
    status = status_of(cell, JUDGES[:1])
    assert (status.state, status.coverage) == ("complete", 1.0)
    assert status.updated


def test_final_failures_are_complete(cell: Cell, data_set: DataSet) -> None:
    failure = Failure("content filter", "no", final=True)
    write_run(cell.folder, data_set, lambda *_: failure, {})
    status = status_of(cell, JUDGES)
    assert (status.state, status.answered) == ("complete", 0)


def test_a_cell_that_failed_has_a_reason_until_it_is_running(cell: Cell, data_set: DataSet) -> None:
    cell.folder.mkdir()
    (cell.folder / FAILURE_FILE).write_text('{"reason": "server gone"}')
    status = status_of(cell, JUDGES)
    assert (status.state, status.reason) == ("failed", "server gone")
    (cell.folder / FAILURE_FILE).write_text("{")
    assert status_of(cell, JUDGES).reason == "unknown reason"
    write_run(cell.folder, data_set, lambda *_: "Yes.", {})
    with RunWriter.open(cell.folder) as store:
        store.set_data(data_set)
        assert status_of(cell, JUDGES).state == "running"
    assert status_of(cell, JUDGES).state == "failed"


def test_a_run_that_cannot_be_read_has_failed(cell: Cell) -> None:
    cell.folder.mkdir()
    (cell.folder / "run.db").write_text("not a database")
    status = status_of(cell, JUDGES)
    assert status.state == "failed"
    assert "run.db" in status.reason
