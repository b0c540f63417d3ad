"""The listening study in the app: answers are kept, and no solution is shown before them."""

import io
import os
import re
import shutil
import wave
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jasco.backends.specs import parse_spec
from jasco.data.dataset import DataSet, read_data_set
from jasco.human.listening_score import ListeningScore, listening_score
from jasco.human.listening_study import CANNOT_TELL, Participant, items_for, run_folder
from jasco.judges.chat_judge import ChatJudge
from jasco.protocol.clips import Clip, Item
from jasco.protocol.verdict_parser import read_verdict
from jasco.protocol.verdicts import Attempt, Judgement
from jasco.runs.read_run import judged_items_of_run, read_run
from jasco.runs.schema import verdict_row
from jasco.runs.writer import RunWriter
from jasco.viewer import listening
from participants import participants
from runs import verdict
from synthetic import make_data, read_annotations, tone, write_wav
from visitor import Visitor

Visit = Callable[..., Visitor]
MakeRun = Callable[..., Path]


@pytest.fixture
def clips(data: Path) -> DataSet:
    return read_data_set(data)


@pytest.fixture
def human_runs(tmp_path: Path) -> Path:
    return tmp_path / "human"


def enter_name(visitor: Visitor, name: str = "Ada") -> Visitor:
    response = visitor.send_form("/listen/name", name=name)
    assert (response.status_code, response.headers["location"]) == (303, "/listen/next"), (
        response.text
    )
    return visitor


def send(visitor: Visitor, number: int, text: str, name: str = "Ada") -> None:
    response = visitor.send_form(f"/listen/{number}", participant=name, text=text, answer="text")
    assert response.status_code == 303, response.text
    assert response.headers["location"] == f"/listen/{number}"


def next_address(visitor: Visitor) -> str:
    return visitor.get("/listen/next").headers["location"]


def answers(human_runs: Path, name: str = "Ada") -> dict[str, str]:
    by_item = judged_items_of_run(run_folder(human_runs, name)).answers
    return {clip: text for (clip, _), text in by_item.items()}


def test_it_is_explained_and_a_name_is_asked(
    visit: Visit, clips: DataSet, human_runs: Path
) -> None:
    page = visit(data=clips).get("/listen").text
    assert "Your name" in page
    assert "4 clips" in page
    assert not human_runs.exists()


@pytest.mark.parametrize("name", ["", "  ", "a,b", "x" * 41, "a\N{RIGHT-TO-LEFT OVERRIDE}b"])
def test_an_invalid_name_is_asked_for_again(visit: Visit, clips: DataSet, name: str) -> None:
    response = visit(data=clips).send_form("/listen/name", name=name)
    assert response.status_code == 422
    assert 'role="alert"' in response.text
    assert "Your name" in response.text


def test_questions_go_through_all_clips_in_the_participants_order(
    visit: Visit, clips: DataSet, human_runs: Path
) -> None:
    visitor = enter_name(visit(data=clips))
    for number, item in enumerate(items_for("Ada", clips.clips), start=1):
        assert next_address(visitor) == f"/listen/{number}"
        page = visitor.get(f"/listen/{number}").text
        assert f"Clip <strong>{number}</strong> of 4" in page
        assert item.instruction in page
        sound = visitor.get(f"/listen/{number}/sound")
        with wave.open(io.BytesIO(sound.content)) as file:
            expected = tone(int(item.clip.id)).astype("<i2").tobytes()
            assert file.readframes(10**6) == expected
        send(visitor, number, f"about {item.clip.id}")
        assert item.clip.reference in visitor.get(f"/listen/{number}").text.replace("&#39;", "'")
    assert next_address(visitor) == "/listen/done"
    last_page = visitor.get("/listen/done").text
    assert "Thank you, Ada" in last_page
    assert f"jasco judge {run_folder(human_runs, 'Ada')} --judge ..." in last_page
    assert answers(human_runs) == {str(clip_id): f"about {clip_id}" for clip_id in range(4)}


def test_before_an_answer_is_stored_nothing_reveals_the_solution(
    visit: Visit, make_run: MakeRun, data: Path
) -> None:
    visitor = enter_name(visit(make_run(judges={"a": lambda _c, _n: verdict(1, "Both")})))
    pages = [
        visitor.get(path)
        for path in ("/listen", "/listen/next", "/listen/1", "/listen/2", "/listen/3")
    ]
    empty = visitor.send_form("/listen/1", participant="Ada", text="", answer="text")
    later = visitor.send_form("/listen/3", participant="Ada", text="ahead", answer="text")
    sound = visitor.get("/listen/1/sound")
    for response in (*pages, empty, later, sound):
        text = response.text + repr(response.headers)
        for row in read_annotations(data):
            for column in ("Audio", "Speech", "Correct Answer", "Audio-Only Answer"):
                assert row[column] not in text
            assert f"{row['audio_id']}.wav" not in text
            assert f"/audio/{row['audio_id']}" not in text
        assert not re.search(r"answer \d\.\d", response.text)  # an answer of the model
        assert "#clip" not in text
    assert visitor.get("/listen/2/sound").status_code == 404
    assert next_address(visitor) == "/listen/1"


