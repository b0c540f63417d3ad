"""Headless Chromium, and what it complains about."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import pytest


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Debian's Chromium; skip where it, or Playwright, is not there."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed, and CI should have it")
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page of its own context, and all that it complained about.

    Attributes
    ----------
    page : Page
        Playwright's.
    complaints : list of str
        Errors and warnings on the console, errors that nobody caught, dialogs.
    """

    page: Any
    complaints: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def of(
        cls, browser: Any, *, offline: bool = False, scheme: str = "light", width: int = 1200
    ) -> Iterator[Self]:
        """Open a tab for as long as this lasts."""
        context = browser.new_context(
            offline=offline, color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        tab = cls(context.new_page())
        tab.page.on("console", tab._console)
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("dialog", lambda dialog: tab.complaints.append(f"dialog: {dialog.message}"))
        yield tab
        context.close()

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")


def serious_findings(page: Any) -> list[str]:
    """List what axe, the checker of accessibility, finds that is serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
