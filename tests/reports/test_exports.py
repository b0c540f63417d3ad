"""Results as data: JSON, and a CSV file for data frames."""

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.errors import InputError
from jasco.metrics.bootstrap import NO_ESTIMATE, RESAMPLES
from jasco.protocol.verdicts import Orientation
from jasco.reports.comparison import summarise_report
from jasco.reports.exports import export
from jasco.reports.report import summarise
from jasco.runs.results import Data
from made_results import DATA, JUDGE, MODEL, OTHER, judged, renamed, results, without_figures

SINGLE = summarise_report([results(MODEL, judged())])
TWO = summarise_report(
    [
        results(MODEL, judged(), judged(1)),
        results(OTHER, judged(1), judged(2, Orientation.AUDIO, missing=3)),
    ]
)
WITHOUT_JUDGES = summarise_report([results(MODEL), results(OTHER, judged())])
REPORTS = {"alone": SINGLE, "two": TWO, "bare": WITHOUT_JUDGES}


def rows(report: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export([report], "csv"), newline="")))


# --- the report ---


def test_a_model_alone_has_its_summary_with_the_published_results_beside_it() -> None:
    report = summarise([results(MODEL, judged())], published=True)
    assert report.to_json() == SINGLE.to_json()
    assert "SALMONN-7B" in {result.model for result in SINGLE.published or ()}


def test_several_models_are_compared_too() -> None:
    assert TWO.to_json().keys() - SINGLE.to_json().keys() == {"pairs", "not_compared"}
    [pair] = TWO.pairs or ()
    assert (pair.first, pair.second) == (MODEL, OTHER)
    assert pair.comparison.best_mean.value == 1.5 - 0.5
    assert TWO.not_compared == []


def test_runs_of_the_same_model_are_numbered() -> None:
    runs = [
        results(MODEL, judged()),
        results(OTHER, judged()),
        results(MODEL, judged(1)),
    ]
    report = summarise_report(runs)
    names = [f"{MODEL} (1)", OTHER, f"{MODEL} (3)"]
    assert list(report.models) == names
    assert [report.models[name].score.best_mean.value for name in names] == [2, 2, 1]
    assert [(pair.first, pair.second) for pair in report.pairs or ()] == [
        (names[0], names[1]), (names[0], names[2]), (names[1], names[2]),
    ]  # fmt: skip


def test_a_name_that_looks_numbered_replaces_no_other() -> None:
    models = [results(name, judged()) for name in ("m", "m", "m (1)")]
    assert list(summarise_report(models).models) == ["m (1)", "m (2)", "m (1) (3)"]


def test_models_that_cannot_be_compared_are_listed_with_the_reason() -> None:
    third = results("openai/third", judged())
    other_judge = results(
        OTHER, judged(), facts={"identity": {"provider": "openai", "revision": "new"}}
    )
    first = results(MODEL, judged(), facts={"identity": {"provider": "openai", "revision": "old"}})
    report = summarise_report([first, other_judge, results("openai/bare"), third])
    assert list(report.models) == [MODEL, OTHER, "openai/bare", "openai/third"]
    assert report.pairs == []
    reasons = {(pair.first, pair.second): pair.why for pair in report.not_compared or ()}
    assert "they differ in judges" in reasons[MODEL, OTHER]
    assert "revision=new" in reasons[MODEL, OTHER]
    assert reasons[OTHER, "openai/bare"] == "openai/bare: not judged yet"


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"data": Data("two", "c" * 64, "b" * 64, 2, 16)}, "data (aaaaaaaaaaaa and cccccccccccc)"),
        ({"data": Data("two", "a" * 64, "c" * 64, 2, 16)}, "audio (bbbbbbbbbbbb and cccccccccc"),
        ({"protocol": "v1"}, "protocol (v2 and v1)"),
    ],
)
def test_other_data_or_another_protocol_is_refused(changes: Any, difference: str) -> None:
    with pytest.raises(InputError) as error:
        summarise_report([results(MODEL, judged()), results(MODEL, judged(), **changes)])
    assert f"{MODEL} (1) and {MODEL} (2) differ in {difference}" in str(error.value)


def test_audio_that_is_not_known_of_all_is_claimed_of_none() -> None:
    without_audio = Data("another name", "a" * 64, None, 2, 16)
    report = summarise_report(
        [results(MODEL, judged()), results(OTHER, judged(), data=without_audio)]
    )
    assert report.to_json()["data"] == {
        "name": "two",
        "annotations_sha256": DATA.annotations_sha256,
        "audio_sha256": None,
        "clips": 2,
        "items": 16,
    }
    assert "text:" in report.signature
    assert "audio:" not in report.signature


