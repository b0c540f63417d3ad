"""Responses in a CSV."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jasco.backends.specs import open_spec
from jasco.data.csv_files import write_table
from jasco.data.dataset import DataSet
from jasco.data.responses_csv import COLUMNS, template_rows
from jasco.errors import InputError
from jasco.models.csv_model import CsvModel
from jasco.protocol.clips import Clip, Item, items_of
from jasco.protocol.responses import Failure, Response

CLIPS = tuple(Clip(id_, "rain", "run", "a", "b", "they flee", "flee") for id_ in "78")
DATA = DataSet("two", CLIPS)
TEXTS = ["an answer", "", " ", "nan", "NaN", "a\rb", "{reference}", "None"]


@pytest.fixture
def responses_csv(tmp_path: Path) -> Path:
    """Write responses to the first clip; the rows of the second are missing."""
    path = tmp_path / "responses, by me.csv"
    rows: list[dict[str, Any]] = list(template_rows(DATA, {"7": 1, "8": 1}))[:8]
    answered = [row | {"allm_output": text} for row, text in zip(rows, TEXTS, strict=True)]
    write_table(path, COLUMNS, answered)
    return path


def prepared(path: Path, data: DataSet = DATA) -> CsvModel:
    model: CsvModel = open_spec("model", f"csv/{path}")
    asyncio.run(model.prepare(data))
    return model


def answers(model: CsvModel, items: list[Item]) -> list[Response | Failure]:
    return [asyncio.run(model.answer(item, None)) for item in items]


def test_answers_are_returned_verbatim(responses_csv: Path) -> None:
    outcomes = answers(prepared(responses_csv), items_of(CLIPS[0]))
    assert [
        answer.text if isinstance(answer, Response) else answer.kind for answer in outcomes
    ] == [text or "unanswered" for text in TEXTS]


def test_a_missing_row_is_not_answered(responses_csv: Path) -> None:
    outcomes = answers(prepared(responses_csv), items_of(CLIPS[1]))
    assert {answer.kind for answer in outcomes if isinstance(answer, Failure)} == {"unanswered"}
    assert len(outcomes) == 8


def test_an_answer_that_the_file_no_longer_holds_is_disowned(responses_csv: Path) -> None:
    model = prepared(responses_csv)
    first, second = items_of(CLIPS[0])[:2]
    assert not model.disowns(first, "an answer")
    assert model.disowns(first, "another answer")
    assert model.disowns(second, "an answer, now empty")


def test_the_file_must_be_there_and_about_the_data(responses_csv: Path) -> None:
    with pytest.raises(InputError, match="clip 7 is not in the data set other"):
        prepared(responses_csv, DataSet("other", CLIPS[1:]))
    with pytest.raises(InputError, match=r"none\.csv"):
        prepared(responses_csv.with_name("none.csv"))


def test_the_model_is_handed_no_audio() -> None:
    assert not CsvModel.accepts_no_audio  # the answers in a file were given with audio
    assert not CsvModel.uses_audio
