"""The app in a real browser: keyboard only, growing runs, a restarted server."""

import csv
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser import accessibility_violations, chromium, complaints_of, wait_until
from command import Command
from participants import participants
from runs import verdict, write_run
from synthetic import make_data

pytest.importorskip("starlette", reason="needs the extra viewer")

from jasco.data.dataset import read_data_set
from jasco.human.annotations import Annotations
from jasco.human.listening_study import items_for, run_folder
from jasco.runs.read_run import judged_items_of_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.slow
MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with chromium() as running_browser:
        yield running_browser


@pytest.fixture
def enter(browser: "Browser", serve_view: object) -> "Iterator[Callable[..., BrowserContext]]":
    """Return a function that opens a browser context; console errors and warnings fail the test."""
    contexts: list[BrowserContext] = []
    messages: list[list[str]] = []

    def new_context(**options: Any) -> "BrowserContext":
        contexts.append(browser.new_context(**options))
        contexts[-1].set_default_timeout(20_000)
        contexts[-1].on("page", lambda page: messages.append(complaints_of(page)))
        return contexts[-1]

    yield new_context
    for context in contexts:
        context.close()
    lines = [line for group in messages for line in group]
    assert [line for line in lines if "net::ERR_" not in line] == []  # the server was killed


@pytest.fixture
def long_data(tmp_path: Path) -> Path:
    """Write clips that are long enough to be played; return their folder."""
    return make_data(tmp_path / "long", seconds=6)


def differing_judges() -> dict[str, Callable[[int, int], str]]:
    return {
        "kind": lambda _c, _n: verdict(2, "Both"),
        "stern": lambda clip, number: verdict(clip % 3, "Neither" if number > 6 else "Both"),
    }


def focused_element(page: "Page") -> str:
    return page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


def enter_name(page: "Page", address: str, name: str) -> None:
    if address:
        page.goto(address)
    wait_until(page, "document.activeElement.id === 'name'")
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def listen_and_answer(page: "Page", text: str) -> None:
    """Play a clip, answer its question and wait for the solution."""
    wait_until(page, "document.activeElement.id === 'play'")
    page.keyboard.press("Enter")
    wait_until(page, "!document.querySelector('audio').paused")
    page.keyboard.press("Tab")
    assert focused_element(page) == "text"
    page.keyboard.type(text)
    page.keyboard.press("Alt+p")
    wait_until(page, "document.querySelector('audio').paused")
    page.keyboard.press("Alt+p")
    wait_until(page, "!document.querySelector('audio').paused")
    assert page.input_value("#text") == text
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#solution")


def go_to_next_clip(page: "Page") -> None:
    wait_until(page, "document.activeElement.text === 'Next clip'")
    page.keyboard.press("Enter")
    wait_until(page, "document.activeElement.id === 'play'")


def test_two_listen_by_keyboard_alone_and_a_killed_server_loses_nothing(
    enter: "Callable[..., BrowserContext]",
    serve_view: Callable[..., tuple[str, Command]],
    long_data: Path,
    tmp_path: Path,
) -> None:
    data = read_data_set(long_data)
    url, command = serve_view("--data", long_data)
    pages = {}
    for name in ("Ada Lovelace", "Ben"):
        page = enter().new_page()
        enter_name(page, f"{url}listen", name)
        page.wait_for_selector("#text")
        pages[name] = page
    for number in (1, 2):
        for name, page in pages.items():
            listen_and_answer(page, f"{name} {number}")
            go_to_next_clip(page)

    port = int(url.rstrip("/").rpartition(":")[2])
    ben = pages["Ben"]
    ben.keyboard.press("Tab")
    ben.keyboard.type("not sent yet")
    command.kill()
    _, command = serve_view("--data", long_data, port=port)
    ben.reload()
    assert ben.input_value("#text") == "not sent yet"
    ben.fill("#text", "")
    for name, page in pages.items():
        page.reload()
        assert page.url == f"{url}listen/3"
        listen_and_answer(page, f"{name} 3")
        go_to_next_clip(page)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert focused_element(page) == "I cannot tell"
        page.keyboard.press("Enter")
        page.wait_for_selector("#solution")
        wait_until(page, "document.activeElement.text === 'Finish'")
        page.keyboard.press("Enter")
        page.wait_for_url("**/done")
        assert "You scored" in page.inner_text("main")
    for name in pages:
        answers = judged_items_of_run(run_folder(tmp_path / "human", name)).answers
        order = [item.clip.id for item in items_for(name, data.clips)]
        assert {clip: text for (clip, _), text in answers.items()} == dict(
            zip(order, [*(f"{name} {n}" for n in (1, 2, 3)), "I cannot tell."], strict=True)
        )
    assert participants(tmp_path / "human") == [
        ("Ada Lovelace", 4),
        ("Ben", 4),
    ]


