"""A real browser: Chromium without a screen, through Playwright."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@contextmanager
def chromium() -> "Iterator[Browser]":
    """Open the browser; skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program and os.environ.get("CI"):
        pytest.fail("CI should have chromium on the PATH")
    if not program:
        pytest.skip("needs chromium on the PATH")
    with playwright.sync_playwright() as started:
        # Root has no sandbox; and sounds are played to nobody.
        browser = started.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--mute-audio"]
        )
        yield browser
        browser.close()


def complaints_of(page: "Page") -> list[str]:
    """Give a list that fills with what the page's console and scripts complain about."""
    complaints: list[str] = []

    def note(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    return complaints


@contextmanager
def quiet_tab(
    browser: "Browser", *, scheme: str = "light", width: int = 1200, offline: bool = False
) -> "Iterator[Page]":
    """Open a page of its own, which is to complain about nothing."""
    size = {"width": width, "height": 900}
    context: Any = browser.new_context(offline=offline, color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
    page = context.new_page()
    complaints = complaints_of(page)
    yield page
    context.close()
    assert complaints == []


def wait_until(page: "Page", expression: str) -> None:
    """Wait until an expression holds in a page (Playwright's own way is against our policy)."""
    from playwright.sync_api import Error

    end = time.monotonic() + 20
    while time.monotonic() < end:
        with suppress(Error):  # the page is just going away
            if page.evaluate(expression):
                return
        page.wait_for_timeout(20)
    pytest.fail(f"{page.url}: never {expression}")


def barriers(page: "Page") -> list[str]:
    """List what axe finds on a page that keeps people out: serious and critical things."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html']}: {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
