"""The report page in Chromium, opened from the disk without a network."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import accessibility_violations, chromium, filter_milliseconds, quiet_tab, wait_until
from runs import verdict, write_run
from synthetic import make_data

pytest.importorskip("jinja2", reason="needs the extra viewer")

from jasco.data.dataset import read_data_set
from jasco.protocol.responses import Failure
from jasco.reports.page.render import render_page
from jasco.reports.page.shown import open_shown

pytestmark = pytest.mark.slow
CLIPS = 8
HOSTILE = (
    '<img src=x onerror="document.title=1"></script><script>document.title=2</script>'
    "\N{RIGHT-TO-LEFT OVERRIDE}turned\0" + "a" * 1_000_000
)


def answer(clip: int, prompt: int) -> Any:
    if (clip, prompt) == (0, 1):
        return Failure("timeout", "after 60 s")
    return HOSTILE if (clip, prompt) == (1, 1) else f"They flee from clip {clip}."


JUDGES = {
    "strict": lambda clip, prompt: verdict(clip % 3, "Both"),
    "mild": lambda clip, prompt: verdict(2, "Both" if prompt > 2 else "Neither"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running_browser:
        yield running_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a page about a few clips, two models and two judges."""
    folder = tmp_path_factory.mktemp("page")
    data = read_data_set(make_data(folder / "data", CLIPS, seconds=1.0))
    runs = [write_run(folder / name, data, answer, JUDGES, name) for name in ("first", "second")]
    path = folder / "page.html"
    path.write_text(render_page(open_shown(runs), audio=True), "utf-8")
    return path.as_uri()


@pytest.fixture
def tab(browser: Any, page: str) -> Iterator[Any]:
    with quiet_tab(browser, offline=True) as tab:
        tab.goto(page)
        tab.wait_for_selector("table.clips tbody tr")
        yield tab


def found(tab: Any) -> str:
    text: str = tab.inner_text(".found output")
    return text


def open_clip(tab: Any, address: str) -> Any:
    """Open a clip by its address, and return the dialog."""
    tab.evaluate("address => { location.hash = address; }", address)
    tab.wait_for_selector("dialog[open]")
    return tab.locator("dialog")


def title(tab: Any) -> str:
    text: str = tab.inner_text("#clip-title")
    return text


def focused(tab: Any) -> str:
    text: str = tab.evaluate("document.activeElement.getAttribute('aria-label')")
    return text


def test_everything_is_there_and_texts_are_texts(tab: Any) -> None:
    assert found(tab) == "128 items in 8 of 8 clips"
    assert tab.locator("table.clips tbody tr").count() == CLIPS
    assert tab.locator("table.clips tbody .strip").count() == 2 * CLIPS
    first = tab.locator("table.clips tbody .strip").first
    scores = first.get_attribute("aria-label")
    assert scores.startswith(
        "Scores: instruction 1: failed; instruction 2: 0, judges differ; "
        "instruction 3: 1.00, judges differ;"
    )
    assert "Failed: timeout: after 60 s" in open_clip(tab, "clip-0").inner_text()
    hostile = open_clip(tab, "clip-1").locator(".answer").first
    text = hostile.inner_text()
    assert text.startswith('<img src=x onerror="document.title=1"></script><script>')
    assert r"\u202eturned\u0000aaa" in text
    assert len(text) < 5000
    hostile.locator("button").click()
    assert len(hostile.inner_text()) > 1_000_000
    assert tab.title() == "Joint audio-speech co-reasoning: data"
    tab.evaluate("""async () => {
        const data = await jascoClips.load();
        for (const names of [data.prompts, data.judges]) names[0] = `\\u202e<b>${names[0]}`;
        jascoClips.update(data);
    }""")
    wait_until(tab, "document.querySelector('.all-prompts').textContent.includes('<b>')")
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in tab.evaluate("document.documentElement.outerHTML")


