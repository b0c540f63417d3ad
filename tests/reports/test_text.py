"""Results as tables in the terminal."""

import re
from collections.abc import Callable
from typing import Any

import pytest

import made_results
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.failure_reasons import Reason
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.comparison import summarise_report
from jasco.reports.report import Report, summarise
from jasco.reports.text import render, render_comparison
from jasco.runs.results import Answers, Data, JudgeFacts, Results
from matrices import repeated_matrix

DATA = Data("two", "a" * 64, None, 2, 16)


Judged = tuple[VerdictMatrix, JudgeFacts]


def judged(matrix: VerdictMatrix, **facts: Any) -> Judged:
    return matrix, JudgeFacts(**facts)


def render_judges(*judges: Judged, answers: Answers | None = None) -> str:
    return render(summarise([results(*judges, answers=answers)]))


def results(*judges: Judged, answers: Answers | None = None, protocol: str = "v2") -> Results:
    return Results(
        "openai/m",
        DATA,
        protocol,
        answers or Answers(16, 16),
        {f"openai/judge-{n}": facts for n, (_, facts) in enumerate(judges)},
        matrices={f"openai/judge-{n}": matrix for n, (matrix, _) in enumerate(judges)},
    )


COMPLETE = repeated_matrix(Verdict(2, Orientation.BOTH))


def row(text: str, name: str) -> list[str]:
    lines = [line.replace("  by ", "").split() for line in text.splitlines()]
    return next(cells[1:] for cells in lines if cells[:1] == [name])


def test_a_complete_run_has_its_figures_and_no_bounds() -> None:
    text = render_judges(judged(COMPLETE))
    assert "two: 2 clips, 16 items, protocol v2" in text
    assert row(text, "openai/m")[:4] == ["2.00", "2.00", "0.0%", "100.0%"]  # no bounds
    assert "INCOMPLETE" not in text
    assert "signature: jasco:" in text


def test_an_incomplete_run_shows_its_bounds() -> None:
    text = render_judges(
        judged(
            repeated_matrix(Verdict(1, Orientation.BOTH), cells=8),
            reasons=[Reason("server", "down", 8, 8)],
        )
    )
    assert "[1.00, 1.50]" not in text
    assert "[0.50, 1.50]" in text
    assert "openai/m: INCOMPLETE" in text
    assert "openai/judge-0: 8 verdicts failed (8 server errors)" in text


def test_unreadable_verdicts_make_it_incomplete_too() -> None:
    text = render_judges(judged(repeated_matrix(Verdict(None, None))))
    assert "INCOMPLETE" in text
    assert "[0.00, 2.00]" in text
    assert "–" in text
    assert "nan" not in text.lower()
    assert "None" not in text


def test_a_panel_has_a_row_for_itself_and_one_a_judge() -> None:
    text = render_judges(judged(COMPLETE), judged(repeated_matrix(Verdict(1, Orientation.BOTH))))
    assert row(text, "openai/m")[0] == "1.50"
    assert row(text, "openai/judge-0")[0] == "2.00"
    assert row(text, "openai/judge-1")[0] == "1.00"


def test_items_without_an_answer_are_counted_by_kind() -> None:
    failed = [Reason("timeout", "late", 4, 4), Reason("error", "?", 1, 1)]
    text = render_judges(judged(COMPLETE), answers=Answers(16, 11, 2, 3, reasons=failed))
    assert "5 of 16 items not answered (1 error, 4 timeouts)" in text
    assert "2 answers were cut off" in text
    assert "converted to 16 kHz mono PCM16: 3 clips" in text
    assert "INCOMPLETE" in text


def test_cut_audio_and_the_runtime_are_shown() -> None:
    runtime = [{"device": "cpu", "torch": "2.13"}, {"device": "cuda:0\n\x1b[2J"}]
    answers = Answers(16, 16, max_audio_seconds=30.0, cut_clips=2, runtime=runtime)
    text = render_judges(judged(COMPLETE), answers=answers)
    assert "openai/m: 2 clips were cut off at the 30 s" in text
    assert "openai/m: computed with device cpu, torch 2.13\n" in text
    assert "openai/m: computed with device cuda:0 ?[2J\n" in text


