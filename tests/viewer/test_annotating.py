"""Annotating the answers on which judges differ."""

import csv
import io
import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from html import escape, unescape
from pathlib import Path
from urllib.parse import quote

import pytest

from jasco.data.dataset import read_data_set
from jasco.human.annotations import Annotations
from jasco.human.annotator_agreement import annotator_agreement
from jasco.judge_exam.questions import read_labels
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs import database
from jasco.runs.read_run import read_run
from jasco.viewer.annotating import pairs
from jasco.viewer.catalogue import key_of
from runs import verdict
from visitor import Visitor

Visit = Callable[..., Visitor]
MakeRun = Callable[..., Path]


def judges(**texts: str) -> dict[str, Callable[[int, int], str]]:
    """Return two judges that differ on 0.1 (least), 1.2 (most) and 2.3."""
    verdicts = {(0, 1): (1, "Both"), (1, 2): (0, "Neither"), (2, 3): (0, "Both")}
    return {
        "kind": lambda _c, _n: verdict(2, "Both", texts.get("reason", "Fine.")),
        "stern": lambda clip, number: verdict(*verdicts.get((clip, number), (2, "Both"))),
    }


@pytest.fixture
def run(make_run: MakeRun) -> Path:
    return make_run(judges=judges())


def enter(visitor: Visitor, name: str) -> Visitor:
    assert visitor.send_form("/label/name", name=name).status_code == 303
    return visitor


def shown_item(page: str) -> tuple[str, int]:
    match = re.search(r"<title>Clip (\S+), instruction (\d):", page)
    assert match, page
    return match[1], int(match[2])


def save(visitor: Visitor, clip: object, prompt: int, **fields: object) -> str:
    values = {"rating": 1, "orientation": "Both", "note": ""} | fields
    response = visitor.send_form("/label", clip=clip, prompt=prompt, **values)
    assert response.status_code == 303, response.text
    return response.headers["location"]


def test_a_name_is_asked_once(visit: Visit, run: Path) -> None:
    visitor = visit(run)
    assert "Your name" in visitor.get("/label", follow_redirects=True).text
    for name in ("", " ", "a,b", "x" * 41, "a\N{RIGHT-TO-LEFT OVERRIDE}b"):
        response = visitor.send_form("/label/name", name=name)
        assert response.status_code == 422
        assert 'role="alert"' in response.text
    enter(visitor, " Zoë  Ångström ")
    assert "Zoë Ångström" in visitor.get("/label").text
    assert "Your name" not in visitor.get("/label").text


def test_the_chosen_run_is_kept_while_a_name_is_asked(visit: Visit, make_run: MakeRun) -> None:
    runs = [make_run("a", judges=judges(), model="one"), make_run("b", model="two")]
    visitor = visit(*runs)
    chosen = f"?run={key_of(runs[1])}&queue=sample"
    assert visitor.get(f"/label{chosen}").headers["location"] == f"/label/name{chosen}"
    form = re.search(r'action="([^"]+)"', visitor.get(f"/label/name{chosen}&other=1").text)
    assert form
    refused = visitor.send_form(unescape(form[1]), name="")
    assert f'action="{form[1]}"' in refused.text
    response = visitor.send_form(unescape(form[1]), name="Ada")
    assert response.headers["location"] == f"/label{chosen}"
    page = visitor.get(f"/label{chosen}").text
    assert f'href="/label/name{escape(chosen)}"' in page


def test_answers_that_differ_most_come_first_and_one_at_a_time(visit: Visit, run: Path) -> None:
    visitor = enter(visit(run), "Ada")
    page = visitor.get("/label").text
    assert shown_item(page) == ("1", 2)
    assert "1 of 3" in page
    assert "<strong>0</strong> of 3 labelled" in page
    for text in (
        "answer 1.2",
        f"/report/{key_of(run)}/audio/1",
        "a bell (&#34;ding&#34;)",
        "fleeing from what the sound",
    ):
        assert text in page
    assert "openai/stern: 0 · Neither" in page
    assert "answer 2.3" not in page
    next_page = visitor.get(save(visitor, 1, 2)).text
    assert shown_item(next_page) == ("2", 3)


def test_verdicts_are_folded_away(visit: Visit, run: Path) -> None:
    page = enter(visit(run), "Ada").get("/label").text
    assert page.index("<details>") < page.index("openai/stern") < page.index("</details>")
    assert "<details open" not in page


