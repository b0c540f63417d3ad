"""The report page in Chromium, opened from the disk without a network."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import accessibility_violations, chromium, quiet_tab
from runs import verdict, write_run
from synthetic import make_data

pytest.importorskip("jinja2", reason="needs the extra viewer")

from jasco.data.dataset import read_data_set
from jasco.protocol.responses import Failure
from jasco.reports.page.content import open_shown
from jasco.reports.page.render import render_page

pytestmark = pytest.mark.slow
CLIPS = 8
HOSTILE = (
    '<img src=x onerror="document.title=1"></script><script>document.title=2</script>'
    "\N{RIGHT-TO-LEFT OVERRIDE}turned\0" + "a" * 1_000_000
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running_browser:
        yield running_browser


@pytest.fixture
def write_page(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a page about a few clips, two models and two judges."""

    def write(**options: Any) -> Path:
        data = read_data_set(make_data(tmp_path / "data", CLIPS, seconds=1.0))
        runs = [
            write_run(
                tmp_path / name,
                data,
                lambda clip, prompt: (
                    Failure("timeout", "after 60 s")
                    if (clip, prompt) == (0, 1)
                    else HOSTILE
                    if (clip, prompt) == (1, 1)
                    else f"They flee from clip {clip}."
                ),
                {
                    "strict": lambda clip, prompt: verdict(clip % 3, "Both"),
                    "mild": lambda clip, prompt: verdict(2, "Both" if prompt > 2 else "Neither"),
                },
                name,
            )
            for name in ("first", "second")
        ]
        page = tmp_path / "page.html"
        page.write_text(render_page(open_shown(runs), **{"audio": True, **options}), "utf-8")
        return page

    return write


@pytest.fixture
def tab(browser: Any, write_page: Callable[..., Path]) -> Iterator[Any]:
    with quiet_tab(browser, offline=True) as tab:
        tab.goto(write_page().as_uri())
        tab.wait_for_selector("article")
        yield tab


def count_items(tab: Any) -> tuple[int, int]:
    """Return how many items are shown, and how many there are."""
    counts = re.match(r"(\d+) of (\d+) items", tab.inner_text("#filters output"))
    assert counts
    return int(counts[1]), int(counts[2])


def test_everything_is_there_and_texts_are_texts(tab: Any) -> None:
    page = tab
    assert count_items(tab) == (128, 128)
    assert "items, 126 of them answered, in 8 of 8 clips" in tab.inner_text("#filters output")
    assert page.locator(".chart svg").count() == 3  # best of k needs every verdict
    assert page.locator("article").count() == 6
    page.click("#more")
    assert page.locator("article").count() == CLIPS
    assert not page.locator("#more").is_visible()
    assert page.title() == "Joint audio-speech co-reasoning"
    assert "timeout: after 60 s" in page.inner_text("#clip-0")
    text = page.inner_text("#clip-1 .answer >> nth=0")
    assert text.startswith('<img src=x onerror="document.title=1"></script><script>')
    assert r"\u202eturned\u0000aaa" in text
    assert len(text) < 5000
    page.click("#clip-1 .answer >> nth=0 >> button")
    assert len(page.inner_text("#clip-1 .answer >> nth=0")) > 1_000_000


def test_a_heading_sorts_and_judges_stay_below_their_model(tab: Any) -> None:
    names = "table.sortable tbody th"
    before = tab.locator(names).all_inner_texts()
    assert len(before) == 6
    tab.click("table.sortable thead th >> nth=0 >> button")
    after = tab.locator(names).all_inner_texts()
    assert after == before[3:] + before[:3]
    assert tab.get_attribute("table.sortable thead th >> nth=0", "aria-sort") == "descending"


