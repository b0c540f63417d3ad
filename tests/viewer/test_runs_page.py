"""The page that lists runs."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from html_reader import HtmlReader
from jasco.data.dataset import read_data_set
from jasco.metrics.bootstrap import Estimate
from jasco.runs.summary import RunSummary
from jasco.runs.writer import RunWriter
from jasco.viewer.catalogue import Entry, key_of
from jasco.viewer.run_scores import RunScore
from jasco.viewer.runs_page import groups_of
from processes import wait_until
from runs import write_run
from synthetic import make_data
from visitor import Visitor

Visit = Callable[..., Visitor]
MakeRun = Callable[..., Path]
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def entry(name: str, day: int = 1, data: str = "data", score: float | None = None) -> Entry:
    summary = RunSummary(
        Path(name), "complete", name, data=data, annotations_sha256=data, clips=3, items=24,
        answered=24, judges=("judge",), updated=f"2026-01-01T00:00:{day:02}.000Z",
    )  # fmt: skip
    estimate = None if score is None else Estimate(score, score - 0.1, score + 0.1)
    return Entry(name, summary, RunScore("best-mean", estimate, proxy=False))


def order_of(*entries: Entry, order: str) -> list[str]:
    return [row["name"] for group in groups_of(entries, order, NOW) for row in group["rows"]]


def test_runs_are_grouped_by_data_and_sorted() -> None:
    runs = [entry("a", 1, score=0.5), entry("B", 3, score=1.5), entry("c", 2), entry("d", 4, "new")]
    assert order_of(*runs, order="latest") == ["d", "B", "c", "a"]
    assert order_of(*runs, order="name") == ["d", "a", "B", "c"]
    assert order_of(*runs, order="score") == ["d", "B", "a", "c"]
    unreadable = Entry("x", RunSummary(Path("x"), "unreadable", problem="corrupt"), None)
    groups = groups_of([unreadable, *runs], "latest", NOW)
    assert [group["data"] for group in groups] == ["new", "data", ""]
    assert groups[-1]["rows"][0]["problem"] == "corrupt"


@pytest.mark.parametrize(("coverage", "percent"), [(1.0, 100), (0.996, 99), (0.294, 29), (0, 0)])
def test_verdicts_are_complete_only_if_none_is_missing(coverage: float, percent: int) -> None:
    run = entry("a")
    run = replace(run, summary=replace(run.summary, coverage=coverage))
    [group] = groups_of([run], "latest", NOW)
    assert group["rows"][0]["judged"] == percent


def test_the_list_names_each_run_with_its_progress(
    visit: Visit, make_run: MakeRun, data: Path, tmp_path: Path
) -> None:
    make_run("runs/a", model="one")
    make_run("runs/b", model="two", answer=lambda clip, _: "said" if clip < 2 else None)
    with RunWriter.open(tmp_path / "runs" / "b") as store:
        store.set_data(read_data_set(data))
        store.describe(1, None, {"step": 2000})
        page = visit(tmp_path / "runs").get("/runs").text
    for text in ("csv/one", "csv/two", "openai/kind", "step=2000", ">running<", ">complete<"):
        assert text in page
    assert "16 <span" in page
    assert 'value="50"' in page


def test_the_list_of_a_folder_comes_first_and_leads_to_reports(
    visit: Visit, make_run: MakeRun, tmp_path: Path
) -> None:
    runs = [make_run(f"runs/{name}", model=name) for name in ("one", "two", "three")]
    visitor = visit(tmp_path / "runs")
    assert visitor.get("/").headers["location"] == "/runs"
    boxes = re.findall(r'name="run" value="([^"]+)"', visitor.get("/runs").text)
    assert sorted(boxes) == sorted(map(key_of, runs))
    chosen = [key_of(run) for run in runs[:2]]
    address = visitor.get("/", params={"run": chosen}).headers["location"]
    assert address == f"/report/{'-'.join(chosen)}/"
    assert visitor.get(address.rstrip("/")).headers["location"] == address
    page = visitor.get(address).text
    assert "csv/one" in page
    assert "csv/three" not in page
    content = visitor.get(f"{address}data.json").json()
    assert [model["name"] for model in content["models"]] == ["csv/one", "csv/two"]
    assert visitor.get(f"{address}{content['clips'][0]['audio']}").status_code == 200


def test_only_listed_runs_can_be_selected(visit: Visit, make_run: MakeRun, tmp_path: Path) -> None:
    outside = make_run("outside")
    make_run("runs/a")
    visitor = visit(tmp_path / "runs")
    for key in (key_of(outside), "..", str(outside), "%2e%2e%2foutside", "0123456789"):
        assert visitor.get("/", params={"run": key}).status_code == 404
    for key in (key_of(outside), "%2e%2e%2foutside", "a--b", "0123456789"):
        assert visitor.get(f"/report/{key}/").status_code == 404


def test_given_runs_on_different_data_are_listed(
    visit: Visit, make_run: MakeRun, tmp_path: Path
) -> None:
    other = read_data_set(make_data(tmp_path / "other", clips=2))
    write_run(tmp_path / "b", other, lambda *_: "said", {}, "two")
    visitor = visit(make_run("a", model="one"), tmp_path / "b")
    assert visitor.get("/").headers["location"] == "/runs"
    page = visitor.get("/runs").text
    assert "csv/one" in page
    assert "csv/two" in page
    both = [key_of(tmp_path / name) for name in ("a", "b")]
    report = visitor.get(f"/report/{'-'.join(both)}/").text
    assert f"{tmp_path / 'b'}: not shown" in report


def test_the_list_changes_its_version_with_the_runs(
    visit: Visit, make_run: MakeRun, tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    visitor = visit(tmp_path / "runs")
    page = visitor.get("/runs").text
    assert "No run found yet" in page
    assert f'data-version="{visitor.get("/runs/state").text}"' in page
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "run.db").write_text("no database" * 500)
    wait_until(lambda: visitor.get("/runs/state").text not in page)
    assert "corrupt, or not a run" in visitor.get("/runs").text


@given(
    text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), number=st.integers(0, 3)
)
def test_hostile_names_are_texts(text: str, number: int) -> None:
    from jasco.viewer.web import render

    hostile = [*["</h1><script>alert(1)</script>", '"><img src=x onerror=alert(1)>'], text, text]
    summary = RunSummary(
        Path(hostile[number].replace("\0", "")), "unreadable", hostile[number], "m", "data", "sha",
        3, "v2", (hostile[0],), 24, 24, 1.0, {hostile[1]: hostile[number]},
        "2026-01-01T00:00:00.000Z", problem=hostile[number],
    )  # fmt: skip
    groups = groups_of([Entry("key", summary, None)], "latest", NOW)
    page = render(
        "runs.html", groups=groups, order="latest", most=6, filtered=True, places=[], version="v"
    )
    reader = HtmlReader(page)
    assert not any(tag == "img" for tag, _ in reader.tags)
    assert not reader.inline_handlers()
    assert page.count("<script") == 3
