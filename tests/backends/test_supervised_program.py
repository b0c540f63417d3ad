"""Programs under the supervisor: their command, their end and their log."""

import asyncio
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jasco.backends.supervised_program import (
    SupervisedProgram,
    how_it_ended,
    last_words,
    supervised_command,
)

KEY = "sk-9fQ2xLw7TbV0zKdR4"


def test_a_supervisor_returns_the_exit_status_of_its_program(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "import os; print(os.getpgid(0)); raise SystemExit(7)"]
    command = supervised_command(program, tmp_path / "pid")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.wait(30) == 7
        assert process.stdout is not None
        assert process.stdout.read().strip() == (tmp_path / "pid").read_bytes()


def test_a_program_ends_when_the_lifeline_closes(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(60)"]
    command = supervised_command(program, tmp_path / "pid")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"up\n"
        process.stdin.close()
        assert process.wait(30) == 128 + signal.SIGTERM


def test_what_a_killed_supervisor_leaves_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as orphan:
        pid_file = tmp_path / "pid"
        pid_file.write_text(str(orphan.pid))
        program = SupervisedProgram(pid_file, None)
        program.clear_up(-signal.SIGKILL)
        assert orphan.wait(10) == -signal.SIGKILL
    program.clear_up(-signal.SIGKILL)  # nothing is left
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        pid_file.write_text(str(other.pid))
        program.clear_up(0)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize(
    ("status", "text"),
    [(0, "with status 0"), (7, "with status 7"), (-9, "by signal 9"), (128 + 15, "by signal 15")],
)
def test_an_end_is_a_status_or_a_signal(status: int, text: str) -> None:
    assert how_it_ended(status) == text


def test_a_log_is_readable_by_its_owner_only_and_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "vllm.log"
    path.parent.mkdir(mode=0o755)
    path.write_text("before\n")
    program = SupervisedProgram(tmp_path / "pid", path, [KEY])
    assert "before" in program.output()
    command = [sys.executable, "-c", "print('now')", "--api-key", KEY, "--other", KEY]

    async def run() -> None:
        process = await program.start(command)
        assert await process.wait() == 0

    asyncio.run(run())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before, command_line, *_ = path.read_text().splitlines()
    assert before == "before"
    assert command_line.startswith("---")
    assert command_line.endswith("--api-key *** --other ***")
    assert program.output() == "now\n"
    path.unlink()
    assert program.output() == ""


@pytest.mark.parametrize(
    ("output", "quoted"),
    [
        ("", "nothing"),
        ("a\nb\nc\nd\n", "b / c / d"),
        ("start\nValueError: no GPU\nTraceback\nend", "ValueError: no GPU"),
        ("WARNING ImportError: optional\nend", "WARNING ImportError: optional / end"),
    ],
)
def test_the_first_error_is_quoted_or_the_last_lines(output: str, quoted: str) -> None:
    assert last_words(output) == quoted


ELSEWHERE = """
import os, sys
import jasco.evaluation.run_job, jasco.judges.offline, jasco.judges.vllm_judge
import jasco.models.function_model, jasco.models.vllm_model, jasco.models.worker  # with libraries
sys.platform = "darwin"
del os.sched_getaffinity
os.process_cpu_count = os.cpu_count  # as Python 3.13 has it where there is no affinity
from jasco.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def run_elsewhere(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the command as on a Mac, as far as its own code can tell."""
    command = [sys.executable, "-c", ELSEWHERE, *map(str, arguments)]
    helpers = Path(__file__).parent.parent / "helpers"
    return subprocess.run(command, cwd=helpers, capture_output=True, text=True)


@pytest.mark.parametrize(
    "command",
    [
        ("eval", "vllm/some/model", "--judge", "offline"),
        ("eval", "worker/python3 worker.py", "--judge", "offline"),
        ("exam", "vllm/some/model"),
    ],
)
def test_programs_are_started_on_linux_only(
    command: tuple[str, ...], data: Path, tmp_path: Path
) -> None:
    run = ["--run", tmp_path / "run"] if command[0] == "eval" else []
    result = run_elsewhere(*command, "--data", data, *run)
    assert result.returncode == 2, result.stderr
    [line] = result.stderr.splitlines()
    assert "on Linux only" in line


def test_all_else_runs_elsewhere(data: Path, tmp_path: Path) -> None:
    command = ["eval", "python/audible:answer", "--judge", "offline", "--run", tmp_path / "run"]
    result = run_elsewhere(*command, "--data", data)
    assert result.returncode == 0, result.stderr
    assert "python/audible:answer" in result.stdout
