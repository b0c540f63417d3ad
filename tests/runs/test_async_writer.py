"""Committing the rows of many tasks."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jasco.protocol.responses import Response
from jasco.runs import database
from jasco.runs.async_writer import AsyncWriter
from jasco.runs.database import RunUnwritableError
from jasco.runs.reader import RunReader
from jasco.runs.schema import Row, response_row
from jasco.runs.writer import RunWriter
from rows_of_runs import another_program_that_reads


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with RunWriter.open(tmp_path / "run") as store:
        store.set_facts({"a": "fact"})
    return tmp_path / "run"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("ATTEMPT", 0.1), ("ANNOUNCED", 0.3), ("PATIENCE", 1.5), ("HURRY", 0.2)):
        monkeypatch.setattr(database, name, seconds)


def row(number: int) -> Row:
    return response_row(1, 0, number, Response("an answer"), 0.1)


def rows_in(run: Path) -> int:
    with RunReader.open(run) as store:
        return len(store.responses(1, 0))


@pytest.mark.usefixtures("hasty")
def test_no_row_is_lost_meanwhile_and_an_interrupted_run_does_not_wait_for_long(run: Path) -> None:
    async def write(store: RunReader, seconds: float) -> list[Any]:
        writer = AsyncWriter(store)
        tasks = [asyncio.create_task(writer.write(row(number))) for number in range(1, 9)]
        await asyncio.sleep(seconds)
        await writer.close()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with RunWriter.open(run) as store, another_program_that_reads(run) as reader:
        began = time.monotonic()
        assert all(isinstance(each, RunUnwritableError) for each in asyncio.run(write(store, 0.05)))
        assert time.monotonic() - began < 1
        assert reader.stdin
        threading.Timer(0.5, reader.stdin.close).start()
        store._connection.patience = database.PATIENCE
        assert asyncio.run(write(store, 1)) == [None] * 8
    assert rows_in(run) == 8