def test_labels_lie_beside_the_verdicts_and_never_over_them(visit: Visit, run: Path) -> None:
    before = (run / "run.db").read_bytes()
    visitor = enter(visit(run), "Ada")
    save(visitor, 1, 2, rating=2, orientation="Speech-Oriented", note="a\r\nb")
    [label] = Annotations(run).all()
    assert (label.annotator, label.clip_id, label.number) == ("Ada", "1", 2)
    assert (label.verdict.rating, label.verdict.orientation) == (2, Orientation.SPEECH)
    assert (label.note, label.answer) == ("a\nb", "answer 1.2")
    assert (run / "run.db").read_bytes() == before


def test_answers_can_be_skipped_revisited_and_relabelled(visit: Visit, run: Path) -> None:
    visitor = enter(visit(run), "Ada")

    def link(page: str, name: str) -> str:
        match = re.search(rf'<a class="button" href="([^"]*)"[^>]*>{name}</a>', page)
        assert match
        return unescape(match[1])

    first = visitor.get("/label").text
    assert ">Back</a>" not in first
    second = visitor.get(link(first, "Skip")).text
    assert shown_item(second) == ("2", 3)
    save(visitor, 2, 3, note="hasty")
    third = visitor.get("/label?clip=0&prompt=1").text
    revisited = visitor.get(link(third, "Back")).text
    assert shown_item(revisited) == ("2", 3)
    assert "hasty" in revisited
    assert re.search(r'name="rating" value="1"[^>]* checked', revisited)
    assert re.search(r'name="orientation" value="Both"[^>]* checked', revisited)
    save(visitor, 2, 3, rating=0, note="")
    assert [label.verdict.rating for label in Annotations(run).all()] == [0]
    # After the last item, skipped ones are shown again.
    assert shown_item(visitor.get(save(visitor, 0, 1)).text) == ("1", 2)


def test_the_last_page_states_that_all_is_done(visit: Visit, run: Path) -> None:
    visitor = enter(visit(run), "Ada")
    for clip, prompt in ((1, 2), (2, 3), (0, 1)):
        location = save(visitor, clip, prompt)
    page = visitor.get(location).text
    assert "All done" in page
    assert "jasco exam JUDGE" in page
    repeated_page = visitor.get("/label?every=1").text
    assert shown_item(repeated_page) == ("1", 2)
    assert shown_item(visitor.get(save(visitor, 1, 2, every=1)).text) == ("2", 3)


def undo(visitor: Visitor) -> str:
    response = visitor.send_form("/label/undo", queue="differing")
    assert response.status_code == 303, response.text
    return response.headers["location"]


def test_labels_can_be_undone_one_by_one(visit: Visit, run: Path) -> None:
    visitor = enter(visit(run), "Ada")
    assert "Undo last label" not in visitor.get("/label").text
    save(visitor, 1, 2, rating=2)
    save(visitor, 1, 2, rating=0, note="changed my mind")
    save(visitor, 2, 3)
    save(enter(visit(run), "Ben"), 2, 3)
    assert "Undo last label" in visitor.get("/label").text
    assert shown_item(visitor.get(undo(visitor)).text) == ("2", 3)
    page = visitor.get(undo(visitor)).text
    assert shown_item(page) == ("1", 2)
    assert re.search(r'name="rating" value="2"[^>]* checked', page)
    assert "changed my mind" not in page
    undo(visitor)
    assert [(label.annotator, label.clip_id) for label in Annotations(run).all()] == [("Ben", "2")]
    assert undo(visitor) == f"/label?run={key_of(run)}"  # nothing is left to undo
    assert len(Annotations(run).all()) == 1
    assert undo(visit(run)) == "/label/name"


