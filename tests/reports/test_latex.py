"""Results as LaTeX tables, in which no name is a macro."""

import re
import string
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jasco.data.known_issues import KnownIssue
from jasco.errors import one_line
from jasco.metrics.agreement import Agreement
from jasco.metrics.bootstrap import Estimate
from jasco.protocol.failure_reasons import Reason
from jasco.protocol.verdicts import Orientation
from jasco.reports.comparison import summarise_report
from jasco.reports.latex import escaped, to_latex
from jasco.reports.notes import BASIS, note_lines
from jasco.runs.results import Answers
from made_results import JUDGE, MODEL, OTHER, judged, renamed, results, without_figures

DATA = "two"
PAIR = [results(MODEL, judged()), results(OTHER, judged(1))]
REPORT = summarise_report(
    [
        *PAIR,
        results(
            "openai/third",
            judged(2, Orientation.SPEECH, missing=4),
            answers=Answers(16, 12, reasons=[Reason("timeout", "late", 4, 4)]),
        ),
    ]
)


def table_rows(report: Any, label: str = "tab:jasco") -> list[list[str]]:
    """Return the rows of a table, with its header."""
    [body] = re.findall(
        rf"\\label{{{label}}}.*?\\toprule\n(.*?)\\bottomrule", to_latex(report), re.DOTALL
    )
    assert body.splitlines()[1] == r"\midrule"
    rows = [line for line in body.splitlines() if line != r"\midrule"]
    return [[cell.strip() for cell in row.removesuffix(r"\\").split(" & ")] for row in rows]


def caption(report: Any, label: str = "tab:jasco") -> str:
    [text] = re.findall(rf"\\caption{{(.*)}}\n\\label{{{label}}}", to_latex(report))
    return text


def test_a_single_model_has_two_tables() -> None:
    report = summarise_report([results(MODEL, judged())])
    text = to_latex(report)
    comments = text.partition(r"\begin{table}")[0].splitlines()
    assert comments[0] == f"% jasco signature: {report.signature}"
    assert r"\usepackage{booktabs}" in comments[1]
    assert re.findall(r"\\label{(.*)}", text) == ["tab:jasco", "tab:jasco-best-of-k"]
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    assert table_rows(report) == [
        [
            "Model",
            r"Best-mean {[}95\%{]}",
            "Mean",
            "Audio",
            "Both",
            "Speech",
            "Neither",
            "Coverage",
        ],
        [MODEL, "2.00", "2.00", r"0.0\%", r"100.0\%", r"0.0\%", r"0.0\%", r"100.0\%"],
    ]
    assert table_rows(report, "tab:jasco-best-of-k") == [
        ["Model", *"12345678"],
        [MODEL, *["2.00"] * 8],
    ]


def test_a_caption_holds_how_the_figures_were_made() -> None:
    text = caption(REPORT)
    assert text.startswith(f"JASCO on two: 2 clips, 16 items, protocol v2. Judges: {JUDGE}. ")
    assert "Best-mean: " in text
    assert "Intervals: 95%, bootstrap" in text.replace("\\%", "%")
    assert "10,000 resamples" in text
    for label in ("tab:jasco-differences", "tab:jasco-best-of-k"):
        assert f"protocol v2. Judges: {JUDGE}. " in caption(REPORT, label)


def test_the_best_of_the_complete_models_is_bold() -> None:
    rows = table_rows(REPORT)[1:]
    assert rows[0][:2] == [MODEL, r"\textbf{2.00}"]
    assert rows[1][:2] == [OTHER, "1.00"]
    best = results("openai/third", judged(2, missing=1), answers=Answers(16, 15))
    incomplete = table_rows(summarise_report([results(MODEL, judged(1)), PAIR[1], best]))[1:]
    assert [r"\textbf" in row[1] for row in incomplete] == [
        True,
        True,
        False,
    ]  # two equal models, and an incomplete one


def test_nothing_is_bold_where_there_is_nothing_to_be_better_than() -> None:
    other_judge = results(OTHER, judged(), facts={"identity": {"name": "x", "revision": "2"}})
    same_judge = results(MODEL, judged(1), facts={"identity": {"name": "x", "revision": "1"}})
    incomplete = results(OTHER, judged(missing=1))
    for others in ([], [results(OTHER)], [incomplete], [other_judge]):
        assert r"\textbf" not in to_latex(summarise_report([same_judge, *others]))


