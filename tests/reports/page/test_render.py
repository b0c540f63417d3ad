"""The report page as a file: its content, and nothing that could load or run foreign code."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from html_reader import HtmlReader
from runs import verdict, write_run
from synthetic import make_data, tone, write_wav

pytest.importorskip("jinja2", reason="needs the extra viewer")

from jasco.data.dataset import DataSet, read_data_set
from jasco.errors import InputError
from jasco.human.listening_study import Participant
from jasco.protocol.clips import Clip
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response
from jasco.reports.page.content import content_of, packed
from jasco.reports.page.render import SCRIPTS, render_page, static, visible
from jasco.reports.page.shown import open_shown
from jasco.runs.writer import RunWriter

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "{{ 7 * 7 }} {% raw %}",
    "a\N{RIGHT-TO-LEFT OVERRIDE}b\0\x1b[31mc",
)


def read_packed(page: str) -> Any:
    match = re.search(r'id="packed">([^<]*)<', page)
    assert match
    return json.loads(gzip.decompress(base64.b64decode(match[1])))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data", clips=3)


def write_complete_run(path: Path, data: DataSet, model: str = "model") -> Path:
    """Write a complete run, judged by two judges that differ at times."""
    return write_run(
        path,
        data,
        lambda clip, prompt: f"They flee, {clip} and {prompt}.",
        {
            "strict": lambda clip, prompt: verdict((clip + prompt) % 2, "Both"),
            "mild": lambda clip, prompt: verdict(2, "Both" if prompt > 1 else "Audio-Oriented"),
        },
        model,
    )


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    return write_complete_run(tmp_path / "run", read_data_set(folder))


def test_it_holds_all_clips_answers_and_verdicts(run: Path) -> None:
    content = read_packed(render_page(open_shown([run]), audio=True))
    assert content["prompts"] == list(INSTRUCTIONS)
    assert content["judges"] == ["openai/strict", "openai/mild"]
    assert [clip["id"] for clip in content["clips"]] == ["0", "1", "2"]
    for clip in content["clips"]:
        assert clip["audio"].startswith("data:audio/mpeg;base64,")
        view = clip["sound_view"]
        assert view["spectrogram"].startswith("data:image/webp;base64,")
        assert view["seconds"] == 0.25
        assert len(view["waveform"]) == 320
    assert len(content["items"]) == 24
    first = content["items"][0]
    assert first["answer"] == "They flee, 0 and 1."
    assert [verdict[:3] for verdict in first["verdicts"]] == [[0, 1, "both"], [1, 2, "audio"]]
    assert first["verdicts"][0][3] == verdict(1, "Both")
    assert first["difference"] == 3  # scores 1 and 0, ratings 1 and 2, two orientations


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_may_be_part_of_a_page(name: str) -> None:
    script = static(name)
    assert not re.search(r"</script|<!--|sourceMappingURL|\beval\(|new Function", script)
    own = not name.startswith("vendor/")
    assert not (own and re.search(r"innerHTML|insertAdjacentHTML|document\.write", script))


def test_it_runs_only_its_own_scripts_and_loads_nothing(run: Path) -> None:
    page = render_page(open_shown([run]), audio=True)
    reader = HtmlReader(page)
    policy = next(
        attributes["content"] or ""
        for tag, attributes in reader.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    _packed, *scripts = reader.blocks["script"]
    assert len(scripts) == len(SCRIPTS)
    for kind, blocks in (("script", scripts), ("style", reader.blocks["style"])):
        digests = [hashlib.sha256(block.encode()).digest() for block in blocks]
        allowed = " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in digests)
        assert f"{kind}-src {allowed};" in policy
    assert len(reader.blocks["style"]) == 1
    assert not reader.inline_handlers()
    for _, attributes in reader.tags:
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith("#"), attributes


@pytest.mark.parametrize("hostile", HOSTILE)
def test_texts_from_outside_are_texts(hostile: str, tmp_path: Path) -> None:
    cells = dict.fromkeys(("sound", "speech", "audio_only", "speech_only", "keywords"), hostile)
    data = DataSet("data", (Clip("1", reference=hostile, **cells),))
    with RunWriter.open(tmp_path / "run") as writer:
        writer.set_instructions([hostile, *INSTRUCTIONS[1:]])
    run = write_run(
        tmp_path / "run",
        data,
        lambda _, prompt: hostile if prompt % 2 else Failure("error", hostile),
        {hostile: lambda *_: verdict(2, "Both", hostile)},
        model=hostile.replace(",", " "),
    )
    page = render_page(open_shown([run]), audio=True)
    reader = HtmlReader(page)
    assert len(reader.blocks["script"]) == 1 + len(SCRIPTS)
    assert not any(tag == "img" for tag, _ in reader.tags)
    assert not re.search("[\0\x1b\N{RIGHT-TO-LEFT OVERRIDE}]", page)
    content = read_packed(page)
    assert content["items"][0]["answer"] == hostile
    assert content["items"][1]["failure"] == f"error: {hostile}"
    assert content["clips"][0]["reference"] == hostile
    assert content["prompts"][0] == hostile
    assert hostile in content["judges"][0]


def test_what_is_missing_is_shown(folder: Path, tmp_path: Path) -> None:
    def answer(clip: int, prompt: int) -> Any:
        if clip == 0:
            return {
                1: Failure("timeout", "after 60 s"),
                2: None,
                3: Response("Long …", "length"),
            }.get(prompt, "They flee.")
        return "They flee."

    run = write_run(
        tmp_path / "run",
        read_data_set(folder),
        answer,
        {"judge": lambda clip, prompt: "Hm." if (clip, prompt) == (1, 1) else verdict(2, "Both")},
    )
    page = render_page(open_shown([run]), audio=False)
    items = {(item["clip"], item["prompt"]): item for item in read_packed(page)["items"]}
    assert items[0, 1] | {"answer": None, "failure": "timeout: after 60 s"} == items[0, 1]
    assert items[0, 2] | {"answer": None, "failure": ""} == items[0, 2]
    assert items[0, 3]["cut"]
    assert items[1, 1]["verdicts"][0][1:3] == [None, None]
    text = " ".join(HtmlReader(page).text.split())
    assert "2 of 24 items not answered (1 timeout)" in text
    assert "1 answer was cut off at the maximum length" in text
    assert "INCOMPLETE" in text
    assert "bounds" in text


def test_known_issues_of_the_data_are_shown(published: Path, tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        read_data_set(published),
        lambda *_: "They flee.",
        {"judge": lambda clip, _: verdict(clip % 3, "Both")},
    )
    page = render_page(open_shown([run]), audio=False)
    assert "without the clips that have known issues (" in page
    assert any(clip["known_issue"] for clip in read_packed(page)["clips"])
    assert "CC BY-NC 4.0" in page
    assert page.count("Qwen2-Audio-Instruct-7B") == 2  # on the same clips: beside the model


def test_a_sound_that_has_changed_is_not_played(folder: Path, run: Path) -> None:
    write_wav(folder / "dataset" / "v0" / "1.wav", tone(40))
    (folder / "dataset" / "v0" / "2.wav").unlink()
    page = render_page(open_shown([run]), audio=True)
    assert ["audio" in clip for clip in read_packed(page)["clips"]] == [True, False, False]
    assert "2 clips shown without audio" in page


def test_sounds_may_be_left_out(run: Path) -> None:
    clips = read_packed(render_page(open_shown([run]), audio=False))["clips"]
    assert all("audio" not in clip and "sound_view" in clip for clip in clips)


def test_models_are_side_by_side(folder: Path, run: Path, tmp_path: Path) -> None:
    data = read_data_set(folder)
    other = write_complete_run(tmp_path / "other", data, "other")
    page = render_page(open_shown([run, other, run]), audio=False)
    content = read_packed(page)
    names = [model["name"] for model in content["models"]]
    assert names == ["csv/model (1)", "csv/other", "csv/model (3)"]
    assert len(content["items"]) == 3 * 24
    text = " ".join(HtmlReader(page).text.split())
    assert "csv/model (1) minus csv/other" in text
    other_data = write_complete_run(
        tmp_path / "elsewhere", read_data_set(make_data(tmp_path / "more", 2))
    )
    with pytest.raises(InputError, match="differ in data"):
        render_page(open_shown([run, other_data]), audio=False)


def test_a_participant_is_compared_by_the_mean(folder: Path, run: Path, tmp_path: Path) -> None:
    participant = Participant.open(tmp_path / "participants", "Ada", read_data_set(folder))
    for item in participant.items:
        participant.answer(item, "They flee.")
    page = render_page(open_shown([run, participant.folder]), audio=False)
    items = [item for item in read_packed(page)["items"] if item["model"] == 1]
    assert [(item["clip"], item["answer"]) for item in items] == [
        (clip, "They flee.") for clip in range(3)
    ]
    text = " ".join(HtmlReader(page).text.split())
    assert "human/… is a human participant" in text
    assert "human/…" not in render_page(open_shown([run]), audio=False)


def test_a_run_without_a_judge_can_be_shown(folder: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", read_data_set(folder), lambda *_: "They flee.", {})
    page = render_page(open_shown([run]), audio=False)
    assert "not judged yet" in page
    assert read_packed(page)["items"][0]["verdicts"] == []


def test_the_same_content_gives_the_same_page(run: Path) -> None:
    shown = open_shown([run])
    assert packed(content_of(shown, {})) == packed(content_of(shown, {}))
    assert render_page(shown, audio=True) == render_page(shown, audio=True)


@given(st.text())
def test_what_would_not_be_seen_is_shown_by_its_number(text: str) -> None:
    visible_text = visible(text)
    assert not re.search(
        "[\0-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", visible_text
    )
    if text.isprintable():
        assert visible_text == text


def test_a_text_of_a_megabyte_is_cut_on_the_page() -> None:
    assert visible("a" * 1_000_000) == "a" * 10_000 + "… (1,000,000 characters)"
