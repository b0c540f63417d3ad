"""The published script's arithmetic, with its bugs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import jasco as jasco_package
from command import Jasco
from jasco.data.csv_files import write_table
from jasco.data.dataset import DataSet, read_data_set
from jasco.data.responses_csv import COLUMNS, template_rows
from jasco.errors import InputError
from jasco.metrics.compat import JudgedRow, score_as_published
from jasco.protocol.clips import Clip
from places import SHARED
from runs import write_run

READABLE = "Rating: 2\nOrientation: Both"
LEGACY = SHARED / "legacy"
WELL_FORMED = ("judge_a", "judge_b", "judge_c_good_label")
FIGURES = ("best_mean", "audio", "both", "speech")


@pytest.fixture
def expected() -> dict[str, Any]:
    if not (LEGACY / "expected.json").is_file():
        pytest.skip(f"the judged files and the published script's numbers are not in {LEGACY}")
    return json.loads((LEGACY / "expected.json").read_text("utf-8"))


def score_files(jasco: Jasco, names: Sequence[str], *options: str) -> dict[str, Any]:
    result = jasco("score", *(LEGACY / f"{name}.csv" for name in names), "--json", *options)
    assert ("incomplete" in result.stderr) == (names == ["messy"] and not options)
    [model] = json.loads(result.stdout)["models"].values()
    return model


def figures(scores: dict[str, Any]) -> dict[str, float]:
    return {"best_mean": scores["best_mean"]} | scores["modality_dependence"]


def expected_figures(expected: dict[str, Any]) -> Any:
    return pytest.approx({name: expected[name] for name in FIGURES}, rel=0, abs=1e-12)


@pytest.mark.parametrize("name", [*WELL_FORMED, "messy"])
def test_compat_gives_the_published_scripts_numbers(
    jasco: Jasco, expected: dict[str, Any], name: str
) -> None:
    assert figures(score_files(jasco, [name], "--compat")) == expected_figures(expected[name])


@pytest.mark.parametrize("name", WELL_FORMED)
def test_well_formed_files_score_the_same_without_compat(
    jasco: Jasco, expected: dict[str, Any], name: str
) -> None:
    model = score_files(jasco, [name])
    assert figures(model) == expected_figures(expected[name])
    assert model["complete"]
    assert model["coverage"] == 1
    assert model["best_mean_bounds"] == [model["best_mean"]] * 2


@pytest.mark.parametrize("options", [(), ("--compat",)])
def test_a_panel_of_files_is_the_mean_of_its_judges(
    jasco: Jasco, expected: dict[str, Any], options: tuple[str, ...]
) -> None:
    model = score_files(jasco, WELL_FORMED, *options)
    assert figures(model) == expected_figures(expected["panel_mean_abc"])
    for name in WELL_FORMED:
        assert figures(model["judges"][name]) == expected_figures(expected[name])


def test_the_messy_file_leaves_missing_what_the_published_script_guesses(
    jasco: Jasco, expected: dict[str, Any]
) -> None:
    model = score_files(jasco, ["messy"])
    assert not model["complete"]
    assert model["coverage"] < 1
    low, high = model["best_mean_bounds"]
    assert low < model["best_mean"] < high


# --- quirk by quirk ---


def row(orientation: str, rating: object = 1, id_: str = "1", repair: str = "") -> JudgedRow:
    return JudgedRow(id_, f"Rating: {rating}\n{orientation}", repair)


def label(orientation: str, repair: str = "") -> str:
    """Return the orientation that a row counts as, scored with one row of each other kind."""
    others = [row(f"Orientation: {name}") for name in ("Audio-Oriented", "Speech-Oriented", "Good")]
    score = score_as_published([row(orientation, repair=repair), *others])
    if score.neither_rate:
        return "Neither"
    if score.unreadable_rate:
        return "?"
    return max(("audio", "both", "speech"), key=lambda name: (getattr(score, name).value, name))


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        ("Orientation: Neither", "Neither"),
        ("Orientation: \nNeither", "Neither"),
        ("Orientation: Audio-Oriented", "audio"),
        ("Orientation: \nAudio-Oriented", "audio"),
        ("Orientation: Speech-Oriented", "speech"),
        ("Orientation: \nSpeech-Oriented", "speech"),
        ("Orientation: Good", "both"),
        ("Orientation: \nGood", "both"),
        ("Orientation: Both", "both"),
        ("Orientation: \nBoth", "?"),
        ("Orientation:\nGood", "?"),
        ("Orientation:Good", "?"),
        ("**Orientation**: Good", "?"),
        ("**Orientation: Good**", "both"),
        ("orientation: Good", "?"),
        ("Orientation: good", "?"),
        ("", "?"),
        # the order decides, not the place
        ("Orientation: Good\nOrientation: Neither", "Neither"),
        ("Orientation: Speech-Oriented\nOrientation: \nAudio-Oriented", "audio"),
        ("Orientation: Both\nOrientation: Speech-Oriented", "speech"),
        ("the best Orientation: Neither, although Orientation: Good was considered", "Neither"),
        ("Orientation: Audio-Oriented/Speech-Oriented/Both/Neither", "audio"),
    ],
)
def test_labels_are_substrings_in_a_fixed_order(orientation: str, expected: str) -> None:
    assert label(orientation) == expected


@pytest.mark.parametrize(
    ("repair", "expected"),
    [
        ("Neither", "Neither"),
        ("It is Good, not Neither", "Neither"),
        ("Speech-Oriented or Audio-Oriented", "audio"),
        ("Good or Speech-Oriented", "speech"),
        ("'Good.'", "both"),
        ("Both", "?"),
        ("good", "?"),
        ("cannot tell", "?"),
    ],
)
def test_the_repair_reply_is_searched_for_bare_labels(repair: str, expected: str) -> None:
    assert label("Orientation: unclear", repair) == expected


def test_the_repair_reply_does_not_count_where_the_answer_has_a_label() -> None:
    assert label("Orientation: Good", repair="Neither") == "both"


@pytest.mark.parametrize(
    ("line", "rating"),
    [
        ("Rating: 0", 0),
        ("Rating: 1", 1),
        ("Rating: 2", 2),
        ("Rating: 2/10", 0),
        ("Rating: 1/2", 1),
        ("Rating: 12", 1),
        ("Rating: 2.5", 2),
        ("Rating: 3", 0),
        ("Rating: five", 0),
        ("**Rating: 2**", 2),
        ("My Rating: of 0 to 2 is 2", 0),
        ("1. Rating: 2", 1),
        ("Rating: 1\nRating: 2", 2),
        ("Rating: 2\nRating: \n0", 0),
        ("Rating: 2\nRating:1", 2),
        ("Rating: 2\nrating: 1", 2),
        ("Rating: 2\r\nRating:\r\n", 2),
    ],
)
def test_the_last_rating_line_sets_the_score(line: str, rating: int) -> None:
    score = score_as_published([JudgedRow("1", f"{line}\nOrientation: Good")])
    assert score.best_mean.value == rating


def test_a_row_without_a_rating_has_the_score_of_the_row_before_it() -> None:
    unrated = "Orientation: Good"
    rows = [row("", 2, "1"), JudgedRow("1", unrated), JudgedRow("2", unrated)]
    assert score_as_published(rows).best_mean.value == 2
    assert (
        score_as_published([*rows, row("", 0, "2"), JudgedRow("3", unrated)]).best_mean.value
        == 4 / 3
    )


def test_the_row_before_is_the_one_before_in_order_of_ids_as_numbers() -> None:
    unrated = JudgedRow("10", "Orientation: Good")
    rows = [row("", 1, "11"), unrated, row("", 2, "9"), row("", 0, "8")]
    assert score_as_published(rows).best_mean.value == 2 / 4  # after 9, not after 11
    text_ids = [
        JudgedRow(f"{judged_row.id}x" if judged_row.id == "8" else judged_row.id, judged_row.text)
        for judged_row in rows
    ]
    with pytest.raises(InputError, match="10"):  # as text, 10 sorts first
        score_as_published(text_ids)


def test_a_first_row_without_a_rating_has_no_number() -> None:
    with pytest.raises(InputError, match=r"clip 1: .*'Rating: '"):
        score_as_published([row("Orientation: Good", id_="2"), JudgedRow("1", "Orientation: Good")])


def test_no_oriented_row_has_no_number() -> None:
    with pytest.raises(InputError, match="divides by zero"):
        score_as_published([row("Orientation: Neither"), row("?")])


def test_no_row_has_no_number() -> None:
    with pytest.raises(InputError, match="no rows"):
        score_as_published([])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["Orientation: Good"] * 8, "first row"),
        (["Rating: 2\nOrientation: Neither"] * 8, "no row is Audio-Oriented"),
    ],
)
def test_where_the_script_crashes_the_command_reports_it_in_one_line(
    jasco: Jasco, tmp_path: Path, texts: list[str], message: str
) -> None:
    clip = Clip("7", "rain", "run", "a", "b", "they run", "run")
    rows = template_rows(DataSet("one", (clip,)), {"7": 1})
    judged = (
        row | {"allm_output": "x", "judge_output": text}
        for row, text in zip(rows, texts, strict=True)
    )
    write_table(tmp_path / "judged.csv", [*COLUMNS, "judge_output"], judged)
    result = jasco("score", "--compat", tmp_path / "judged.csv")
    assert result.status == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert "judged" in line
    assert message in line


# --- against a naive implementation of the script ---


def orientation_of(text: str, repair: str) -> str:
    for name in ("Neither", "Audio-Oriented", "Speech-Oriented"):
        if f"Orientation: {name}" in text or f"Orientation: \n{name}" in text:
            return name
    for label in ("Orientation: Good", "Orientation: \nGood", "Orientation: Both"):
        if label in text:
            return "Good"
    for name in ("Neither", "Audio-Oriented", "Speech-Oriented", "Good"):
        if name in repair:
            return name
    return "?"


def naive_score(rows: list[JudgedRow]) -> tuple[float, float, float, float]:
    """Return best-mean and the shares of audio, both and speech; raise what the script raises."""
    counts = dict.fromkeys(("Neither", "Audio-Oriented", "Speech-Oriented", "Good", "?"), 0)
    best = []
    rating = None
    for id_ in sorted({int(row.id) for row in rows}):
        highest = 0
        for row in rows:
            if int(row.id) != id_:
                continue
            for line in row.text.split("\n"):
                if "Rating: " in line:
                    if "0" in line:
                        rating = 0
                    elif "1" in line:
                        rating = 1
                    elif "2" in line:
                        rating = 2
                    else:
                        rating = 0
            if rating is None:
                raise NameError
            orientation = orientation_of(row.text, row.repair)
            counts[orientation] += 1
            if orientation == "Good":
                highest = max(highest, rating)
        best.append(highest)
    shares = [counts["Audio-Oriented"], counts["Good"], counts["Speech-Oriented"]]
    return sum(best) / len(best), *(count / sum(shares) for count in shares)  # type: ignore[return-value]


PIECES = st.sampled_from(
    [
        *("Rating: ", "Rating:", "Orientation: ", "Orientation:", "\n", "\r\n", " ", "**"),
        *(
            "0",
            "1",
            "2",
            "3",
            "/10",
            "Neither",
            "Audio-Oriented",
            "Speech-Oriented",
            "Good",
            "Both",
        ),
        *("Rating: 2\n", "Rating: 1\n", "Orientation: Good", "Orientation: \nGood"),
        *("Orientation: Both", "Orientation: \nBoth", "Explanation2: ", "犬"),
    ]
)
WORDS = st.lists(PIECES, max_size=8).map("".join)
ROWS = st.lists(
    st.builds(JudgedRow, st.integers(0, 12).map(str), WORDS, st.one_of(st.just(""), WORDS)),
    min_size=1,
    max_size=20,
)


@given(ROWS)
def test_any_file_scores_as_the_protocol_describes(rows: list[JudgedRow]) -> None:
    try:
        expected = naive_score(rows)
    except (NameError, ZeroDivisionError):
        with pytest.raises(InputError):
            score_as_published(rows)
    else:
        score = score_as_published(rows)
        figures = score.best_mean, score.audio, score.both, score.speech
        assert tuple(figure.value for figure in figures) == pytest.approx(
            expected, rel=0, abs=1e-12
        )


# --- missing verdicts ---


def test_an_unfinished_file_is_not_complete(jasco: Jasco, tmp_path: Path) -> None:
    complete = [JudgedRow(str(clip), READABLE) for clip in range(4) for _ in range(8)]
    assert score_as_published(complete).complete
    for rows, judged in (
        (complete[:-1], 31),
        ([*complete[:-1], JudgedRow("3", "")], 31),
        (
            [*complete[:-1], JudgedRow("0", READABLE)],
            31,
        ),  # a ninth row of another clip replaces none
        (complete[:8], 8),
    ):
        score = score_as_published(rows, expected=32)
        assert (score.complete, score.coverage) == (False, judged / 32)
        assert (score.bounds, score.mean_bounds) == (None, None)


def test_an_unfinished_run_is_not_complete(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    def answer(clip: int, _: int) -> str | None:
        return "an answer" if clip < 3 else None

    run = write_run(tmp_path / "run", read_data_set(data), answer, {"m": lambda *_: READABLE})
    result = jasco("score", run, "--compat", "--json")
    assert result.status == 0
    assert "8 of 32 items not answered" in result.stderr
    summary = json.loads(result.stdout)
    [model] = summary["models"].values()
    assert (model["complete"], model["coverage"]) == (False, 3 / 4)
    assert (model["best_mean"], model["best_mean_bounds"]) == (2, None)


def test_it_claims_no_intervals(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", read_data_set(data), lambda *_: "a", {"m": lambda *_: READABLE}
    )
    for command in (["score", run, "--compat"], ["score", run, "--compat", "--json"]):
        assert "bootstrap" not in jasco(*command).stdout.lower()
    assert "bootstrap" in jasco("score", run).stdout


def test_python_scores_what_the_command_scores(tmp_path: Path) -> None:
    path = tmp_path / "judged.csv"  # the published script needs only these columns
    rows = [f'{clip},"{READABLE}"' for clip in range(2) for _ in range(8)]
    path.write_text("\n".join(["id,llama3_extract", *rows]))
    scores = jasco_package.score(path, compat=True)
    assert scores.best_mean.value == 2
    assert "Arithmetic of the published script" in str(scores)