def test_the_solution_shows_what_it_was_and_how_models_did(
    visit: Visit, make_run: MakeRun, clips: DataSet
) -> None:
    runs = [
        make_run("a", judges={"kind": lambda _c, _n: verdict(2, "Both")}, model="one"),
        make_run("b", judges={}, model="two"),
    ]
    visitor = enter_name(visit(*runs))
    send(visitor, 1, "mine")
    item = items_for("Ada", clips.clips)[0]
    page = visitor.get("/listen/1").text.replace("&#34;", '"').replace("&#39;", "'")
    for text in (
        item.clip.sound, item.clip.speech, item.clip.reference, "mine", "csv/one", "csv/two",
        f"answer {item.clip.id}.{item.number}", "openai/kind: 2 · Both",
    ):  # fmt: skip
        assert text in page
    assert "Next clip" in page


def test_the_score_is_shown_beside_those_of_models(
    visit: Visit, make_run: MakeRun, clips: DataSet, human_runs: Path
) -> None:
    run = make_run(judges={"kind": lambda _c, _n: verdict(2, "Both")}, model="<b>one</b>")
    visitor = enter_name(visit(run))
    assert visitor.get("/listen/done").headers["location"] == "/listen/next"
    order = items_for("Ada", clips.clips)
    send(visitor, 1, order[0].clip.reference)
    page = visitor.get("/listen/done").text
    assert "Your score so far" in page
    assert "<strong>2.00 of 2</strong> on 1 clip." in page
    assert "csv/&lt;b&gt;one&lt;/b&gt;" in page
    assert "<code>offline</code>, a proxy" in page
    assert "too few for a comparison" in page
    assert "Continue with clip 2" in page
    text = page.replace("&#39;", "'").replace("&#34;", '"')
    assert order[0].clip.reference in text
    assert order[1].clip.reference not in text  # not heard yet
    results, items = read_run(run_folder(human_runs, "Ada"))
    assert (dict(results.judges), dict(items.judges)) == ({}, {})  # the verdicts are not stored


