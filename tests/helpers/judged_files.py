"""Judged CSV files about two clips."""

from pathlib import Path
from typing import Any

from jasco.data.csv_files import write_table
from jasco.data.dataset import DataSet
from jasco.data.responses_csv import template_rows
from jasco.protocol.clips import Clip

CLIPS = tuple(Clip(id_, "rain", "run", "a", "b", "they flee", "flee") for id_ in ("9", "10"))
READABLE = "Rating: 2\nOrientation: Both"


def write_judged_file(
    path: Path, text: str = READABLE, clips: tuple[Clip, ...] = CLIPS, **cells: Any
) -> Path:
    """Write a judged CSV with this text of the judge in every row; return its path."""
    rows = template_rows(DataSet("x", clips), {clip.id: 1 for clip in clips})
    changes = {"allm_output": "an answer", "judge_output": text} | cells
    judged_rows = [row | changes for row in rows]
    write_table(path, list(judged_rows[0]), judged_rows)
    return path
