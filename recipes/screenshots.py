"""Take screenshots of the report page and the app.

    python recipes/sample_runs/make_runs.py RUNS
    python recipes/screenshots.py RUNS/cascade RUNS/speech-only RUNS/sound-only

This updates the images of the documentation, in ``docs/images``. With ``--gallery``, every section
of the page and every view of the app is taken instead, in three widths, light and dark, as
``SECTION-WIDTH-SCHEME.png``, and the page as it prints; views that scroll horizontally are
reported. The runs are of ``mini`` and have two judges. Labels and listeners are stored in copies,
so the runs stay unchanged.

Needs Chromium and the ``viewer`` and ``test`` extras, and ``pdftoppm`` for images of the printed
pages.
"""

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from jasco.data.audio import read_audio
from jasco.data.dataset import MINI
from jasco.data.sources import find_data

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTHS = {1440: 900, 1200: 800, 390: 844}
"""The widths of the gallery, with their heights."""
SCHEMES = ("light", "dark")
_MARGIN = 16  # pixels around a section
_SECTIONS = """
() => [...document.querySelectorAll("main > section[id]")].map((each) => {
  const { left, top, right, bottom } = each.getBoundingClientRect();
  return [each.id, left, top, right, bottom];
})
"""
"""The names and edges of the sections of a page that is not scrolled."""
LABELS = ((0, "Audio-Oriented"), (1, "Both"), (0, "Neither"), (2, "Both"), (0, "Speech-Oriented"))


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, help="the folder of the images (default: docs/images)")
    parser.add_argument("--gallery", action="store_true", help="every section and view")
    parser.add_argument(
        "--page", type=Path, nargs="*", default=[], help="further pages for the gallery"
    )
    given = parser.parse_args()
    if given.gallery and not given.out:
        parser.error("--gallery requires --out")
    out = given.out or IMAGES
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, _chromium() as browser:
        runs = [f"runs/{run.name}" for run in given.runs]  # relative, since pages show the paths
        for run, copy in zip(given.runs, runs, strict=True):
            shutil.copytree(run, Path(folder) / copy)
        page = Path(folder) / "page.html"
        subprocess.run(_jasco("report", *runs, "-o", page), cwd=folder, check=True)
        with _view(runs, folder) as address:
            if given.gallery:
                take_gallery(Gallery(browser, out), [page, *given.page], address)
            else:
                take_images(browser, out, page.as_uri(), address)
                take_leaderboard(browser, out, runs, Path(folder))


# --- the images of the documentation ---


def take_images(browser: Browser, out: Path, page: str, app: str) -> None:
    """Take the images of the documentation from a page and an app, given by their addresses."""
    tab = _tab(browser, width=1360)
    _open(tab, page)
    _take(tab, out / "results.png", height=900)
    tab.locator("#clips").evaluate("(each) => each.scrollIntoView()")
    _take(tab, out / "clips.png", height=700)
    tab.locator(".heat").first.evaluate("(each) => each.closest('.card, section').scrollIntoView()")
    _take(tab, out / "heatmap.png", height=620)
    _open(tab, f"{page}#clip-9")
    _take(tab, out / "clip.png", height=760)

    tab = _tab(browser, height=640, scheme="dark")
    _open(tab, app)
    _take(tab, out / "browse.png")
    _open(tab, f"{app}runs")
    _take(tab, out / "runs.png", height=460)

    tab = _tab(browser)
    label_answers(tab, app, "Grace", number=4)
    label_answers(tab, app, "Ada", number=2)
    _choose(tab, 1, "Both")
    _take(tab, out / "disagreements.png", height=820)

    tab = _tab(browser, width=720, height=640)
    begin_listening(tab, app, "Ada")
    fill_in_guess(tab, "speech_only")
    _take(tab, out / "listen.png")
    _proceed(tab)
    _take(tab, out / "solution.png")
    answer_the_rest(tab)
    _take(tab, out / "score.png")


