import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import executor_checks as checks
from jasco.evaluation.distributed.executors import Executor, open_executor
from processes import assert_nothing_lives, wait_for

DRIVER = """
from pathlib import Path
import executor_checks
from jasco.evaluation.distributed.executors import open_executor
if __name__ == "__main__":
    folder = Path({folder!r})
    tasks = [folder, folder]
    for _ in open_executor("local,workers=2").run(
        executor_checks.wait_for_interrupt, tasks, folder, print
    ):
        pass
"""


@pytest.fixture
def executor() -> Executor:
    return open_executor("local,workers=2")


@pytest.mark.parametrize(
    "check",
    [
        checks.check_results_arrive,
        checks.check_exception_is_lost,
        checks.check_killed_once,
        checks.check_killed_always,
        checks.check_module_state_is_kept,
        checks.check_early_close,
    ],
)
def test_check(check, executor: Executor, tmp_path: Path) -> None:
    check(executor, tmp_path)


def test_reason_names_the_signal_and_the_log(executor: Executor, tmp_path: Path) -> None:
    reason = checks.run_all(executor, checks.die_always, [tmp_path], tmp_path)[0].reason
    assert "signal 9" in reason
    assert "local-0.log" in reason


def test_output_goes_to_the_log(
    executor: Executor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checks.run_all(executor, print, ["a line"], tmp_path)
    assert capfd.readouterr().out == ""
    started, line, ended = (tmp_path / "local-0.log").read_text().splitlines()
    assert (started[8:], line, ended[8:]) == (" a line: started", "a line", " a line: ended")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_driver(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches the whole process group."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(folder=str(tmp_path)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    driver = subprocess.Popen(
        [sys.executable, script], env=environment, stderr=subprocess.PIPE, start_new_session=True
    )
    wait_for(tmp_path / "pids", "\n")
    if number == signal.SIGINT:
        os.killpg(driver.pid, number)
    else:
        driver.kill()
    driver.communicate(timeout=20)
    wait_for(tmp_path / "interrupted")
    assert_nothing_lives(tmp_path / "pids")


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from jasco.evaluation.distributed.executors import open_executor\n"
        "list(open_executor('local,workers=1').run(abs, [1], Path(), print))\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "if __name__ == '__main__':" in done.stderr.splitlines()[-1]


def test_a_killed_worker_is_reported(executor: Executor, tmp_path: Path) -> None:
    lines: list[str] = []
    assert dict(executor.run(checks.die_once, [tmp_path], tmp_path, lines.append))
    [line] = lines
    assert "was killed by signal 9" in line
    assert "running it again (2 of 3)" in line
