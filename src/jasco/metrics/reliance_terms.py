"""The contributions of clips to the figures of causal modality reliance.

A figure has the name of its group (a condition, ``effect``, or ``swap-`` and the cue) and its own
name. Keywords are treated like a judge whose v is the share of answers with a keyword.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.answer_outcomes import CLASSES, JudgedAnswers, Outcomes, changes, names_cue
from jasco.metrics.bootstrap import Clips, Terms
from jasco.metrics.contrasts import Contrast, swap_draws
from jasco.metrics.verdict_matrix import VerdictMatrix, nan_mean
from jasco.protocol.conditions import CUES, ORIGINAL, Cue

EFFECT = "effect"
SWAPS = ("donor", "own", "undecided", "neither")

FigureName = tuple[str, str]
Columns = dict[FigureName, tuple[NDArray[np.float64], NDArray[np.float64]]]
"""The parts and the wholes of figures, shape (clips,)."""


def figure_bounds(
    conditions: Iterable[str], differences: Mapping[str, Contrast]
) -> dict[FigureName, tuple[float, float]]:
    """Return the bounds of each figure on a clip, by condition or group and name."""
    bounds: dict[FigureName, tuple[float, float]] = {}
    for key in conditions:
        bounds |= {(key, name): (0, 1) for name in ("v", "best_v", *CLASSES, "change_rate")}
        bounds[key, "excess_change_rate"] = -1, 1
    bounds |= {(f"swap-{cue}", name): (0, 1) for cue in CUES for name in SWAPS}
    bounds |= {(EFFECT, name): contrast.bounds for name, contrast in differences.items()}
    return bounds


def summed_terms(
    clips: int, names: Sequence[FigureName], columns: Callable[[Clips], Columns]
) -> Terms:
    """Sum the parts and the wholes of the figures; figures without columns are undefined."""

    def terms(kept: Clips) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        found = columns(kept)
        undefined = np.zeros(len(kept)), np.zeros(len(kept))
        parts, wholes = zip(*(found.get(name, undefined) for name in names), strict=True)
        return np.column_stack(parts), np.column_stack(wholes)

    return Terms.of(clips, terms)


def judge_columns(
    conditions: Mapping[str, Outcomes],
    judge: str,
    differences: Mapping[str, Contrast],
    again: str | None,
    kept: Clips,
) -> Columns:
    """Return the parts and wholes of the figures of a judge on some clips."""
    answers = {
        key: JudgedAnswers.of(outcomes.verdicts[judge].of_clips(kept), outcomes.refusals[:, kept])
        for key, outcomes in conditions.items()
    }
    items = {key: one.item_values() for key, one in answers.items()}
    columns = _effects(items, differences)
    original = answers[ORIGINAL].classes
    changed_again = (
        changes(original[1:], original[:-1])
        if again == ORIGINAL
        else changes(answers[again].classes, original)
        if again
        else None
    )
    for key, one in answers.items():
        columns[key, "best_v"] = _mean(one.best_values())
        for name in CLASSES:
            columns[key, name] = _mean(nan_mean(one.item_shares(name), axis=1))
        if key == ORIGINAL:
            continue
        changed = changes(one.classes, original)
        columns[key, "change_rate"] = _mean(nan_mean(changed, axis=1))
        if changed_again is not None and key != again:
            excess = nan_mean(changed - changed_again, axis=1)
            columns[key, "excess_change_rate"] = _mean(excess)
    for cue in CUES:
        swapped = [conditions[key] for key in swap_draws(conditions, cue)]
        pairs = [
            (outcomes.verdicts[judge].of_clips(kept), outcomes.donor_verdicts[judge].of_clips(kept))
            for outcomes in swapped
            if judge in outcomes.donor_verdicts
        ]
        for name, counts in _swap_counts(pairs, cue).items():
            columns[f"swap-{cue}", name] = counts
    return columns


def keyword_columns(
    conditions: Mapping[str, Outcomes], differences: Mapping[str, Contrast], kept: Clips
) -> Columns:
    """Return the parts and wholes of the figures of keywords on some clips."""
    items = {
        key: nan_mean(outcomes.keywords[:, kept], axis=0) for key, outcomes in conditions.items()
    }
    return _effects(items, differences)


def _effects(
    items: Mapping[str, NDArray[np.float64]], differences: Mapping[str, Contrast]
) -> Columns:
    columns = {(key, "v"): _mean(nan_mean(values, axis=1)) for key, values in items.items()}
    for name, contrast in differences.items():
        columns[EFFECT, name] = _mean(contrast.by_clip(items))
    return columns


def _mean(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the part and the whole of the mean over clips; undefined values do not contribute."""
    defined = ~np.isnan(values)
    return np.where(defined, values, 0), defined.astype(float)


def _swap_counts(
    pairs: Sequence[tuple[VerdictMatrix, VerdictMatrix]], cue: Cue
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Count the answers of each clip by the cue that they name, and all answers.

    Parameters
    ----------
    pairs : sequence of (VerdictMatrix, VerdictMatrix)
        The verdicts according to the clip's own annotations and to those of the donor, by donor.
    cue : str
        The swapped cue.
    """
    counts: dict[str, tuple[Any, Any]] = {}
    for own_verdicts, donor_verdicts in pairs:
        for own, donor in zip(own_verdicts.samples, donor_verdicts.samples, strict=True):
            judged = own.readable & donor.readable
            by_own, by_donor = names_cue(own, cue), names_cue(donor, cue)
            kinds = {
                "donor": by_donor & ~by_own,
                "own": by_own & ~by_donor,
                "undecided": by_own & by_donor,
                "neither": ~by_own & ~by_donor,
            }
            for name, kind in kinds.items():
                part, whole = counts.get(name, (0.0, 0.0))
                counts[name] = (
                    part + (kind & judged).sum(axis=1),
                    whole + judged.sum(axis=1),
                )
    return counts