def test_an_incomplete_model_has_a_dagger_and_its_bounds() -> None:
    assert table_rows(REPORT)[-1][:2] == [r"openai/third\dag{}", "0.00"]
    assert r"openai/third: INCOMPLETE: coverage 75.0\%" in caption(REPORT)
    assert "{[}0.00, 1.00{]}" in caption(REPORT)
    assert "% openai/third: 4 of 16 items not answered (4 timeouts)\n" in to_latex(REPORT)


def test_differences_are_paired_signed_and_corrected() -> None:
    report = summarise_report(PAIR)
    [[first, *cells]] = table_rows(report, "tab:jasco-differences")[1:]
    assert first == f"{MODEL} minus {OTHER}"
    # Two clips are too few for an interval and p; equal ones leave no detectable difference.
    assert cells[:6] == ["2", "+1.00", *[DASH] * 3, "+1.00"]
    text = caption(report, "tab:jasco-differences")
    assert "sign-flip permutation test" in text
    assert "No p is given for fewer than 10 clips" in text
    assert "tab:jasco-differences" not in to_latex(summarise_report(PAIR[:1]))


def test_intervals_are_in_brackets() -> None:
    report = summarise_report(
        [results(MODEL, judged(clips=12)), results(OTHER, judged(1, clips=12))]
    )
    [headline, _] = table_rows(report)[1:]
    assert re.fullmatch(r"\\textbf{2.00} {\[}1.\d\d, 2.00{\]}", headline[1])
    [[_, clips, best_mean, p, p_holm, least, *_]] = table_rows(report, "tab:jasco-differences")[1:]
    assert re.fullmatch(r"\+1.00 {\[}\+0.\d\d, \+1.\d\d{\]}", best_mean)
    assert (clips, p, p_holm, least) == ("12", *[r"\ensuremath{<} 0.001"] * 2, DASH)
    assert "No p is given" not in caption(report, "tab:jasco-differences")


def test_differences_with_missing_verdicts_say_what_was_compared_and_their_bounds() -> None:
    incomplete = results(OTHER, judged(1, missing=12, clips=12), answers=Answers(96, 96))
    report = summarise_report([results(MODEL, judged(clips=12)), incomplete])
    header, [_, clips, _, bounds, *_] = table_rows(report, "tab:jasco-differences")
    assert header[3] == "Bounds"
    # One clip has no verdicts, another one half of them: 0 or 2, and 1 or 2.
    assert clips == "11 of 12 (84 of 96 items)"
    assert bounds == f"{{[}}{1 - 2 / 12:.2f}, {1 + 1 / 12:.2f}{{]}}"
    assert "over the common instructions" in caption(report, "tab:jasco-differences")


def test_judges_are_named_model_by_model_where_they_differ() -> None:
    report = summarise_report([PAIR[0], results(OTHER, judged(), judged()), results("openai/c")])
    assert f"Judges: {JUDGE} ({MODEL}); {JUDGE}, {JUDGE}1 ({OTHER}); none (openai/c)." in caption(
        report
    )
    assert f"% {MODEL} and {OTHER} are not compared: they differ in judges" in to_latex(report)
    files = summarise_report([results(MODEL, judged(), protocol="unknown")])
    assert "unknown, because judged files do not name them" in caption(files)


def test_proxy_figures_are_labelled_at_the_name_and_in_the_caption() -> None:
    report = summarise_report([results(MODEL, judged(), facts={"proxy": True})])
    assert table_rows(report)[1][0] == f"{MODEL} (proxy)"
    assert "PROXY figures" in caption(report)


def notes(report: Any) -> list[str]:
    """Return the notes below the headline's figures."""
    [text] = re.findall(
        r"\\begin{minipage}{\\linewidth}\\footnotesize\n(.*?)\n\\end{minipage}",
        to_latex(report), re.DOTALL,
    )  # fmt: skip
    return [line.strip().removesuffix(r"\par") for line in text.splitlines()]


EXAM = {
    "complete": True,
    "data": {"name": "mini_1"},
    "known_answers": {"accuracy": 0.9, "accuracy_ci": [0.8, 1.0]},
    "canaries": {"false_credit_rate": 0.05, "false_credit_rate_ci": None},
    "labelled": None,
    "unreadable_rate": 0.0,
}
SELF_AGREEMENT = Agreement(Estimate(0.5), Estimate(0.25, 0.0, 0.5), ())
ISSUES = (KnownIssue("20", "odd"), KnownIssue("33", "misspelt"))


