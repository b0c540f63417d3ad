"""Create the screenshots in ``docs/images``, of the page and the app, from an existing run.

    jasco eval cascade --data mini --judge offline --run RUN
    python recipes/screenshots.py RUN

A run with one judge has no disagreements. That view therefore shows the labelled answers of the
cascade that come with ``mini``, with the labels and the offline judge as the two judges. Needs
Chromium and the ``viewer`` and ``test`` extras.
"""

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from jasco.data.csv_files import read_table, write_table
from jasco.data.dataset import MINI
from jasco.data.responses_csv import COLUMNS, template_rows
from jasco.data.sources import find_data
from jasco.protocol.clips import items_of

_LABELS = Path(str(files("jasco.data"))) / MINI / "gold-cascade.csv"
IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Create all screenshots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run.resolve()
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as tools:
        browser = tools.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = Path(folder) / "page.html"
        subprocess.run(_jasco("report", run, "-o", page), check=True)
        _take_page(_tab(browser), page.as_uri())
        human_runs = Path(folder) / "human"
        with _view(run, human_runs) as address:
            _take_browse(_tab(browser, height=560), address)
            _take_listening(_tab(browser, width=720, height=640), address)
        with _view(_labelled(Path(folder)), human_runs) as address:
            _take_disagreements(_tab(browser), address)
        browser.close()


def _take_page(tab: Page, address: str) -> None:
    tab.goto(address)
    tab.wait_for_selector("article")
    _take(tab, "results", height=880)
    tab.click("nav a:text-is('Clips and prompts')")
    _take(tab, "heatmap", height=620)
    tab.goto(f"{address}#clip-9")
    tab.reload()
    tab.wait_for_selector("article:only-child")
    tab.click("article details summary >> nth=0")
    tab.locator("img.spectrogram").evaluate("(each) => each.decode()")
    tab.locator("article").evaluate("(each) => each.scrollIntoView()")
    _take(tab, "clip", height=620)


def _take_browse(tab: Page, address: str) -> None:
    tab.emulate_media(color_scheme="dark")
    tab.goto(address)
    tab.wait_for_selector("article")
    _take(tab, "browse")


def _take_listening(tab: Page, address: str) -> None:
    _enter(tab, f"{address}listen")
    tab.wait_for_selector("#text")
    tab.fill("#text", "They are on a ship, and the weather turns bad.")
    _take(tab, "listen")
    tab.click("button:text-is('Send')")
    tab.wait_for_selector("#solution")
    _take(tab, "solution")


def _take_disagreements(tab: Page, address: str) -> None:
    _enter(tab, f"{address}disagreements")
    tab.click("details summary >> nth=0")
    tab.check("input[name=rating] >> nth=1")
    tab.check("input[name=orientation] >> nth=2")
    _take(tab, "disagreements", height=820)


def _enter(tab: Page, address: str) -> None:
    tab.goto(address)
    tab.fill("#name", "Ada")
    tab.click("button:text-is('Begin')")


def _labelled(folder: Path) -> Path:
    """Make a run of labelled answers, with the labels and the offline judge as its judges."""
    data, outputs = find_data(MINI, print), folder / "annotator.csv"
    given = {(row["id"], int(row["prompt_index"])): row for row in read_table(_LABELS).rows}
    rows = list(template_rows(data, dict.fromkeys((clip.id for clip in data.clips), 0)))
    for row, item in zip(
        rows, (item for clip in data.clips for item in items_of(clip)), strict=True
    ):
        if label := given.get((item.clip.id, item.number)):
            row["allm_output"] = label["allm_output"]
            verdict = f"Rating: {label['rating']}\nOrientation: {label['orientation']}"
            row["judge_output"] = f"{label['note']}\n{verdict}"
    write_table(outputs, [*COLUMNS, "judge_output"], rows)
    command = _jasco("eval", f"csv/{outputs.name}", "--data", MINI, "--run", "labelled")
    judges = ("--judge", f"csv/{outputs.name}", "--judge", "offline")
    subprocess.run([*command, *judges], cwd=folder, check=False)  # not all outputs are labelled
    return folder / "labelled"


def _tab(browser: Any, width: int = 1080, height: int = 760) -> Page:
    size = {"width": width, "height": height}
    return browser.new_context(viewport=size, device_scale_factor=1.5).new_page()


def _take(tab: Page, name: str, height: int | None = None) -> None:
    """Save a screenshot in 128 colours, which is enough for pages."""
    if height:
        tab.set_viewport_size({**(tab.viewport_size or {}), "height": height})
    tab.wait_for_timeout(300)
    picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)


def _jasco(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "jasco", *map(str, arguments)]


@contextmanager
def _view(run: Path, human_runs: Path) -> Iterator[str]:
    """Start the app and yield its address."""
    command = _jasco("view", run, "--port", 0, "--human-runs", human_runs, "--no-browser")
    app = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert app.stderr is not None
        found = next(filter(None, (re.search(r"http://\S+", line) for line in app.stderr)))
        yield found[0]
    finally:
        app.terminate()
        app.wait()


if __name__ == "__main__":
    main()
