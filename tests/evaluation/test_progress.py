"""How far a run is, on a terminal and elsewhere; and what fails, as soon as it does."""

import os
import pty
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from chat_server import Serve
from command import FEW_ATTEMPTS, Jasco
from jasco.errors import duration
from jasco.evaluation import progress
from jasco.evaluation.progress import Progress, counted
from jasco.protocol.judgement import Judgement
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Verdict

OK = Response("yes")
UNREADABLE = Judgement(Verdict(None, None), ())


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.05)


def test_off_a_terminal_there_is_a_line_now_and_then_and_a_last_one(often: None) -> None:
    lines: list[str] = []
    with Progress(8, lines.append) as shown:
        for outcome in (OK, Failure("timeout", "late"), UNREADABLE, OK):
            shown.count("m", outcome)
        time.sleep(0.13)
        count = len(lines)
        for _ in range(4):
            shown.count("m", OK)
    assert lines[0] == "m: timeout: late"
    assert count >= 2
    assert lines[1].startswith("progress: 4 of 8 calls, 1 failed, 1 unreadable, ")
    assert " left" in lines[1]
    assert lines[-1].startswith("progress: 8 of 8 calls, 1 failed, 1 unreadable, ended after ")


def test_a_short_run_reports_no_progress() -> None:
    lines: list[str] = []
    with Progress(2, lines.append) as shown:
        shown.count("m", OK)
    assert list(counted([1, 2], "reading audio", "clip", lines.append)) == [1, 2]
    assert lines == []


def test_reading_takes_the_same_lines(often: None) -> None:
    lines: list[str] = []
    for _ in counted(range(3), "reading audio", "clip", lines.append):
        time.sleep(0.04)
    assert lines[0].startswith("reading audio: 1 of 3 clips, ")
    assert lines[-1].startswith("reading audio: 3 of 3 clips, ended after ")


def test_the_first_failure_of_each_kind_is_reported_for_model_and_judge() -> None:
    lines: list[str] = []
    with Progress(9, lines.append) as shown:
        for label in ("m", "j", "m"):
            for kind in ("error", "timeout"):
                shown.count(label, Failure(kind, f"{label}'s\n{kind}"))
    assert lines == [
        "m: error: m's error", "m: timeout: m's timeout", "j: error: j's error",
        "j: timeout: j's timeout",
    ]  # fmt: skip


def test_unexpected_calls_add_to_the_total(often: None) -> None:
    lines: list[str] = []
    with Progress(1, lines.append) as shown:
        shown.advance(OK, expected=False)
        time.sleep(0.08)
    assert lines[0].startswith("progress: 1 of 2 calls, ")


def test_what_cannot_be_written_does_no_harm(often: None) -> None:
    def closed(_: str) -> None:
        raise BrokenPipeError

    with Progress(1, lambda line: closed(line) if "ended" not in line else None) as shown:
        time.sleep(0.12)
        shown.count("m", OK)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (9000, "2.5 h")],
)
def test_a_duration_is_written_in_the_largest_unit(seconds: float, written: str) -> None:
    assert duration(seconds) == written


def test_a_run_reports_failures_while_it_continues(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(bewitched={"Guess what activity": "error beside the choices"}, error="bad luck")
    done = jasco(
        "respond", f"openai/ears,base_url={server.url}", "--data", data, "--run", tmp_path / "run",
        "--no-preflight", patch=FEW_ATTEMPTS,
    )  # fmt: skip
    assert done.status == 4
    first, *_, last, _spent = done.stderr.splitlines()
    assert first.startswith("jasco: openai/ears: error: ")
    assert "bad luck" in first
    assert "8 errors, each: " in last
    assert "bad luck" in last
    assert "progress" not in done.stderr


SCRIPT = """
import sys
from jasco.api.messages import write_message
from jasco.evaluation.progress import Progress
from jasco.protocol.responses import Failure
with Progress(3, write_message) as shown:
    for _ in range(3):
        shown.count("m", Failure("error", "bad luck"))
"""


def test_on_a_terminal_a_line_stands_alone_beside_the_bar(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    subprocess.run([sys.executable, "-c", SCRIPT], stderr=theirs, check=True, timeout=60)
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 4096):
            written += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    text = written.decode()
    [line] = [each for each in text.split("\n") if "bad luck" in each]
    assert line.rstrip("\r").rsplit("\r", 1)[-1] == "jasco: m: error: bad luck"
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
    def run(before: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", before + NOTEBOOK],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert done.stdout == ""
        return done.stderr.splitlines()

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
    [line] = [each.getMessage() for each in caplog.records if "KeyError" in each.getMessage()]
    assert "python/mine: error: KeyError: 'the key'" in line
    assert "test_progress.py:" in line
    assert 'raise KeyError("the key")' in line
