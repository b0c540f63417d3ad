"""Verdict matrices with random verdicts."""

import numpy as np

from jasco.metrics.verdict_matrix import VerdictMatrix


def random_matrix(seed: int, clips: int = 40) -> VerdictMatrix:
    """Return a complete matrix of random ratings and orientations."""
    rng = np.random.default_rng(seed)
    return VerdictMatrix(
        rng.integers(0, 3, (clips, 8)).astype(np.float32),
        rng.integers(0, 4, (clips, 8)).astype(np.int8),
        np.zeros((clips, 8), bool),
    )
