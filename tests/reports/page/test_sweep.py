"""The page of a sweep: it loads nothing, shows hostile names as text, and opens in a browser."""

from dataclasses import replace
from pathlib import Path

import pytest

from html_reader import HtmlReader

pytest.importorskip("jinja2", reason="needs the extra viewer")

from browser import chromium, quiet_tab
from jasco.api.scores import scores_of
from jasco.data.dataset import read_data_set
from jasco.evaluation.distributed.sweep_plan import Cell
from jasco.evaluation.distributed.sweep_status import CellStatus
from jasco.reports.page.sweep import render_sweep_page
from jasco.reports.sweep import SweepResults
from runs import verdict, write_run
from synthetic import make_data

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def results(tmp_path: Path) -> SweepResults:
    """Write the runs of two checkpoints and a model; another model failed."""
    data = read_data_set(make_data(tmp_path / "data", 3, seconds=0.02))
    statuses = []
    for number, step in enumerate((None, 100, 200)):
        name, series = f"{HOSTILE} {step}", f"{HOSTILE} curve" if step else ""
        folder = tmp_path / str(step)
        cell = Cell(name, HOSTILE, folder, None, "one", name, step, series, {})
        judge = lambda clip, prompt: verdict((clip + prompt) % 3, "Both")  # noqa: E731
        write_run(folder, data, lambda clip, prompt: f"{clip} {prompt}", {"m": judge}, f"m{number}")
        statuses.append(CellStatus(cell, "complete", "", 24, 24, 1.0, "2026-01-02T03:04:05Z"))
    failed = replace(statuses[0].cell, model="failed", folder=tmp_path / "failed")
    statuses.append(CellStatus(failed, "failed", HOSTILE))
    folders = [status.cell.folder for status in statuses[:3]]
    return SweepResults(statuses, scores_of(folders).reports)


def test_names_are_shown_as_text_and_nothing_is_loaded(results: SweepResults) -> None:
    page = render_sweep_page(results, HOSTILE)
    assert "<script" not in page
    assert "src=" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/", "")
    assert "script-src &#39;none&#39;" in page or "script-src 'none'" in page
    assert page.count("<figure") == 1  # the curve
    reader = HtmlReader(page)
    assert HOSTILE in reader.text
    assert not reader.inline_handlers() - {"style"}
    assert "3 of 4 runs complete" in page


def test_a_sweep_without_results_has_a_page(results: SweepResults) -> None:
    page = render_sweep_page(SweepResults(results.statuses[3:]), "plan")
    assert "There are no results yet." in page
    assert "<figure" not in page


@pytest.mark.slow
def test_the_page_opens_in_a_browser_without_a_network(
    results: SweepResults, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text(render_sweep_page(results, "plan"), "utf-8")
    with chromium() as browser, quiet_tab(browser, offline=True, width=400) as page:
        page.goto(path.as_uri())
        assert page.locator("figure svg").first.is_visible()
        assert page.get_by_role("row").filter(has_text=HOSTILE).count()
