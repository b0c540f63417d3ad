"""Small figures that reports show beside the benchmark's own.

Conventions
-----------
Arrays have the shape (clips, instructions), as in :mod:`jasco.metrics.verdict_matrix`. A missing
verdict is missing: never 0.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.bootstrap import Estimate
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.verdicts import Verdict


def mean_scores(matrices: Iterable[VerdictMatrix], clips: int) -> NDArray[np.float64]:
    """Compute the judges' mean gated score of each item; NaN where no verdict is readable.

    Returns
    -------
    ndarray, shape (clips, instructions)
    """
    scores = np.array([matrix.gated() for matrix in matrices], float)
    scores = scores.reshape(-1, clips, len(INSTRUCTIONS))
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = np.nansum(scores, axis=0) / (~np.isnan(scores)).sum(axis=0)
    return mean


def mean_of_known(values: NDArray[np.float64]) -> float | None:
    """Compute the mean of the values that are not NaN; None where there is none."""
    return None if np.isnan(values).all() else float(np.nanmean(values))


def spread(figures: Sequence[Estimate]) -> float | None:
    """Compute the largest figure minus the smallest; None where no figure is known."""
    known = [figure.value for figure in figures if figure.value is not None]
    return max(known) - min(known) if known else None


def verdict_difference(verdicts: Iterable[Verdict]) -> int:
    """Compute how far verdicts on one answer differ; 0 where fewer than two are readable.

    The range of the gated scores, plus the range of the ratings, plus one for each further
    orientation.
    """
    readable = [verdict for verdict in verdicts if verdict.readable]
    if len(readable) < 2:
        return 0
    ratings = [verdict.rating for verdict in readable if verdict.rating is not None]
    gated = [verdict.gated for verdict in readable]
    orientations = {verdict.orientation for verdict in readable}
    return max(gated) - min(gated) + max(ratings) - min(ratings) + len(orientations) - 1
