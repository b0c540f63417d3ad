"""The models in the order of their scores, and the judges whose figures are averaged."""

from collections.abc import Mapping
from dataclasses import dataclass

from jasco.metrics.bootstrap import Estimate
from jasco.metrics.scoring import Score
from jasco.reports.comparison import judge_difference
from jasco.reports.findings.finding import MOST_NAMES
from jasco.reports.formats import listed, short_names
from jasco.reports.formats import with_interval as figure
from jasco.reports.report import ModelReport, Report

Models = Mapping[str, ModelReport]
"""The models by the names that the findings use."""


@dataclass(frozen=True)
class Rated:
    """A model with its figures by one of its judges, or by all (None)."""

    name: str
    model: ModelReport
    judge: str | None = None

    @property
    def score(self) -> Score:
        """The score of the model."""
        return self.model.score if self.judge is None else self.model.judges[self.judge].score

    @property
    def proxy(self) -> bool:
        """Whether a proxy is among the judges."""
        return self.model.proxy if self.judge is None else self.model.judges[self.judge].proxy

    @property
    def is_participant(self) -> bool:
        """Whether the model is a human participant, who is given one instruction per clip."""
        return self.model.results.single_prompt

    @property
    def value(self) -> Estimate:
        """The figure by which the model is ranked."""
        return self.score.mean if self.is_participant else self.score.best_mean

    @property
    def shown(self) -> str:
        """The name and the figure."""
        return f"{self.name} {figure(self.value)}"

    @property
    def rated_by(self) -> str:
        """The judges in words; empty if they are unknown."""
        known = known_judges(self.model, self.judge)
        several = " (their mean)" if len(known) > 1 else ""
        return f", rated by {listed(known, MOST_NAMES)}{several}" if known else ""


def known_judges(model: ModelReport, judge: str | None = None) -> list[str]:
    """Return the names of a model's judges; a judged CSV file does not name its judge."""
    names = short_names(model.judges)
    known = []
    for label, report in model.judges.items():
        if judge not in (None, label):
            continue
        if report.facts.identity or label != model.results.model:
            known.append(f"{names[label]} (proxy)" if report.proxy else names[label])
        elif report.proxy:
            known.append("a proxy")
    return known


def is_mixed(models: Models) -> bool:
    """Return whether figures are given for each judge, because a proxy is among several."""
    return any(model.results.mixed for model in models.values())


def judges_apart(models: Models) -> list[str | None]:
    """Return the judges whose figures are given one by one; [None] if they are averaged."""
    if is_mixed(models):
        return list(dict.fromkeys(judge for model in models.values() for judge in model.judges))
    return [None]


def rankings(models: Models) -> list[list[Rated]]:
    """Return the models that have a figure, the best first, participants last.

    There is one ranking, or one by each judge if their figures are not averaged.
    """
    return [
        sorted(
            (
                rated
                for name, model in models.items()
                if judge is None or judge in model.judges
                for rated in [Rated(name, model, judge)]
                if rated.value.value is not None
            ),
            key=lambda rated: (rated.is_participant, -float(rated.value)),
        )
        for judge in judges_apart(models)
    ]


def are_comparable(report: Report, models: Models) -> bool:
    """Return whether the models have the same data, protocol, instructions and judges."""
    first, *others = (model.results for model in models.values())
    return not report.mismatches and not any(judge_difference(first, each) for each in others)