def test_clipped_and_odd_audio_is_shown() -> None:
    answers = Answers(
        16, 16, clipped={"3": 5, "a\n7": 12}, audio_warnings={"silence only": ["1", "2"]}
    )
    text = render_judges(judged(COMPLETE), answers=answers)
    assert "openai/m: clipped samples: 2 clips (most: clip a 7, 12 samples)\n" in text
    assert "openai/m: silence only: 2 clips (1, 2)\n" in text
    for answers in (Answers(16, 16, clipped={}), Answers(16, 16)):
        assert "clipped" not in render_judges(judged(COMPLETE), answers=answers)


def test_a_model_without_a_judge_is_not_judged_yet() -> None:
    assert "openai/m: not judged yet" in render_judges()


def test_proxy_figures_are_labelled_at_the_name_and_in_a_note() -> None:
    text = render_judges(judged(COMPLETE, proxy=True))
    assert "by openai/judge-0 (proxy)" in text
    assert "openai/m: PROXY figures." in text
    assert "judges:openai/judge-0(proxy)" in text
    assert "proxy" not in render_judges(judged(COMPLETE)).lower()


def test_a_proxy_is_labelled_and_not_averaged_with_a_judge() -> None:
    text = render_judges(judged(COMPLETE), judged(COMPLETE, proxy=True))
    assert row(text, "openai/m")[0] == "–"
    assert "openai/judge-1: PROXY figures." in text
    assert "openai/judge-1 (proxy)" in text
    assert "openai/judge-0 (proxy)" not in text


def test_the_published_results_are_shown_on_demand() -> None:
    complete = [results(judged(COMPLETE), protocol="v1")]
    text = render(summarise(complete, published=True))
    assert row(text, "SALMONN-7B") == ["1.21", "27.0%", "48.0%", "25.0%"]
    assert "comparable" in text
    assert "SALMONN-7B" not in render(summarise(complete))


def test_verdicts_that_were_cut_off_come_with_the_remedy() -> None:
    text = render_judges(judged(repeated_matrix(Verdict(None, None)), cut_off=7))
    assert "openai/judge-0: 7 unreadable verdicts cut off" in text
    assert "max_tokens" in text


def test_a_figure_has_its_interval_and_its_details() -> None:
    matrix = repeated_matrix(Verdict(0, Orientation.AUDIO), cells=96, clips=12)
    for clip in range(6):
        for number in range(1, 9):
            matrix.enter(clip, number, Verdict(2, Orientation.BOTH))
    text = render_judges(judged(matrix), judged(matrix))
    assert re.search(r"1.00 \[0.\d\d, 1.\d\d\]", text)
    assert "best of 1 to 8 instructions: 1.00 1.00" in text
    assert "minus those that name the speech first: 0.00" in text
    assert "agreement between judges (Krippendorff's alpha): rating 1.00" in text
    assert "do not include variation between judges" in text
    assert text.count(": judge not examined; run: jasco exam JUDGE") == 2


def render_participant(cells: int) -> str:
    matrix = VerdictMatrix.none_yet(2, single_prompt=True)
    for clip in range(cells):
        matrix.enter(clip, 3, Verdict(2 * clip, Orientation.BOTH))
    identity = {"provider": "human", "name": "Anna"}
    return render(
        summarise(
            [
                Results(
                    "human/Anna", Data("two", "a" * 64, None, 2, 2), "v2", Answers(2, cells),
                    {"openai/j": JudgeFacts()}, matrices={"openai/j": matrix}, identity=identity,
                )
            ]
        )
    )  # fmt: skip


def test_the_best_mean_of_a_participant_is_a_dash() -> None:
    text = render_participant(2)
    assert "two: 2 clips, 2 items" in text
    assert "bounds" not in text
    assert row(text, "human/Anna")[:2] == ["–", "1.00"]
    assert "human/Anna: one instruction per clip" in text
    assert "no best-mean" in text
    assert "mean (best of 1) 1.00\n" in text
    assert "instructions:" not in text
    assert "None" not in text