def test_a_heading_sorts_and_judges_stay_below_their_model(tab: Any) -> None:
    tab.click("details:has(table.sortable) > summary")
    names = "table.sortable tbody th"
    before = tab.locator(names).all_inner_texts()
    assert len(before) == 6
    tab.click("table.sortable thead th >> nth=0 >> button")
    after = tab.locator(names).all_inner_texts()
    assert after == before[3:] + before[:3]
    headings = tab.locator("table.sortable thead th")
    tab.evaluate("document.querySelector('table.sortable tbody tr').cells[1].textContent = '–'")
    missing = tab.locator(names).first.inner_text()
    for direction in ("descending", "ascending"):
        headings.nth(1).locator("button").click()
        assert headings.nth(1).get_attribute("aria-sort") == direction
        assert tab.locator(names).nth(3).inner_text() == missing
    headings.first.locator("button").click()
    tab.evaluate("""() => {
        const part = document.querySelector('table.sortable').parentNode;
        const fresh = part.cloneNode(true);
        fresh.querySelectorAll('[aria-sort]').forEach(each => each.removeAttribute('aria-sort'));
        fresh.querySelector('tbody').append(...[...fresh.querySelectorAll('tbody tr')].reverse());
        part.replaceWith(fresh);
        readyTables(document);
    }""")  # as in the app, when a part of the page is replaced
    assert headings.first.get_attribute("aria-sort") == "descending"
    assert headings.first.locator("button").count() == 1
    assert headings.nth(1).get_attribute("aria-sort") == "none"


def test_filters_count_and_keep_matching_items(tab: Any, browser: Any) -> None:
    def choose(name: str, value: str) -> None:
        tab.locator(f".filters select[name={name}]").select_option(value)

    answered = [(clip, prompt) for clip in range(CLIPS) for prompt in range(1, 9)]
    answered.remove((0, 1))  # not answered
    for name, value, matches in (
        ("score", "full", lambda clip, prompt: clip % 3 == 2 and prompt > 2),
        ("score", "0", lambda clip, prompt: clip % 3 == 0 and prompt < 3),
        ("judges", "differ", lambda clip, prompt: clip % 3 != 2 or prompt < 3),
        ("judges", "score-2", lambda clip, prompt: abs(clip % 3 - 2 * (prompt > 2)) == 2),
        ("judges", "orientation", lambda clip, prompt: prompt < 3),
        ("orientation", "neither", lambda clip, prompt: prompt < 3),
    ):
        expected = 2 * sum(matches(*item) for item in answered)
        option = tab.locator(f".filters [name={name}] option[value='{value}']")
        assert option.inner_text().endswith(f" ({expected})"), name
        choose(name, value)
        clips = len({clip for clip, prompt in answered if matches(clip, prompt)})
        assert found(tab) == f"{expected} items in {clips} of 8 clips", name
        assert tab.locator("table.clips tbody tr").count() == clips
        tab.click(".filters .chip")
    choose("model", "2")
    choose("status", "failed")
    assert found(tab) == "1 item in 1 of 8 clips"
    assert tab.locator("table.clips td:visible .cell:not(.dim)").all_inner_texts() == ["×"]
    assert (
        tab.locator("table.clips th.scored:visible").all_inner_texts()[0].startswith("csv/second")
    )
    assert tab.url.endswith("#clips?model=2&status=failed")
    with quiet_tab(browser, offline=True) as other:
        other.goto(tab.url)  # the link opened in another browser
        other.wait_for_selector("table.clips tbody tr")
        assert found(other) == "1 item in 1 of 8 clips"
    tab.click(".filters button:text('Reset')")
    tab.fill(".filters [name=q]", "CLIP 5.")
    assert found(tab) == "16 items in 1 of 8 clips"
    tab.fill(".filters [name=q]", "nowhere")
    assert found(tab) == "0 items in 0 of 8 clips"
    tab.fill(".filters [name=q]", "")
    choose("sort", "hardest")
    clips = tab.locator("table.clips tbody th").all_inner_texts()
    assert clips == ["3", "6", "0", "1", "4", "7", "2", "5"]


