"""The command's beginning: Ctrl-C at any moment, and modules in the working folder."""

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
        _, messages = started.communicate(timeout=60)
        assert started.returncode in (0, 130)
        assert b"Traceback" not in messages
        assert len(messages.splitlines()) <= 1 or started.returncode == 0


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
    result = subprocess.run(
        [sys.executable, *command, "eval", f"python/{model}", *words.split()],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_a_module_that_has_a_library_s_name_is_refused(folder: Path) -> None:
    words = "--data mini --limit 1 --judge offline --no-preflight --run run"
    result = subprocess.run(
        [sys.executable, "-m", "jasco", "eval", "python/random:answer", *words.split()],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "random.py" in result.stderr
