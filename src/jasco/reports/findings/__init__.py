"""The findings of a report in plain words: what a reader asks first.

A finding states computed figures only. The text is the same in the terminal and on the page; texts
from models, judges and data sets in it are not escaped: the writers do that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jasco.protocol.clips import Clip
from jasco.reports.findings.best import best_findings
from jasco.reports.findings.clips import clip_findings
from jasco.reports.findings.cues import cue_findings
from jasco.reports.findings.differences import difference_findings
from jasco.reports.findings.doubts import doubt_findings
from jasco.reports.findings.finding import Finding, FindingKind
from jasco.reports.findings.judges import judge_findings
from jasco.reports.formats import short_names
from jasco.reports.report import Report

if TYPE_CHECKING:  # it imports the formats that import this package
    from jasco.reports.reliance_report import RelianceReport

__all__ = ["Finding", "FindingKind", "findings"]


def findings(
    report: Report,
    reliance: Mapping[str, "RelianceReport"] | None = None,
    clips: Iterable[Clip] = (),
) -> list[Finding]:
    """Return the findings of a report, in the order of :class:`FindingKind`.

    Parameters
    ----------
    report : Report
        The models and, if they were compared, their differences.
    reliance : mapping of str to RelianceReport, optional
        By name of the model: its modality reliance, if it was measured.
    clips : iterable of Clip
        The annotations of the clips, to describe those that are named.
    """
    names = short_names(report.models)
    report = _renamed(report, names)
    judged = {name: model for name, model in report.models.items() if model.judges}
    measured = {names[name]: each for name, each in (reliance or {}).items()}
    return [
        *best_findings(report, judged),
        *difference_findings(report, judged),
        *cue_findings(judged, measured),
        *clip_findings(judged, {clip.id: clip for clip in clips}),
        *judge_findings(judged),
        *doubt_findings(report, judged),
    ]


def _renamed(report: Report, names: Mapping[str, str]) -> Report:
    """Return a report with other names of the models."""

    def rename(pair: Any) -> Any:
        return replace(pair, first=names[pair.first], second=names[pair.second])

    return replace(
        report,
        models={names[name]: model for name, model in report.models.items()},
        pairs=None if report.pairs is None else [*map(rename, report.pairs)],
        not_compared=[*map(rename, report.not_compared or ())],
    )
