"""Checks of background work and of processes, which record their PIDs in a file."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil


def living(pids: Path) -> list[int]:
    """Return the PIDs recorded in a file whose processes are still running."""
    started = [int(line) for line in pids.read_text().split()] if pids.exists() else []
    return [pid for pid in started if _is_running(pid)]


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def assert_nothing_lives(pids: Path, within: float = 10) -> None:
    """Wait until all processes recorded in a file have ended; fail if one has not in time."""
    deadline = time.monotonic() + within
    while (running := living(pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running


def wait_until(has_happened: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 30
    while not has_happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for(path: Path, text: str = "") -> None:
    """Wait until a file exists and contains a text."""
    deadline = time.monotonic() + 30
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, f"{path} does not contain {text!r}"
        time.sleep(0.02)


def wait_for_log(run: Path, text: str = "") -> None:
    """Wait until the log of a run's server contains a text."""
    deadline = time.monotonic() + 30
    while not (logs := list((run / "logs").glob("*.log"))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    wait_for(logs[0], text)
