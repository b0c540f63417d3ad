"""The app in Firefox."""

from collections.abc import Callable
from pathlib import Path

import pytest

from command import Command
from firefox import firefox_tab
from runs import verdict

pytest.importorskip("starlette", reason="needs the extra viewer")

pytestmark = pytest.mark.slow


def test_all_views_open_without_a_message(
    serve_view: Callable[..., tuple[str, Command]], make_run: Callable[..., Path]
) -> None:
    judges = {
        "kind": lambda _c, _n: verdict(2, "Both"),
        "stern": lambda _c, _n: verdict(0, "Neither"),
    }
    url, _ = serve_view(make_run(judges=judges))
    with firefox_tab() as tab:
        tab.goto(url)
        tab.wait_until("document.querySelector('#row-3') !== null")
        tab.goto(f"{url}runs")
        tab.wait_until("document.body.innerText.includes('csv/model')")
        for path in ("label", "listen"):
            tab.goto(url + path)
            tab.wait_until("document.activeElement.id === 'name'")
            tab.press(*"Ada", "Enter")
            tab.wait_until("document.activeElement.id !== 'name'")
