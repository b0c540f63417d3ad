"""Heat maps: the scores of a model by clip and prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HeatMap:
    """The scores of a model by clip and prompt.

    Attributes
    ----------
    name : str
    marker : int
    clips : sequence of str
        The ids of the clips, from left to right.
    prompts : int
        Number of prompts, from top to bottom.
    paths : mapping of str to str
        By the class of a score in quarters, ``s0`` to ``s8``: the outline of all cells with this
        score, each of size 1 x 1. Cells without a score are left out.
    """

    name: str
    marker: int
    clips: Sequence[str]
    prompts: int
    paths: Mapping[str, str]


def heat_map(
    name: str, marker: int, scores: Mapping[str, Sequence[float | None]], order: Sequence[str]
) -> HeatMap:
    """Return the heat map of a model, given the score of each prompt by clip."""
    paths: dict[str, list[str]] = {}
    for column, clip in enumerate(order):
        for row, score in enumerate(scores[clip]):
            if score is not None:
                paths.setdefault(f"s{round(4 * score)}", []).append(f"M{column} {row}h1v1h-1z")
    prompts = max(map(len, scores.values()), default=0)
    outlines = {key: "".join(cells) for key, cells in sorted(paths.items())}
    return HeatMap(name, marker, order, prompts, outlines)