def test_what_the_figures_rest_on_is_below_them_as_in_the_other_outputs() -> None:
    report = summarise_report(
        [
            results(
                MODEL, judged(), judged(), facts={"exam": EXAM, "self_agreement": SELF_AGREEMENT}
            ),
            results(
                OTHER, judged(), judged(), facts={"exam": EXAM, "self_agreement": SELF_AGREEMENT}
            ),
        ]
    )
    model = report.models[OTHER]
    score = replace(model.score, best_mean=Estimate(1.25, 1.0, 1.5))
    # These replace the cached properties.
    vars(model.results).update(known_issues=ISSUES, without_known_issues=score)
    assert notes(report) == [escaped(f"{line}.") for line in note_lines(report, BASIS)]
    exam = r"exam on mini\_1: known answers 90.0\% {[}80.0, 100.0{]} correct; canaries given credit"
    alphas = "rating 0.50, orientation 0.25 {[}0.00, 0.50{]}."
    self_agreement = f"self-agreement (Krippendorff's alpha): {alphas}"
    for judge in (JUDGE, f"{JUDGE}1"):
        assert sum(line.startswith(f"{judge}: {exam}") for line in notes(report)) == 1
        assert f"{judge}: {self_agreement}" in notes(report)
    assert notes(report)[-1] == (
        f"{OTHER}: best-mean without the clips that have known issues (20, 33; see: jasco data "
        "verify): 1.25 {[}1.00, 1.50{]}."
    )
    assert to_latex(report).count("known issues") == 1


def test_a_judge_that_was_not_examined_is_noted_and_no_judge_is_not() -> None:
    [examined, failed] = sorted(notes(REPORT))
    assert failed.startswith("openai/third: 4 timeouts")
    assert examined == rf"{JUDGE}: judge not examined; run: jasco exam JUDGE -{{}}-data DATA."
    assert "minipage" not in to_latex(summarise_report([results(MODEL)]))


@pytest.mark.parametrize(
    ("preflight", "text"),
    [
        (
            {"state": "refused", "reason": "gives a_b"},
            r"AUDIO NOT USED (preflight): the model gives a\_b",
        ),
        (
            {"state": "inconclusive", "reason": "2 of 12"},
            "unknown whether the model uses the audio: preflight inconclusive: 2 of 12",
        ),
        ({"state": "skipped"}, "unknown whether the model uses the audio: preflight skipped"),
    ],
)
def test_doubts_about_a_model_are_in_every_caption(preflight: dict[str, Any], text: str) -> None:
    proxy = {"proxy": True}
    doubtful = results(MODEL, judged(), facts=proxy, answers=Answers(16, 16, preflight=preflight))
    report = summarise_report([doubtful, results(OTHER, judged(), facts=proxy)])
    for label in ("tab:jasco", "tab:jasco-differences", "tab:jasco-best-of-k"):
        assert f"{MODEL}: {text}" in caption(report, label)
        assert "PROXY figures" in caption(report, label)
        assert f"{OTHER}: unknown" not in caption(report, label)


def test_figures_that_are_not_there_are_dashes() -> None:
    report = without_figures(REPORT)
    assert table_rows(report)[1] == [MODEL, *[DASH] * 7]
    [first, *_] = table_rows(report, "tab:jasco-differences")[1:]
    assert first[:3] == [f"{MODEL} minus {OTHER}", "2", DASH]
    assert set(first[4:]) == {DASH}
    assert "tab:jasco-best-of-k" not in to_latex(report)


# --- names from outside ---

TOKEN = re.compile(r"%[^\n]*|\\[A-Za-z]+|\\.|.", re.DOTALL)
# Macros of LaTeX with T1 fonts that write a character and do nothing else.
NAMES = """textbackslash textasciicircum textasciitilde char ensuremath textasciigrave textbar
textellipsis textendash textemdash ss ae AE oe OE O L textquoteleft textquoteright textquotedblleft
textquotedblright textexclamdown textcent textsterling textcurrency textyen textbrokenbar
textsection textasciidieresis textcopyright textordfeminine guillemotleft guillemotright textlnot
textregistered textasciimacron textdegree pm texttwosuperior textthreesuperior textasciiacute
textmu textparagraph textperiodcentered textonesuperior textordmasculine textonequarter
textonehalf textthreequarters textquestiondown DH dh TH th texttimes textdiv DJ dj IJ ij textsc NG
ng langle rangle texttt"""
HARMLESS = {rf"\{name}" for name in (*"{}$&#_%`'^~=\".uHvcrkiol", *NAMES.split())}
DASH = r"{\textendash}"
AWKWARD = st.text(st.sampled_from(list("\\{}$&#_%^~<>|\"`'[]*-,=/@!? \n\r\tinput1éßø犬–“\u0301")))
LABELS = st.text() | AWKWARD


