"""Verdict matrices with random or repeated verdicts."""

import numpy as np

from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.verdicts import Verdict


def random_matrix(seed: int, clips: int = 40) -> VerdictMatrix:
    """Return a complete matrix of random ratings and orientations."""
    rng = np.random.default_rng(seed)
    return VerdictMatrix(
        rng.integers(0, 3, (clips, 8)).astype(np.float32),
        rng.integers(0, 4, (clips, 8)).astype(np.int8),
        np.zeros((clips, 8), bool),
    )


def repeated_matrix(*verdicts: Verdict, cells: int = 16, clips: int = 2) -> VerdictMatrix:
    """Return a matrix whose first cells hold these verdicts in turn."""
    matrix = VerdictMatrix.none_yet(clips)
    for cell in range(cells):
        matrix.enter(cell // 8, cell % 8 + 1, verdicts[cell % len(verdicts)])
    return matrix
