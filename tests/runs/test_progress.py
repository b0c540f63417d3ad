"""The progress of a run: its results, how fast they arrive, and whether it is being written."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from divided_runs import write_shards
from jasco.data.dataset import read_data_set
from jasco.errors import InputError
from jasco.protocol.responses import Failure
from jasco.runs.progress import Progress, Stage, read_progress
from jasco.runs.writer import RunWriter
from runs import verdict, write_run

TIMEOUT = Failure("timeout", "no response within 60 s")


def now() -> datetime:
    return datetime.now(UTC)


def stage(done: int, failed: int = 0, rate: float | None = None, name: str = "") -> Stage:
    return Stage(name, 100, done, failed, rate, ())


def progress(*stages: Stage) -> Progress:
    return Progress(Path("run"), "model", stages[0], stages[1:], None, ())


@pytest.fixture
def write(tmp_path: Path, data: Path) -> Callable[..., Path]:
    def write_part(answered: int, *judges: str) -> Path:
        return write_run(
            tmp_path / "run",
            read_data_set(data),
            lambda clip, number: (TIMEOUT if number == 8 else "said") if clip < answered else None,
            dict.fromkeys(judges, lambda clip, number: verdict(2, "Both") if number < 5 else None),
        )

    return write_part


def test_answers_verdicts_and_failures_are_counted(write: Callable[..., Path]) -> None:
    found = read_progress(write(2, "kind", "stern"), now())
    assert found.answers
    assert (found.answers.done, found.answers.failed, found.answers.expected) == (14, 2, 32)
    assert [(judge.name, judge.done, judge.expected) for judge in found.judges] == [
        ("openai/kind", 8, 32),
        ("openai/stern", 8, 32),
    ]
    [reason] = found.answers.reasons
    assert (reason.kind, reason.of) == ("timeout", 2)
    assert found.updated
    assert now() - found.updated < timedelta(minutes=1)
    assert not found.complete


def test_rates_count_the_results_of_the_last_minutes(write: Callable[..., Path]) -> None:
    run = write(2, "kind")
    assert read_progress(run, now()).answers.rate is None  # within the first seconds
    soon, later = (read_progress(run, now() + timedelta(minutes=each)) for each in (2, 20))
    assert soon.answers.rate == pytest.approx(8, rel=0.1)
    assert soon.judges[0].rate == pytest.approx(4, rel=0.1)
    assert later.answers.rate is None


def test_the_time_left_is_that_of_the_slowest_stage() -> None:
    answers, judge = stage(50, 10, rate=20.0), stage(30, rate=10.0, name="judge")
    assert answers.seconds_left() == 120
    assert judge.seconds_left(unavailable=10) == 360
    assert progress(answers, judge).seconds_left == 360
    assert progress(stage(100), judge).seconds_left == 420
    assert progress(answers, stage(30, name="judge")).seconds_left is None
    assert progress(stage(100), stage(100, name="judge")).seconds_left is None


def test_a_run_is_complete_if_nothing_is_missing() -> None:
    assert progress(stage(100), stage(100, name="judge")).complete
    assert not progress(stage(100), stage(99, name="judge")).complete
    assert not progress(stage(99, failed=1)).complete
    assert not Progress(Path("run"), "", None, (), None, ()).complete


def test_what_fails_for_good_is_not_expected(tmp_path: Path, data: Path) -> None:
    refused, unsure = Failure("rejected", "refused", final=True), Failure("timeout", "no response")

    def write(retried: str | Failure) -> Progress:
        run = write_run(
            tmp_path / "run",
            read_data_set(data),
            lambda clip, number: refused if (clip, number) == (0, 1) else "said",
            {
                "kind": lambda clip, number: {(0, 2): refused, (0, 3): retried}.get(
                    (clip, number), verdict(2, "Both")
                )
            },
        )
        return read_progress(run, now())

    assert not write(unsure).complete
    found = write(verdict(1, "Both"))
    assert found.complete
    assert [(stage.done, stage.final, stage.expected) for stage in found.stages] == [
        (31, 1, 32), (30, 1, 32),
    ]  # fmt: skip
    assert found.seconds_left is None


def test_a_run_is_running_while_a_process_writes_to_it(
    write: Callable[..., Path], data: Path
) -> None:
    run = write(1)
    assert not read_progress(run, now()).running
    with RunWriter.open(run) as store:
        store.set_data(read_data_set(data))
        found = read_progress(run, now())
        assert found.running
    assert not found.running  # the lock is looked at each time


def test_the_shards_of_a_run_are_added(tmp_path: Path) -> None:
    found = read_progress(write_shards(tmp_path / "run"), now())
    assert found.answers
    assert (found.answers.done, found.answers.failed) == (21, 3)
    assert found.answers.expected >= 24


def test_a_run_without_a_model_or_without_a_file(tmp_path: Path) -> None:
    with RunWriter.open(tmp_path / "run"):
        found = read_progress(tmp_path / "run", now())
    assert (found.answers, found.seconds_left, found.complete) == (None, None, False)
    with pytest.raises(InputError):
        read_progress(tmp_path / "none", now())
