"""The report page in the app, of runs that exist, that are created and that grow."""

import gzip
import io
import json
import os
import re
import shutil
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from html_reader import HtmlReader
from jasco.data.audio import Audio
from jasco.protocol.responses import Failure
from jasco.viewer import browse, live
from jasco.viewer.catalogue import key_of
from runs import verdict
from synthetic import tone, write_wav
from visitor import Visitor

Visit = Callable[..., Visitor]
MakeRun = Callable[..., Path]


def content(visitor: Visitor) -> Any:
    return visitor.get("/data.json").json()


def state(visitor: Visitor) -> str:
    """Return the version of the content, without that of the progress."""
    return visitor.get("/state").text.partition(".")[0]


def wait_for_state(visitor: Visitor, previous: str) -> None:
    deadline = time.monotonic() + 30
    while state(visitor) == previous:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_page_is_the_report_with_links_in_place_of_embedded_files(
    visit: Visit, make_run: MakeRun
) -> None:
    visitor = visit(make_run())
    page = visitor.get("/")
    assert page.status_code == 200
    assert "csv/model" in page.text
    assert 'id="explorer"' in page.text
    assert "<style" not in page.text
    assert not re.search(r"<script(?![^>]* src=)", page.text)
    for link in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
        assert visitor.get(link).status_code == 200
    version = re.search(r'data-version="([^"]*)"', page.text)
    assert version
    assert version[1] == visitor.get("/state").text