def take_leaderboard(browser: Browser, out: Path, runs: Sequence[str], folder: Path) -> None:
    """Take the image of a leaderboard of bundles."""
    bundles = [f"{Path(run).name}.zip" for run in runs]
    for run, bundle in zip(runs, bundles, strict=True):
        subprocess.run(_jasco("bundle", run, "-o", bundle), cwd=folder, check=True)
    page = folder / "leaderboard.html"
    subprocess.run(_jasco("leaderboard", *bundles, "-o", page), cwd=folder, check=True)
    tab = _tab(browser, width=1360)
    _open(tab, page.as_uri())
    _take(tab, out / "leaderboard.png", height=540)


def _take(tab: Page, path: Path, height: int | None = None) -> None:
    """Save a screenshot in 256 colours, which is enough for pages."""
    if height:
        tab.set_viewport_size({"width": tab.viewport_size["width"], "height": height})
    tab.wait_for_timeout(300)
    picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


# --- the gallery ---


class Gallery:
    """A folder of screenshots in all widths and colour schemes, taken in one tab."""

    def __init__(self, browser: Browser, out: Path) -> None:
        self.tab = _tab(browser, scale=1)
        self.out = out

    def take(self, name: str) -> None:
        """Take the first screen, and each section; the whole page if it has no sections."""
        for variant in self._variants(name):
            self.tab.evaluate("scrollTo(0, 0)")
            sections = self.tab.evaluate(_SECTIONS)
            if sections:
                self.tab.screenshot(path=self.out / f"{name}-first-{variant}.png")
            with self._whole_page():
                whole = Image.open(io.BytesIO(self.tab.screenshot()))
                sections = self.tab.evaluate(_SECTIONS)
            if not sections:
                whole.save(self.out / f"{name}-{variant}.png")
            for section, left, top, right, bottom in sections:
                if bottom > top:
                    box = (
                        max(0, left - _MARGIN),
                        max(0, top - _MARGIN),
                        min(whole.width, right + _MARGIN),
                        min(whole.height, bottom + _MARGIN),
                    )
                    whole.crop(box).save(self.out / f"{name}-{section}-{variant}.png")

    def take_screen(self, name: str) -> None:
        """Take what is visible, such as a dialog."""
        for variant in self._variants(name):
            self.tab.screenshot(path=self.out / f"{name}-{variant}.png")

    def take_print(self, name: str) -> None:
        """Save the page as PDF, and its pages as images."""
        file = self.out / f"{name}-print.pdf"
        margin = dict.fromkeys(("top", "right", "bottom", "left"), "1cm")
        self.tab.emulate_media(media="print", color_scheme="light")
        self.tab.pdf(path=file, format="A4", margin=margin)
        self.tab.emulate_media(media="screen")
        if shutil.which("pdftoppm"):
            subprocess.run(["pdftoppm", "-r", "80", "-png", file, file.with_suffix("")], check=True)

    @contextmanager
    def _whole_page(self) -> Iterator[None]:
        """Make the window as high as the page: what is outside may not be laid out."""
        size = self.tab.viewport_size
        assert size
        height = self.tab.evaluate("document.documentElement.scrollHeight")
        self.tab.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
        self.tab.wait_for_timeout(300)
        yield
        self.tab.set_viewport_size(size)

    def _variants(self, name: str) -> Iterator[str]:
        """Set each width and colour scheme in turn."""
        for width, height in WIDTHS.items():
            self.tab.set_viewport_size({"width": width, "height": height})
            self._report_overflow(f"{name} at {width} px")
            for scheme in SCHEMES:
                self.tab.emulate_media(color_scheme=scheme)
                self.tab.wait_for_timeout(300)
                yield f"{width}-{scheme}"

    def _report_overflow(self, where: str) -> None:
        root = "document.documentElement"
        if over := self.tab.evaluate(f"{root}.scrollWidth - {root}.clientWidth"):
            print(f"{where}: scrolls horizontally by {over} px")


def take_gallery(gallery: Gallery, pages: Sequence[Path], app: str) -> None:
    """Take every section of the pages, and every view of the app."""
    for page in pages:
        _open(gallery.tab, page.resolve().as_uri())
        gallery.take(page.stem)
        gallery.take_print(page.stem)
    _open(gallery.tab, f"{pages[0].as_uri()}#clip-9")
    gallery.take_screen("clip")
    for name, address in _views(gallery.tab, app).items():
        _open(gallery.tab, address)
        gallery.take(f"app-{name}")
    _take_labelling(gallery, app)
    _take_listening(gallery, app)


