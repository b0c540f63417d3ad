"""Krippendorff's alpha between the judges, over all models, and the levels of agreement."""

from jasco.metrics.agreement import Agreement
from jasco.metrics.bootstrap import Estimate
from jasco.reports.findings.ranking import Models

RELIABLE, TENTATIVE = 0.8, 0.667
"""Krippendorff's alpha from which agreement is reliable, and allows tentative conclusions:
Krippendorff, *Content Analysis* (4th edition, 2018), chapter 12."""


def level_of(alpha: float) -> str:
    """Return the level of agreement that an alpha shows."""
    return "reliable" if alpha >= RELIABLE else "tentative" if alpha >= TENTATIVE else "unreliable"


def agreements(judged: Models) -> list[Agreement]:
    """Return the agreement of the judges on each model for which several are averaged."""
    return [each.agreement for each in judged.values() if each.agreement and not each.results.mixed]


def alphas(judged: Models) -> dict[str, list[Estimate]]:
    """Return the alphas of the ratings and of the orientations, one for each agreement."""
    found = agreements(judged)
    return {
        "ratings": [each.rating_alpha for each in found],
        "orientations": [each.orientation_alpha for each in found],
    }


def unreliable_alphas(judged: Models) -> dict[str, float]:
    """Return the lowest alpha of the labels on which agreement is unreliable for some model."""
    lowest = {
        label: min((each.value for each in of_label if each.value is not None), default=1.0)
        for label, of_label in alphas(judged).items()
    }
    return {label: alpha for label, alpha in lowest.items() if alpha < TENTATIVE}
