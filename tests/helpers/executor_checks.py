"""Checks that every executor must pass; its workers import this module."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from jasco.evaluation.distributed.executors import Executor, Lost
from processes import assert_nothing_lives, wait_for

_calls = 0  # of count_calls in this process


def square(number: int) -> int:
    return number * number


def fail_at_two(number: int) -> int:
    if number == 2:
        raise ValueError("two is not allowed")
    return number


def count_calls(_: int) -> tuple[int, int]:
    global _calls
    _calls += 1
    return os.getpid(), _calls


def _record_start(folder: Path) -> int:
    """Record the PID, and return how often the task has started."""
    with (folder / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return len((folder / "pids").read_text().split())


def die_once(folder: Path) -> str:
    if _record_start(folder) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def die_always(folder: Path) -> None:
    _record_start(folder)
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_interrupt(folder: Path) -> None:
    _record_start(folder)
    try:
        time.sleep(300)  # one blocking call: an interruption must end it
    except KeyboardInterrupt:
        (folder / "interrupted").write_text("yes")
        raise


def die_or_square(task: tuple[Path, int]) -> int:
    folder, number = task
    if number == 0:
        die_always(folder)
    return square(number)


def run_all(
    executor: Executor, function: Callable[[Any], Any], tasks: list[Any], folder: Path
) -> dict[int, Any]:
    with closing(executor.run(function, tasks, folder, lambda _: None)) as results:
        found = list(results)
    assert len(found) == len(tasks)
    return dict(found)


def check_results_arrive(executor: Executor, folder: Path) -> None:
    found = run_all(executor, square, list(range(7)), folder)
    assert found == {number: number * number for number in range(7)}
    assert run_all(executor, square, [], folder) == {}


def check_exception_is_lost(executor: Executor, folder: Path) -> None:
    found = run_all(executor, fail_at_two, [1, 2, 3], folder)
    assert found[0] == 1
    assert found[2] == 3
    assert isinstance(found[1], Lost)
    assert "two is not allowed" in found[1].reason


def check_killed_once(executor: Executor, folder: Path) -> None:
    assert run_all(executor, die_once, [folder], folder) == {0: "survived"}
    assert len((folder / "pids").read_text().split()) == 2


def check_killed_always(executor: Executor, folder: Path) -> None:
    """Three runs, and the other tasks are not affected."""
    found = run_all(executor, die_or_square, [(folder, number) for number in range(4)], folder)
    assert isinstance(found[0], Lost)
    assert "\n" not in found[0].reason
    assert [found[number] for number in (1, 2, 3)] == [1, 4, 9]
    assert len((folder / "pids").read_text().split()) == 3


def check_module_state_is_kept(executor: Executor, folder: Path) -> None:
    """Needs an executor with at most two workers."""
    found = run_all(executor, count_calls, list(range(8)), folder).values()
    assert len({pid for pid, _ in found}) <= 2
    assert max(calls for _, calls in found) >= 4


def quick_or_wait(task: tuple[Path, int]) -> None:
    folder, number = task
    if number == 0:
        wait_for(folder / "pids")  # the other task has started
    else:
        wait_for_interrupt(folder)


def check_early_close(executor: Executor, folder: Path) -> None:
    """Needs at least two workers."""
    tasks = [(folder, number) for number in range(4)]
    results = executor.run(quick_or_wait, tasks, folder, lambda _: None)
    assert next(results) == (0, None)
    start = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 15
    assert (folder / "interrupted").exists()
    assert_nothing_lives(folder / "pids", within=15)


def node_or_wait(folder: Path) -> str:
    """Wait until two tasks are in progress and one node is lost."""
    if _record_start(folder) == 2:
        (folder / "both").touch()
    wait_for(folder / "continue")
    return "done"
