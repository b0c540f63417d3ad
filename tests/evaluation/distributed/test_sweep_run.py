"""Sweeps on an executor, their exit statuses, and what happens when work is lost."""

import shutil
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from jasco.errors import IncompleteError, InputError, RunConflictError
from jasco.evaluation.distributed.executors import Executor, Lost
from jasco.evaluation.distributed.sweep_plan import Cell, SweepPlan, read_plan
from jasco.evaluation.distributed.sweep_run import SweepOutcome, SweepRunner, planned_models
from jasco.evaluation.distributed.sweep_status import CellStatus, status_of
from jasco.evaluation.distributed.sweep_tasks import CellResult, SweepTask, job_of, run_sweep_task
from jasco.runs.writer import RunWriter
from sweep_files import safetensors, write_toml
from synthetic import make_data

FUNCTION = "def answer(audio, sampling_rate, prompt):\n    return 'They flee, ' + prompt\n"


class Here(Executor):
    """Runs tasks in this process, last first, and loses some."""

    def __init__(self, lose: Sequence[int] = ()) -> None:
        super().__init__()
        self.lose, self.tasks, self.folders = lose, list[Any](), list[Path]()

    def run(  # type: ignore[override]
        self, function: Any, tasks: Sequence[Any], folder: Path, notify: Any
    ) -> Generator[tuple[int, Any], None, None]:
        assert folder.is_dir()
        self.tasks += tasks
        for index, task in reversed([*enumerate(tasks)]):
            yield index, Lost("killed") if index in self.lose else function(task)


