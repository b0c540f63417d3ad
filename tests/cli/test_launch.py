"""The command's beginning and end: Ctrl-C at any moment, and output that cannot be written."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMANDS = [
    ["-m", "jasco"],
    ["-c", "import sys; from jasco.cli.launch import main; sys.exit(main())"],
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run with answers of a function."""
    folder = tmp_path_factory.mktemp("launch")
    (folder / "my_model.py").write_text("def answer(audio, sampling_rate, prompt): return 'a – b'")
    words = "eval python/my_model:answer --data mini --limit 1 --judge offline --no-preflight --run"
    subprocess.run(
        [sys.executable, "-m", "jasco", *words.split(), folder / "run"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "run"


def shell(line: str, run: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash, in which ``jasco`` is the command."""
    program = f'jasco() {{ {sys.executable} -m jasco "$@"; }}; set -o pipefail; {line}'
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | environment
    return subprocess.run(
        ["bash", "-c", program], cwd=run.parent, capture_output=True, text=True, env=environment
    )


@pytest.mark.parametrize("command", ["score run", "--help"])
def test_a_reader_that_has_gone_is_no_error(run: Path, command: str) -> None:
    done = shell(f"jasco {command} | true", run)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [("score run", ""), ("score run --json", "1"), ("judges", ""), ("--help", ""), ("--help", "1")],
)
def test_a_full_disk_is_told_in_one_line(run: Path, command: str, unbuffered: str) -> None:
    done = shell(f"jasco {command} > /dev/full", run, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1
    assert "space" in done.stderr


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("jasco score run >&-", 0), ("jasco score run 2>&-", 0), ("jasco score run <&-", 0),
        ("jasco score nowhere 2>&-", 2), ("jasco score nowhere 2>/dev/full", 2),
        ("jasco score run <&- >&- 2>&-", 0),
    ],
)  # fmt: skip
def test_streams_may_be_closed(run: Path, line: str, status: int) -> None:
    done = shell(line, run)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "jasco: " not in done.stdout  # messages are no results


def test_a_run_is_whole_although_all_streams_are_closed(run: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    words = "--data mini --limit 1 --judge offline --no-preflight"
    done = shell(f"jasco eval python/my_model:answer {words} --run {new} <&- >&- 2>&-", run)
    assert done.returncode == 0
    assert json.loads(shell(f"jasco score {new} --json", run).stdout)["models"]


@pytest.mark.parametrize("encoding", ["ascii"])
def test_an_encoding_may_lack_our_characters(run: Path, encoding: str) -> None:
    for command in ("score run", "models"):
        done = shell(f"jasco {command}", run, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
    whole, ours = (
        shell("jasco report run --format json", run, PYTHONIOENCODING=each).stdout
        for each in ("utf-8", encoding)
    )
    assert json.loads(ours) == json.loads(whole)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_interruption_while_it_starts_is_one_line(run: Path, command: list[str]) -> None:
    for delay in (0.06, 0.1, 0.15, 0.2, 0.3, 0.4):
        started = subprocess.Popen(
            [sys.executable, *command, "score", run], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        # Until our first line runs, the interpreter itself is what is interrupted.
        wait_until_it_listens(started.pid)
        time.sleep(delay - 0.06)
        started.send_signal(signal.SIGINT)
        _, told = started.communicate(timeout=60)
        assert started.returncode in (0, 130)
        assert b"Traceback" not in told
        assert len(told.splitlines()) <= 1 or started.returncode == 0


def wait_until_it_listens(pid: int) -> None:
    """Wait until a process has a handler of SIGINT that was there when jasco was imported."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        maps = Path(f"/proc/{pid}/status").read_text()
        [caught] = [line.split()[1] for line in maps.splitlines() if line.startswith("SigCgt")]
        if int(caught, 16) & 1 << (signal.SIGINT - 1):
            time.sleep(0.06)
            return
        time.sleep(0.005)


# --- modules in the working folder ---


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Make a folder whose files have the names of libraries, and a model that uses libraries."""
    for name in ("numpy", "random", "secrets", "soundfile", "torch", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the working folder')")
    (tmp_path / "helper.py").write_text("TEXT = 'a dog'")
    (tmp_path / "model.py").write_text(
        "import secrets, random, numpy, soundfile, helper\n"
        "def answer(audio, sampling_rate, prompt): return helper.TEXT\n"
    )
    (tmp_path / "random.py").write_text("def answer(audio, sampling_rate, prompt): return 'x'\n")
    yield tmp_path


@pytest.mark.parametrize("model", ["model:answer", "model.py:answer", "random.py:answer"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_in_the_working_folder_shadows_no_library(
    folder: Path, model: str, command: list[str]
) -> None:
    if command[0] == "-c":  # as a console script, whose folder is not the working one
        script = folder / "bin" / "jasco"
        script.parent.mkdir()
        script.write_text(command[1])
        command = [str(script)]
    words = "--data mini --limit 1 --judge offline --no-preflight --run run"
    done = subprocess.run(
        [sys.executable, *command, "eval", f"python/{model}", *words.split()],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_module_that_has_a_library_s_name_is_told(folder: Path) -> None:
    words = "--data mini --limit 1 --judge offline --no-preflight --run run"
    done = subprocess.run(
        [sys.executable, "-m", "jasco", "eval", "python/random:answer", *words.split()],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "random.py" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "jasco data template mini -o ''", "jasco data template mini -o /",
        "jasco view --no-browser --host $(printf 'x%.0s' {1..300})",
        "jasco score /dev/full", "jasco score /dev/zero",
    ],
)  # fmt: skip
def test_odd_arguments_are_told_in_one_line(run: Path, line: str) -> None:
    done = shell(line, run)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_key_in_a_mistyped_command_is_not_quoted(run: Path) -> None:
    done = shell("jasco score run --api-key 9fQ2xLw7TbV0zKdR4", run)
    assert done.returncode == 2
    assert "--api-key" in done.stderr
    assert "9fQ2xL" not in done.stderr
