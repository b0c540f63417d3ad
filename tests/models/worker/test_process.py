"""The lines that a worker writes."""

import asyncio
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.models.worker import process
from jasco.models.worker.process import BrokenWorkerError, WorkerProcess


def read_all(pieces: list[bytes], limit: int = 1_000) -> tuple[list[bytes], tuple[str, str]]:
    """Return the lines that a worker writes in pieces, and the error that ends them."""

    async def read_lines() -> tuple[list[bytes], tuple[str, str]]:
        worker: Any = WorkerProcess(Path("nowhere"), None)
        worker._process = SimpleNamespace(returncode=None)
        worker._stdout = asyncio.StreamReader(limit)
        lines = []

        async def write() -> None:
            for piece in pieces:
                worker._stdout.feed_data(piece)
                await asyncio.sleep(0)
            worker._stdout.feed_eof()

        writer = asyncio.ensure_future(write())
        try:
            while True:
                lines.append(await worker.read())
        except BrokenWorkerError as error:
            return lines, error.args
        finally:
            await writer

    return asyncio.run(read_lines())


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_lines_do_not_depend_on_the_pieces_written(text: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[begin:end] for begin, end in itertools.pairwise(places) if begin < end]
    lines, (kind, _) = read_all(pieces)
    assert lines == text.split(b"\n")[:-1]
    assert kind == "crash"


def test_a_line_that_is_too_long_ends_the_worker() -> None:
    lines, (kind, message) = read_all([b"short\n", b"x" * 600, b"x" * 600])
    assert lines == [b"short"]
    assert (kind, message) == ("malformed", f"a line of more than {process.LONGEST_LINE} bytes")


def test_a_worker_that_has_ended_is_broken_although_its_output_is_open() -> None:
    async def read_lines() -> None:
        worker: Any = WorkerProcess(Path("nowhere"), None)
        worker._stdout = asyncio.StreamReader()
        worker._process = SimpleNamespace(returncode=None)
        assert await worker.read() is None
        worker._process.returncode = 0
        with pytest.raises(BrokenWorkerError, match="it has ended"):
            await worker.read()

    asyncio.run(read_lines())
