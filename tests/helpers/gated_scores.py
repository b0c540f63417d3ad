"""The gated score of a verdict, computed apart from the package."""

from jasco.protocol.verdicts import Orientation, Verdict


def gated_score(verdict: Verdict) -> int:
    """Return the rating of a verdict whose orientation is Both, and otherwise 0."""
    return (verdict.rating or 0) if verdict.orientation is Orientation.BOTH else 0