def test_a_listener_may_stop_and_come_back_in_another_browser(
    enter: "Callable[..., BrowserContext]",
    serve_view: Callable[..., tuple[str, Command]],
    long_data: Path,
) -> None:
    url, _ = serve_view("--data", long_data)
    page = enter().new_page()
    enter_name(page, f"{url}listen", "Ada")
    listen_and_answer(page, "first")
    page.click("text=Stop for now")
    assert "1 of 4 clips are answered" in page.inner_text("main")
    page.click("text=Your score so far")
    page.click("text=Continue with clip 2")
    page.wait_for_url("**/listen/2")
    other = enter().new_page()
    enter_name(other, f"{url}listen", "Ada")
    wait_until(other, "document.activeElement.textContent === 'Continue as Ada'")
    other.keyboard.press("Enter")
    other.wait_for_url("**/listen/2")


def test_the_sound_can_be_sought(
    enter: "Callable[..., BrowserContext]",
    serve_view: Callable[..., tuple[str, Command]],
    long_data: Path,
) -> None:
    url, _ = serve_view("--data", long_data)
    page = enter().new_page()
    enter_name(page, f"{url}listen", "Ada")
    wait_until(page, "document.activeElement.id === 'play'")
    wait_until(page, "document.querySelector('.controls input').max > 5")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("End")
    wait_until(page, "document.querySelector('audio').currentTime > 5.5")
    page.keyboard.press("Home")
    wait_until(page, "document.querySelector('audio').currentTime === 0")


def test_a_run_appears_and_grows_before_the_readers_eyes(
    enter: "Callable[..., BrowserContext]",
    serve_view: Callable[..., tuple[str, Command]],
    long_data: Path,
    tmp_path: Path,
) -> None:
    data, run = read_data_set(long_data), tmp_path / "run"
    url, _ = serve_view(run)
    page = enter().new_page()
    page.goto(url)
    assert "no run found" in page.inner_text("main")

    def grow(clips: int, judges: dict[str, Any]) -> None:
        def answer(clip: int, number: int) -> str | None:
            return f"answer {clip}.{number}" if clip < clips else None

        write_run(run, data, answer, judges)

    kind: dict[str, Any] = {"kind": lambda _c, _n: verdict(2, "Both", "Because of the bell.")}
    grow(1, kind)
    page.wait_for_selector("#row-0")
    assert "not running" in page.inner_text("#progress")
    assert "of 32" in page.inner_text("#progress")
    page.evaluate("location.hash = '#clip-0'")
    page.wait_for_selector("dialog audio", state="attached")
    page.evaluate("window.mark = document.querySelector('dialog audio'); mark.play()")
    grow(2, kind)
    wait_until(page, "/16\\s*of 32/.test(document.getElementById('progress').innerText)")
    assert page.evaluate(
        "mark.isConnected && !mark.paused && document.querySelector('dialog').open"
    )
    page.keyboard.press("Escape")

    page.click("#models summary")
    page.click("#models table.sortable th:nth-child(2) button")
    page.evaluate("""
        window.details = document.querySelector("#models details");
        window.heading = document.activeElement;
        document.querySelector("#judges").scrollIntoView();
        window.top_before = document.querySelector("#judges").getBoundingClientRect().top;
    """)
    grow(4, differing_judges())
    page.wait_for_selector("#judges >> text=openai/stern")
    wait_until(page, "document.getElementById('progress').innerText === ''")  # nothing is missing
    assert page.evaluate("details.isConnected && details.open")
    assert page.evaluate("document.activeElement === heading && heading.localName === 'button'")
    assert page.evaluate("heading.closest('th').ariaSort") == "descending"
    top = "document.querySelector('#judges').getBoundingClientRect().top"
    assert page.evaluate(f"Math.abs({top} - top_before)") < 3
    page.wait_for_selector("#row-3", state="attached")


