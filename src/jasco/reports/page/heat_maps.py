"""Heat maps: the scores of a model by clip and instruction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from jasco.reports.page.cells import score_class


@dataclass(frozen=True)
class HeatMap:
    """The scores of a model by clip and instruction.

    Attributes
    ----------
    name : str
    marker : int
    clips : sequence of str
        The ids of the clips, from left to right.
    prompts : int
        Number of instructions, from top to bottom.
    paths : mapping of str to Markup
        By the class of a score (:func:`~jasco.reports.page.cells.score_class`): the outline of all
        cells with this score, each of size 1 x 1. Cells without a score are left out.
    """

    name: str
    marker: int
    clips: Sequence[str]
    prompts: int
    paths: Mapping[str, Markup]


def heat_map(
    name: str, marker: int, scores: Mapping[str, Sequence[float | None]], order: Sequence[str]
) -> HeatMap:
    """Return the heat map of a model, given the score of each instruction by clip."""
    paths: dict[str, list[str]] = {}
    for column, clip in enumerate(order):
        for row, score in enumerate(scores[clip]):
            if score is not None:
                paths.setdefault(score_class(score), []).append(f"M{column} {row}h1v1h-1z")
    prompts = max(map(len, scores.values()), default=0)
    # Digits and commands only. As a text, a long outline would be cut.
    outlines = {key: Markup("".join(cells)) for key, cells in sorted(paths.items())}  # noqa: S704
    return HeatMap(name, marker, order, prompts, outlines)