def write_model(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(FUNCTION)
    return f"python/{folder / 'model.py'}:answer"


def plan_of(folder: Path, **changes: Any) -> SweepPlan:
    if not (folder / "one").exists():
        for name in ("one", "two"):
            make_data(folder / name, clips=1, seconds=0.02)
    values = {
        "run_root": "runs",
        "judges": ["offline"],
        "data": ["one", "two"],
        "models": [{"spec": write_model(folder / name), "name": name} for name in ("a", "b")],
        "options": {"preflight": False},
        "settle": 0,
    }
    return read_plan(write_toml(folder / "plan.toml", values | changes))


def statuses(plan: SweepPlan) -> dict[str, CellStatus]:
    cells = [cell for model in planned_models(plan) for cell in model.cells]
    return {str(cell): status_of(cell, plan.judges) for cell in cells}


def states(plan: SweepPlan) -> list[str]:
    return [status.state for status in statuses(plan).values()]


def test_an_executor_gets_one_task_per_model_and_only_those_with_work(tmp_path: Path) -> None:
    plan, executor, lines = plan_of(tmp_path), Here(lose=[0]), list[str]()
    assert states(plan) == ["not started"] * 4
    outcome = SweepRunner(plan, executor, lines.append).run()
    assert [len(task.cells) for task in executor.tasks] == [2, 2]
    assert isinstance(outcome.error(), IncompleteError)
    assert states(plan) == ["failed", "failed", "complete", "complete"]
    assert statuses(plan)["a on one"].reason == "killed"
    assert "a on one: killed" in lines
    executor = Here()
    assert SweepRunner(plan, executor).run().error() is None
    assert [task.cells[0].model for task in executor.tasks] == ["a"]
    assert states(plan) == ["complete"] * 4
    executor = Here()
    assert SweepRunner(plan, executor).run().error() is None
    assert executor.tasks == []


def test_more_work_in_the_plan_makes_a_cell_incomplete(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    SweepRunner(plan).run()
    more = plan_of(tmp_path, options={"preflight": False, "samples": 2})
    assert states(more) == ["incomplete"] * 4
    assert states(plan_of(tmp_path, judges=["offline", "openai/m"])) == ["incomplete"] * 4
    SweepRunner(more).run()
    assert states(more) == ["complete"] * 4


def test_a_checkpoint_that_is_not_complete_is_skipped(tmp_path: Path) -> None:
    entry = {"spec": "python/{checkpoint}/model.py:answer", "checkpoints": "ck/step-*"}
    plan, lines = plan_of(tmp_path, models=[entry]), list[str]()
    with pytest.raises(InputError, match="no checkpoint matches ck/step-"):
        SweepRunner(plan).run()
    for step in (9, 10):
        write_model(tmp_path / "ck" / f"step-{step}")
    (tmp_path / "ck" / "step-latest").touch()
    (tmp_path / "ck" / "step-10" / "model.safetensors").write_bytes(safetensors(b"weights")[:-1])
    outcome = SweepRunner(plan, None, lines.append).run()
    assert outcome.unready == 1
    assert isinstance(outcome.error(), IncompleteError)
    assert any("step-latest: not a folder" in line for line in lines)
    [line] = [line for line in lines if "step-10" in line]
    assert "model.safetensors is incomplete" in line
    assert states(plan) == ["complete", "complete", "not started", "not started"]


def test_the_answers_of_a_deleted_checkpoint_are_judged(tmp_path: Path) -> None:
    entry = {"spec": "python/{checkpoint}/model.py:answer", "checkpoints": "ck/step-*"}
    model = tmp_path / "ck" / "step-1"
    write_model(model)
    SweepRunner(plan_of(tmp_path, models=[entry])).run()
    shutil.rmtree(model)
    plan = plan_of(tmp_path, models=[entry], judges=["offline", "offline,label=again"])
    assert states(plan) == ["incomplete"] * 2
    assert SweepRunner(plan).run().error() is None
    assert states(plan) == ["complete"] * 2

    write_model(tmp_path / "moved" / "step-1")  # the same folder of runs
    moved = plan_of(tmp_path, models=[{**entry, "checkpoints": "moved/step-*"}])
    moved.seen.add("moved/step-*", model)
    assert [each.checkpoint for each in planned_models(moved)] == [tmp_path / "moved" / "step-1"]

    plan = plan_of(tmp_path, models=[entry], options={"samples": 2})
    with RunWriter.open(next(iter(statuses(plan).values())).cell.folder) as store:
        store.widen(store.covered, 2)
    error = SweepRunner(plan).run().error()
    assert isinstance(error, InputError)
    assert "no longer exists, so 8 answers" in str(error)


def test_a_run_that_another_process_writes_to_is_refused(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    folder = next(iter(statuses(plan).values())).cell.folder
    with RunWriter.open(folder):
        outcome = SweepRunner(plan).run()
    assert [result.state for result in outcome.results] == ["refused", *["complete"] * 3]
    assert isinstance(outcome.error(), RunConflictError)
    assert SweepRunner(plan).run().error() is None


def test_a_sweep_is_stopped_from_another_thread(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        SweepRunner(plan, begun=lambda stop: stop()).run()
    stops: list[Any] = []
    rounds: list[threading.Timer] = []

    def after_round() -> None:
        rounds.append(threading.Timer(0.1, stops[0]))
        rounds[-1].start()

    with pytest.raises(KeyboardInterrupt):
        SweepRunner(plan, begun=stops.append).watch(after_round)
    [timer] = rounds
    timer.join()
    assert states(plan) == ["complete"] * 4


@pytest.mark.parametrize(
    ("ends", "kind"),
    [
        ([("complete", "")], type(None)),
        ([("complete", ""), ("invalid", "x")], InputError),
        ([("invalid", "x"), ("refused", "y")], RunConflictError),
        ([("invalid", "x"), ("refused", "y"), ("incomplete", "")], IncompleteError),
        ([("incomplete", "gone"), ("error", "Traceback: bug")], RuntimeError),
    ],
)
def test_the_error_is_that_of_the_exit_status(ends: Any, kind: type) -> None:
    results = [CellResult(_cell(number), *end) for number, end in enumerate(ends)]
    error = SweepOutcome(results).error()
    assert type(error) is kind
    messages = {message for _, message in ends if message}
    if kind not in (RuntimeError, type(None)):
        expected = messages.pop() if len(messages) == 1 else "for the reasons given above"
        assert expected in str(error)


def _cell(number: int) -> Cell:
    return Cell(f"m{number}", "one", Path(f"m{number}"), None, "one", None, None, "", {})


def test_a_job_has_the_prices_of_its_own_model_and_judges(tmp_path: Path) -> None:
    prices = {"openai/one": 1, "openai/two": 2, "openai/m": 3}
    models = ["openai/one", "openai/two,temperature=1"]
    options = {"price_in": prices, "price_out": 0}
    plan = plan_of(tmp_path, models=models, judges=["openai/m"], options=options)
    one, two = (
        job_of(model.cells[0], plan.judges, answers=True, notify=print)
        for model in planned_models(plan)
    )
    assert {*one.prices.into} == {"openai/one", "openai/m"}
    assert {*two.prices.into} == {"openai/two", "openai/m"}
    assert {*two.prices.out} == {""}
    assert one.judges[0] is not two.judges[0]


def test_a_task_waits_for_a_run_that_is_in_use(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    cells = planned_models(plan)[0].cells
    store = RunWriter.open(cells[0].folder)
    timer = threading.Timer(0.5, store.close)
    timer.start()
    results = run_sweep_task(SweepTask(cells, plan.judges, patience=60))
    timer.join()
    assert [(result.cell.data, result.state) for result in results] == [
        ("two", "complete"), ("one", "complete"),
    ]  # fmt: skip


def test_a_pattern_without_a_checkpoint_is_refused_before_anything_starts(tmp_path: Path) -> None:
    good = {"spec": f"python/{tmp_path}/good.py:answer", "name": "good"}
    entry = {"spec": "python/{checkpoint}/model.py:answer", "checkpoints": "chk/step-*"}
    plan = plan_of(tmp_path, models=[good, entry])
    with pytest.raises(InputError, match=r"no checkpoint matches chk/step-\*"):
        SweepRunner(plan).run()
    assert set(states(plan)) == {"not started"}
