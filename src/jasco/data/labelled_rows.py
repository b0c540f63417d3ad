"""CSV files of answers labelled by annotators, and the clips that their rows are about."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jasco.data.csv_files import read_table
from jasco.errors import InputError
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.clips import AnyClip
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.verdicts import Orientation, Verdict

T = TypeVar("T")
_COLUMNS = ("id", "prompt_index", "allm_output", "rating", "orientation")
_SHA_DIGITS = 12


@dataclass(frozen=True)
class LabelledRow:
    """An answer and the verdict of an annotator.

    Attributes
    ----------
    name : str
        The row's id, or its number in the file.
    clip_id : str
        The id of the clip.
    clip_sha : str
        The first digits of the clip's hash, at least 12; empty if the file has no hashes.
    number : int
        The number of the instruction, from 1.
    answer : str
        The answer.
    verdict : Verdict
        The annotator's rating and orientation.
    adversarial : bool
        Whether the answer tries to mislead a judge.
    """

    name: str
    clip_id: str
    clip_sha: str
    number: int
    answer: str
    verdict: Verdict
    adversarial: bool


@dataclass(frozen=True)
class LabelledFile:
    """A file of labelled answers.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    rows : tuple of LabelledRow
        Its rows.
    by_id : bool
        Whether rows name clips by id only, because the file has no clip hashes.
    sha256 : str
        The SHA-256 of the file.
    """

    path: Path
    rows: tuple[LabelledRow, ...]
    by_id: bool
    sha256: str

    def places(self, clips: Sequence[AnyClip]) -> list[int | None]:
        """Return the index of each row's clip; None if the row is about another clip."""
        if self.by_id:
            by_id = {clip.id: place for place, clip in enumerate(clips)}
            return [by_id.get(row.clip_id) for row in self.rows]
        by_sha = {clip.sha256[:_SHA_DIGITS]: place for place, clip in enumerate(clips)}
        places = [by_sha.get(row.clip_sha[:_SHA_DIGITS]) for row in self.rows]
        return [
            place if place is not None and clips[place].sha256.startswith(row.clip_sha) else None
            for row, place in zip(self.rows, places, strict=True)
        ]

    @property
    def key(self) -> str:
        """The column by which rows name clips."""
        return "id" if self.by_id else "clip_sha"


def read_labelled_rows(path: Path) -> LabelledFile:
    """Read labelled rows: ``id, prompt_index, allm_output, rating, orientation``.

    Further columns are optional: ``clip_sha`` (the first digits of the clip's hash), ``row_id`` and
    ``adversarial`` (0 or 1).

    Raises
    ------
    InputError
        The file cannot be read, or a cell has an invalid value.
    """
    table = read_table(path, required=_COLUMNS)
    by_id = "clip_sha" not in table.columns
    prompts = range(1, len(INSTRUCTIONS) + 1)
    rows = []
    for number, row in enumerate(table.rows, start=1):
        where = f"{path}, row {number}"
        if not by_id and len(row["clip_sha"]) < _SHA_DIGITS:
            raise InputError(
                f"{where}: clip_sha: {row['clip_sha']!r} is too short (expected at least "
                f"{_SHA_DIGITS} digits of the clip's hash)"
            )
        prompt = _one_of(prompts, row, "prompt_index", where)
        rating = _one_of(RATINGS, row, "rating", where)
        orientation = _one_of(Orientation, row, "orientation", where)
        rows.append(
            LabelledRow(
                row.get("row_id", str(number)),
                row["id"],
                "" if by_id else row["clip_sha"],
                prompt,
                row["allm_output"],
                Verdict(rating, orientation),
                row.get("adversarial") == "1",
            )
        )
    return LabelledFile(path, tuple(rows), by_id, hashlib.sha256(path.read_bytes()).hexdigest())


def _one_of(values: Iterable[T], row: Mapping[str, str], column: str, where: str) -> T:
    """Return the value in a cell (``InputError`` if it is not one of these values)."""
    by_text = {str(value): value for value in values}
    if row[column] not in by_text:
        raise InputError(
            f"{where}: {column}: invalid value {row[column]!r} (expected {', '.join(by_text)})"
        )
    return by_text[row[column]]
