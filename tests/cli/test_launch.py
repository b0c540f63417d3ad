"""The start of the command: Ctrl-C at any moment, and modules in the working folder."""

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


# Before the module in the second place is imported, Ctrl-C interrupts the interpreter itself.
@pytest.mark.parametrize(
    ("command", "listening"), [(COMMANDS[0], b"jasco"), (COMMANDS[1], b"jasco.cli.streams")]
)
def test_an_interruption_while_it_starts_is_one_line(
    run: Path, command: list[str], listening: bytes
) -> None:
    for delay in (0, 0.05, 0.1, 0.2, 0.3, 0.4):
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", *command, "score", run],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr
        assert any(line.endswith(b" " + listening + b"\n") for line in process.stderr)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        messages = [line for line in stderr.splitlines() if not line.startswith(b"import time:")]
        if process.returncode or not delay:
            assert process.returncode == 130, stderr.decode()
            [message] = messages
            assert message.startswith(b"jasco: interrupted")
        else:
            assert messages == []


# --- modules in the working folder ---


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Write files with the names of libraries, and a model that uses the libraries."""
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
    if command[0] == "-c":  # as a console script, which is not in the working folder
        script = folder / "bin" / "jasco"
        script.parent.mkdir()
        script.write_text(command[1])
        command = [str(script)]
    arguments = "--data mini --limit 1 --judge offline --no-preflight --run run"
    result = subprocess.run(
        [sys.executable, *command, "eval", f"python/{model}", *arguments.split()],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_a_module_that_has_a_library_s_name_is_refused(folder: Path) -> None:
    arguments = "--data mini --limit 1 --judge offline --no-preflight --run run"
    result = subprocess.run(
        [sys.executable, "-m", "jasco", "eval", "python/random:answer", *arguments.split()],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "random.py" in result.stderr
