"""Size and speed of the HTML report at the size of the benchmark.

80 clips, four models, three judges with texts of 1,200 characters, without audio. Targets: 5 s to
render, 8 MB, first paint after 0.5 s, 100 ms for a filter. Needs Chromium and Playwright.

Usage: ``python benchmarks/page.py``
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from browser import chromium, filter_milliseconds, quiet_tab
from jasco.reports.page.render import render_page
from jasco.reports.page.shown import open_shown
from large_runs import write_large_runs

FILTERS = (("q", "castle"), ("q", ""), ("score", "full"), ("score", ""), ("sort", "hardest"))


def main() -> None:
    """Run the benchmark and print the figures."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        runs = write_large_runs(Path(folder))
        start = time.perf_counter()
        page = Path(folder) / "page.html"
        page.write_text(render_page(open_shown(runs), audio=False), "utf-8")
        print(
            f"rendered in {time.perf_counter() - start:.1f} s, {page.stat().st_size / 1e6:.1f} MB"
        )
        with quiet_tab(browser, offline=True) as tab:
            tab.goto(page.as_uri())
            tab.wait_for_selector("table.clips tbody tr")
            first_paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            print(f"first paint after {tab.evaluate(first_paint):.0f} ms")
            for name, value in FILTERS:
                milliseconds = filter_milliseconds(tab, name, value)
                print(f"filter {name}={value or '(none)'}: {milliseconds:.0f} ms")


if __name__ == "__main__":
    main()
