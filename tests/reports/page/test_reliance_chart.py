"""Modality reliance on the page: its chart, its tables, and texts from outside."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from browser import accessibility_violations, chromium, quiet_tab
from html_reader import HtmlReader
from made_reliance import reliance_report
from runs import verdict, write_run
from synthetic import make_data

pytest.importorskip("vl_convert", reason="needs the extra viewer")

from jasco.data.dataset import read_data_set
from jasco.metrics.bootstrap import NO_ESTIMATE
from jasco.reports.page.content import open_shown
from jasco.reports.page.reliance_chart import draw_reliance
from jasco.reports.page.render import render_page
from jasco.reports.reliance_report import RelianceReport
from made_results import JUDGE

HOSTILE = "<img src=x onerror=alert(1)></script>\N{RIGHT-TO-LEFT OVERRIDE}"


def write_page(folder: Path, *reports: RelianceReport | None) -> Path:
    """Write a page with one model per report; a report is None if reliance was not measured."""
    data = read_data_set(make_data(folder / "data", 3))
    runs = [
        write_run(
            folder / str(number),
            data,
            lambda clip, prompt: f"They flee from {clip}.",
            {"judge": lambda clip, prompt: verdict((clip + prompt) % 3, "Both")},
            f"m{number}",
        )
        for number, _ in enumerate(reports)
    ]
    shown = {
        name: replace(model, reliance=report)
        for (name, model), report in zip(open_shown(runs).items(), reports, strict=True)
    }
    page = folder / "page.html"
    page.write_text(render_page(shown, audio=False), "utf-8")
    return page


def texts_of(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_the_chart_shows_conditions_contributions_and_losses() -> None:
    [chart] = draw_reliance(reliance_report())
    texts = texts_of(chart.svg)
    for text in (
        "v and keywords by condition",
        "swap-sound-2: sound of another clip",
        "+0.21 [+0.14, +0.28] (62% of both)",
        "perfect answers",
        "-0.28 [-0.35, -0.21]",
        "interaction of these costs",
    ):
        assert text in texts
    assert texts.count("0.42 [0.35, 0.49]") == 2  # where contributions and losses end
    assert "Based on 80 clips." in chart.caption
    assert "original: the clip 0.42 [0.35, 0.49] 46.2% [39.2, 53.2]" in chart.description
    assert "cost of reasoning: 1 minus text 0.28" in chart.description


def test_parts_whose_conditions_were_not_measured_are_left_out() -> None:
    [core] = draw_reliance(reliance_report("core", passed=52))
    assert "What the cues contribute to v" in core.svg
    assert "Where v is lost" not in core.svg
    assert "Based on 52 clips whose stems pass the gates." in core.caption
    [single_cues] = draw_reliance(reliance_report("original,sound,speech"))
    assert "What the cues contribute" not in single_cues.svg
    report = reliance_report("original")
    figures = replace(report.reliance.figures, conditions={})
    reliance = replace(report.reliance, figures=figures)
    assert not list(draw_reliance(replace(report, reliance=reliance)))


def test_shares_are_shown_only_where_they_are_defined() -> None:
    report = reliance_report("core")
    figures = report.reliance.figures
    undefined = replace(figures.share_sound, v=NO_ESTIMATE)
    figures = replace(figures, share_sound=undefined, share_speech=undefined)
    reliance = replace(report.reliance, figures=figures)
    [chart] = draw_reliance(replace(report, reliance=reliance))
    assert "of both)" not in chart.svg
    assert "+0.21 [+0.14, +0.28]" in texts_of(chart.svg)


def test_the_page_has_a_section_for_models_whose_reliance_was_measured(tmp_path: Path) -> None:
    page = write_page(tmp_path, reliance_report(passed=2), None).read_text("utf-8")
    reader = HtmlReader(page)
    assert page.count('id="reliance"') == page.count('href="#reliance"') == 1
    assert "Effects, 2 clips whose stems pass the gates" in reader.text
    assert (
        "clips by what suffices: 1 solved by the prompt, 1 only jointly, 1 unknown" in reader.text
    )
    assert "Attribution without the cue" in reader.text
    assert page.count("<svg") == page.count("Data of this chart") == 5
    without = write_page(tmp_path / "without", None).read_text("utf-8")
    assert "reliance" not in HtmlReader(without).text


def test_texts_from_outside_are_texts_and_nothing_is_loaded(tmp_path: Path) -> None:
    report = reliance_report(
        "core",
        model=HOSTILE,
        judges=(HOSTILE, JUDGE),
        states={"sound": "incomplete"},
        skipped={"none": HOSTILE},
        signature=HOSTILE,
    )
    page = write_page(tmp_path, report).read_text("utf-8")
    reader = HtmlReader(page)
    assert not any(tag == "img" for tag, _ in reader.tags)
    assert len(reader.blocks["script"]) == 2
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page
    assert HOSTILE.replace("\N{RIGHT-TO-LEFT OVERRIDE}", r"\u202e") in reader.text
    assert not reader.inline_handlers() - {"style"}
    for _, attributes in reader.tags:
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith("#"), attributes


@pytest.mark.slow
def test_it_is_accessible_in_light_and_dark_and_on_a_phone(tmp_path: Path) -> None:
    judges = ("openai/a", "openai/b")
    page = write_page(tmp_path, reliance_report(judges=judges, passed=2, proxy=True), None)
    with chromium() as browser:
        for scheme, width in (("light", 1200), ("dark", 1200), ("light", 390)):
            with quiet_tab(browser, offline=True, scheme=scheme, width=width) as tab:
                tab.goto(page.as_uri())
                tab.wait_for_selector("article")
                for details in tab.locator("section[aria-labelledby=reliance] details").all():
                    details.locator("summary").click()
                assert accessibility_violations(tab) == []
                assert tab.evaluate("document.documentElement.scrollWidth") <= width