def test_the_score_is_computed_again_only_if_a_run_has_changed(
    visit: Visit, make_run: MakeRun, human_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def score(items: Sequence[Item], *sides: Any) -> ListeningScore:
        computed.append(len(items))
        return listening_score(items, *sides)

    monkeypatch.setattr(listening, "listening_score", score)
    visitor = enter_name(visit(make_run()))
    for number in (1, 2):
        send(visitor, number, "mine")
        os.utime(run_folder(human_runs, "Ada") / "run.db", (number, number))
        assert visitor.get("/listen/done").text == visitor.get("/listen/done").text
    make_run(model="model", judges={"stern": lambda _c, _n: verdict(0, "Both")})
    visitor.get("/")
    visitor.get("/listen/done")
    assert computed == [1, 2, 2]


def test_answers_without_a_readable_verdict_are_not_counted(
    visit: Visit, clips: DataSet, human_runs: Path
) -> None:
    visitor = enter_name(visit(data=clips))
    items = items_for("Ada", clips.clips)
    for number in (1, 2, 3):
        send(visitor, number, "mine")
    with RunWriter.open(run_folder(human_runs, "Ada")) as store:
        store.set_protocol("v2")
        [judge] = store.add_judges([parse_spec("openai/kind", ChatJudge)])
        rows = []
        for item, text in zip(items, (verdict(2, "Both"), verdict(1, "Both"), "?"), strict=False):
            place = [clip.id for clip in clips.clips].index(item.clip.id)
            judgement = Judgement(read_verdict(text), (Attempt("verdict", text),))
            rows.append(verdict_row(1, judge, "v2", 0, place, item.number, judgement, 1.0))
        store.commit(rows)
    page = visitor.get("/listen/done").text
    assert "<strong>1.50 of 2</strong> on 2 clips." in page
    assert "1 without a readable verdict left out" in page


def test_without_models_the_score_stands_alone(visit: Visit, clips: DataSet) -> None:
    visitor = enter_name(visit(data=clips))
    send(visitor, 1, "mine")
    page = visitor.get("/listen/done").text
    assert "You and the models" not in page
    assert "jasco view RUN" in page


def test_cannot_tell_is_an_answer(visit: Visit, clips: DataSet, human_runs: Path) -> None:
    visitor = enter_name(visit(data=clips))
    visitor.send_form("/listen/1", participant="Ada", text="", answer="cannot tell")
    assert list(answers(human_runs).values()) == [CANNOT_TELL]


def test_the_first_answer_stands(visit: Visit, clips: DataSet, human_runs: Path) -> None:
    visitor = enter_name(visit(data=clips))
    send(visitor, 1, "first")
    send(visitor, 1, "second, having seen the solution")
    assert list(answers(human_runs).values()) == ["first"]
    assert "first" in visitor.get("/listen/1").text


def test_an_empty_or_endless_answer_is_asked_for_again(
    visit: Visit, clips: DataSet, human_runs: Path
) -> None:
    visitor = enter_name(visit(data=clips))
    for text in ("", " \r\n ", "\N{ZERO WIDTH SPACE}", "x" * 2001 + "</textarea><script>"):
        response = visitor.send_form("/listen/1", participant="Ada", text=text, answer="text")
        assert response.status_code == 422
        assert 'role="alert"' in response.text
        assert response.text.count("<script") == 1
    assert "x" * 2001 + "&lt;/textarea&gt;" in response.text
    assert participants(human_runs) == [("Ada", 0)]


def test_lines_are_kept_as_lines(visit: Visit, clips: DataSet, human_runs: Path) -> None:
    send(enter_name(visit(data=clips)), 1, "one\r\ntwo \N{SNOWMAN}")
    assert list(answers(human_runs).values()) == ["one\ntwo \N{SNOWMAN}"]


def test_it_continues_after_a_restart_of_the_server(
    visit: Visit, clips: DataSet, human_runs: Path
) -> None:
    visitor = enter_name(visit(data=clips))
    send(visitor, 1, "before")
    restarted = visit(data=clips, restart=True, cookies=dict(visitor.cookies))
    assert "Welcome back, Ada" in restarted.get("/listen").text
    assert "1 of 4" in restarted.get("/listen").text
    assert next_address(restarted) == "/listen/2"
    send(restarted, 2, "after")
    assert sorted(answers(human_runs).values()) == ["after", "before"]


def test_a_known_name_in_another_browser_is_confirmed_first(visit: Visit, clips: DataSet) -> None:
    send(enter_name(visit(data=clips)), 1, "mine")
    other = visit(data=clips)
    question = other.send_form("/listen/name", name=" Ada ")
    assert question.status_code == 200
    assert "already in use" in question.text
    assert not other.cookies
    confirmed = other.send_form("/listen/name", name="Ada", confirmed="yes")
    assert confirmed.status_code == 303
    assert next_address(other) == "/listen/2"
    assert other.send_form("/listen/name", name="Ada").status_code == 303


def test_participants_have_orders_and_runs_of_their_own(
    visit: Visit, clips: DataSet, human_runs: Path
) -> None:
    visitors = {name: enter_name(visit(data=clips), name) for name in ("Ada", "Ben", "Cy")}

    def play(name: str) -> None:
        for number in range(1, 5):
            assert next_address(visitors[name]) == f"/listen/{number}"
            send(visitors[name], number, f"{name} {number}", name)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(play, visitors))
    for name in visitors:
        order = [item.clip.id for item in items_for(name, clips.clips)]
        assert answers(human_runs, name) == {
            clip_id: f"{name} {number}" for number, clip_id in enumerate(order, start=1)
        }
    assert participants(human_runs) == [
        ("Ada", 4),
        ("Ben", 4),
        ("Cy", 4),
    ]


def test_a_page_of_another_participant_is_refused(
    visit: Visit, clips: DataSet, human_runs: Path
) -> None:
    visitor = enter_name(visit(data=clips))
    enter_name(visitor, "Ben")  # in another tab of the same browser
    for number in (1, 2):
        address = f"/listen/{number}"
        response = visitor.send_form(address, participant="Ada", text="Ada's", answer="text")
        assert response.status_code == 409
    assert participants(human_runs) == [("Ada", 0), ("Ben", 0)]


def test_without_a_name_requests_are_redirected_to_the_start(visit: Visit, clips: DataSet) -> None:
    visitor = visit(data=clips)
    for path in ("/listen/next", "/listen/1", "/listen/done"):
        assert visitor.get(path).headers["location"] == "/listen"
    assert visitor.send_form("/listen/1", text="x", answer="text").headers["location"] == "/listen"
    assert visitor.get("/listen/1/sound").status_code == 404
    visitor.cookies.set("jasco-participant", "no%20participant")
    assert visitor.get("/listen/1").headers["location"] == "/listen"
    visitor.cookies.set("jasco-participant", "%00..%2f")
    assert visitor.get("/listen").status_code == 200


