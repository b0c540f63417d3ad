"""Reports of several answers to each item, and of other instructions."""

import csv
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jasco.errors import InputError, RunConflictError
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.comparison import summarise_comparison, summarise_report
from jasco.reports.disagreements import write_disagreements
from jasco.reports.exports import export
from jasco.reports.page.line_charts import best_of_chart, prompts_chart
from jasco.reports.report import summarise
from jasco.reports.text import render, render_comparison
from jasco.runs.results import JudgedItems, Results
from made_results import DATA, MODEL, OTHER, judged, results
from matrices import random_matrix

BOTH = Orientation.BOTH
CUSTOM = ("What?", "Where?", "Why?")
FORMATS = ("terminal", "markdown", "latex", "json", "csv")


def text_of(model: Results, output: str) -> str:
    report = summarise_report([model])
    return render(report) if output == "terminal" else export([report], output)


def sampled(judges: int = 2, samples: int = 3) -> Results:
    matrices = [
        VerdictMatrix.of_samples(
            [random_matrix(10 * judge + sample, clips=12) for sample in range(samples)]
        )
        for judge in range(judges)
    ]
    return results(MODEL, *matrices, samples=samples)


def custom(model: str = MODEL, instructions: tuple[str, ...] = CUSTOM) -> Results:
    matrix = VerdictMatrix.none_yet(DATA.clips, instructions=instructions)
    for clip, number in itertools.product(range(DATA.clips), range(1, len(instructions) + 1)):
        matrix.enter(clip, number, Verdict(number % 3, BOTH))
    items = DATA.clips * len(instructions)
    return results(model, matrix, instructions=instructions, data=replace(DATA, items=items))


@pytest.mark.parametrize("output", FORMATS)
def test_the_number_of_samples_is_in_every_output(output: str) -> None:
    text = text_of(sampled(), output)
    assert "|samples:3|" in text
    if output in ("terminal", "markdown", "latex"):
        assert "3 samples per item" in text
    assert "samples:" not in text_of(sampled(samples=1), output)


def test_variance_components_are_a_line_where_samples_or_judges_are_several() -> None:
    for judges, samples, shown, absent in (
        (2, 3, "residual", "(with"),
        (1, 3, "samples (with residual)", "judges "),
        (2, 1, "clips x instructions (with samples)", "  "),
    ):
        model = sampled(judges, samples)
        [line] = [row for row in render(summarise([model])).splitlines() if "variance of" in row]
        assert f"{MODEL}: variance of a score (12 complete clips): clips " in line
        assert shown in line
        assert absent not in line.partition("; the variance of judges")[0]
        assert "variance of a score" in text_of(model, "markdown")
    assert "variance of" not in render(summarise([sampled(1, 1)]))


def test_variance_components_are_a_field_of_each_model_in_json() -> None:
    def field(model: Results) -> Any:
        return summarise([model]).to_json()["models"][MODEL]["variance_components"]

    variance = field(sampled())
    assert {key: variance[key] for key in ("clips", "prompts", "judges", "samples")} == {
        "clips": 12, "prompts": 8, "judges": 2, "samples": 3,
    }  # fmt: skip
    assert sum(variance["shares"].values()) == pytest.approx(1)
    assert variance["components"].keys() == variance["raw"].keys()
    assert field(results(MODEL)) is None
    assert field(results(MODEL, judged(missing=9))) is None


@pytest.mark.parametrize("output", FORMATS)
def test_other_instructions_are_named_in_every_output(output: str) -> None:
    text = text_of(custom(), output)
    assert "|instructions:custom[3]:" in text
    if output in ("terminal", "markdown", "latex"):
        assert "not the published instructions" in text
        assert "8" not in text.partition("Best-mean:")[2].partition("averaged")[0]
    assert "instructions:" not in text_of(results(MODEL, judged()), "csv")


def test_the_tables_of_prompts_have_a_column_for_each_instruction() -> None:
    [row, *_] = csv.DictReader(text_of(custom(), "csv").splitlines())
    assert [name for name in row if name.startswith("best_of")] == [
        f"best_of_{k}" for k in (1, 2, 3)
    ]
    report = summarise_report([custom()])
    for chart_of in (best_of_chart, prompts_chart):
        [chart] = chart_of(report.models, 3)
        assert chart.labels == ["1", "2", "3"]
    assert "sound first" not in text_of(custom(), "markdown")
    assert "sound first" in text_of(results(MODEL, judged()), "markdown")


def test_published_results_are_not_set_beside_other_instructions() -> None:
    assert summarise([custom()], published=True).published is None
    assert summarise([results(MODEL, judged())], published=True).published
    assert "SALMONN" not in text_of(custom(), "markdown")


def test_models_with_different_instructions_are_not_compared() -> None:
    published, other = results(OTHER, judged()), custom(OTHER, (*CUSTOM, "When?"))
    for pair in ([custom(), published], [custom(), other], [custom(), custom(OTHER, CUSTOM[::-1])]):
        with pytest.raises(InputError, match="instructions"):
            summarise(pair)
        with pytest.raises(RunConflictError, match="instructions"):
            summarise_comparison(pair)
        with pytest.raises(InputError, match="instructions"):
            summarise_comparison(pair, allow_mismatch=True)
    text = render_comparison(summarise_comparison([custom(), custom(OTHER)]))
    assert "not the published instructions" in text


def test_models_with_different_numbers_of_samples_are_compared() -> None:
    three, two = sampled(), replace(sampled(samples=2), model=OTHER)
    report = summarise_comparison([three, two])
    [pair] = report.pairs or ()
    means = [model.score.best_mean.value for model in report.models.values()]
    assert pair.comparison.best_mean.value == pytest.approx((means[0] or 0) - (means[1] or 0))
    assert pair.comparison.complete


def test_disagreements_on_further_samples_are_listed(tmp_path: Path) -> None:
    def items(*orientations: Orientation) -> JudgedItems:
        judges = {
            f"judge {n}": {("0", 1): (["text"], Verdict(2, orientation))}
            for n, orientation in enumerate(orientations)
        }
        return JudgedItems(sampled().clips, {("0", 1): "They run."}, judges)

    second = replace(items(BOTH, Orientation.AUDIO), answers={("0", 1): "They flee."})
    both = replace(items(BOTH, BOTH), further=(second,))
    assert write_disagreements(tmp_path / "out.csv", both) == 1
    [row] = csv.DictReader((tmp_path / "out.csv").read_text("utf-8-sig").splitlines())
    assert (row["sample"], row["allm_output"]) == ("2", "They flee.")
    assert row["judge 1: orientation"] == "Audio-Oriented"
