"""Committing the rows of many tasks."""

import asyncio
import gc
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jasco.runs import database
from jasco.runs.async_writer import AsyncWriter
from jasco.runs.database import RunUnwritableError
from jasco.runs.reader import RunReader
from jasco.runs.writer import RunWriter
from rows_of_runs import another_program_that_reads
from single_rows import count_first_clip_rows, first_clip_row


@pytest.mark.usefixtures("short_waits")
def test_no_row_is_lost_meanwhile_and_an_interrupted_run_does_not_wait_for_long(run: Path) -> None:
    async def write(store: RunReader, seconds: float) -> list[Any]:
        writer = AsyncWriter(store)
        tasks = [
            asyncio.create_task(writer.write(first_clip_row(number))) for number in range(1, 9)
        ]
        await asyncio.sleep(seconds)
        await writer.close()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with RunWriter.open(run) as store, another_program_that_reads(run) as reader:
        began = time.monotonic()
        assert all(
            isinstance(result, RunUnwritableError) for result in asyncio.run(write(store, 0.05))
        )
        assert time.monotonic() - began < 1
        assert reader.stdin
        threading.Timer(0.5, reader.stdin.close).start()
        store._connection.patience = database.PATIENCE
        assert asyncio.run(write(store, 1)) == [None] * 8
    assert count_first_clip_rows(run) == 8


def test_the_error_of_a_commit_is_not_printed_where_all_who_wait_are_cancelled(run: Path) -> None:
    reported: list[dict[str, Any]] = []

    async def write(store: RunWriter) -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: reported.append(context)
        )
        writer = AsyncWriter(store)
        task = asyncio.create_task(writer.write(first_clip_row(1)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await writer.close()
        del writer, task
        gc.collect()

    with RunWriter.open(run) as store:
        failed = threading.Event()

        def fail(_rows: object) -> None:
            time.sleep(0.2)
            failed.set()
            raise RunUnwritableError("the disk is full")

        store.commit = fail  # type: ignore[method-assign]
        asyncio.run(write(store))
    assert failed.is_set()
    assert not reported
