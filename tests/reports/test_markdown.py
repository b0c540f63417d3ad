"""Results as Markdown: complete, and without markup in foreign texts."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from jasco.errors import one_line
from jasco.protocol.failure_reasons import Reason
from jasco.protocol.verdicts import Orientation
from jasco.reports.comparison import summarise_report
from jasco.reports.markdown import cell, code, prose, to_markdown
from jasco.runs.results import Answers
from made_results import JUDGE, MODEL, OTHER, judged, renamed, results, without_figures

DATA = "two"
REPORT = summarise_report(
    [
        results(
            MODEL,
            judged(),
            judged(1),
            answers=Answers(16, 16, 3, runtime=[{"device": "cpu"}]),
        ),
        results(
            OTHER,
            judged(1, missing=4),
            judged(2, Orientation.AUDIO),
            answers=Answers(16, 12, reasons=[Reason("timeout", "late", 4, 4)]),
            facts={"reasons": [Reason("server", "down", 2, 2)]},
        ),
    ]
)
SINGLE = summarise_report([results(MODEL, judged())])
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables, as rows of cells of text."""
    rows_of_tables: list[list[list[str]]] = []
    for token in READER.parse(text):
        if token.type == "table_open":
            rows_of_tables.append([])
        elif token.type == "tr_open":
            rows_of_tables[-1].append([])
        elif token.type == "inline" and token.level > 3:
            rows_of_tables[-1][-1].append(visible_text(token))
    return rows_of_tables


def visible_text(token: Token) -> str:
    """Return the visible text."""
    return "".join(
        child.content for child in token.children or () if child.type in ("text", "code_inline")
    )


def structure(text: str) -> list[tuple[str, str]]:
    return [(token.type, token.tag) for token in READER.parse(text)]


def inline_texts(text: str) -> list[str]:
    return [visible_text(token) for token in READER.parse(text) if token.type == "inline"]


def test_a_single_model_by_a_single_judge() -> None:
    text = to_markdown(SINGLE)
    headline, curve, prompts, published = tables(text)
    assert headline == [
        [
            "model / judge", "best-mean [95%]", "mean", "audio", "both", "speech", "neither",
            "unreadable", "coverage",
        ],
        [
            f"{MODEL} by {JUDGE}", "2.00", "2.00", "0.0%", "100.0%", "0.0%", "0.0%",
            "0.0%", "100.0%",
        ],
    ]  # fmt: skip
    assert curve == [["model", *"12345678"], [MODEL, *["2.00"] * 8]]
    assert prompts[1] == [MODEL, *["2.00"] * 8, "0.00"]
    assert published[1] == ["WavLLM-7B", "0.31", "12.0%", "11.0%", "77.0%"]
    assert text.startswith("## JASCO on two: 2 clips, 16 items, protocol v2\n\n| model ")
    assert "comparable" in text
    assert text.endswith(f"\n\nSignature: `{SINGLE.signature}`\n")
    assert "INCOMPLETE" not in text


def test_several_models_by_a_panel() -> None:
    headline, curve, _, agreement, differences, _ = tables(to_markdown(REPORT))
    judge_names = [f"by {JUDGE}", f"by {JUDGE}1"]
    assert [row[0] for row in headline] == [
        "model / judge",
        MODEL,
        *judge_names,
        OTHER,
        *judge_names,
    ]
    assert headline[0][2] == "bounds"
    assert [row[2] for row in headline[1:]] == [
        "",
        "",
        "",
        "[0.50, 0.75]",
        "[1.00, 1.50]",
        "",
    ]
    assert curve[2] == [OTHER, *["–"] * 8]
    assert agreement[0][0] == "answers of"
    assert [row[0] for row in agreement[1:]] == [MODEL, OTHER]
    assert differences[1][0] == f"{MODEL} minus {OTHER}"
    assert differences[0][:4] == ["difference", "clips", "best-mean [95%]", "bounds"]
    # The other model's first judge lacks 4 items: the best score of that clip is 1 or 2.
    assert differences[1][1:4] == ["2 (12 of 16 items)", "+1.00", "[0.75, 1.00]"]


def test_intervals_are_in_brackets() -> None:
    report = summarise_report(
        [results(MODEL, judged(clips=12)), results(OTHER, judged(1, clips=12))]
    )
    headline, _, prompts, differences, _ = tables(to_markdown(report))
    assert re.fullmatch(r"2.00 \[1.\d\d, 2.00\]", headline[1][1])
    assert re.fullmatch(r"0.00 \[-0.\d\d, 0.\d\d\]", prompts[1][-1])
    assert differences[1][1] == "12"
    assert re.fullmatch(r"\+1.00 \[\+0.\d\d, \+1.\d\d\]", differences[1][2])
    assert differences[1][3:6] == ["< 0.001", "< 0.001", "–"]


