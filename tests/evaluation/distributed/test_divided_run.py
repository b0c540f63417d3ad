"""Runs in shards: what is made of the results and the messages of workers."""

import pickle
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jasco.backends.budget import Limits
from jasco.backends.specs import open_spec
from jasco.data.dataset import read_data_set
from jasco.errors import IncompleteError, InputError, RunConflictError
from jasco.evaluation.distributed import divided_run
from jasco.evaluation.distributed.divided_run import Division, is_divided, run_divided
from jasco.evaluation.distributed.executors import Executor, Lost
from jasco.evaluation.distributed.shard_tasks import ShardResult, ShardTask, read_progress
from jasco.evaluation.job import Job
from jasco.evaluation.plan import plan
from jasco.models.function_model import FunctionModel
from jasco.runs.reader import RunReader
from jasco.runs.shards import Shard
from jasco.runs.summary import summarise_run

Outcome = ShardResult | Lost


class HereExecutor(Executor):
    """Runs pickled tasks in this process, except those whose outcome is given."""

    def __init__(self, outcomes: dict[int, Outcome] | None = None) -> None:
        super().__init__()
        self.outcomes = outcomes or {}
        self.done: list[int] = []

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        folder: Path,
        notify: Callable[[str], None],
    ) -> Generator[tuple[int, Any], None, None]:
        assert folder.is_dir()
        for index, task in enumerate(tasks):
            if index in self.outcomes:
                yield index, self.outcomes[index]
                continue
            result = function(pickle.loads(pickle.dumps(task)))
            self.done.append(index)
            yield index, pickle.loads(pickle.dumps(result))


def shout(audio: Any, sampling_rate: int, prompt: str) -> str:
    return f"{abs(audio).sum():.3f} {prompt.upper()}"


def hang_up(audio: Any, sampling_rate: int, prompt: str) -> str:
    raise OSError(f"hung up on {prompt[:8]}")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path / "run", None, FunctionModel.of(shout), [open_spec("judge", "offline")])


def run(job: Job, data: Path | None, executor: Executor | None = None, shards: int = 0) -> Any:
    lines: list[str] = []
    division = Division(shards, executor=executor)
    return run_divided(job, data, division, lines.append), lines


@pytest.mark.parametrize("here", [False, True])
def test_all_shards_are_processed(job: Job, data: Path, here: bool) -> None:
    executor = None if here else HereExecutor()
    complete, _ = run(job, data, executor, 3)
    assert complete
    assert (is_divided(job.run), is_divided(job.run / "none")) == (True, False)
    summary = summarise_run(job.run)
    assert (summary.state, summary.shards, summary.answered) == ("complete", 3, 32)
    with RunReader.open(job.run) as whole:
        assert [list(part.places) for part in whole.parts()] == [[0, 3], [1], [2]]
    if executor:
        assert read_progress(Shard(1, 3).folder(job.run)).counts.done == 2 * 8 * 2 + 12
    assert "0 items to answer, 32 done" in "".join(plan(job))


def test_lost_and_incomplete_shards_are_summarised(job: Job, data: Path) -> None:
    executor = HereExecutor(
        {
            0: Lost("killed by signal 9"),
            1: ShardResult(Shard(2, 4), "incomplete", "server gone"),
            2: ShardResult(Shard(3, 4), "incomplete", "server gone"),
        }
    )
    with pytest.raises(IncompleteError) as error:
        run(job, data, executor, 4)
    assert "3 of 4 shards not finished: server gone (2 shards); killed" in str(error.value)
    assert executor.done == [3]
    executor.outcomes = {0: ShardResult(Shard(1, 4), "incomplete")}
    assert run(job, data, executor, 4)[0] is False


@pytest.mark.parametrize(
    ("state", "error"),
    [("invalid", InputError), ("refused", RunConflictError), ("error", RuntimeError)],
)
def test_an_error_that_all_shards_would_meet_ends_the_run(
    job: Job, data: Path, state: Any, error: type[Exception]
) -> None:
    executor = HereExecutor({1: ShardResult(Shard(2, 4), state, "no such key")})
    with pytest.raises(error, match=r"shard 2/4: no such key"):
        run(job, data, executor, 4)
    assert executor.done == [0]