def test_a_clip_is_reached_by_its_address_and_from_a_heat_map(tab: Any) -> None:
    dialog = open_clip(tab, "clip-3-2?orientation=neither")
    assert title(tab) == "Clip 3"
    assert "4 of 8 shown" in dialog.inner_text()
    assert dialog.locator(".chosen").count() == 2
    dialog.locator("button[aria-label=Close]").click()
    assert tab.url.endswith("#clips?orientation=neither")
    tab.locator("table.clips tbody tr").nth(2).locator(".cell").nth(9).click()
    assert title(tab) == "Clip 2"
    assert tab.url.endswith("#clip-2-2?orientation=neither")
    tab.go_back()
    tab.wait_for_selector("dialog", state="detached")
    heat = tab.locator(".heat > svg:not(.marker)").first
    size = heat.bounding_box()
    heat.click(position={"x": size["width"] - 2, "y": size["height"] - 2})
    assert title(tab) == "Clip 5"  # the easiest
    assert "-8" in tab.url


def test_a_clip_is_read_by_keyboard_alone(tab: Any) -> None:
    keyboard = tab.keyboard
    tab.locator("table.clips tbody a").nth(1).focus()
    keyboard.press("Enter")
    tab.wait_for_selector("dialog[open]")
    assert title(tab) == "Clip 1"
    for key, expected in (
        ("j", "Clip 2"), ("ArrowRight", "Clip 3"), ("k", "Clip 2"), ("ArrowLeft", "Clip 1"),
        ("k", "Clip 0"), ("k", "Clip 7"), ("j", "Clip 0"), ("d", "Clip 1"),
    ):  # fmt: skip
        keyboard.press(key)
        assert title(tab) == expected, key
    keyboard.press("2")
    assert tab.locator("dialog .chosen").first.get_attribute("data-prompts") == "2 3 4 5 6 7 8"
    keyboard.press("?")
    assert "next clip on which judges differ" in tab.inner_text("dialog")
    tab.evaluate("document.querySelector('dialog audio').loop = true")
    keyboard.press(" ")
    wait_until(tab, "document.querySelector('dialog audio').currentTime > 0.1")
    assert tab.inner_text("dialog .play").split() == ["Pause", "p"]
    chip = tab.locator("dialog .chip").first
    chip.focus()
    for pressed in ("false", "true"):  # a control that has the focus keeps its key
        keyboard.press(" ")
        assert chip.get_attribute("aria-pressed") == pressed
    keyboard.press("p")
    wait_until(tab, "document.querySelector('dialog .play').innerText.startsWith('Play')")
    slider = tab.locator("dialog [role=slider]")
    slider.focus()
    keyboard.press("Home")
    keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuenow") == "0.3"  # 0.25
    assert title(tab) == "Clip 1"
    keyboard.press("Escape")
    tab.wait_for_selector("dialog", state="detached")
    wait_until(tab, "document.activeElement.getAttribute('aria-label') === 'Clip 1'")


def test_models_are_side_by_side_and_a_judges_text_is_shown_on_demand(tab: Any) -> None:
    dialog = open_clip(tab, "clip-0")
    assert dialog.locator(".answers h3").all_inner_texts() == ["csv/first", "csv/second"]
    strict, mild = dialog.locator(".verdicts > div").all()[:2]
    assert " ".join(strict.inner_text().split()) == "openai/strict rated 0 both"
    assert [" ".join(text.split()) for text in mild.locator(".verdict").all_inner_texts()] == [
        "rated 2 neither instruction 2",
        "rated 2 both instructions 3, 4, 5, 6, 7, 8",
    ]  # of equal answers
    assert not dialog.locator(".judged").count()
    strict.locator("summary").click()
    assert dialog.locator(".judged").first.inner_text() == verdict(0, "Both")
    mild.locator("summary").last.click()
    mild.locator(".judged").first.wait_for()  # it is shown by an event
    assert mild.locator(".judged").all_inner_texts() == [verdict(2, "Both")]  # of six equal ones
    dialog.locator(".chip >> nth=0").click()
    tab.keyboard.press("j")
    assert dialog.locator(".answers h3").all_inner_texts() == ["csv/second"]


