"""Modality reliance on the page: its charts, its tables, and texts from outside."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from browser import accessibility_violations, chromium, quiet_tab
from html_reader import HtmlReader
from made_reliance import reliance_report
from runs import verdict, write_run
from synthetic import make_data

pytest.importorskip("jinja2", reason="needs the extra viewer")

from jasco.data.dataset import read_data_set
from jasco.metrics.bootstrap import NO_ESTIMATE
from jasco.reports.page.plots import Bar, Mark, PlotTable
from jasco.reports.page.reliance_charts import part_table, steps_of
from jasco.reports.page.render import SCRIPTS, render_page
from jasco.reports.page.shown import open_shown
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


def texts_of(chart: PlotTable) -> list[str]:
    return [text for row in chart.rows for text in (row.name, *row.cells)]


def ends_of(chart: PlotTable) -> list[tuple[float, float]]:
    """Return the ends of each row's bar, rounded."""
    bars = [shape for row in chart.rows for [shape] in row.plots if isinstance(shape, Bar)]
    return [(round(bar.start, 3), round(bar.end, 3)) for bar in bars]


def test_contributions_and_losses_are_steps_between_totals() -> None:
    contributions, losses = steps_of(reliance_report())
    assert "+0.21 [+0.14, +0.28] (62% of both)" in texts_of(contributions)
    assert "perfect answers" in texts_of(losses)
    assert "-0.28 [-0.35, -0.21]" in texts_of(losses)
    assert "interaction of these costs" in texts_of(losses)
    for chart in (contributions, losses):
        assert texts_of(chart)[-1] == "0.42 [0.35, 0.49]"  # where contributions and losses end
        assert "Based on 80 clips." in chart.caption
        ends = ends_of(chart)
        for (start, end), (next_start, next_end) in pairwise(ends):
            assert {start, end} & {next_start, next_end}, ends


def test_parts_whose_conditions_were_not_measured_are_left_out() -> None:
    [contributions] = steps_of(reliance_report("core", passed=52))
    assert contributions.title == "What each cue contributes"
    assert "Based on 52 clips whose stems pass the gates." in contributions.caption
    assert not list(steps_of(reliance_report("original,sound,speech")))


def test_shares_are_shown_only_where_they_are_defined() -> None:
    report = reliance_report("core")
    figures = report.reliance.figures
    undefined = replace(figures.share_sound, v=NO_ESTIMATE)
    figures = replace(figures, share_sound=undefined, share_speech=undefined)
    reliance = replace(report.reliance, figures=figures)
    [chart] = steps_of(replace(report, reliance=reliance))
    assert not any("of both)" in text for text in texts_of(chart))
    assert "+0.21 [+0.14, +0.28]" in texts_of(chart)


def test_conditions_and_effects_are_plotted_in_their_tables() -> None:
    parts = {part.key: part_table(part, "m") for part in reliance_report().parts}
    conditions, effects = parts["conditions"], parts["effects"]
    original = next(row for row in conditions.rows if row.name.startswith("original"))
    keywords, v = original.plots[0]
    assert isinstance(v, Mark)
    assert isinstance(keywords, Mark)
    assert (v.value, v.low, v.high) == pytest.approx((0.42, 0.35, 0.49))
    assert keywords.style == "square"
    assert effects.plots[0].axis.at(0.0) == 50
    assert all(not table.plots for key, table in parts.items() if key in ("swaps", "attribution"))


def test_the_page_has_a_section_for_models_whose_reliance_was_measured(tmp_path: Path) -> None:
    page = write_page(tmp_path, reliance_report(passed=2), None).read_text("utf-8")
    reader = HtmlReader(page)
    assert "Effects, 2 clips whose stems pass the gates" in reader.text
    assert (
        "clips by what suffices: 1 solved by the instruction alone, 1 only jointly, 1 unknown"
        in reader.text
    )
    assert "Attribution without the cue" in reader.text
    assert "Modality reliance of csv/m0" in reader.text
    assert "Modality reliance of csv/m1" not in reader.text
    without = write_page(tmp_path / "without", None).read_text("utf-8")
    assert "Modality reliance" not in HtmlReader(without).text


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
    assert len(reader.blocks["script"]) == 1 + len(SCRIPTS)
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
                tab.wait_for_selector("table.clips tbody tr")
                for details in tab.locator("#cues details").all():
                    details.locator("summary").click()
                assert accessibility_violations(tab) == []
                assert tab.evaluate("document.documentElement.scrollWidth") <= width
