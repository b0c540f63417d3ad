"""Examining a judge from Python."""

import asyncio
from pathlib import Path

import pytest

import jasco
from chat_server import Serve


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own exams out of the tests."""
    monkeypatch.setenv("JASCO_DATA", str(tmp_path / "data-folder"))


def test_a_judge_is_examined(data: Path) -> None:
    async def notebook() -> jasco.ExamReport:
        return jasco.exam("offline", data=data)

    report = asyncio.run(notebook())
    assert report.judge == "offline"
    assert report.complete
    assert not report.resumable
    assert report.labelled is None
    assert report.known_answers.judged == report.known_answers.asked > 0
    assert report.to_json()["known_answers"]["accuracy"] == report.known_answers.accuracy.value
    assert str(report).startswith("Exam of offline on")
    assert repr(report).startswith("ExamReport('offline', known_answers=")


def test_a_budget_ends_an_exam_early(data: Path, serve: Serve) -> None:
    report = jasco.exam(f"openai/j,base_url={serve().url}", data=data, max_calls=3, concurrency=1)
    assert not report.complete
    assert report.resumable


def test_wrong_arguments_are_named(data: Path) -> None:
    with pytest.raises(jasco.InputError, match="one judge"):
        jasco.exam("three-judges", data=data)
    with pytest.raises(jasco.InputError, match="gold must be"):
        jasco.exam("offline", data=data, gold=7)  # type: ignore[arg-type]
    with pytest.raises(jasco.InputError, match="again must be"):
        jasco.exam("offline", data=data, again="no")  # type: ignore[arg-type]
