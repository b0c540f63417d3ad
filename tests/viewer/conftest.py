"""Fixtures of the viewer's tests: the app, on runs that the tests write."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from command import Command, Jasco
from jasco.data.dataset import read_data_set
from processes import wait_for
from runs import verdict, write_run


@pytest.fixture
def make_run(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a run: ``make_run("a", answer=..., judges=...)``."""

    def make(
        name: str = "run",
        answer: Callable[[int, int], Any] = lambda clip, number: f"answer {clip}.{number}",
        judges: Mapping[str, Callable[[int, int], Any]] | None = None,
        model: str = "model",
    ) -> Path:
        judge_texts = {"kind": lambda _c, _n: verdict(2, "Both")} if judges is None else judges
        return write_run(tmp_path / name, read_data_set(data), answer, judge_texts, model)

    return make


@pytest.fixture
def messages() -> list[str]:
    """Return the list to which the app writes its messages."""
    return []


@pytest.fixture
def visit(
    tmp_path: Path, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Return a function that visits the app: ``visit(run)``; ``restart`` starts the app again."""
    from jasco.viewer import refreshed
    from jasco.viewer.app import make_app
    from jasco.viewer.security import Address
    from visitor import PORT, Visitor

    # Runs are read again whenever they have changed.
    monkeypatch.setattr(refreshed, "_PAUSE", 0.0)
    monkeypatch.setattr(refreshed, "_SHARE", 0.0)
    apps: dict[tuple[Path, ...], Any] = {}

    def open_app(*runs: Path, data: Any = None, restart: bool = False, **options: Any) -> Visitor:
        if restart or runs not in apps:
            address = Address("127.0.0.1", PORT)
            apps[runs] = make_app(runs, data, tmp_path / "human", address, messages.append)
        return Visitor(apps[runs], **options)

    return open_app


@pytest.fixture
def serve_view(jasco: Jasco, tmp_path: Path) -> Callable[..., tuple[str, Command]]:
    """Return a function that starts the viewer and returns its address and the command."""
    commands: list[Command] = []

    def start(*arguments: object, port: int = 0) -> tuple[str, Command]:
        options = ("--human-runs", tmp_path / "human", "--no-browser")
        commands.append(jasco.start("view", *arguments, *options, "--port", port))
        stderr = tmp_path / f"command-{len(commands) - 1}.err"
        wait_for(stderr, "http://")
        match = re.search(r"http://\S+", stderr.read_text())
        assert match, stderr.read_text()
        return match[0], commands[-1]

    return start
