"""The published script's arithmetic, bug for bug, so that old numbers can be reproduced.

What it does differently from :mod:`jasco.protocol.verdicts` and :mod:`~jasco.metrics.scoring`:
labels are looked for as substrings, in a fixed order; the last line with "Rating: " wins, and a
row without one gets the score of the row before; an orientation that stays unknown counts as a
score of 0. Rows run in order of id, within an id in order of the file.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jasco.errors import InputError
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.scoring import Score
from jasco.protocol.clips import id_order
from jasco.protocol.instructions import INSTRUCTIONS

_ANSWER_LABELS = (
    ("N", ("Orientation: Neither", "Orientation: \nNeither")),
    ("A", ("Orientation: Audio-Oriented", "Orientation: \nAudio-Oriented")),
    ("S", ("Orientation: Speech-Oriented", "Orientation: \nSpeech-Oriented")),
    ("G", ("Orientation: Good", "Orientation: \nGood", "Orientation: Both")),
)
_REPAIR_LABELS = (
    ("N", ("Neither",)),
    ("A", ("Audio-Oriented",)),
    ("S", ("Speech-Oriented",)),
    ("G", ("Good",)),
)


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """One row of a judged file: the clip, the judge's text, its reply to the repair prompt."""

    id: str
    text: str
    repair: str = ""


def count_judged(rows: Iterable[JudgedRow]) -> int:
    """Count the items that a judge wrote about: at most eight of a clip."""
    of_clip = Counter(row.id for row in rows if row.text.strip())
    return sum(min(rows, len(INSTRUCTIONS)) for rows in of_clip.values())


def score_as_published(rows: Sequence[JudgedRow], expected: int | None = None) -> Score:
    """Compute what the published ``eval.py`` prints for one judge's file: no intervals.

    Parameters
    ----------
    rows : sequence of JudgedRow
        In the order of the file.
    expected : int or None
        How many items there should be, which the script does not ask; None takes eight a clip.

    Returns
    -------
    Score
        The script's figures. Coverage is the share of the expected items that a judge wrote
        about; there are no bounds where some are missing.

    Raises
    ------
    InputError
        Where the script crashes: no rows, a first row without a rating, no oriented row at all.
    """
    by_id: dict[str, list[JudgedRow]] = {}
    for row in rows:
        by_id.setdefault(row.id, []).append(row)
    if not by_id:
        raise InputError("no rows to score")
    rating: int | None = None
    best: list[int] = []
    gated: list[int] = []
    labels: list[str] = []
    for id_ in id_order(by_id):
        scores = []
        for row in by_id[id_]:
            label = _label(row)
            rating = _last_rating(row.text, previous=rating)
            if rating is None:
                raise InputError(
                    f"clip {id_}: the first row has no line with 'Rating: '; the published script "
                    "crashes on it, so --compat has no number for it"
                )
            labels.append(label)
            scores.append(rating if label == "G" else 0)
        best.append(max(scores))
        gated.extend(scores)
    expected = expected or len(by_id) * len(INSTRUCTIONS)
    judged = count_judged(rows)
    whole = judged >= expected
    oriented = sum(labels.count(label) for label in "AGS")
    if not oriented:
        raise InputError(
            "no row is Audio-Oriented, Speech-Oriented or Both; the published script divides by "
            "zero on it, so --compat has no number for it"
        )
    return Score(
        best_mean=Estimate(sum(best) / len(best)),
        mean=Estimate(sum(gated) / len(gated)),
        audio=Estimate(labels.count("A") / oriented),
        both=Estimate(labels.count("G") / oriented),
        speech=Estimate(labels.count("S") / oriented),
        neither_rate=labels.count("N") / len(labels),
        unreadable_rate=labels.count("?") / len(labels),
        coverage=judged / expected,
        complete=whole,
        bounds=(sum(best) / len(best), sum(best) / len(best)) if whole else None,
        mean_bounds=(sum(gated) / len(gated), sum(gated) / len(gated)) if whole else None,
    )


def _label(row: JudgedRow) -> str:
    return _first(_ANSWER_LABELS, row.text) or _first(_REPAIR_LABELS, row.repair) or "?"


def _first(labels: Iterable[tuple[str, tuple[str, ...]]], text: str) -> str | None:
    return next((name for name, forms in labels if any(form in text for form in forms)), None)


def _last_rating(text: str, previous: int | None) -> int | None:
    lines = [line for line in text.split("\n") if "Rating: " in line]
    if not lines:
        return previous
    return next((int(digit) for digit in "012" if digit in lines[-1]), 0)