def test_what_a_participant_has_not_answered_is_bounded_in_a_note() -> None:
    text = render_participant(1)
    assert "human/Anna: 1 of 2 items not answered" in text
    assert "human/Anna: INCOMPLETE" in text
    assert "The mean is computed over the clips" in text
    assert "[0.00, 1.00]" in text


LONG = "openai/a-model-with-a-very-long-name-2025,max_tokens=2000,label=second"


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section by its heading; the table's have the first heading."""
    names = ["In words", "Cautions", "Details"]
    found: dict[str, list[str]] = {}
    lines = found.setdefault("table", [])
    for line in text.splitlines():
        if line in names:
            lines = found.setdefault(line, [])
        else:
            lines.append(line)
    return found


def incomplete_report() -> Report:
    missing = made_results.judged(1, missing=6, clips=12)
    complete = made_results.judged(0, Orientation.SPEECH, clips=12)
    return summarise_report([made_results.results(name, missing, complete) for name in (LONG, "b")])


def test_findings_and_cautions_come_before_the_details() -> None:
    text = render_judges(judged(COMPLETE, proxy=True))
    found = sections(text)
    assert list(found) == ["table", "In words", "Cautions", "Details"]
    assert any("PROXY" in line for line in found["Cautions"])
    assert not any("PROXY" in line for line in found["Details"])
    assert found["In words"][0].startswith("- openai/m: on 2 clips")


@pytest.mark.parametrize("write", [render, render_comparison])
def test_the_table_and_the_findings_fit_into_80_columns(write: Callable[[Report], str]) -> None:
    found = sections(write(incomplete_report()))
    for name in ("table", "In words"):
        assert max(map(len, found[name])) <= 80
    # Each figure of the table is there, in a second table if need be.
    table = "\n".join(found["table"])
    headings = {render: ("bounds", "coverage"), render_comparison: ("bounds", "detectable")}[write]
    assert all(heading in table for heading in ("best-mean [95%]", "speech", *headings))


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_the_details_are_wrapped_in_a_terminal_only(width: int) -> None:
    report = incomplete_report()
    details, wrapped = (sections(render(report, size))["Details"] for size in (None, width))
    joined = " ".join("\n".join(wrapped).split())
    for line in details:
        assert " ".join(line.split()) in joined
    assert max(len(line) for line in wrapped if "|" not in line and LONG not in line) <= width


def test_an_interval_is_in_one_line() -> None:
    for line in render(incomplete_report(), 50).splitlines():
        assert line.count("[") == line.count("]")


def test_columns_about_missing_verdicts_are_shown_if_there_are_any() -> None:
    complete = render_judges(judged(COMPLETE))
    [header, *_] = [line for line in complete.splitlines() if line.startswith("model / judge")]
    assert header.split()[3:] == ["best-mean", "[95%]", "mean", "audio", "both", "speech"]
    assert "Coverage is 100%" in complete
    incomplete = render_judges(judged(repeated_matrix(Verdict(None, None), cells=3)))
    assert "unreadable" in incomplete
    assert "Coverage is 100%" not in incomplete
    assert "coverage" in " ".join(sections(incomplete)["table"])


def test_answers_that_name_no_action_are_in_the_findings() -> None:
    text = render_judges(judged(repeated_matrix(Verdict(0, Orientation.NEITHER))))
    assert "no answer names an action" in " ".join(sections(text)["In words"])


def test_failures_and_pairs_that_are_not_compared_are_cautions() -> None:
    failed = [Reason("timeout", "late", 4, 4)]
    text = render_judges(judged(COMPLETE), answers=Answers(16, 12, reasons=failed))
    cautions = " ".join(sections(text)["Cautions"])
    assert "4 of 16 items not answered (4 timeouts)" in cautions
    assert '4 timeouts, such as: "late"' in cautions
