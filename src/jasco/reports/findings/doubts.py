"""Reasons not to trust the figures."""

from collections.abc import Iterator

from jasco.errors import count
from jasco.metrics.bootstrap import LEAST_CLIPS
from jasco.reports.findings.agreement import unreliable_alphas
from jasco.reports.findings.cues import mislabelled
from jasco.reports.findings.finding import MOST_NAMES, Finding, FindingKind
from jasco.reports.findings.ranking import Models, Rated, rankings
from jasco.reports.formats import listed, number, percent, short_names
from jasco.reports.notes import cautions
from jasco.reports.report import Report

_WIDE = 0.4  # width of an interval of a score that is a fifth of the scale


def doubt_findings(report: Report, judged: Models) -> Iterator[Finding]:
    """Yield the cautions of the notes, and what the figures themselves show."""
    texts = [
        *cautions(report),
        *_imprecise(report, judged),
        *_unreliable(judged),
        *_mislabelled(judged),
        *_not_examined(judged),
    ]
    yield from (Finding(FindingKind.DOUBT, text, doubtful=True) for text in texts)


def _imprecise(report: Report, judged: Models) -> Iterator[str]:
    clips = report.data.clips
    intervals = [each.value.interval for ranking in rankings(judged) for each in ranking]
    if not intervals:
        return
    if clips < LEAST_CLIPS:
        few = f"{count(clips, 'clip')} {'is' if clips == 1 else 'are'}"
        yield f"{few} too few for intervals, so the figures may be due to chance."
        return
    widest = max((end[1] - end[0] for end in intervals if end), default=0.0)
    if widest >= _WIDE:
        yield (
            f"The figures are imprecise: {count(clips, 'clip')} give intervals that are up to "
            f"{number(widest)} wide, on a scale of 2."
        )


def _unreliable(judged: Models) -> Iterator[str]:
    if lowest := unreliable_alphas(judged):
        yield (
            f"Agreement between the judges on {listed([*lowest])} is unreliable (Krippendorff's "
            f"alpha is as low as {number(min(lowest.values()))}), so other judges may give other "
            "figures."
        )


def _mislabelled(judged: Models) -> Iterator[str]:
    for name, model in judged.items():
        share = mislabelled(Rated(name, model))
        if share is not None:
            yield (
                f"What answers rest on is doubtful: of the answers that {name} gave without a cue, "
                f"up to {percent(share)} were labelled as resting on it."
            )


def _not_examined(judged: Models) -> Iterator[str]:
    labels = dict.fromkeys(
        label
        for model in judged.values()
        for label, judge in model.judges.items()
        if judge.facts.exam is None and not judge.proxy
    )
    if labels:
        yield (
            f"{listed([*short_names(labels).values()], MOST_NAMES)}: not examined, so it is "
            "unknown how reliable the verdicts are; see: jasco exam"
        )
