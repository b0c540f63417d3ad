"""Reports of selected runs."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("starlette", reason="needs the extra viewer")

from starlette.exceptions import HTTPException

from jasco.viewer import reports as reports_module
from jasco.viewer.catalogue import MOST_SELECTED, Catalogue
from jasco.viewer.reports import Reports

MakeRun = Callable[..., Path]


@pytest.fixture
def opened(make_run: MakeRun, tmp_path: Path) -> tuple[Reports, list[str]]:
    for number in range(MOST_SELECTED + 1):
        make_run(f"run-{number}", judges={})
    catalogue = Catalogue([tmp_path], print)
    return Reports(catalogue, lambda _shown, _notes: ("", b""), print), list(catalogue.now())


def test_reports_are_kept_while_they_are_used(
    opened: tuple[Reports, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    clock = SimpleNamespace(monotonic=lambda: seconds[0])
    monkeypatch.setattr(reports_module, "time", clock)
    reports, keys = opened
    pair = reports.of(keys[:2])
    assert reports.of([*keys[:2], keys[0]]) is pair
    others = {key: reports.of([key]) for key in keys}
    assert reports.of(keys[:2]) is pair
    assert all(reports.of([key]) is live for key, live in others.items())
    seconds[0] = 500.0
    reports.of([keys[0]])
    seconds[0] = 1000.0
    assert reports.of([keys[0]]) is others[keys[0]]
    assert reports.of(keys[:2]) is not pair


def test_unknown_and_too_many_runs_are_errors(opened: tuple[Reports, list[str]]) -> None:
    reports, keys = opened
    with pytest.raises(HTTPException, match="not found"):
        reports.of([keys[0], "../run-0"])
    with pytest.raises(HTTPException, match="at most"):
        reports.of(keys)
