"""The charts of the page: their order, what they leave out, and how they are drawn."""

import re
from dataclasses import replace

import pytest

from html_reader import HtmlReader

pytest.importorskip("jinja2", reason="needs the extra viewer")

from jasco.metrics.bootstrap import NO_ESTIMATE, Estimate
from jasco.reports.page.charts import dependence_table, leaderboard, stack
from jasco.reports.page.heat_maps import heat_map
from jasco.reports.page.line_charts import best_of_chart, prompts_chart
from jasco.reports.page.plots import Bar
from jasco.reports.page.render import environment
from jasco.reports.published import published_results
from jasco.reports.report import ModelReport
from jasco.runs.results import JudgeFacts
from made_results import JUDGE, judged, results

MODEL = ModelReport.of(results())


def scored(best_mean: float) -> ModelReport:
    """Return a report with this best-mean and no other figure."""
    score = replace(MODEL.score, best_mean=Estimate(best_mean, best_mean / 2, 2.0))
    return replace(MODEL, score=score)


def drawn(macro: str, chart: object) -> str:
    """Draw a chart with the macro of the page."""
    source = '{% import "charts.html" as charts %}{{ charts[macro](chart) }}'
    return environment().from_string(source).render(macro=macro, chart=chart)


def test_the_leaderboard_begins_with_the_best_model_and_ends_with_published_results() -> None:
    models = {"low": scored(0.5), "none": MODEL, "high": scored(1.5)}
    chart = leaderboard(models, published_results("v2"))
    assert [row.name.partition("\n")[0] for row in chart.rows[:3]] == ["high", "low", "none"]
    assert [row.marker for row in chart.rows[:3]] == [3, 1, 2]  # as in the order of the models
    assert [row.kind for row in chart.rows[3:]] == ["published"] * 4
    assert ("published", "published best-mean") in chart.legend
    assert ("published", "published best-mean") not in leaderboard(models, ()).legend


def test_a_model_with_a_name_of_its_own_shows_its_spec() -> None:
    named, plain = (
        ModelReport.of(replace(results(f"a/{spec}", *map(judged, ratings)), name=name))
        for spec, ratings, name in (("one", (2,), "mine"), ("two", (1, 1), ""))
    )
    rows = leaderboard({"mine": named, "a/two": plain}, ()).rows
    assert [row.name for row in rows if not row.kind] == [f"mine\n  by {JUDGE}\na/one", "a/two"]


def test_a_panel_is_ranked_by_its_own_figure_and_not_by_its_judges() -> None:
    lenient = ModelReport.of(results("a/lenient", *map(judged, (2, 0, 0))))
    agreed = ModelReport.of(results("a/agreed", *map(judged, (1, 1))))
    facts = [JudgeFacts(), JudgeFacts(), JudgeFacts(proxy=True)]
    judges = {f"{JUDGE}{n or ''}": each for n, each in enumerate(facts)}
    mixed = ModelReport.of(results("a/mixed", *map(judged, (1, 0, 2)), judges=judges))
    models = {"lenient": lenient, "mixed": mixed, "agreed": agreed}
    names = [row.name for row in leaderboard(models, ()).rows if not row.kind]
    assert names == ["agreed", "lenient", "mixed"]  # 1, 2/3, and 1/2 without the proxy


def test_what_was_not_published_is_a_dash() -> None:
    [row, *_] = leaderboard({"m": MODEL}, published_results("v2")).rows[1:]
    chart = leaderboard({"m": MODEL}, published_results("v2"))
    cells = dict(zip(chart.header, row.cells, strict=True))
    assert cells["best-mean [95%]"] == "0.31"
    assert {cell for name, cell in cells.items() if not name.startswith("best")} == {"–"}
    assert [len(shapes) for shapes in row.plots] == [1, 3]


def test_a_line_is_interrupted_where_a_figure_is_missing() -> None:
    figures = [Estimate(1.0), NO_ESTIMATE, Estimate(1.0), Estimate(1.5)]
    model = replace(MODEL, score=replace(MODEL.score, best_at=tuple(figures)))
    [chart] = best_of_chart({"m": model}, 4)
    [line] = re.findall(r'<path class="line" d="([^"]*)"', drawn("line_chart", chart))
    assert re.sub(r"[\d. ]", "", line) == "MML"


def test_shares_are_stacked_and_small_ones_are_not_labelled() -> None:
    figures = replace(MODEL.score, audio=Estimate(0.1), both=Estimate(0.3), speech=Estimate(0.6))
    bars = stack(figures)
    assert all(isinstance(bar, Bar) for bar in bars)
    assert [(bar.style, bar.text) for bar in bars] == [  # type: ignore[union-attr]
        ("audio", ""), ("both", "30%"), ("speech", "60%"),
    ]  # fmt: skip
    assert bars[-1].end == pytest.approx(1)  # type: ignore[union-attr]
    assert stack(replace(figures, both=NO_ESTIMATE)) == []
    assert len(stack(replace(figures, audio=Estimate(0.0), both=Estimate(0.4)))) == 2


def test_names_are_escaped_and_every_number_is_in_the_table() -> None:
    name = "<b>&\"'\N{RIGHT-TO-LEFT OVERRIDE}"
    html = drawn("plots", dependence_table({name: scored(1.0)}, published_results("v2")))
    reader = HtmlReader(html)
    assert "<b>" not in html
    assert "<b>&\"'\\u202e" in reader.text
    assert not reader.inline_handlers()
    assert "50.0%" in reader.text  # of Qwen2-Audio-Instruct-7B, published


def test_a_line_chart_leaves_out_models_without_figures_and_has_its_numbers() -> None:
    by_prompt = tuple(Estimate(prompt / 4, prompt / 8, prompt / 4) for prompt in range(1, 9))
    with_figures = replace(MODEL, score=replace(MODEL.score, by_instruction=by_prompt))
    [chart] = prompts_chart({"without": MODEL, "with": with_figures}, 8)
    assert [(series.name, series.marker) for series in chart.series] == [("with", 2)]
    assert chart.axis.high == 2
    assert "with 0.25 [0.12, 0.25] 0.50" in chart.description
    html = drawn("line_chart", chart)
    assert len(re.findall(r'<use href="#marker-2" x=', html)) == 8
    assert 'class="line"' not in html
    assert not list(best_of_chart({"without": MODEL}, 8))


def test_a_heat_map_has_a_cell_for_each_score_in_the_order_of_the_clips() -> None:
    scores = {"a": (2.0, None), "b": (0.0, 1.25)}
    chart = heat_map("model", 1, scores, ["b", "a"])
    assert chart.paths == {
        "s0": "M0 0h1v1h-1z", "s5": "M0 1h1v1h-1z", "s8": "M1 0h1v1h-1z",
    }  # fmt: skip
    assert 'viewBox="0 0 2 2"' in drawn("heat", chart)


def test_a_heat_map_of_many_clips_is_whole() -> None:
    clips = [str(number) for number in range(300)]
    html = drawn("heat", heat_map("model", 1, dict.fromkeys(clips, (0.0,) * 8), clips))
    assert html.count("h1v1h-1z") == 8 * len(clips)


def test_a_heat_map_shows_any_score_above_0() -> None:
    assert list(heat_map("model", 1, {"a": (0.1,)}, ["a"]).paths) == ["s1"]