def test_an_answer_that_cannot_be_kept_is_not_lost(
    visit: Visit, clips: DataSet, human_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jasco.human.listening_study._PATIENCE", 0.1)
    visitor = enter_name(visit(data=clips))
    with RunWriter.open(run_folder(human_runs, "Ada")):  # a judge is running
        response = visitor.send_form("/listen/1", participant="Ada", text="precious", answer="text")
    assert response.status_code == 503
    assert "Answer not saved" in response.text
    assert ">precious</textarea>" in response.text
    send(visitor, 1, "precious")
    assert list(answers(human_runs).values()) == ["precious"]


def test_a_deleted_run_is_created_again(visit: Visit, clips: DataSet, human_runs: Path) -> None:
    visitor = enter_name(visit(data=clips))
    shutil.rmtree(human_runs)
    assert visitor.get("/listen/1").headers["location"] == "/listen"
    enter_name(visitor)
    assert visitor.get("/listen/next").headers["location"] == "/listen/1"


def test_a_participant_of_other_data_is_an_error(
    visit: Visit, clips: DataSet, human_runs: Path, tmp_path: Path
) -> None:
    send(enter_name(visit(data=clips)), 1, "mine")
    other = read_data_set(make_data(tmp_path / "other", clips=2))
    visitor = visit(data=other, restart=True)
    visitor.cookies.set("jasco-participant", "Ada")
    page = visitor.get("/listen").text
    assert "data set synthetic" in page
    assert "Your name" in page
    response = visitor.send_form("/listen/name", name="Ada", confirmed="yes")
    assert response.status_code == 422
    assert "data set synthetic" in response.text
    enter_name(visitor, "Ada 2")


def test_a_sound_that_is_another_one_is_not_played(
    visit: Visit, clips: DataSet, data: Path
) -> None:
    visitor = enter_name(visit(data=clips))
    first = items_for("Ada", clips.clips)[0].clip.id
    write_wav(data / "dataset" / "v0" / f"{first}.wav", tone(77))
    assert visitor.get("/listen/1").status_code == 503
    assert visitor.get("/listen/1/sound").status_code == 404


def test_without_runs_there_is_mini_to_listen_to(visit: Visit) -> None:
    assert "16 clips" in visit().get("/listen").text


def test_the_clips_are_those_of_the_runs_as_soon_as_there_is_one(
    visit: Visit, make_run: MakeRun, tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    visitor = visit(tmp_path / "runs")
    assert "16 clips" in visitor.get("/listen").text
    make_run("runs/a")
    assert "4 clips" in visitor.get("/listen").text


def test_with_runs_the_audio_is_what_their_models_were_given(
    visit: Visit, make_run: MakeRun, data: Path
) -> None:
    run = make_run()
    assert "4 clips" in visit(run).get("/listen").text
    write_wav(data / "dataset" / "v0" / "2.wav", tone(77))
    restarted = visit(run, restart=True)
    assert "differs from the audio" in restarted.get("/listen").text
    assert "differs from the audio" in restarted.send_form("/listen/name", name="Ada").text
    shutil.rmtree(data)
    assert "specify it with --data" in visit(run, restart=True).get("/listen").text


def test_a_run_that_is_not_there_yet_has_nothing_to_listen_to(
    visit: Visit, make_run: MakeRun, tmp_path: Path
) -> None:
    visitor = visit(tmp_path / "run")
    assert "no run" in visitor.get("/listen").text
    make_run("run")
    assert "4 clips" in visitor.get("/listen").text


def test_hostile_names_answers_and_clips_are_texts(visit: Visit, tmp_path: Path) -> None:
    hostile = '</p><script>alert(1)</script><img src=x onerror="1">\N{RIGHT-TO-LEFT OVERRIDE}'
    folder = make_data(tmp_path / "hostile", clips=1)
    data_set = read_data_set(folder)
    clip = Clip("0", hostile, hostile * 100, "a", "b", hostile, "k")
    visitor = enter_name(visit(data=DataSet("hostile", (clip,), folder)), "<b>Ada</b>")
    assert len(data_set.clips) == 1
    pages = [visitor.get("/listen").text, visitor.get("/listen/1").text]
    send(visitor, 1, hostile, "<b>Ada</b>")
    pages += [visitor.get("/listen/1").text, visitor.get("/listen/done").text]
    other = visit(data=DataSet("hostile", (clip,), folder))
    pages.append(other.send_form("/listen/name", name="<b>Ada</b>").text)
    for page in pages:
        assert len(re.findall("<script", page)) == page.count("/static/keys.js")
        assert "<img" not in page
        assert "<b>Ada" not in page
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page
    assert "&lt;b&gt;Ada&lt;/b&gt;" in pages[1]


def test_a_participants_run_is_opened_once(
    visit: Visit, clips: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = enter_name(visit(data=clips))
    monkeypatch.setattr(Participant, "open", None)
    assert next_address(visitor) == "/listen/1"
