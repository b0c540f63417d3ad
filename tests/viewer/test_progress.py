"""The progress of runs in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra viewer")

from jasco.protocol.failure_reasons import Reason
from jasco.runs.locks import lock_of
from jasco.runs.progress import Progress, Stage
from jasco.viewer.progress import ago, progress_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def run(folder: Path, minutes: float | None, done: int = 40, rate: float | None = 20.0) -> Progress:
    reasons = [Reason("timeout", "no\nresponse" + "x" * 1000, 1, 3)]
    updated = None if minutes is None else NOW - timedelta(minutes=minutes)
    answers = Stage("", 100, done, 3, rate, reasons)
    return Progress(folder, "name", answers, (), updated, [folder])


def shown(progress: Progress) -> dict[str, Any]:
    [row] = progress_of([progress], {}, NOW)
    return row


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    with lock_of(folder):
        yield


def test_a_run_is_running_stalled_or_stopped(tmp_path: Path) -> None:
    assert shown(run(tmp_path, 3))["status"] == "not running"
    assert "3 min ago" in shown(run(tmp_path, 3))["explanation"]
    with locked(tmp_path):
        running, stalled = shown(run(tmp_path, 0.1)), shown(run(tmp_path, 7))
        starting = shown(run(tmp_path, None))
    assert (running["state"], running["explanation"]) == ("running", "About 3 min left.")
    assert (stalled["state"], stalled["status"]) == ("stalled", "stalled for 7 min")
    assert (starting["state"], starting["status"]) == ("running", "running")


def test_rates_are_those_of_a_running_run(tmp_path: Path) -> None:
    assert shown(run(tmp_path, 0.1))["stages"][0]["rate"] == ""
    with locked(tmp_path):
        assert shown(run(tmp_path, 0.1))["stages"][0]["rate"] == "20 per minute"
        assert shown(run(tmp_path, 0.1, rate=2.345))["stages"][0]["rate"] == "2.3 per minute"
        assert shown(run(tmp_path, 7))["stages"][0]["rate"] == ""


def test_failures_are_in_one_line(tmp_path: Path) -> None:
    [failure] = shown(run(tmp_path, 3))["failures"]
    assert (failure["where"], failure["kind"], failure["count"]) == ("answers", "timeout", 3)
    assert failure["message"].startswith("no response")
    assert len(failure["message"]) <= 400


def test_complete_runs_are_left_out(tmp_path: Path) -> None:
    assert progress_of([run(tmp_path, 3, done=100)], {}, NOW) == []


def test_the_time_since_an_event() -> None:
    assert [ago(seconds) for seconds in (5, 600, 3 * 3600, 4 * 86_400)] == [
        "just now", "10 min ago", "3.0 h ago", "4 days ago",
    ]  # fmt: skip
