"""Progress on a terminal and elsewhere, and failures as soon as they occur."""

import os
import pty
import re
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from chat_server import Serve
from command import FEW_ATTEMPTS, Jasco
from jasco.evaluation import progress
from jasco.evaluation.progress import Progress, counted
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Judgement, Verdict

OK = Response("yes")
UNREADABLE = Judgement(Verdict(None, None), ())


@pytest.fixture
def short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.05)


def test_off_a_terminal_there_are_lines_at_intervals_and_a_last_one(short_interval: None) -> None:
    lines: list[str] = []
    with Progress(8, lines.append) as display:
        for outcome in (OK, Failure("timeout", "late"), UNREADABLE, OK):
            display.count("m", outcome)
        time.sleep(0.13)
        count = len(lines)
        for _ in range(4):
            display.count("m", OK)
    assert lines[0] == "m: timeout: late"
    assert count >= 2
    assert lines[1].startswith("progress: 4 of 8 calls, 1 failed, 1 unreadable, ")
    assert " left" in lines[1]
    assert lines[-1].startswith("progress: 8 of 8 calls, 1 failed, 1 unreadable, ended after ")


def test_a_short_run_reports_no_progress() -> None:
    lines: list[str] = []
    with Progress(2, lines.append) as display:
        display.count("m", OK)
    assert list(counted([1, 2], "reading audio", "clip", lines.append)) == [1, 2]
    assert lines == []


def test_reading_takes_the_same_lines(short_interval: None) -> None:
    lines: list[str] = []
    for _ in counted(range(3), "reading audio", "clip", lines.append):
        time.sleep(0.04)
    assert lines[0].startswith("reading audio: 1 of 3 clips, ")
    assert lines[-1].startswith("reading audio: 3 of 3 clips, ended after ")


def test_the_first_failure_of_each_kind_is_reported_for_model_and_judge() -> None:
    lines: list[str] = []
    with Progress(9, lines.append) as display:
        for label in ("m", "j", "m"):
            for kind in ("error", "timeout"):
                display.count(label, Failure(kind, f"{label}'s\n{kind}"))
    assert lines == [
        "m: error: m's error", "m: timeout: m's timeout", "j: error: j's error",
        "j: timeout: j's timeout",
    ]  # fmt: skip


def test_unexpected_calls_add_to_the_total(short_interval: None) -> None:
    lines: list[str] = []
    with Progress(1, lines.append) as display:
        display.advance(OK, expected=False)
        time.sleep(0.08)
    assert lines[0].startswith("progress: 1 of 2 calls, ")


def test_what_cannot_be_written_does_no_harm(short_interval: None) -> None:
    def raise_broken_pipe(_: str) -> None:
        raise BrokenPipeError

    with Progress(
        1, lambda line: raise_broken_pipe(line) if "ended" not in line else None
    ) as display:
        time.sleep(0.12)
        display.count("m", OK)


def test_a_run_reports_failures_while_it_continues(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(
        fault_by_text={"Guess what activity": "error beside the choices"}, error="disk failure"
    )
    result = jasco(
        "respond", f"openai/ears,base_url={server.url}", "--data", data, "--run", tmp_path / "run",
        "--no-preflight", patch=FEW_ATTEMPTS,
    )  # fmt: skip
    assert result.status == 4
    first, *_, last, _spent = result.stderr.splitlines()
    assert first.startswith("jasco: openai/ears: error: ")
    assert "disk failure" in first
    assert "8 errors, such as: " in last
    assert "disk failure" in last
    assert "progress" not in result.stderr


SCRIPT = """
import sys
from jasco.terminal import write_line
from jasco.evaluation.progress import Progress
from jasco.protocol.responses import Failure
with Progress(3, write_line) as display:
    for _ in range(3):
        display.count("m", Failure("error", "disk failure"))
"""


def test_on_a_terminal_a_message_has_a_line_of_its_own(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    subprocess.run([sys.executable, "-c", SCRIPT], stderr=terminal, check=True, timeout=60)
    os.close(terminal)
    output = b""
    try:
        while chunk := os.read(controller, 4096):
            output += chunk
    except OSError:  # the other end is closed
        pass
    os.close(controller)
    text = output.decode()
    [line] = [line for line in text.split("\n") if "disk failure" in line]
    printed = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).rstrip("\r")  # without colours
    assert printed.rsplit("\r", 1)[-1] == "jasco: m: error: disk failure"
    assert "3/3" in text


NOTEBOOK = """
import jasco
from jasco.evaluation import progress
progress.INTERVAL = 0.2

def answer(audio, sampling_rate, prompt):
    import time; time.sleep(0.1)
    raise KeyError("the key")

jasco.evaluate(answer, data="mini", judges=[], limit=1, preflight=False)
"""


def test_from_python_messages_are_written_where_logging_is_not_configured() -> None:
    def run(setup: str) -> list[str]:
        process = subprocess.run(
            [sys.executable, "-c", setup + NOTEBOOK],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert process.stdout == ""
        return process.stderr.splitlines()

    lines = run("")
    [failure] = [line for line in lines if "KeyError" in line]
    assert failure.startswith("jasco: python/__main__:answer: error: KeyError: 'the key'")
    assert any(line.startswith("jasco: progress: ") for line in lines)
    assert run("import logging; logging.basicConfig()\n") == []


def test_a_log_quotes_the_line_of_a_function_that_raises(
    caplog: Any, data: Path, tmp_path: Path
) -> None:
    import jasco

    def answer(audio: Any, sampling_rate: int, prompt: str) -> str:
        raise KeyError("the key")

    with caplog.at_level("INFO", logger="jasco"):
        jasco.evaluate(
            answer, data=data, judges=[], run=tmp_path / "run", name="mine", limit=1,
            preflight=False,
        )  # fmt: skip
    [line] = [record.getMessage() for record in caplog.records if "KeyError" in record.getMessage()]
    assert "python/mine: error: KeyError: 'the key'" in line
    assert "test_progress.py:" in line
    assert 'raise KeyError("the key")' in line