def read_tokens(text: str) -> list[str]:
    return TOKEN.findall(text)


def count_commands(text: str) -> Counter[str]:
    """Return the number of each macro and special character of a document, except in its text."""
    counts = Counter(
        "%" if token[0] == "%" else token
        for token in read_tokens(text)
        if token not in HARMLESS and (token[0] in "\\%$&#^_~\n" or token == "\\\\")
    )
    counts[r"\%"] = 0
    return counts


PLAIN_COMMANDS = count_commands(to_latex(REPORT))


def is_balanced(text: str) -> bool:
    depth = 0
    for token in read_tokens(text):
        depth += (token == "{") - (token == "}")
        if depth < 0:
            return False
    return depth == 0


@given(LABELS, LABELS, LABELS)
@example(r"\input{/etc/passwd}", "}\n\\end{tabular}", "%")
@example("[1cm]", "*", "^^5cinput x")
@example("a\r\\immediate\\write18{x}", "\u2028\\x", "\x00\x1b[0m")
def test_whatever_names_hold_the_document_keeps_its_shape(
    model: str, judge: str, data: str
) -> None:
    text = to_latex(renamed(REPORT, [(MODEL, model), (JUDGE, judge), (DATA, data)]))
    assert is_balanced(text)
    assert count_commands(text) == PLAIN_COMMANDS
    body = "\n".join(line for line in text.splitlines() if not line.startswith("% "))
    assert body.isascii()
    assert not re.search(r"(\\\\|\\[a-z]+rule)\s*[\[*]", body)  # would be an argument of the macro
    assert all(character.isprintable() or character == "\n" for character in text)


@given(LABELS)
def test_escaped_text_holds_only_what_writes_a_character(label: str) -> None:
    text = escaped(label)
    assert is_balanced(text)
    assert text.isascii()
    for token in read_tokens(text):
        assert token in HARMLESS or token in "{}" or token not in "\\$&#_%^~\n"


@given(st.text(string.printable))
def test_what_is_written_is_what_is_read(label: str) -> None:
    text = escaped(label)
    for macro, character in (
        ("{[}", "["), ("{]}", "]"), ("{*}", "*"), (r"\ensuremath{-}", "-"),
        (r"{\textbackslash}", "\0"), (r"{\textasciicircum}", "^"), (r"{\textasciitilde}", "~"),
        (r"{\textasciigrave}", "`"), (r"\ensuremath{<}", "<"), (r"\ensuremath{>}", ">"),
        (r"{\textbar}", "|"), (r"{\char34}", '"'), ("-{}", "-"), ("'{}", "'"), (",{}", ","),
    ):  # fmt: skip
        text = text.replace(macro, character)
    unescaped = re.sub(r"\\([{}$&#_%])", r"\1", text).replace("\0", "\\")
    assert unescaped == one_line(label, 100_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf/Qwen/Qwen2-Audio-7B,seed=1", "hf/Qwen/Qwen2-Audio-7B,seed=1"),
        ("a_b 100 %", r"a\_b 100 \%"),
        ("--x '' ,,", "-{}-x '{}' ,{},"),  # two of them would be another character
        ("Zoë e\u0301", r"Zo\"e \'e"),
        ("犬", r"\ensuremath{\langle}\texttt{U+72AC}\ensuremath{\rangle}"),
        ("α", r"\ensuremath{\langle}\texttt{U+03B1}\ensuremath{\rangle}"),
        ("-0.02 a-1", r"\ensuremath{-}0.02 a-1"),
        ("“x” – y…", r"{\textquotedblleft}x{\textquotedblright} {\textendash} y{\textellipsis}"),
    ],
)
def test_text_is_written_in_ascii(text: str, expected: str) -> None:
    assert escaped(text) == expected
