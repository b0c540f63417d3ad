"""Responses to the first clip of a run, written and counted."""

from pathlib import Path

from jasco.protocol.responses import Response
from jasco.runs.reader import RunReader
from jasco.runs.schema import Row, response_row


def first_clip_row(number: int) -> Row:
    """Return the row of a response to the first clip and this prompt."""
    return response_row(1, 0, number, Response("an answer"), 0.1)


def count_first_clip_rows(run: Path) -> int:
    """Return the number of responses to the first clip."""
    with RunReader.open(run) as reader:
        return len(reader.responses(1, 0))
