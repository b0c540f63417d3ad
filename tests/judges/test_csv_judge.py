"""Verdicts from a judged CSV."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jasco.backends.specs import open_spec
from jasco.data.csv_files import write_table
from jasco.data.dataset import DataSet
from jasco.data.responses_csv import COLUMNS, VERDICT_COLUMNS, template_rows
from jasco.errors import InputError
from jasco.judges.csv_judge import CsvJudge
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.protocols import PROTOCOLS
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict

CLIP = Clip("7", "rain", "run", "a", "b", "they flee", "flee")
DATA = DataSet("one", (CLIP,))
READABLE = "Rating: 2\nOrientation: Both"
JUDGED: list[tuple[str, str, str, str]] = [  # answer, judge's text, rating, orientation
    ("said", READABLE, "", ""),
    ("said", "unclear", "", ""),
    ("said", "Rating: 1", "1", "Neither"),
    ("said", "", "", ""),
    ("", READABLE, "", ""),
    ("said", READABLE, "2", "Both"),
    (" ", READABLE, "", ""),
]


def open_judge(folder: Path, judged: list[tuple[str, str, str, str]] = JUDGED) -> CsvJudge:
    path = folder / "judged.csv"
    rows: list[dict[str, Any]] = [
        row | dict(zip(("allm_output", *VERDICT_COLUMNS), cells, strict=True))
        for row, cells in zip(template_rows(DATA, {"7": 1}), judged, strict=False)
    ]
    write_table(path, [*COLUMNS, *VERDICT_COLUMNS], rows)
    judge: CsvJudge = open_spec("judge", f"csv/{path}")
    asyncio.run(judge.prepare(DATA))
    return judge


def judge_item(judge: CsvJudge, number: int, prediction: str) -> Judgement | Failure:
    item = items_of(CLIP)[number - 1]
    return asyncio.run(judge.judge(item, prediction, PROTOCOLS["v2"]))


def test_a_verdict_comes_with_the_text_that_it_was_read_from(tmp_path: Path) -> None:
    judge = open_judge(tmp_path)
    expected = Judgement(Verdict(2, Orientation.BOTH), (Attempt("verdict", READABLE),))
    assert judge_item(judge, 1, "said") == expected
    assert judge_item(judge, 6, "said") == expected
    assert judge_item(judge, 7, " ") == expected
    assert judge_item(judge, 2, "said") == Judgement(
        Verdict(None, None), (Attempt("verdict", "unclear"),)
    )
    assert judge_item(judge, 3, "said") == Judgement(
        Verdict(1, Orientation.NEITHER), (Attempt("verdict", "Rating: 1"),)
    )


@pytest.mark.parametrize("number", [4, 5, 8])
def test_where_the_file_has_no_verdict_there_is_none(tmp_path: Path, number: int) -> None:
    outcome = judge_item(open_judge(tmp_path), number, "said")
    assert isinstance(outcome, Failure)
    assert outcome.kind == "unjudged"


def test_a_verdict_on_another_answer_is_none(tmp_path: Path) -> None:
    outcome = judge_item(open_judge(tmp_path), 1, "said something else")
    assert isinstance(outcome, Failure)
    assert outcome.kind == "unjudged"
    assert "different answer" in outcome.message


def test_columns_that_contradict_the_text_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rating is 1"):
        open_judge(tmp_path, [("said", READABLE, "1", "")])