def test_runs_are_selected_in_the_list_by_keyboard(
    enter: "Callable[..., BrowserContext]",
    serve_view: Callable[..., tuple[str, Command]],
    make_run: MakeRun,
    data: Path,
    tmp_path: Path,
) -> None:
    hostile = "<b>&\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 300
    for number in range(11):
        make_run(f"runs/{number}", judges=differing_judges(), model=f"model-{number}")
    write_run(tmp_path / "runs" / "h", read_data_set(data), lambda *_: None, {}, hostile)
    url, _ = serve_view(tmp_path / "runs")
    page = enter(color_scheme="dark", viewport={"width": 380, "height": 800}).new_page()
    page.goto(url)
    assert page.url == f"{url}runs"
    page.focus("#find")
    page.keyboard.type("model-1")
    wait_until(page, "document.querySelectorAll('.runs tbody tr:not([hidden])').length === 2")
    assert page.is_disabled("text=Open report")
    page.keyboard.press("Tab")  # the first order
    page.focus(".runs tbody tr:not([hidden]) input")
    page.keyboard.press("Space")
    make_run("runs/late", model="model-100")
    page.wait_for_selector("text=csv/model-100")
    assert page.input_value("#find") == "model-1"
    assert page.locator("[name=run]:checked").count() == 1
    assert accessibility_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.fill("#find", "")
    page.evaluate("document.querySelectorAll('[name=run]:not(:checked)').forEach((e) => e.click())")
    assert page.locator("[name=run]:checked").count() == 6
    assert page.locator("[name=run]:disabled").count() == 6
    page.focus("text=Open report")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/report/[0-9a-f]{10}(-[0-9a-f]{10}){5}/$"))
    page.wait_for_selector("#row-3", state="attached")


def test_answers_are_labelled_by_keyboard_and_taken_away(
    enter: "Callable[..., BrowserContext]",
    serve_view: Callable[..., tuple[str, Command]],
    make_run: MakeRun,
) -> None:
    run = make_run(judges=differing_judges())
    url, _ = serve_view(run)
    page = enter().new_page()
    keys = page.keyboard

    def wait_for_form(progress: str) -> None:
        page.wait_for_selector(f"text={progress} labelled")
        wait_until(page, "document.activeElement.matches('form[data-keys]')")

    def checked() -> list[str]:
        return page.eval_on_selector_all(
            "input[type=radio]:checked", "all => all.map(i => i.value)"
        )

    enter_name(page, f"{url}label", "Ada")
    wait_for_form("0 of 26")
    keys.press("1")
    keys.press("s")
    assert checked() == ["1", "Speech-Oriented"]
    for _ in range(3):  # to the note
        keys.press("Tab")
    assert focused_element(page) == "note"
    keys.type("0 is the judge's rating, b?")
    keys.press("Control+Enter")
    wait_for_form("1 of 26")
    [label] = Annotations(run).all()
    assert (label.verdict.rating, str(label.verdict.orientation)) == (1, "Speech-Oriented")
    assert label.note == "0 is the judge's rating, b?"
    keys.press("2")
    keys.press("Control+Enter")
    assert page.evaluate("document.querySelector('form[data-keys]').checkValidity()") is False
    keys.press("b")
    keys.press("Control+Enter")
    wait_for_form("2 of 26")
    keys.press("u")
    wait_for_form("1 of 26")
    assert checked() == []
    keys.press("ArrowLeft")
    wait_until(page, "document.querySelector('input[value=Speech-Oriented]').checked")
    wait_for_form("1 of 26")
    keys.press("Control+z")
    wait_for_form("0 of 26")
    assert (checked(), Annotations(run).all()) == ([], [])
    item = page.inner_text("#item")
    keys.press("ArrowRight")
    wait_until(page, f"document.getElementById('item').textContent !== {item!r}")
    wait_for_form("0 of 26")
    keys.press("p")
    wait_until(
        page, "document.querySelector('audio').ended || !document.querySelector('audio').paused"
    )
    keys.press("?")
    page.uncheck("#single-keys")
    keys.press("Escape")
    keys.press("0")
    assert checked() == []
    page.check("input[name=rating] >> nth=0")
    page.check("input[value=Both]")
    keys.press("Control+Enter")
    page.wait_for_selector("text=1 of 26 labelled")
    with page.expect_download() as download:
        page.click("text=1 label as CSV")
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        assert [row["person"] for row in csv.DictReader(file)] == ["Ada"]


def test_everything_can_be_done_without_scripts(
    enter: "Callable[..., BrowserContext]",
    serve_view: Callable[..., tuple[str, Command]],
    make_run: MakeRun,
) -> None:
    run = make_run(judges=differing_judges())
    url, _ = serve_view(run)
    page = enter(java_script_enabled=False).new_page()
    page.goto(f"{url}listen")
    page.fill("#name", "Ada")
    page.click("text=Begin")
    page.fill("#text", "they flee")
    page.click("text=Send")
    page.wait_for_selector("audio")
    page.click("text=Next clip")
    page.goto(f"{url}label")
    page.fill("#name", "Ada")
    page.click("text=Begin")
    page.check("input[name=rating] >> nth=0")
    page.check("input[value=Neither]")
    page.click("text=Save and next")
    page.click("text=Undo last label")
    page.wait_for_selector("text=/^0 of/")
    page.check("input[name=rating] >> nth=0")
    page.check("input[value=Neither]")
    page.click("text=Save and next")
    page.wait_for_selector("text=1 label as CSV")


