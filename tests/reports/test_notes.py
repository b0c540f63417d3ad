"""Notes below tables, in every output: reasons of failures, attribution without the cue."""

import json
from pathlib import Path
from typing import Any

import pytest

from command import Jasco
from jasco.data.dataset import read_data_set
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.reliance import Attribution
from jasco.protocol.failure_reasons import Reason
from jasco.protocol.responses import Failure
from jasco.reports.comparison import summarise_report
from jasco.reports.exports import export
from jasco.reports.html_table import differences_html, scores_html
from jasco.reports.notes import NoteKind, attribution_text, note_lines
from jasco.reports.report import Report
from jasco.reports.text import render, render_comparison
from jasco.runs.read_run import results_of_run
from jasco.runs.results import Answers
from made_results import JUDGE, MODEL, OTHER, judged, results
from runs import verdict, write_run
from synthetic import make_data

HOSTILE = 'HTTP 400: <script>alert(1)</script>\n| *x* \\input{y} "q"'
NO_AUDIO = Reason("rejected", "HTTP 400: model takes no audio", 3, 4, 4)


def report(reason: Reason = NO_AUDIO) -> Report:
    first = results(
        MODEL,
        judged(missing=4),
        answers=Answers(16, 12, reasons=[reason]),
        facts={"reasons": [Reason("server", "HTTP 500: down", 1, 1)]},
        reasons_without_verdict={"openai/none": [Reason("rejected", "HTTP 401: key", 9, 9, 9)]},
    )
    return summarise_report([first, results(OTHER, judged(1))])


@pytest.mark.parametrize("output", ["terminal", "comparison", "markdown", "latex", "json"])
def test_every_output_quotes_them(output: str) -> None:
    summary = report()
    text = {"terminal": render, "comparison": render_comparison}.get(
        output, lambda value: export([value], output)
    )(summary)
    for message in ("model takes no audio", "HTTP 500: down", "HTTP 401: key"):
        assert message in text


def test_they_are_fields_of_the_json() -> None:
    model = report().to_json()["models"][MODEL]
    assert model["answers"]["reasons"] == [
        {"kind": "rejected", "message": NO_AUDIO.message, "count": 3, "of": 4, "final": 4}
    ]
    assert model["judges"][JUDGE]["reasons"][0]["message"] == "HTTP 500: down"
    assert model["judges_without_verdict"] == {"openai/none": {"rejected": 9}}
    assert model["judges_without_verdict_reasons"]["openai/none"][0]["final"] == 9


def test_a_message_from_outside_is_one_line_of_text_everywhere() -> None:
    summary = report(Reason("rejected", HOSTILE, 4, 4))
    for text in (render(summary), render_comparison(summary), export([summary], "markdown")):
        [line] = [line for line in text.splitlines() if "alert(1)" in line.replace("\\", "")]
        assert "input" in line
    assert r"\<script\>" in export([summary], "markdown")
    body = export([summary], "latex").partition(r"\begin{table}")[2]
    assert "alert(1)" in body
    assert r"\input" not in body


def test_a_long_message_is_cut_where_it_is_printed_only() -> None:
    message = "x" * 5000
    summary = report(Reason("error", message, 4, 4))
    assert max(map(len, render(summary).splitlines())) < 1000
    assert json.loads(export([summary], "json"))["models"][MODEL]["answers"]["reasons"][0][
        "message"
    ] == message  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = make_data(tmp_path / "data", clips=3)

    def answer(clip: int, prompt: int) -> Any:
        if clip:
            return "They flee."
        return Failure("rejected", f"HTTP 400: <b>no</b> audio (request {prompt})", final=True)

    return write_run(
        tmp_path / "run",
        read_data_set(folder),
        answer,
        {
            "well": lambda *_: verdict(2, "Both"),
            "some": lambda clip, _: verdict(2, "Both") if clip == 1 else Failure("server", "down"),
            "none": lambda *_: Failure("error", "quota is used up"),
        },
    )


