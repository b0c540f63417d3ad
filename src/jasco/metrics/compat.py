"""The arithmetic of the published script, including its bugs, to reproduce published numbers.

It differs from :mod:`jasco.protocol.verdict_parser` and :mod:`~jasco.metrics.scoring`: labels are
searched for as substrings, in a fixed order; the last line with "Rating: " is used, and a row
without such a line gets the rating of the previous row; an unknown orientation results in a score
of 0. Rows are sorted by id; rows with the same id are in the order of the file.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jasco.errors import InputError
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.scoring import Score
from jasco.protocol.clips import id_order
from jasco.protocol.instructions import INSTRUCTIONS

_LABELS = ("Neither", "Audio-Oriented", "Speech-Oriented", "Good")  # in the order of the script


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """One row of a judged CSV file.

    Attributes
    ----------
    id : str
        The id of the clip.
    text : str
        The reply of the judge.
    repair : str
        Its reply to the repair prompt, if any.
    """

    id: str
    text: str
    repair: str = ""


def count_judged(rows: Iterable[JudgedRow]) -> int:
    """Return the number of items with a reply of the judge, at most eight per clip."""
    of_clip = Counter(row.id for row in rows if row.text.strip())
    return sum(min(rows, len(INSTRUCTIONS)) for rows in of_clip.values())


def score_as_published(rows: Sequence[JudgedRow], expected: int | None = None) -> Score:
    """Compute the figures that the published ``eval.py`` prints for one judge, without intervals.

    Parameters
    ----------
    rows : sequence of JudgedRow
        The rows, in the order of the file.
    expected : int or None
        Number of expected items, which the script ignores; None for eight per clip.

    Returns
    -------
    Score
        The figures of the script. Coverage is the share of the expected items with a reply of the
        judge; there are no bounds if some are missing.

    Raises
    ------
    InputError
        The script would crash: there are no rows, the first row has no rating, or the orientation
        of all rows is Neither or unknown.
    """
    by_id: dict[str, list[JudgedRow]] = {}
    for row in rows:
        by_id.setdefault(row.id, []).append(row)
    if not by_id:
        raise InputError("no rows to score; give a judged CSV file with rows")
    rating: int | None = None
    best: list[int] = []
    gated: list[int] = []
    labels: Counter[str] = Counter()
    for id_ in id_order(by_id):
        scores = []
        for row in by_id[id_]:
            label = _label(row)
            rating = _last_rating(row.text, previous=rating)
            if rating is None:
                raise InputError(
                    f"clip {id_}: no line with 'Rating: ' in the first row, on which the published "
                    "script crashes; remove --compat"
                )
            labels[label] += 1
            scores.append(rating if label == "Good" else 0)
        best.append(max(scores))
        gated += scores
    oriented = labels["Audio-Oriented"] + labels["Speech-Oriented"] + labels["Good"]
    if not oriented:
        raise InputError(
            "no row is Audio-Oriented, Speech-Oriented or Both, so the published script divides by "
            "zero; remove --compat"
        )
    expected = expected or len(by_id) * len(INSTRUCTIONS)
    judged = count_judged(rows)
    best_mean, mean = sum(best) / len(best), sum(gated) / len(gated)
    return Score(
        best_mean=Estimate(best_mean),
        mean=Estimate(mean),
        audio=Estimate(labels["Audio-Oriented"] / oriented),
        both=Estimate(labels["Good"] / oriented),
        speech=Estimate(labels["Speech-Oriented"] / oriented),
        neither_rate=labels["Neither"] / len(gated),
        unreadable_rate=labels["?"] / len(gated),
        coverage=judged / expected,
        complete=judged >= expected,
        bounds=(best_mean, best_mean) if judged >= expected else None,
        mean_bounds=(mean, mean) if judged >= expected else None,
    )


def _label(row: JudgedRow) -> str:
    # The script reads "Both" as "Good" and accepts a line break before a label, but not together.
    text = row.text.replace("Orientation: Both", "Orientation: Good")
    text = text.replace("Orientation: \n", "Orientation: ")
    labels = [label for label in _LABELS if f"Orientation: {label}" in text]
    return next(iter(labels or [label for label in _LABELS if label in row.repair]), "?")


def _last_rating(text: str, previous: int | None) -> int | None:
    lines = [line for line in text.split("\n") if "Rating: " in line]
    if not lines:
        return previous
    return next((int(digit) for digit in "012" if digit in lines[-1]), 0)