def test_the_data_are_those_of_the_model_with_the_most_items() -> None:
    single_prompt = results(OTHER, data=Data("two", "a" * 64, "b" * 64, 2, 2))
    report = summarise_report([single_prompt, results(MODEL, judged())])
    assert report.data.items == 16
    assert "|data:two[2x8]|" in report.signature


# --- JSON and CSV ---


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_json_is_the_report_as_it_is(report: Any) -> None:
    text = export([report], "json")
    assert json.loads(text) == report.to_json()
    assert text.endswith("}\n")


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_row_for_each_model_and_each_of_its_judges(report: Any) -> None:
    names = [(row["model"], row["judge"]) for row in rows(report)]
    assert names == [
        (name, judge) for name, model in report.models.items() for judge in ("", *model.judges)
    ]


def test_a_data_frame_reads_the_file_as_it_is() -> None:
    frame = pd.read_csv(io.StringIO(export([TWO], "csv")))
    assert list(frame["judge"].isna()) == [True, False, False] * 2
    assert list(frame["judge"][1:3]) == [JUDGE, f"{JUDGE}1"]
    complete, incomplete = frame[frame["judge"].isna()].to_dict("records")
    assert (complete["model"], complete["best_mean"], complete["complete"]) == (MODEL, 1.5, True)
    assert pd.isna(complete["best_mean_low"])  # of two clips there is no interval
    assert pd.isna(complete["best_mean_high"])
    assert (complete["both"], complete["audio"]) == (1, 0)
    assert [complete[f"best_of_{k}"] for k in range(1, 9)] == [1.5] * 8
    assert [complete[f"mean_of_instruction_{n}"] for n in range(1, 9)] == [1.5] * 8
    assert incomplete["complete"] is False
    assert (incomplete["best_mean_at_worst"], incomplete["best_mean_at_best"]) == (0.5, 1)
    assert pd.isna(incomplete["best_of_8"])
    assert set(frame["signature"]) == {TWO.signature}
    assert (set(frame["data"]), set(frame["clips"])) == ({"two"}, {2})
    assert set(frame["protocol"]) == {"v2"}
    numbers = frame.drop(columns=["model", "judge", "data", "protocol", "signature"])
    assert all(kind in (float, int, bool) for kind in numbers.dtypes)


def test_a_data_frame_has_the_ends_of_intervals() -> None:
    report = summarise_report([results(MODEL, judged(1, clips=12), judged(2, clips=12))])
    panel, *_ = pd.read_csv(io.StringIO(export([report], "csv"))).to_dict("records")
    assert 0.5 < panel["best_mean_low"] < panel["best_mean"] == 1.5 < panel["best_mean_high"] <= 2
    assert panel["both_low"] < panel["both"] == panel["both_high"] == 1


def test_lines_end_as_rfc_4180_has_it() -> None:
    text = export([TWO], "csv")
    assert text.count("\r\n") == text.count("\n") == 1 + 6


@given(st.text(), st.text())
def test_whatever_a_label_holds_it_is_one_cell(label: str, judge: str) -> None:
    changed = renamed(SINGLE, [(MODEL, label), (JUDGE, judge)])
    first, second = rows(changed)
    assert (first["model"], first["judge"]) == (label, "")
    assert (second["model"], second["judge"]) == (label, judge)
    assert first["signature"] == changed.signature
    assert float(second["best_mean"]) == 2


def test_cells_are_not_escaped_for_spreadsheets() -> None:
    assert rows(renamed(SINGLE, [(MODEL, "=1+1")]))[0]["model"] == "=1+1"


@pytest.mark.parametrize("output_format", ["markdown", "latex", "csv", "json"])
def test_text_that_no_file_can_hold_is_replaced(output_format: str) -> None:
    text = export([renamed(TWO, [(MODEL, "mo\udcffdel")])], output_format)
    assert text.encode("utf-8")


@pytest.mark.parametrize("output_format", ["markdown", "latex", "csv", "json"])
@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_figures_that_are_not_there_are_missing(report: Any, output_format: str) -> None:
    text = export([without_figures(report)], output_format)
    assert "None" not in text
    assert "nan" not in text.lower()


def test_a_model_without_best_mean_alone_has_the_rest_of_its_figures() -> None:
    model = TWO.models[MODEL]
    score = replace(model.score, best_mean=NO_ESTIMATE, best_at=(), bounds=None)
    without_best_mean = replace(TWO, models={MODEL: replace(model, score=score)}, pairs=[])
    [row] = [row for row in rows(without_best_mean) if (row["model"], row["judge"]) == (MODEL, "")]
    assert (row["best_mean"], row["best_of_8"], row["mean"]) == ("", "", "1.5")
    for output_format in ("markdown", "latex"):
        assert "1.50" in export([without_best_mean], output_format)


def test_the_signature_holds_how_intervals_were_made() -> None:
    assert f"bootstrap:{RESAMPLES},seed=" in rows(SINGLE)[0]["signature"]
