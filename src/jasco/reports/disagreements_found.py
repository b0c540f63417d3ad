"""Where judges differ, and how far."""

from collections.abc import Iterable
from typing import NamedTuple

from jasco.protocol.clips import items_of
from jasco.protocol.verdicts import Verdict
from jasco.runs.results import JudgedItems


class Apart(NamedTuple):
    """How far the judges of an item are apart, and which item it is."""

    difference: int
    clip: str
    number: int


def apart(items: JudgedItems) -> list[Apart]:
    """List the items on which judges differ, those most apart first, else in the run's order.

    An item's *difference* is how far apart the gated scores are, plus how far the ratings are,
    plus one for each further orientation. A verdict that could not be read differs from none.
    """
    differing = [
        Apart(difference, clip.id, item.number)
        for clip in items.clips
        for item in items_of(clip)
        if (difference := _difference(_verdicts(items, clip.id, item.number)))
    ]
    return sorted(differing, key=lambda each: -each.difference)


def _verdicts(items: JudgedItems, clip: str, number: int) -> list[Verdict]:
    said = (of_judge.get((clip, number)) for of_judge in items.judges.values())
    return [verdict for _, verdict in filter(None, said)]


def _difference(verdicts: Iterable[Verdict]) -> int:
    read = [verdict for verdict in verdicts if verdict.readable]
    if len(read) < 2:
        return 0
    ratings = [verdict.rating for verdict in read if verdict.rating is not None]
    gated = [verdict.gated for verdict in read]
    orientations = {verdict.orientation for verdict in read}
    return max(gated) - min(gated) + max(ratings) - min(ratings) + len(orientations) - 1