def test_they_are_read_from_the_run(run: Path) -> None:
    run_results = results_of_run(run)
    [rejected] = run_results.answers.reasons
    assert (rejected.kind, rejected.count, rejected.of, rejected.final) == ("rejected", 8, 8, 8)
    assert rejected.message == "HTTP 400: <b>no</b> audio (request 1)"
    assert run_results.judges["openai/some"].reasons == (Reason("server", "down", 8, 8),)
    assert run_results.judges["openai/well"].reasons == ()
    assert run_results.reasons_without_verdict == {
        "openai/none": (Reason("error", "quota is used up", 16, 16),)
    }
    assert run_results.judged_by(["openai/well"]).reasons_without_verdict == {}


def test_the_commands_print_them(run: Path, jasco: Jasco) -> None:
    table = jasco("score", run).stdout
    for message in ("<b>no</b> audio", '"down"', '"quota is used up"'):
        assert message in table
    [model] = json.loads(jasco("score", run, "--json").stdout)["models"].values()
    assert model["judges"]["openai/some"]["reasons"][0]["of"] == 8


def test_the_page_quotes_them_as_text(run: Path, tmp_path: Path, jasco: Jasco) -> None:
    pytest.importorskip("jinja2")
    page = tmp_path / "page.html"
    result = jasco("report", run, "-o", page)
    assert result.status == 0, result.stderr
    text = page.read_text("utf-8")
    assert "&lt;b&gt;no&lt;/b&gt; audio" in text
    assert "<b>no</b>" not in text
    assert "quota is used up" in text


ATTRIBUTION = Attribution(Estimate(0.2, 0.1, 0.3), Estimate(0.38, 0.25, 0.5), 210, 200, 384, 368)


@pytest.mark.parametrize(
    "write",
    [
        render,
        render_comparison,
        scores_html,
        differences_html,
        lambda summary: export([summary], "markdown"),
        lambda summary: export([summary], "latex"),
    ],
)
def test_attribution_without_the_cue_is_below_every_table_of_its_judge(write: Any) -> None:
    measured = results(MODEL, judged(), attribution={JUDGE: ATTRIBUTION})
    text = write(summarise_report([measured, results(OTHER, judged(1))])).replace("\\", "")
    assert f"{JUDGE}, on {MODEL}: labels 38.0% " in text
    assert f"{JUDGE}, on {OTHER}: labels" not in text
    assert "labels" not in write(report())


def test_attribution_without_the_cue_is_one_line_for_each_judge() -> None:
    measured = results(MODEL, judged(), judged(1), attribution={JUDGE: ATTRIBUTION})
    summary = summarise_report([measured])
    assert note_lines(summary, [NoteKind.ATTRIBUTION]) == [
        (
            f"{JUDGE}: labels 38.0% [25.0, 50.0] of 200 answers given without the speech as "
            "Speech-Oriented or Both, and 20.0% [10.0, 30.0] of 210 answers given without the "
            "sound as Audio-Oriented or Both, not counting answers labelled Neither; see: jasco "
            "reliance"
        )
    ]
    judges = summary.to_json()["models"][MODEL]["judges"]
    assert judges[JUDGE]["attribution_without_cue"] == {
        "sound": 0.2,
        "sound_ci": [0.1, 0.3],
        "speech": 0.38,
        "speech_ci": [0.25, 0.5],
        "sound_answers": 210,
        "speech_answers": 200,
        "sound_judged": 384,
        "speech_judged": 368,
    }
    assert judges[f"{JUDGE}1"]["attribution_without_cue"] is None


def test_attribution_that_was_not_measured_is_not_printed() -> None:
    assert not attribution_text(None)
    assert not attribution_text(Attribution())
    assert "sound" not in attribution_text(Attribution(speech=Estimate(1.0), speech_answers=1))