def test_what_is_missing_and_in_doubt_is_noted_once() -> None:
    lines = inline_texts(to_markdown(REPORT))
    for line in (
        f"{JUDGE}: judge not examined; run: jasco exam JUDGE --data DATA",
        f"{MODEL}: 3 answers were cut off at the maximum length",
        f"{MODEL}: computed with device cpu",
        f"{OTHER}: 4 of 16 items not answered (4 timeouts)",
        f"{JUDGE}: 2 verdicts failed (2 server errors)",
    ):
        assert lines.count(line) == 1
    assert any(line.startswith(f"{OTHER}: INCOMPLETE") for line in lines)
    assert any("do not include variation between judges" in line for line in lines)


def test_findings_and_cautions_are_lists() -> None:
    text = to_markdown(REPORT)
    found, cautions = (
        text.partition(f"### {heading}\n\n")[2].partition("\n\n")[0].splitlines()
        for heading in ("Findings", "Cautions")
    )
    assert len(found) > 2
    assert len(cautions) > 2
    assert all(line.startswith("- ") for line in [*found, *cautions])
    assert "INCOMPLETE" not in "".join(found)
    assert text.count("INCOMPLETE") == 1


def test_proxy_figures_are_labelled_at_the_name_and_in_a_note() -> None:
    text = to_markdown(summarise_report([results(MODEL, judged(), facts={"proxy": True})]))
    assert tables(text)[0][1][0] == f"{MODEL} by {JUDGE} (proxy)"
    assert f"{MODEL}: PROXY figures." in text


def test_models_that_are_not_compared_are_named_with_the_reason() -> None:
    text = to_markdown(summarise_report([results(MODEL, judged()), results(OTHER)]))
    assert "### Paired differences" not in text
    line = f"{MODEL} and {OTHER} are not compared: {OTHER}: not judged yet"
    assert line in inline_texts(text)


def test_a_protocol_without_published_results_shows_none() -> None:
    text = to_markdown(summarise_report([results(MODEL, judged(), protocol="unknown")]))
    assert "### Published" not in text


def test_a_judged_file_is_not_called_its_own_judge() -> None:
    text = to_markdown(renamed(SINGLE, [(JUDGE, MODEL)]))
    assert tables(text)[0][1][0] == MODEL


def test_figures_that_are_not_there_are_dashes() -> None:
    headline, *_ = tables(to_markdown(without_figures(SINGLE)))
    assert headline[1][0] == f"{MODEL} by {JUDGE}"
    assert set(headline[1][1:]) == {"–"}


AWKWARD = st.text(st.sampled_from(list("|`*_[]()<>~&#$@!\\{}-+=.:/ \n\tab1")), min_size=1)
LABELS = st.text(min_size=1) | AWKWARD
PLAIN_STRUCTURE = structure(to_markdown(REPORT))


@given(LABELS, LABELS, LABELS)
@example("a|b", "| --- |\n\n# x", "``x`` | <img src=x onerror=alert(1)>")
@example("a\\|b\\", "`", "[x](http://evil)")
@example("- x", "1. x", "www.evil.org @you a@b.cd https://evil")
def test_whatever_names_hold_the_shape_stays_and_nothing_is_markup(
    model: str, judge: str, data: str
) -> None:
    text = to_markdown(renamed(REPORT, [(MODEL, model), (JUDGE, judge), (DATA, data)]))
    assert structure(text) == PLAIN_STRUCTURE
    for token in READER.parse(text):
        for child in token.children or ():
            assert child.type in ("text", "code_inline", "html_inline", "em_open", "em_close")
            if child.type == "html_inline":
                assert child.content in ("<code>", "</code>", "<!-- -->")
            if child.type == "em_open":
                assert token.content == "Best of *k* instructions"


@given(LABELS.map(one_line).filter(bool))
def test_what_is_written_is_what_is_read(line: str) -> None:
    for text in (prose(line), code(line), f"| a |\n| - |\n| {cell(line)} |"):
        assert inline_texts(text)[-1] == line


def test_the_signature_with_all_its_bars_is_one_code_span() -> None:
    [*_, last] = READER.parse(to_markdown(REPORT))[:-1]
    assert [child.type for child in last.children or ()] == ["text", "code_inline"]
    assert (last.children or ())[1].content == REPORT.signature


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf/Qwen/Qwen2-Audio-7B,seed=1", "hf/Qwen/Qwen2-Audio-7B,seed=1"),
        ("a_b", r"a\_b"),
        ("1. x", r"1\. x"),
        ("see https://x.org", r"see https\://x.org"),
    ],
)
def test_plain_text_stays_readable(text: str, expected: Any) -> None:
    assert prose(text) == expected