def test_messages_of_workers_are_shown_once(
    job: Job, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divided_run, "_POLL", 0.01)
    failing = replace(job, model=FunctionModel.of(hang_up), preflight=False)
    complete, lines = run(failing, data, HereExecutor(), 2)
    assert not complete
    [failure] = [line for line in lines if "hung up on" in line and "shard" in line]
    assert failure.startswith("shard ")


def test_a_model_that_cannot_be_sent_is_refused(job: Job, data: Path) -> None:
    unsendable = replace(job, model=FunctionModel.of(lambda *_: "They flee.", "mine"))
    unsendable = replace(unsendable, preflight=False)
    with pytest.raises(InputError, match="give it as python/module:function"):
        run(unsendable, data, HereExecutor(), 2)
    assert run(unsendable, data, None, 2)[0]  # here, it need not be sent


def test_a_data_set_in_memory_and_one_on_disk_give_the_same_run(
    job: Job, data: Path, tmp_path: Path
) -> None:
    run(job, data, None, 2)
    other = replace(job, run=tmp_path / "other", model=FunctionModel.of(shout))
    lines: list[str] = []
    run_divided(other, read_data_set(data), Division(2), lines.append)
    with RunReader.open(job.run) as one, RunReader.open(other.run) as two:
        assert one.data() == two.data()
        assert one.data().annotations_sha256 == read_data_set(data).annotations_sha256
        for part in one.parts():
            assert part.data().annotations_sha256 == one.data().annotations_sha256


def test_limits_are_divided_among_the_shards(job: Job, data: Path) -> None:
    with pytest.raises(InputError, match="--max-calls: less than 1 for each of 3 shards"):
        run(replace(job, limits=Limits(calls=2)), data, None, 3)
    assert run(replace(job, limits=Limits(calls=3)), data, None, 3)[0]


def test_a_run_is_judged_later_with_the_data_that_it_holds(job: Job, data: Path) -> None:
    answering = replace(job, judges=())
    run(answering, data, HereExecutor(), 2)
    assert summarise_run(job.run).coverage is None
    judging = replace(job, model=None)
    assert run(judging, None, HereExecutor())[0]
    assert summarise_run(job.run).coverage == 1
    with pytest.raises(InputError, match="run not found"):
        run(replace(judging, run=job.run / "none"), None)


@pytest.mark.parametrize("here", [False, True])
def test_a_model_is_loaded_once_for_all_shards(
    job: Job, data: Path, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = FunctionModel.load

    def load_once(model: FunctionModel) -> None:
        loaded.append(model.spec.name)
        load(model)

    monkeypatch.setattr(FunctionModel, "load", load_once)
    named = replace(job, model=FunctionModel.of(shout, f"loaded once {here}"))
    assert run(named, data, None if here else HereExecutor(), 4)[0]
    assert loaded == [f"loaded once {here}"]


def test_complete_shards_are_not_sent_to_workers(job: Job, data: Path) -> None:
    first = HereExecutor({1: ShardResult(Shard(2, 3), "incomplete")})
    run(job, data, first, 3)
    again = HereExecutor()
    assert run(job, data, again)[0]
    assert again.done == [0]  # the only task, of the second shard
    third = HereExecutor()
    assert run(job, data, third)[0]
    assert third.done == []
    judged = replace(job, judges=[*job.judges, open_spec("judge", "offline,label=again")])
    run(judged, data, third)
    assert third.done == [0, 1, 2]


def test_tasks_of_an_earlier_process_are_equal(job: Job) -> None:
    """The executor of Slurm compares them."""
    task = ShardTask(job, Shard(1, 2))
    assert pickle.loads(pickle.dumps(task)) == task
    other = replace(job, judges=[open_spec("judge", "offline,label=other")])
    assert ShardTask(other, Shard(1, 2)) != task
    assert ShardTask(job, Shard(2, 2)) != task