def test_filters_keep_matching_items(tab: Any) -> None:
    form = tab.locator("#filters")
    for name, value, expected in (
        ("text", "CLIP 5.", 16),
        ("text", "", 128),
        ("model", "1", 64),
        ("prompt", "1", 8),
        ("state", "failed", 1),
    ):
        field = form.locator(f"[name={name}]")
        field.fill(value) if name == "text" else field.select_option(value)
        assert count_items(tab)[0] == expected, (name, value)
    tab.click("button[type=reset]")
    tab.wait_for_selector("#filters output:text-matches('^128 of')")
    for name, value, matches in (
        # 1 and 2 are 1.5 on average
        ("score", "scored 2", lambda clip, prompt: clip % 3 != 0 and prompt > 2),
        ("judges", "differ", lambda clip, prompt: clip % 3 != 2 or prompt < 3),
        ("orientation", "3", lambda clip, prompt: prompt < 3),
    ):
        form.locator(f"[name={name}]").select_option(value)
        answered = [(clip, prompt) for clip in range(CLIPS) for prompt in range(1, 9)]
        answered.remove((0, 1))  # not answered
        assert count_items(tab)[0] == 2 * sum(matches(*item) for item in answered), name
        tab.click("button[type=reset]")
        tab.wait_for_selector("#filters output:text-matches('^128 of')")


def test_a_cell_leads_to_its_clip(tab: Any) -> None:
    tab.click(".heat tbody tr:nth-child(4) td:nth-child(3) a")
    tab.wait_for_selector("article:only-child")
    assert tab.inner_text("article h3") == "Clip 3"
    assert count_items(tab) == (16, 128)


def test_a_clip_plays_and_shows_its_spectrogram(tab: Any) -> None:
    times = tab.evaluate(
        "async () => { const audio = document.querySelector('audio'); audio.muted = true;"
        "await audio.play(); await new Promise(done => setTimeout(done, 300));"
        "return [audio.currentTime, audio.duration]; }"
    )
    assert times[0] > 0
    assert abs(times[1] - 1.0) < 0.1
    tab.locator("img.spectrogram").first.scroll_into_view_if_needed()
    image = tab.locator("img.spectrogram").first
    assert image.evaluate("async (image) => (await image.decode(), image.naturalWidth)") == 480


def test_controls_are_not_printed(tab: Any) -> None:
    tab.emulate_media(media="print")
    assert tab.locator("table.sortable thead th >> nth=1").inner_text() == "best-mean [95%]"
    assert tab.locator("article >> nth=0").is_visible()
    for selector in ("nav", "#filters", "button.copy >> nth=0", "#more", "audio >> nth=0"):
        assert not tab.locator(selector).is_visible(), selector


def test_a_judges_text_is_shown_on_demand(tab: Any) -> None:
    assert not tab.locator(".judged").count()
    tab.click("article details summary >> nth=0")
    assert tab.inner_text(".judged >> nth=0") == verdict(0, "Both")


def test_a_table_is_copied(tab: Any) -> None:
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.click("button.copy >> nth=0")
    tab.wait_for_selector("button.copy:text-is('Copied')")
    copied = tab.evaluate("navigator.clipboard.readText()").split("\n")
    assert copied[0].startswith("model / judge\tbest-mean [95%]\tbounds\tmean\t")
    assert len(copied) == 7


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_is_accessible(
    browser: Any, write_page: Callable[..., Path], scheme: str, width: int
) -> None:
    with quiet_tab(browser, offline=True, scheme=scheme, width=width) as tab:
        tab.goto(write_page().as_uri())
        tab.wait_for_selector("article")
        for details in tab.locator("details:not([open])").all()[:8]:
            details.locator("summary").click()
        assert accessibility_violations(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_a_large_report_is_quick_and_small(browser: Any, tmp_path: Path) -> None:
    """640 items, four models, three judges of 1,200 characters; ``benchmarks/page.py`` measures."""
    from large_runs import write_large_runs

    shown = open_shown(write_large_runs(tmp_path))
    began = time.perf_counter()
    page = tmp_path / "page.html"
    page.write_text(render_page(shown, audio=False), "utf-8")
    assert time.perf_counter() - began < 30  # 10 on an idle machine
    assert page.stat().st_size < 8e6
    with quiet_tab(browser, offline=True) as tab:
        tab.goto(page.as_uri())
        tab.wait_for_selector("article")
        first_paint = tab.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        assert first_paint < 3000  # 1000
        assert count_items(tab) == (2560, 2560)
        for name, value in (("text", "flee"), ("text", ""), ("score", "scored 2")):
            milliseconds = tab.evaluate(
                "([name, value]) => { const form = document.getElementById('filters');"
                "form[name].value = value; const start = performance.now();"
                "form.dispatchEvent(new Event('input')); document.body.offsetHeight;"
                "return performance.now() - start; }",
                [name, value],
            )
            assert milliseconds < 500, name  # 100
