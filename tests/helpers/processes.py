"""Processes that others start: a file has their numbers, and none must outlive its test."""

import time
from pathlib import Path

import psutil


def living(pids: Path) -> list[int]:
    """Give those of the processes noted in a file that still live."""
    started = [int(line) for line in pids.read_text().split()] if pids.exists() else []
    return [
        pid
        for pid in started
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def assert_nothing_lives(pids: Path, within: float = 10) -> None:
    """Wait for the end of all processes noted in a file."""
    end = time.monotonic() + within
    while (left := living(pids)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left


def wait_for(path: Path, holds: str = "") -> None:
    """Wait until a file is there and holds a text."""
    end = time.monotonic() + 30
    while not (path.exists() and holds in path.read_text()):
        assert time.monotonic() < end, f"{path} does not hold {holds!r}"
        time.sleep(0.02)


def wait_for_log(run: Path, holds: str = "") -> None:
    """Wait until a server's log in a run holds a text."""
    end = time.monotonic() + 30
    while not (found := list((run / "logs").glob("*.log"))):
        assert time.monotonic() < end
        time.sleep(0.02)
    wait_for(found[0], holds)
