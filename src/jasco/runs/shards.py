"""Shards: a run that is divided into several runs, one for each part of the clips.

``RUN/run.db`` then holds what the whole run is about (clips, model, judges, instructions, and facts
such as the finding of the preflight), and ``RUN/shards/0003-of-0008/run.db`` holds the answers and
verdicts of the third of eight shards. Shard K of N holds every Nth clip, from clip K on, so that
all shards are of equal size and a run can be extended to more clips. Clips have the same numbers in
all these files: their places in the whole data set.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jasco.errors import InputError, invalid_value

SHARDS_FOLDER = "shards"
SHARDS_FACT = "shards"
"""The fact of a divided run that holds the number of its shards."""
SHARD_FACT = "shard"
"""The fact of a shard that holds its number, as ``3/8``."""
MOST_SHARDS = 100_000
_DIGITS = 4


@dataclass(frozen=True, order=True)
class Shard:
    """One of the shards of a run.

    Attributes
    ----------
    number : int
        Its number, from 1.
    count : int
        Number of shards of the run.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``K/N`` (``InputError`` if it is invalid)."""
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text, re.ASCII)
        number, shards = map(int, match.groups()) if match else (0, 0)
        if 1 <= number <= shards <= MOST_SHARDS:
            return cls(number, shards)
        hint = ""
        if match and number == 0 < shards:
            hint = f"; shards are numbered from 1: the first one is 1/{shards}"
        expected = f"expected K/N with K from 1 to N, and N up to {MOST_SHARDS:,}"
        raise InputError(f"{invalid_value('--shard', text, expected)}{hint}")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def places(self, clips: int) -> range:
        """Return the indices of its clips among the first ``clips`` clips of the data set."""
        return range(self.number - 1, clips, self.count)

    def folder(self, run: Path) -> Path:
        """Return its folder in that of the run."""
        digits = max(_DIGITS, len(str(self.count)))
        name = f"{self.number:0{digits}}-of-{self.count:0{digits}}"
        return run / SHARDS_FOLDER / name


def all_shards(count: int) -> Iterator[Shard]:
    """Yield the shards of a run with this number of shards."""
    return (Shard(number, count) for number in range(1, count + 1))


def shard_of_place(place: int, count: int) -> Shard:
    """Return the shard that holds the clip at an index of the data set."""
    return Shard(place % count + 1, count)


def shards_in(run: Path) -> list[Path]:
    """Return the folders in that of the shards of a run, without opening any file."""
    return sorted((run / SHARDS_FOLDER).glob("*-of-*"))
