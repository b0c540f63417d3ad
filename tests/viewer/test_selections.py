"""Reports of selected runs."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra viewer")

from starlette.exceptions import HTTPException

from jasco.viewer.catalogue import MOST_SELECTED, Catalogue
from jasco.viewer.selections import Selections

MakeRun = Callable[..., Path]


@pytest.fixture
def selections(make_run: MakeRun, tmp_path: Path) -> tuple[Selections, list[str]]:
    for number in range(MOST_SELECTED + 1):
        make_run(f"run-{number}", judges={})
    catalogue = Catalogue([tmp_path], print)
    return Selections(catalogue, lambda _shown, _notes: ("", b""), print), list(catalogue.now())


def test_the_selections_used_last_are_kept(selections: tuple[Selections, list[str]]) -> None:
    reports, keys = selections
    kept = reports.of(keys[:2])
    assert reports.of([*keys[:2], keys[0]]) is kept
    others = [reports.of([key]) for key in keys[:3]]
    assert reports.of(keys[:2]) is kept
    reports.of([keys[3]])
    assert reports.of([keys[0]]) is not others[0]


def test_unknown_and_too_many_runs_are_errors(selections: tuple[Selections, list[str]]) -> None:
    reports, keys = selections
    with pytest.raises(HTTPException, match="not found"):
        reports.of([keys[0], "../run-0"])
    with pytest.raises(HTTPException, match="at most"):
        reports.of(keys)
