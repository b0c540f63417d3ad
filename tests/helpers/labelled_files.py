"""CSV files of labelled answers."""

from collections.abc import Iterable
from pathlib import Path

from jasco.data.csv_files import write_table
from jasco.protocol.clips import AnyClip

COLUMNS = ("row_id", "id", "clip_sha", "prompt_index", "allm_output", "rating", "orientation")

Label = tuple[AnyClip, int, str, int]
"""A clip, the number of an instruction, an answer, and its gated score."""


def write_gold(path: Path, labels: Iterable[Label], columns: tuple[str, ...] = COLUMNS) -> Path:
    """Write labelled answers and return the path; their orientation is Both."""
    rows = [
        dict(
            zip(
                COLUMNS,
                (name, clip.id, clip.sha256[:12], number, answer, score, "Both"),
                strict=True,
            )
        )
        for name, (clip, number, answer, score) in enumerate(labels)
    ]
    write_table(path, columns, [{name: row[name] for name in columns} for row in rows])
    return path
