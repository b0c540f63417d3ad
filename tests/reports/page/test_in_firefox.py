"""The report page in Firefox, opened from the disk without a network."""

from pathlib import Path

import pytest

from firefox import firefox_tab
from runs import verdict, write_run
from synthetic import make_data

pytest.importorskip("jinja2", reason="needs the extra viewer")

from jasco.data.dataset import read_data_set
from jasco.reports.page.render import render_page
from jasco.reports.page.shown import open_shown

pytestmark = pytest.mark.slow


def test_the_page_opens_without_a_message(tmp_path: Path) -> None:
    data = read_data_set(make_data(tmp_path / "data", clips=3))
    run = write_run(
        tmp_path / "run",
        data,
        lambda clip, prompt: f"They flee from clip {clip}.",
        {"judge": lambda clip, prompt: verdict(clip, "Both")},
    )
    page = tmp_path / "page.html"
    page.write_text(render_page(open_shown([run]), audio=True), "utf-8")
    with firefox_tab(scheme="dark", width=390, offline=True) as tab:
        tab.goto(f"{page.as_uri()}#clip-2")
        tab.wait_until("document.body.innerText.includes('They flee from clip 2.')")
        assert tab.evaluate("document.querySelector('dialog').scrollWidth") <= 390
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert tab.evaluate(
            "[...document.images].every((image) => !image.complete || image.naturalWidth > 0)"
        )
        tab.evaluate("console.warn('seen')")
        assert tab.complaints.pop() == "warn: seen"  # and there would have been others