def test_a_lab_comes_in_by_the_token(
    enter: "Callable[..., BrowserContext]", serve_view: Callable[..., tuple[str, Command]]
) -> None:
    url, _ = serve_view("--host", "0.0.0.0")
    match = re.fullmatch(r"http://[^/]+:([0-9]+)/(\?token=.*)", url)
    assert match
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("203.0.113.1", 9))  # sends nothing
        host = probe.getsockname()[0]
    page = enter().new_page()
    page.goto(f"http://{host}:{match[1]}/listen{match[2]}")
    page.wait_for_url(f"http://{host}:{match[1]}/listen")
    enter_name(page, "", "Ada")
    page.wait_for_selector("#text")
    listen_and_answer(page, "they flee")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 380])
def test_every_view_is_accessible(
    enter: "Callable[..., BrowserContext]",
    serve_view: Callable[..., tuple[str, Command]],
    make_run: MakeRun,
    tmp_path: Path,
    scheme: str,
    width: int,
) -> None:
    hostile = "<b>&\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 3000
    runs = [
        make_run("a", judges=differing_judges(), model="one"),
        make_run("b", answer=lambda _c, _n: hostile, model="two", judges=differing_judges()),
        tmp_path / "c",
    ]
    url, _ = serve_view(*runs)
    page = enter(color_scheme=scheme, viewport={"width": width, "height": 800}).new_page()

    def check_page() -> None:
        assert accessibility_violations(page) == [], page.url
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url

    page.goto(url)
    page.wait_for_selector("#row-0")
    check_page()
    page.goto(f"{url}runs")
    check_page()
    page.goto(f"{url}label")
    check_page()
    enter_name(page, "", "Ada")
    page.wait_for_selector("form[data-keys]")
    page.click("summary")
    check_page()
    page.keyboard.press("?")
    check_page()
    page.keyboard.press("Escape")
    page.check("input[name=rating] >> nth=0")
    page.check("input[value=Both]")
    page.click("text=Save and next")
    page.click("text=Agreement")
    check_page()
    page.click("text=csv/two")
    page.click("text=Back to labelling")
    page.click("summary")
    check_page()
    page.goto(f"{url}listen")
    check_page()
    enter_name(page, "", "Ada")
    page.wait_for_selector("#text")
    check_page()
    for number in range(1, 5):
        page.wait_for_url(f"**/listen/{number}")
        page.fill("#text", "said")
        page.click("text=Send")
        page.wait_for_selector("#solution")
        if number == 1:
            check_page()
        page.click("a.main")
    page.wait_for_url("**/done")
    check_page()
    page.context.clear_cookies()
    enter_name(page, f"{url}listen", "Ada")
    page.wait_for_selector("text=This name is already in use")
    check_page()


def test_empty_views_are_accessible(
    enter: "Callable[..., BrowserContext]",
    serve_view: Callable[..., tuple[str, Command]],
    make_run: MakeRun,
    tmp_path: Path,
) -> None:
    page = enter().new_page()
    for runs in ((), (tmp_path / "none",), (make_run(),)):
        url, _ = serve_view(*runs)
        for path in ("", "runs", "listen", "label"):
            page.goto(url + path)
            assert accessibility_violations(page) == [], page.url
        if page.query_selector("#name"):
            enter_name(page, "", "Ada")
        page.wait_for_selector("text=/Nothing to label yet|No second judge/")
        assert accessibility_violations(page) == [], page.url


def test_a_lost_connection_is_shown_and_recovers(
    browser: "Browser",
    serve_view: Callable[..., tuple[str, Command]],
    make_run: MakeRun,
) -> None:
    run = make_run(answer=lambda clip, _: "said" if clip == 0 else None)
    url, command = serve_view(run)
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#row-0")
    command.kill()
    page.wait_for_selector("text=The server cannot be reached")
    page.route("**/state", lambda route: route.fulfill(status=500))
    page.wait_for_selector("text=The server reports an error (status 500)")
    page.unroute("**/state")
    make_run()
    serve_view(run, port=int(url.rstrip("/").rpartition(":")[2]))
    page.wait_for_selector("text=Up to date at")
    wait_until(page, "document.getElementById('progress').innerText === ''")
    context.close()