def test_the_content_comes_packed_or_plain(visit: Visit, make_run: MakeRun) -> None:
    visitor = visit(make_run())
    compressed = visitor.get("/data.json", headers={"Accept-Encoding": "gzip"})
    uncompressed = visitor.get("/data.json", headers={"Accept-Encoding": "identity"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in uncompressed.headers
    assert compressed.json() == uncompressed.json()
    items = uncompressed.json()["items"]
    assert len(items) == 32
    assert items[0]["answer"] == "answer 0.1"


def test_audio_and_view_of_a_clip_are_found_by_its_id(
    visit: Visit, make_run: MakeRun, data: Path
) -> None:
    visitor = visit(make_run())
    clip = content(visitor)["clips"][2]
    assert (clip["audio"], clip["sound_view"]) == ("audio/2", "sound/2")
    sound = visitor.get(f"/{clip['audio']}")
    assert sound.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(sound.content)) as file:
        assert file.readframes(10**6) == tone(2).astype("<i2").tobytes()
    view = visitor.get(f"/{clip['sound_view']}").json()
    assert view["seconds"] == pytest.approx(0.25)
    assert view["spectrogram"].startswith("data:image/webp;base64,")
    assert visitor.get("/audio/99").status_code == 404


def test_what_is_seen_of_a_clip_is_computed_once(
    visit: Visit, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[float] = []

    def view(audio: Audio) -> dict[str, Any]:
        computed.append(audio.seconds)
        return {"seconds": audio.seconds}

    monkeypatch.setattr(browse, "sound_view", view)
    visitor = visit(make_run())
    assert visitor.get("/sound/2").json() == visitor.get("/sound/2").json() == {"seconds": 0.25}
    assert computed == [0.25]


def test_the_audio_of_a_run_comes_from_a_report_that_is_open(
    visit: Visit, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [make_run(name, model=name) for name in "ab"]
    for run in runs:
        os.utime(run / "run.db", (1, 1))  # a file that has just been written may still change
    visitor = visit(*runs)
    visitor.get("/")
    read: list[Path] = []
    monkeypatch.setattr(live, "read_run", read.append)
    for kind in ("audio", "sound"):
        assert visitor.get(f"/report/{key_of(runs[1])}/{kind}/1").status_code == 200
    assert read == []


def test_audio_that_has_changed_since_the_run_is_not_played(
    visit: Visit, make_run: MakeRun, data: Path
) -> None:
    run = make_run()
    visitor = visit(run)
    assert visitor.get("/audio/1").status_code == 200
    write_wav(data / "dataset" / "v0" / "1.wav", tone(3))
    (data / "dataset" / "v0" / "2.wav").unlink()
    for clip in (1, 2):
        assert visitor.get(f"/audio/{clip}").status_code == 404
        assert visitor.get(f"/sound/{clip}").status_code == 404
    clips = content(visit(run, restart=True))["clips"]
    assert ["audio" in clip for clip in clips] == [True, False, False, True]


def test_without_a_run_the_page_shows_how_to_name_one(visit: Visit) -> None:
    page = visit().get("/")
    assert page.status_code == 200
    assert "jasco view RUN" in page.text
    assert content(visit()) == {}


def test_a_run_appears_when_it_comes_and_as_it_grows(
    visit: Visit, make_run: MakeRun, tmp_path: Path
) -> None:
    visitor = visit(tmp_path / "run")
    assert "no run found" in visitor.get("/").text
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.db").touch()  # while it is created
    assert "no run found" in visitor.get("/").text

    make_run(answer=lambda _c, _n: None)
    assert "no answers yet" in visitor.get("/").text

    make_run(answer=lambda clip, _: "said" if clip == 0 else None, judges={})
    assert "csv/model" in visitor.get("/").text
    assert sum(item["answer"] is not None for item in content(visitor)["items"]) == 8

    first_state = state(visitor)
    make_run()
    wait_for_state(visitor, first_state)  # without another request
    last_state = state(visitor)
    assert sum(bool(item["verdicts"]) for item in content(visitor)["items"]) == 32
    time.sleep(1.2)  # nothing has changed
    visitor.get("/")
    assert state(visitor) == last_state


def test_the_progress_of_a_run_is_shown_until_it_is_complete(
    visit: Visit, make_run: MakeRun
) -> None:
    hostile = Failure("timeout", "</td><script>alert(1)</script>")
    run = make_run(answer=lambda clip, _: {0: "said", 1: hostile}.get(clip))
    visitor = visit(run)
    for part in (visitor.get("/progress").text, visitor.get("/").text):
        assert "not running" in part
        assert "<strong>8</strong>" in part
        assert "8 failed" in part
        assert "&lt;/td&gt;&lt;script&gt;" in part
    first = visitor.get("/state").text
    make_run()
    assert "not running" not in visitor.get("/").text
    assert visitor.get("/progress").text == ""
    assert visitor.get("/state").text != first


def test_reliance_is_shown_and_read_again_when_a_condition_has_changed(
    visit: Visit, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Path] = []

    def reliance(run: Path) -> None:
        measured.append(run)

    monkeypatch.setattr(live, "reliance_if_measured", reliance)
    run = make_run()
    visitor = visit(run)
    for _ in range(2):
        visitor.get("/")
    time.sleep(1.2)
    visitor.get("/")
    settled = len(measured)
    visitor.get("/")
    assert len(measured) == settled
    make_run("run/conditions/sound")
    visitor.get("/")
    assert len(measured) == settled + 1
    assert set(measured) == {run}


def test_several_runs_stand_side_by_side(visit: Visit, make_run: MakeRun) -> None:
    page = visit(make_run("a", model="one"), make_run("b", model="two")).get("/").text
    assert "csv/one" in page
    assert "csv/two" in page


def test_what_is_no_run_is_named_and_does_not_hide_the_others(
    visit: Visit, make_run: MakeRun, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run.db").write_text("no database, but a long enough text" * 100)
    page = visit(make_run("a"), tmp_path / "b").get("/").text
    assert "corrupt, or not a run" in page
    assert "csv/model" in page


def test_a_run_that_is_deleted_is_reported(visit: Visit, make_run: MakeRun) -> None:
    run = make_run()
    visitor = visit(run)
    assert "csv/model" in visitor.get("/").text
    shutil.rmtree(run)
    assert "no run found" in visitor.get("/").text


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</main></body><h1>hello</h1>",
    "a\N{RIGHT-TO-LEFT OVERRIDE}b\0\x1b[31mc\N{LINE SEPARATOR}\N{ZERO WIDTH SPACE}",
    "{{ 7 * 7 }}{% raw %}",
    "@@version@@",
    "x" * 1_000_000,
    "\n" * 10_000,
    "&lt;b&gt;",
)


def test_hostile_texts_are_texts(visit: Visit, make_run: MakeRun) -> None:
    def text(clip: int, number: int) -> str:
        return HOSTILE[(clip * 8 + number) % len(HOSTILE)]

    run = make_run(
        answer=lambda clip, number: (
            Failure("refused", text(clip, number)) if number == 1 else text(clip, number)
        ),
        judges={
            "one": lambda clip, number: verdict(number % 3, "Both", text(clip, number)),
            '<img src=x onerror="alert(1)">': lambda clip, number: verdict(
                2, "Neither", text(clip, number + 1)
            ),
        },
        model="<script>alert(1)</script>\N{RIGHT-TO-LEFT OVERRIDE}@@version@@",
    )
    visitor = visit(run)
    page = visitor.get("/").text
    reader = HtmlReader(page)
    assert not any(tag == "img" for tag, _ in reader.tags)
    assert not reader.inline_handlers()
    assert page.count("<script") == page.count('<script src="/static/')  # the app's own
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page
    assert f'data-version="{visitor.get("/state").text}"' in page
    answers = {item["answer"] for item in content(visitor)["items"]}
    assert set(HOSTILE) <= answers  # complete, and the script sets them as texts
    compressed = visitor.get("/data.json", headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["content-type"] == "application/json"
    assert json.loads(gzip.decompress(gzip.compress(compressed.content)))
