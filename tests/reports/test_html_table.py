"""Tables for notebooks, in which names from outside are text."""

import pytest

from html_reader import HtmlReader
from jasco.reports.comparison import summarise_report
from jasco.reports.html_table import differences_html, scores_html
from made_results import MODEL, judged, results

HOSTILE = "<img src=x onerror=alert(1)>"
REPORT = summarise_report([results(MODEL, judged(clips=12)), results(HOSTILE, judged(1, clips=12))])


@pytest.mark.parametrize("write", [scores_html, differences_html])
def test_names_are_text_and_figures_are_cells(write: object) -> None:
    page = HtmlReader(write(REPORT))  # type: ignore[operator]
    allowed = {"table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li", "p", "small"}
    assert {tag for tag, _ in page.tags} <= allowed | {"br"}
    assert not page.inline_handlers()
    assert HOSTILE in page.text
    assert REPORT.signature in page.text


def test_what_must_be_known_is_below_the_table() -> None:
    proxy = summarise_report([results(MODEL, judged(), facts={"proxy": True})])
    assert "PROXY" in scores_html(proxy)
    assert "2.00" in scores_html(proxy)
