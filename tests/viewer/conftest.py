"""Fixtures of the viewer's tests: the app, on runs that the tests write."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from jasco.data.dataset import read_data_set
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