def _views(tab: Page, app: str) -> dict[str, str]:
    """Return the addresses of the app's views, from its bar, by name."""
    _open(tab, app)
    links = tab.locator("nav.bar a[href^='/'], nav[aria-label='Views'] a[href^='/']").all()
    paths = dict.fromkeys(["/", *(link.get_attribute("href") or "" for link in links)])
    return {path.partition("?")[0].strip("/") or "report": f"{app}{path[1:]}" for path in paths}


def _take_labelling(gallery: Gallery, app: str) -> None:
    label_answers(gallery.tab, app, "Grace", number=6)
    label_answers(gallery.tab, app, "Ada", number=4)
    gallery.take("app-label")


def _take_listening(gallery: Gallery, app: str) -> None:
    tab = gallery.tab
    begin_listening(tab, app, "Ada")
    gallery.take("app-question")
    fill_in_guess(tab, "reference")
    _proceed(tab)
    gallery.take("app-solution")
    answer_the_rest(tab)
    gallery.take("app-end")


# --- visiting the page and the app ---


def label_answers(tab: Page, app: str, annotator: str, number: int) -> None:
    """Label a number of answers on which judges differ, and open the next one."""
    _open(tab, f"{app}label/name")
    _enter(tab, annotator)
    for rating, orientation in (LABELS * number)[:number]:
        _choose(tab, rating, orientation)
        _proceed(tab)


def begin_listening(tab: Page, app: str, name: str) -> None:
    """Open the first question of the listening study."""
    _open(tab, f"{app}listen")
    _enter(tab, name)


def answer_the_rest(tab: Page) -> None:
    """Leave a solution and answer all other questions, two of three correctly."""
    _proceed(tab)
    guesses = cycle(("reference", "speech_only", "reference"))
    while tab.locator("#text").count():
        fill_in_guess(tab, next(guesses))
        _proceed(tab)
        _proceed(tab)


def fill_in_guess(tab: Page, guess: str) -> None:
    """Fill in one of the clip's annotated answers, such as its ``speech_only`` answer."""
    data = find_data(MINI, print)
    heard = tab.request.get(f"{tab.url.split('?')[0]}/sound").body()
    clip = next(clip for clip in data.clips if read_audio(data.audio_path(clip)).wav == heard)
    tab.fill("#text", getattr(clip, guess))


def _enter(tab: Page, name: str) -> None:
    tab.fill("#name", name)
    tab.click("form:has(#name) button")
    _settle(tab)


def _choose(tab: Page, rating: int, orientation: str) -> None:
    tab.check(f"input[name=rating][value='{rating}']")
    tab.check(f"input[name=orientation][value='{orientation}']")


def _proceed(tab: Page) -> None:
    """Select the main action of a view, and wait for the next view."""
    tab.locator("main :is(form .main, a.main)").first.click()
    _settle(tab)


def _open(tab: Page, address: str) -> None:
    tab.goto("about:blank")  # an address that differs in its fragment would not be loaded again
    tab.goto(address)
    _settle(tab)


def _settle(tab: Page) -> None:
    """Wait until a page has loaded, drawn and fetched what it shows."""
    tab.wait_for_load_state("networkidle")
    tab.wait_for_timeout(500)


# --- the browser and the app ---


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as tools:
        browser = tools.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--mute-audio"]
        )
        yield browser
        browser.close()


def _tab(
    browser: Browser,
    width: int = 1080,
    height: int = 760,
    scheme: str = "light",
    scale: float = 1.5,
) -> Page:
    size = {"width": width, "height": height}
    context = browser.new_context(
        viewport=size, device_scale_factor=scale, color_scheme=scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(60_000)  # milliseconds; generous for a busy machine
    return context.new_page()


@contextmanager
def _view(runs: Sequence[str], folder: str) -> Iterator[str]:
    """Start the app in the folder of the runs and yield its address."""
    command = _jasco("view", *runs, "--port", 0, "--no-browser")
    app = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        assert app.stderr is not None
        found = next(filter(None, (re.search(r"http://\S+", line) for line in app.stderr)))
        yield found[0]
    finally:
        app.terminate()
        app.wait()


def _jasco(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "jasco", *map(str, arguments)]


if __name__ == "__main__":
    main()
