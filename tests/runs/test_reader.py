"""Readers of a run: a snapshot, without writing to it."""

import json
import threading
import time
from pathlib import Path

import pytest

from jasco.errors import InputError
from jasco.runs.database import RunUnwritableError
from jasco.runs.reader import RunReader
from jasco.runs.schema import response_row
from jasco.runs.writer import RunWriter
from rows_of_runs import ANSWER, DATA, JUDGEMENT, add_answers, add_verdicts


def test_everything_is_there_when_it_is_opened_again(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model, judge = add_verdicts(run, JUDGEMENT)
    with RunReader.open(folder) as run:
        assert run.data() == DATA
        assert run.responses(model, 0) == {1: ANSWER}
        expected = {("0", 1): (["Rating: 2 …"], JUDGEMENT.verdict)}
        assert run.judgements(model, judge) == expected
        [row] = run.rows_of("verdicts", 0, 1)
        assert json.loads(row["attempts"]) == [{"asked": "verdict", "text": "Rating: 2 …"}]
        assert run.models() == [(model, "p/m", {"provider": "p", "name": "m"})]


def test_a_reader_writes_nothing(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        add_answers(run)
    with pytest.raises(RunUnwritableError), RunReader.open(folder) as run:
        run._connection.execute("DELETE FROM facts")


def test_where_there_is_no_run_a_reader_makes_none(folder: Path) -> None:
    with pytest.raises(InputError, match="run not found"):
        RunReader.open(folder)
    assert not folder.exists()


def test_a_reader_sees_one_moment_of_a_run_that_grows(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        run.widen(2)
        model = add_answers(run, ANSWER)
        reader = RunReader.open(folder)
        before = reader.count_responses(model)
        rows = [response_row(model, 1, 1, ANSWER, 0.5)]
        thread = threading.Thread(target=run.commit, args=(rows,))
        thread.start()
        time.sleep(0.2)
        assert reader.count_responses(model) == before
        reader.close()
        thread.join()
        with RunReader.open(folder) as new_reader:
            assert new_reader.count_responses(model) != before