def test_a_label_is_undone_later_if_the_file_is_in_use(
    visit: Visit, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for constant in ("ATTEMPT", "SHORT_PATIENCE", "READING_PATIENCE"):
        monkeypatch.setattr(database, constant, 0.05)
    visitor = enter(visit(run), "Ada")
    save(visitor, 1, 2)
    with closing(sqlite3.connect(run / "labels.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        response = visitor.send_form("/label/undo", queue="differing")
        assert (response.status_code, "locked" in response.text) == (503, True)
    assert "Undo last label" in visitor.get("/label").text
    undo(visitor)
    assert Annotations(run).all() == []


def test_a_label_changed_in_another_app_is_not_undone(visit: Visit, run: Path) -> None:
    visitor = enter(visit(run), "Ada")
    save(visitor, 1, 2)
    Annotations(run).put("Ada", "1", 2, Verdict(0, Orientation.AUDIO))
    response = visitor.send_form("/label/undo", queue="differing")
    assert response.status_code == 400
    assert "has been changed since" in response.text
    assert len(Annotations(run).all()) == 1
    assert "Undo last label" not in visitor.get("/label").text


def test_all_answers_or_a_random_sample_can_be_labelled(visit: Visit, make_run: MakeRun) -> None:
    run = make_run()  # one judge: there are no disagreements
    visitor, query = enter(visit(run), "Ada"), f"run={key_of(run)}"
    assert f'href="/label?{query}&amp;queue=sample"' in visitor.get("/label").text
    page = visitor.get("/label?queue=all").text
    assert shown_item(page) == ("0", 1)
    assert "of 32 labelled" in page
    assert save(visitor, 0, 1, queue="all") == f"/label?{query}&queue=all&clip=0&prompt=2"
    orders: list[list[tuple[str, int]]] = []
    for name in ("Ben", "Cy"):
        other, order = enter(visitor, name), []
        location = f"/label?{query}&queue=sample"
        for _ in range(5):
            order.append(shown_item(other.get(location).text))
            location = save(other, *order[-1], queue="sample")
        orders.append(order)
    assert orders[0] == orders[1] != [("0", number) for number in range(1, 6)]
    assert visitor.get("/label?queue=nonsense").status_code == 200


def test_the_agreement_of_annotators_is_shown(visit: Visit, run: Path) -> None:
    ada, ben = enter(visit(run), "Ada"), enter(visit(run), "<b>Ben</b>")
    address = f"/label/agreement?run={key_of(run)}"
    assert "None of them has been labelled" in ada.get(address).text
    for clip, prompt in ((1, 2), (2, 3), (0, 1)):
        save(ada, clip, prompt, rating=clip)
    page = ada.get("/label").text
    assert f'href="{address}"' in page
    page = ada.get(address).text
    assert "No answer has labels of two annotators yet" in page
    assert "openai/stern" in page
    save(ben, 1, 2, rating=1)
    page = ben.get(address).text
    assert "&lt;b&gt;Ben&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "Answers labelled by two or more</dt><dd>1</dd>" in page
    assert "chosen because judges differ" in page
    assert "chosen because judges differ" not in ben.get(f"{address}&queue=sample").text
    assert f'href="{address}&amp;queue=sample"' in page  # the other answers' agreement


def test_agreement_with_a_proxy_is_marked(visit: Visit, run: Path) -> None:
    visitor = enter(visit(run), "Ada")
    save(visitor, 1, 2)
    items = replace(read_run(run)[1], proxies=frozenset({"openai/stern"}))
    found = annotator_agreement(items, Annotations(run).all(), {("1", 2)})
    names = [row.name for row in pairs(found.with_judges, items).rows]
    assert names == ["Ada and openai/kind", "Ada and openai/stern (proxy)"]


def test_each_annotator_has_an_own_queue(visit: Visit, run: Path) -> None:
    ada, ben = enter(visit(run), "Ada"), enter(visit(run), "Ben")
    save(ada, 1, 2)
    assert shown_item(ada.get("/label").text) == ("2", 3)
    assert shown_item(ben.get("/label").text) == ("1", 2)
    save(ben, 1, 2, rating=0)
    assert {label.annotator: label.verdict.rating for label in Annotations(run).all()} == {
        "Ada": 1,
        "Ben": 0,
    }


def test_several_participants_may_label_at_once(visit: Visit, run: Path) -> None:
    visitors = [enter(visit(run), f"annotator {number}") for number in range(6)]

    def label_all(visitor: Visitor) -> None:
        for clip, prompt in ((1, 2), (2, 3), (0, 1)):
            save(visitor, clip, prompt)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(label_all, visitors))
    assert len(Annotations(run).all()) == 18


def test_a_label_needs_both_parts_and_what_was_written_stays(visit: Visit, run: Path) -> None:
    visitor = enter(visit(run), "Ada")
    note = "my note \N{ZERO WIDTH JOINER}</textarea><b>"
    for fields in (
        {"rating": 1, "note": note},
        {"orientation": "Both", "note": note},
        {"rating": 3, "orientation": "Both", "note": note},
        {"rating": "²", "orientation": "Both", "note": note},
        {"rating": 1, "orientation": "Audio", "note": note},
    ):
        response = visitor.send_form("/label", clip=1, prompt=2, **fields)
        assert response.status_code == 422
        assert "Choose a rating" in response.text
        assert "my note \N{ZERO WIDTH JOINER}&lt;/textarea&gt;&lt;b&gt;</textarea>" in response.text
    response = visitor.send_form(
        "/label", clip=1, prompt=2, rating=1, orientation="Both", note="x" * 2001
    )
    assert response.status_code == 422
    assert "at most 2000" in response.text
    assert Annotations(run).all() == []


@pytest.mark.parametrize(
    ("clip", "prompt"), [("9", "1"), ("1", "9"), ("1", "0"), ("1", "x"), ("../1", "1"), ("1", "²")]
)
def test_only_answers_of_the_run_can_be_labelled(
    visit: Visit, run: Path, clip: str, prompt: str
) -> None:
    visitor = enter(visit(run), "Ada")
    address = f"/label?clip={quote(clip)}&prompt={quote(prompt)}"
    assert visitor.get(address).status_code == 404
    response = visitor.send_form("/label", clip=clip, prompt=prompt, rating=1, orientation="Both")
    assert response.status_code == 404


def test_without_a_name_nothing_is_kept(visit: Visit, run: Path) -> None:
    response = visit(run).send_form("/label", clip=1, prompt=2, rating=1, orientation="Both")
    assert response.headers["location"] == "/label/name"
    assert Annotations(run).all() == []


def test_the_labels_can_be_taken_to_an_exam(
    visit: Visit, run: Path, data: Path, tmp_path: Path
) -> None:
    visitor = enter(visit(run), "Ada")
    note = '=1+1,"x"\nline two'
    save(visitor, 1, 2, note=note)
    save(visitor, 2, 3, rating=0, orientation="Neither")
    page = visitor.get("/label").text
    assert "2 labels as CSV" in page
    response = visitor.get("/label/labels.csv")
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["content-disposition"] == 'attachment; filename="labels.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert [(row["id"], row["rating"], row["person"]) for row in rows] == [
        ("1", "1", "Ada"),
        ("2", "0", "Ada"),
    ]
    assert rows[0]["note"] == note
    (tmp_path / "labels.csv").write_bytes(response.content)
    labels = read_labels(tmp_path / "labels.csv", read_data_set(data).clips)
    assert [question.expected.rating for question in labels.questions] == [1, 0]


def test_a_run_without_two_judges_shows_what_to_do(visit: Visit, make_run: MakeRun) -> None:
    one_judge = enter(visit(make_run("one")), "Ada").get("/label").text
    assert "The run has one judge" in one_judge
    no_judge = enter(visit(make_run("none", judges={})), "Ada").get("/label").text
    assert "The run has no judge yet" in no_judge
    agreeing_judges = {
        "a": lambda _c, _n: verdict(1, "Both"),
        "b": lambda _c, _n: verdict(1, "Both"),
    }
    assert (
        "The judges agree"
        in enter(visit(make_run("two", judges=agreeing_judges)), "Ada").get("/label").text
    )


def test_without_a_run_the_page_states_so(visit: Visit, tmp_path: Path) -> None:
    assert "jasco view RUN" in enter(visit(), "Ada").get("/label").text
    visitor = enter(visit(tmp_path / "run"), "Ada")
    assert "no run found" in visitor.get("/label").text
    download = visitor.get("/label/labels.csv", follow_redirects=True)
    assert "no run found" in download.text


def test_of_several_runs_one_is_chosen(visit: Visit, make_run: MakeRun) -> None:
    runs = [make_run("a", judges=judges(), model="one"), make_run("b", judges={}, model="two")]
    visitor = enter(visit(*runs), "Ada")
    page = visitor.get("/label").text
    second = f"/label?run={key_of(runs[1])}"
    assert f'href="{second}"' in page
    assert "no judge yet" in visitor.get(second).text
    for key in ("7", "-1", "x", "²", str(runs[1])):
        assert visitor.get(f"/label?run={quote(key)}").status_code == 404


def test_hostile_texts_are_texts(visit: Visit, make_run: MakeRun) -> None:
    hostile = '</p><script>alert(1)</script><img src=x onerror="1">\N{RIGHT-TO-LEFT OVERRIDE}\x1b'
    run = make_run(
        answer=lambda _c, _n: hostile * 20_000,
        judges=judges(reason=hostile),
        model=hostile.replace(",", ""),
    )
    visitor = enter(visit(run), "<b>Ada</b>")
    save(visitor, 1, 2, note=hostile)
    for address in ("/label", "/label?every=1&clip=1&prompt=2"):
        page = visitor.get(address).text
        assert page.count("<script") == 1  # the app's own script
        assert "<img src=x" not in page
        assert "&lt;b&gt;Ada&lt;/b&gt;" in page
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page.replace(
            "onerror=&#34;1&#34;&gt;\N{RIGHT-TO-LEFT OVERRIDE}", "", 1
        )  # except in the note, which the annotator may edit
