"""Readers of a run: a snapshot, without writing to it."""

import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jasco.errors import InputError
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict
from jasco.runs.database import RunUnwritableError
from jasco.runs.reader import RunReader, VerdictCounts
from jasco.runs.schema import INSTRUCTIONS_FACT, response_row, verdict_row
from jasco.runs.writer import RunWriter
from rows_of_runs import (
    ANSWER,
    DATA,
    FAILED,
    JUDGEMENT,
    add_answers,
    add_verdicts,
    spec,
)


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


# --- verdicts ---

VERDICTS = st.builds(
    Verdict,
    st.sampled_from([0, 1, 2, None]),
    st.sampled_from([*Orientation, None]),
)
OUTCOMES = st.one_of(st.builds(Judgement, VERDICTS, st.just(())), st.just(FAILED))


@st.composite
def runs(draw: st.DrawFn) -> tuple[int, dict[tuple[int, ...], Judgement | Failure]]:
    """Draw a number of instructions, and outcomes by judge, repeat, clip, instruction, sample."""
    instructions = draw(st.sampled_from([1, 3, 8, 15, 16, 64]))
    keys = st.tuples(
        st.integers(0, 1), st.integers(0, 1), st.integers(0, 2), st.integers(1, instructions),
        st.integers(0, 1),
    )  # fmt: skip
    return instructions, draw(st.dictionaries(keys, OUTCOMES, max_size=40))


@settings(max_examples=60, deadline=None)
@given(runs(), st.integers(1, 3))
def test_packed_verdicts_are_those_that_were_written(
    outcomes: tuple[int, dict[tuple[int, ...], Judgement | Failure]], covered: int
) -> None:
    number, written = outcomes
    texts = [f"question {place}" for place in range(number)]
    expected: dict[tuple[int, ...], VerdictMatrix] = {}
    for judge, repeat, clip, instruction, sample in written:
        outcome = written[judge, repeat, clip, instruction, sample]
        matrix = expected.setdefault(
            (judge, repeat, sample), VerdictMatrix.none_yet(covered, instructions=texts)
        )
        if isinstance(outcome, Judgement) and clip < covered:
            matrix.enter(clip, instruction, outcome.verdict)
    with tempfile.TemporaryDirectory() as folder, RunWriter.open(Path(folder) / "run") as run:
        run.set_data(DATA)
        run.set_facts({INSTRUCTIONS_FACT: json.dumps(texts)})
        run.set_protocol("v2")
        model = run.set_model(spec("m"))
        judges = run.add_judges([spec("j"), spec("k")])
        run.widen(covered)
        run.commit(
            [
                verdict_row(model, judges[judge], "v2", *rest, outcome, 1.0, sample=sample)
                for (judge, *rest, sample), outcome in written.items()
            ]
        )
        for (judge, repeat, sample), matrix in expected.items():
            packed = run.verdict_table(model, judges[judge], repeat, sample)
            read = VerdictMatrix.none_yet(covered, instructions=texts)
            read.enter_packed(packed)
            assert len(set(packed[:, 0])) == len(packed)
            assert np.array_equal(read.ratings, matrix.ratings, equal_nan=True)
            assert (read.unreadable == matrix.unreadable).all()
            assert (read.orientations == matrix.orientations)[read.readable].all()


def test_verdicts_are_counted_in_one_pass(folder: Path) -> None:
    cut_off = Judgement(Verdict(None, None), (Attempt("verdict", "The", "length", {}, "m-2"),))
    ended = Judgement(Verdict(1, None), (Attempt("verdict", "The", "stop", {}, "m-1"),))
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model, judge = add_verdicts(run, JUDGEMENT)
        assert run.verdict_counts(model, judge) == VerdictCounts(1, 0, 0, 1, ())
        assert run.verdict_counts(model, judge + 1) == VerdictCounts(0, 0, 0, 1, ())
        run.widen(2)
        run.commit(
            [
                verdict_row(model, judge, "v2", repeat, clip, number, outcome, 1.0, sample=sample)
                for repeat, clip, number, outcome, sample in (
                    (0, 0, 2, cut_off, 0),
                    (0, 0, 3, ended, 0),
                    (0, 1, 1, FAILED, 0),
                    (0, 1, 2, cut_off, 1),
                    (2, 0, 1, cut_off, 0),
                )
            ]
        )
        assert run.verdict_counts(model, judge) == VerdictCounts(4, 1, 2, 3, ("m-1", "m-2"))


def test_judges_with_nothing_but_failures_are_no_judges_of_a_model(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model, judge = add_verdicts(run, FAILED)
        assert run.judges_of(model) == []
        add_verdicts(run, JUDGEMENT)
        assert [number for number, *_ in run.judges_of(model)] == [judge]


def test_verdicts_are_read_in_the_order_of_the_index(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model, judge = add_verdicts(run, JUDGEMENT)
        plans: list[str] = []
        run._connection.set_trace_callback(plans.append)
        run.verdict_table(model, judge)
        run._connection.set_trace_callback(None)
        [query] = [text for text in plans if "GROUP BY" in text]
        steps = [step for *_, step in run._all(f"EXPLAIN QUERY PLAN {query}")]
        assert not any("TEMP B-TREE" in step for step in steps)