def test_new_data_keep_filters_sound_and_focus(tab: Any) -> None:
    tab.locator(".filters select[name=model]").select_option("2")
    dialog = open_clip(tab, "clip-4")
    dialog.locator("summary").nth(1).focus()
    kept = tab.evaluate("""async () => {
        const audio = document.querySelector('dialog audio'), focused = document.activeElement;
        audio.loop = true;
        await audio.play();
        const data = await jascoClips.load();
        for (const item of data.items) {
            if (item.clip === 4 && item.prompt > 4) item.answer = 'Now <b>this</b>.';
        }
        jascoClips.update(data);
        await new Promise(done => setTimeout(done, 50));
        return [!audio.paused, audio.isConnected, document.activeElement === focused];
    }""")
    assert kept == [True, True, True]
    assert "Now <b>this</b>." in dialog.inner_text()
    assert found(tab) == "64 items in 8 of 8 clips"


def test_controls_are_not_printed(tab: Any) -> None:
    open_clip(tab, "clip-0")
    tab.emulate_media(media="print")
    assert tab.locator("table.clips .cell").first.is_visible()
    for selector in ("nav.bar", ".filters", "button.copy >> nth=0", "dialog"):
        assert not tab.locator(selector).is_visible(), selector


def test_a_table_is_copied(tab: Any) -> None:
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.evaluate("document.querySelector('.leaderboard tbody .foreign').textContent = '=1+1'")
    tab.locator(".scroll:has(.leaderboard) + button.copy").click()
    tab.wait_for_selector("button.copy:text-is('Copied')")
    headings, first, *_ = tab.evaluate("navigator.clipboard.readText()").split("\n")
    assert headings.startswith("model / judge\tbest-mean [95%]\tbounds\t")
    assert first.startswith("'=1+1\t")
    tab.click("details:has(table.sortable) > summary")
    button = tab.locator("details:has(table.sortable) button.copy")
    button.click()
    tab.wait_for_selector("details button.copy:text-is('Copied')")
    copied = tab.evaluate("navigator.clipboard.readText()").split("\n")
    assert copied[0].startswith("model / judge\tbest-mean [95%]\tbounds\tmean\t")
    assert len(copied) == 7
    assert re.match(r"csv/\w+\t\d\.\d\d \[\d", copied[1])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_is_accessible(browser: Any, page: str, scheme: str, width: int) -> None:
    with quiet_tab(browser, offline=True, scheme=scheme, width=width) as tab:
        tab.goto(page)
        tab.wait_for_selector("table.clips tbody tr")
        for details in tab.locator("details:not([open])").all():
            if details.is_visible():
                details.locator("summary").first.click()
        tab.locator(".filters select[name=score]").select_option("0")
        assert accessibility_violations(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        dialog = open_clip(tab, "clip-0-2")
        tab.keyboard.press("?")
        for details in dialog.locator("details").all():
            details.locator("summary").first.click()
        assert accessibility_violations(tab) == []
        assert tab.evaluate("document.querySelector('dialog').scrollWidth") <= width


def test_a_large_report_is_quick_and_small(browser: Any, tmp_path: Path) -> None:
    """640 items, four models, three judges of 1,200 characters; ``benchmarks/page.py`` measures."""
    from large_runs import write_large_runs

    shown = open_shown(write_large_runs(tmp_path))
    began = time.process_time()
    page = tmp_path / "page.html"
    page.write_text(render_page(shown, audio=False), "utf-8")
    assert time.process_time() - began < 15  # 5
    assert page.stat().st_size < 8e6
    with quiet_tab(browser, offline=True) as tab:
        tab.goto(page.as_uri())
        tab.wait_for_selector("table.clips tbody tr")
        first_paint = tab.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        assert first_paint < 3000  # 500
        assert found(tab) == "2,560 items in 80 of 80 clips"
        for name, value in (("q", "flee"), ("q", ""), ("score", "full"), ("sort", "hardest")):
            assert filter_milliseconds(tab, name, value) < 500, name  # 100
