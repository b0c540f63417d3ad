"""Cells: how a model's score on an item is drawn, in tables of scores and in heat maps."""

from dataclasses import dataclass

from jasco.protocol.verdicts import Orientation
from jasco.reports.formats import number

CUES = {
    Orientation.AUDIO: "audio",
    Orientation.SPEECH: "speech",
    Orientation.BOTH: "both",
    Orientation.NEITHER: "neither",
}
"""The cue that an answer rests on, by orientation: its name and the class of its colour."""


@dataclass(frozen=True)
class Cell:
    """How a score is drawn.

    Attributes
    ----------
    kind : str
        The classes of the cell.
    text : str
        The text in it; may be empty.
    label : str
        The score in words.
    """

    kind: str
    text: str
    label: str


def score_class(score: float) -> str:
    """Return the class of a score in quarters, ``s0`` to ``s8``; only the score 0 is ``s0``."""
    return f"s{max(1, int(4 * score + 0.5)) if score else 0}"


def cell_of(
    score: float | None, cue: str = "", missing: str = "no verdict", *, differ: bool = False
) -> Cell:
    """Return the cell of a score.

    Parameters
    ----------
    score : float or None
        The score, from 0 to 2; None if there is none.
    cue : str
        The cue that the answer rests on, as in :data:`CUES`; empty if judges differ about it.
    missing : str
        Why there is no score: ``no verdict``, ``not answered`` or ``failed``.
    differ : bool
        Whether judges differ, which is marked whatever the score.
    """
    if score is None:
        failed = missing == "failed"
        return Cell("missing failed" if failed else "missing", "×" if failed else "", missing)
    if score > 0:
        kinds, text, labels = [score_class(score)], "", [number(score)]
    else:
        kinds, text, labels = ["s0", cue], cue[:1], ["0", cue]
    if differ:
        kinds.append("differ")
        labels.append("judges differ")
    return Cell(" ".join(filter(None, kinds)), text, ", ".join(filter(None, labels)))
