"""The page of a leaderboard: it loads nothing, shows hostile names as text, opens in a browser."""

from dataclasses import replace
from pathlib import Path

import pytest

from html_reader import HtmlReader

pytest.importorskip("jinja2", reason="needs the extra viewer")

from browser import accessibility_violations, chromium, quiet_tab
from jasco.reports.leaderboard import Source, rank_models
from jasco.reports.page.leaderboard import render_leaderboard_page
from made_results import DATA, judged, results

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def page() -> str:
    """Return the page of four models in two tables, and a file that is not listed."""
    sources = [
        Source(results(f"{HOSTILE} {rating}", judged(rating, clips=12)), f"{rating}.zip", "a" * 64)
        for rating in range(3)
    ]
    data = replace(DATA, clips=3, items=24, annotations_sha256="c" * 64)
    other = results(HOSTILE, judged(clips=3), name="other", data=data)
    return render_leaderboard_page(
        rank_models([*sources, Source(other, HOSTILE)], [(HOSTILE, f"not a bundle {HOSTILE}")])
    )


def test_names_are_shown_as_text_and_nothing_is_loaded(page: str) -> None:
    assert "<script" not in page
    assert "src=" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/", "")
    assert "script-src &#39;none&#39;" in page or "script-src 'none'" in page
    reader = HtmlReader(page)
    assert f"1. {HOSTILE} 2" in reader.text
    assert f"3. {HOSTILE} 0" in reader.text
    assert not reader.inline_handlers() - {"style"}
    assert "Not comparable with the first table: other data" in reader.text
    assert "a" * 64 in reader.text


def test_a_board_without_bundles_or_gaps_has_no_section_on_them() -> None:
    source = Source(results("a", judged(clips=12)), "run")
    page = render_leaderboard_page(rank_models([source]))
    assert "were verified" not in page
    assert "run, a run" in page
    assert 'id="left-out"' not in page
    assert "bundle (SHA-256)" not in page


def test_equal_ranks_are_shown() -> None:
    sources = [Source(results(name, judged(clips=12)), name) for name in ("a", "b")]
    text = HtmlReader(render_leaderboard_page(rank_models(sources))).text
    assert "1. a" in text
    assert "1. b" in text


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_opens_in_a_browser_without_complaints(
    page: str, tmp_path: Path, width: int
) -> None:
    file = tmp_path / "board.html"
    file.write_text(page)
    with chromium() as browser, quiet_tab(browser, offline=True, width=width) as tab:
        tab.goto(file.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.locator("table.leaderboard tbody tr").count() == 4
        assert not accessibility_violations(tab)
