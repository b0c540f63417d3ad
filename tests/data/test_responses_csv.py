"""The responses CSV, and the judged CSV with the judge's texts."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jasco.data.audio import read_file
from jasco.data.csv_files import read_table, write_table
from jasco.data.dataset import DataSet, read_data_set
from jasco.data.responses_csv import (
    COLUMNS,
    VERDICT_COLUMNS,
    check_against,
    read_judged_rows,
    read_responses_csv,
    template_rows,
    write_judged,
)
from jasco.errors import InputError
from jasco.protocol.clips import Clip
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.verdicts import Orientation, Verdict

CLIPS = (
    Clip("7", "rain, thunder", 'he says "run"', "a", "b", "they flee", "flee"),
    Clip("8", "犬", "", "a {x}", "b\nb", "they play", "play,dog"),
)
DATA = DataSet("two", CLIPS)
Rows = list[dict[str, Any]]


def responses(answers: Callable[[str, int], str] = lambda id_, n: f"answer {id_} {n}") -> Rows:
    rows = list(template_rows(DATA, {"7": 100, "8": 200}))
    return [
        row | {"allm_output": answers(str(row["id"]), index % 8 + 1)}
        for index, row in enumerate(rows)
    ]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Rows], Path]:
    def write(rows: Rows) -> Path:
        path = tmp_path / "responses.csv"
        write_table(path, list(rows[0]), rows)
        return path

    return write


Write = Callable[[Rows], Path]


def test_the_template_of_the_published_data_is_the_published_one(
    published: Path, tmp_path: Path
) -> None:
    data = read_data_set(published)
    frames = {clip.id: read_file(data.audio_path(clip)).frames for clip in data.clips}  # type: ignore[arg-type]
    write_table(tmp_path / "ours.csv", COLUMNS, template_rows(data, frames))
    with (published / "evaluation" / "example.csv").open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file))
    template = read_table(tmp_path / "ours.csv")
    assert template.columns == tuple(expected[0])
    assert len(template.rows) == 640
    assert template.rows == [row | {"allm_output": ""} for row in expected]


def test_the_template_has_a_row_an_item_to_fill_in() -> None:
    rows = list(template_rows(DATA, {"7": 100, "8": 200}))
    assert [(row["id"], row["prompt"]) for row in rows] == [
        (id_, instruction) for id_ in "78" for instruction in INSTRUCTIONS
    ]
    assert rows[8] == {
        "id": "8",
        "audio": "{data_folder}/dataset/v0/8.wav",
        "n_frames": 200,
        "audio_sound": "犬",
        "spoken_text": "",
        "prompt": INSTRUCTIONS[0],
        "with_speech": True,
        "audio_only_target": "a {x}",
        "speech_only_target": "b\nb",
        "target_keywords": "play,dog",
        "tgt_text": "they play",
        "allm_output": "",
    }
    assert all(set(row) == set(COLUMNS) for row in rows)


def test_answers_and_clips_come_back(write: Write) -> None:
    file = read_responses_csv(write(responses()))
    assert file.clips == CLIPS
    assert file.data.clips == CLIPS
    assert file.answers() == {(id_, n): f"answer {id_} {n}" for id_ in "78" for n in range(1, 9)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.text(), min_size=16, max_size=16))
def test_any_answer_comes_back_as_it_was(write: Write, texts: list[str]) -> None:
    file = read_responses_csv(write(responses(lambda id_, n: texts[(id_ == "8") * 8 + n - 1])))
    assert file.answers() == {
        (id_, n): text for (id_, n), text in zip(file.keys, texts, strict=True) if text
    }


def test_an_empty_cell_is_not_answered_and_any_other_is(write: Write) -> None:
    texts = ["", " ", "\n", "nan", "NaN", "None", "0", "x"]
    file = read_responses_csv(write(responses(lambda _, n: texts[n - 1])[:8]))
    assert file.answers() == {("7", n): text for n, text in enumerate(texts, 1) if text}


def test_rows_may_be_few_and_in_any_order(write: Write) -> None:
    rows = responses()
    file = read_responses_csv(write([rows[13], rows[2], rows[8]]))
    assert file.keys == [("8", 6), ("7", 3), ("8", 1)]
    assert [clip.id for clip in file.clips] == ["8", "7"]


def rows_with(index: int, **cells: str) -> Rows:
    rows = responses()
    rows[index] |= cells
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (rows_with(2, prompt="What?"), r"row 3 \(clip '7'\): prompt 'What\?' is not one of"),
        (rows_with(2, prompt=INSTRUCTIONS[2] + " "), "row 3 .* is not one of the 8 instructions"),
        (
            rows_with(3, prompt=INSTRUCTIONS[0]),
            r"row 4 \(clip '7'\): duplicate of row 1 .*instruction 1",
        ),
        (rows_with(9, audio_sound="other"), r"row 10 \(clip '8'\): annotations differ"),
        (rows_with(0, id="../7"), r"row 1: clip id '\.\./7' cannot name a file"),
        (
            [{k: v for k, v in row.items() if k != "tgt_text"} for row in responses()],
            "column 'tgt_text' is missing",
        ),
        (
            [{k: v for k, v in row.items() if k != "allm_output"} for row in responses()],
            "column 'allm_output' is missing",
        ),
    ],
)
def test_an_error_names_its_row(write: Write, rows: Rows, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_responses_csv(write(rows))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "empty.csv", COLUMNS, [])
    with pytest.raises(InputError, match="no rows"):
        read_responses_csv(tmp_path / "empty.csv")


def test_a_file_must_be_about_the_data(write: Write) -> None:
    file = read_responses_csv(write(responses()))
    check_against(file, DATA)
    with pytest.raises(InputError, match=r"clip 8 .* data set one"):
        check_against(file, DataSet("one", CLIPS[:1]))
    other = Clip("8", "cat", *CLIPS[1].cells[2:])
    with pytest.raises(InputError, match=r"annotations of clip 8"):
        check_against(file, DataSet("three", (CLIPS[0], other)))


# --- judged files ---


def judged_rows(text: str = "Rating: 2\nOrientation: Both", **cells: str) -> Rows:
    return [row | {"judge_output": text} | cells for row in responses()]


def test_the_judges_text_is_read_from_either_column(write: Write) -> None:
    text = "Rating: 1\nOrientation: Good"
    judge_output = judged_rows(text)
    published_column = [row | {"llama3_extract": text} for row in responses()]
    both_columns = [row | {"llama3_extract": "Rating: 0"} for row in judge_output]
    for rows in (judge_output, published_column, both_columns):
        verdicts = read_responses_csv(write(rows)).verdicts()
        assert verdicts == dict.fromkeys(verdicts, Verdict(1, Orientation.BOTH))
        assert len(verdicts) == 16


def test_without_a_judges_column_the_error_names_the_remedy(write: Write) -> None:
    path = write(responses())
    for read in (lambda: read_responses_csv(path).verdicts(), lambda: read_judged_rows(path)):
        with pytest.raises(InputError, match="jasco judge"):
            read()


def test_only_answered_and_judged_rows_have_a_verdict(write: Write) -> None:
    rows = judged_rows()
    rows[0]["judge_output"] = ""
    rows[1]["allm_output"] = ""
    rows[2]["judge_output"] = "?"
    verdicts = read_responses_csv(write(rows)).verdicts()
    assert verdicts.keys() == {(id_, n) for id_ in "78" for n in range(1, 9)} - {
        ("7", 1),
        ("7", 2),
    }
    assert verdicts["7", 3] == Verdict(None, None)


@pytest.mark.parametrize(
    ("text", "rating", "orientation", "verdict"),
    [
        ("?", "1", "Neither", Verdict(1, Orientation.NEITHER)),
        ("Rating: 2", "", "Both", Verdict(2, Orientation.BOTH)),
        ("Rating: 2", "2", "Good", Verdict(2, Orientation.BOTH)),
        ("Orientation: Both", "", "", Verdict(None, Orientation.BOTH)),
        ("?", "2.0", "audio-oriented", Verdict(2, Orientation.AUDIO)),
        ("?", " 2 ", "Audio\u2011Oriented", Verdict(2, Orientation.AUDIO)),
    ],
)
def test_where_the_text_cannot_be_read_the_columns_tell(
    write: Write, text: str, rating: str, orientation: str, verdict: Verdict
) -> None:
    rows = judged_rows(text, rating=rating, orientation=orientation)
    assert set(read_responses_csv(write(rows)).verdicts().values()) == {verdict}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"rating": "1"}, "clip 7, instruction 1: rating is 1, but .* 2"),
        ({"orientation": "Neither"}, "orientation is Neither, but .* Both"),
        ({"rating": "three"}, "rating: .*'three'.* 0, 1, 2"),
        ({"rating": "3"}, "rating: .*'3'.* 0, 1, 2"),
        ({"orientation": "Sound"}, "orientation: .*'Sound'.* Audio-Oriented, "),
        ({"rating": "2 (?)"}, r"rating: .*'2 \(\?\)'.* 0, 1, 2"),
        ({"rating": "2\nOrientation: Both"}, "rating: .* 0, 1, 2"),
        ({"orientation": "Both\nRating: 2"}, "orientation: .* Audio-Oriented, "),
    ],
)
def test_columns_that_contradict_the_text_or_say_nothing_are_refused(
    write: Write, cells: Mapping[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_responses_csv(write(judged_rows(**cells))).verdicts()


def test_a_verdict_is_added_to_its_row(write: Write, tmp_path: Path) -> None:
    path = write([row | {"mine": "x"} for row in responses()])
    file = read_responses_csv(path)
    judged = {
        ("7", 1): (["Rating: 2\nOrientation: Both"], Verdict(2, Orientation.BOTH)),
        ("7", 2): (["Rating: 0\rOrientation: ?", "?"], Verdict(0, None)),
        ("8", 8): (["?"], Verdict(None, None)),
    }
    write_judged(tmp_path / "judged.csv", file, judged)
    judged_file = read_responses_csv(tmp_path / "judged.csv")
    rows = judged_file.table.rows
    assert [{k: v for k, v in row.items() if k not in VERDICT_COLUMNS} for row in rows] == list(
        file.table.rows
    )
    cells = [tuple(row[name] for name in VERDICT_COLUMNS) for row in rows]
    assert cells[0] == ("Rating: 2\nOrientation: Both", "2", "Both")
    assert cells[1] == ("Rating: 0\rOrientation: ?", "0", "")
    assert cells[15] == ("?", "", "")
    assert set(cells[2:15]) == {("", "", "")}
    assert judged_file.verdicts() == {key: verdict for key, (_, verdict) in judged.items()}


def test_the_published_script_takes_any_rows(tmp_path: Path) -> None:
    path = tmp_path / "judged.csv"
    columns = ["id", "llama3_extract", "repair_output"]
    rows = [{"id": "x/y", "llama3_extract": "a", "repair_output": "b"}] * 2
    write_table(path, columns, rows)
    assert [(row.id, row.text, row.repair) for row in read_judged_rows(path)[0]] == [
        ("x/y", "a", "b")
    ] * 2
    write_table(path, columns[:2], [{"id": "1", "llama3_extract": "a"}])
    assert [row.repair for row in read_judged_rows(path)[0]] == [""]
