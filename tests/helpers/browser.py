"""Headless Chromium, driven by Playwright."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def find_program(*names: str) -> str:
    """Return the path of a browser; skip the test if none is installed, fail it in CI."""
    for name in names:
        if path := shutil.which(name):
            return path
    if os.environ.get("CI"):
        pytest.fail(f"CI should have {names[0]} on the PATH")
    pytest.skip(f"needs {names[0]} on the PATH")


@contextmanager
def chromium() -> "Iterator[Browser]":
    """Start the browser; skip the test if none is installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    executable = find_program("chromium", "chromium-browser")
    with playwright.sync_playwright() as playwright_driver:
        # The sandbox does not work for root.
        browser = playwright_driver.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--mute-audio"]
        )
        yield browser
        browser.close()


def complaints_of(page: "Page") -> list[str]:
    """Return a list that collects the page's console errors, warnings and uncaught exceptions."""
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
    """Open a page in a context of its own; fail if it logs an error or a warning."""
    size = {"width": width, "height": 900}
    context: Any = browser.new_context(offline=offline, color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
    page = context.new_page()
    complaints = complaints_of(page)
    yield page
    context.close()
    assert complaints == []


def wait_until(page: "Page", expression: str) -> None:
    """Wait until an expression is true in a page.

    Playwright's ``wait_for_function`` is blocked by the page's Content Security Policy.
    """
    from playwright.sync_api import Error

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(Error):  # the page is being replaced
            if page.evaluate(expression):
                return
        page.wait_for_timeout(20)
    pytest.fail(f"{page.url}: timed out waiting for {expression}")


def accessibility_violations(page: "Page") -> list[str]:
    """Return the serious and critical accessibility violations that axe finds on a page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    violations = axe.Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['html']}: {node['failureSummary']}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def filter_milliseconds(page: "Page", name: str, value: str) -> float:
    """Set a filter of the clips, and return how long the page takes to show what fits."""
    milliseconds: float = page.evaluate(
        """async ([name, value]) => {
            const field = document.querySelector(`.filters [name=${name}]`), start = performance.now();
            field.value = value;
            field.dispatchEvent(new Event(name === 'q' ? 'input' : 'change', { bubbles: true }));
            await new Promise((done) => setTimeout(done));
            document.body.offsetHeight;
            return performance.now() - start;
        }""",
        [name, value],
    )
    return milliseconds
