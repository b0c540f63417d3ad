"""Reports with chosen scores, and the findings about them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jasco.metrics.verdict_matrix import ORIENTATIONS, VerdictMatrix
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.comparison import summarise_report
from jasco.reports.findings import Finding, FindingKind, findings
from jasco.reports.report import Report
from jasco.runs.results import JudgeFacts, Results
from made_results import judged, results

GOOD, BAD = [2] * 20 + [1] * 20, [0] * 30 + [1] * 10
"""The best scores of 40 clips."""


def scored(*best: int) -> VerdictMatrix:
    """Return a matrix with the best score of each clip; other answers rest on the audio."""
    matrix = judged(0, Orientation.AUDIO, clips=len(best))
    for clip, rating in enumerate(best):
        if rating:
            matrix.enter(clip, 1, Verdict(rating, Orientation.BOTH))
    return matrix


def with_ratings(ratings: Any) -> VerdictMatrix:
    """Return a matrix with the given ratings; all answers rest on both cues."""
    both = np.full(ratings.shape, ORIENTATIONS.index(Orientation.BOTH), np.int8)
    return VerdictMatrix(np.asarray(ratings, np.float32), both, np.zeros(ratings.shape, bool))


def random_ratings(seed: int = 1, low: int = 0) -> VerdictMatrix:
    """Return 40 clips with random ratings from ``low`` to 2."""
    ratings = np.random.default_rng(seed).integers(low, 3, (40, 8)).astype(np.float32)
    return with_ratings(ratings)


def one(matrix: VerdictMatrix, *others: VerdictMatrix, **changes: Any) -> Report:
    """Return the report of one model, with one matrix for each judge."""
    return summarise_report([results("a", matrix, *others, **changes)])


def pair_of(first: Sequence[int], second: Sequence[int]) -> Report:
    """Return the comparison of two models by the best score of each clip."""
    return summarise_report([results("a", scored(*first)), results("b", scored(*second))])


def mixed(name: str, first: VerdictMatrix, proxy: VerdictMatrix) -> Results:
    """Return the results of a model by a judge and by a proxy."""
    judges = {"openai/J": JudgeFacts(), "offline": JudgeFacts(proxy=True)}
    return results(name, first, judges=judges, matrices={"openai/J": first, "offline": proxy})


def found(report: Report, kind: FindingKind, **options: Any) -> list[Finding]:
    """Return the findings of one kind."""
    return [finding for finding in findings(report, **options) if finding.kind is kind]


def text_of(report: Report, kind: FindingKind, **options: Any) -> str:
    """Return the text of the findings of one kind."""
    return " ".join(finding.text for finding in found(report, kind, **options))
