"""Whether the lead of the best model over the others is real."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from jasco.errors import count
from jasco.metrics.bootstrap import LEAST_CLIPS, Estimate
from jasco.metrics.comparison import LEAST_CLIPS as LEAST_CLIPS_FOR_P
from jasco.metrics.comparison import Comparison
from jasco.reports.findings.finding import MOST_NAMES, Finding, FindingKind
from jasco.reports.findings.ranking import Models, are_comparable, is_mixed, rankings
from jasco.reports.formats import listed, number, p_value
from jasco.reports.formats import with_interval as figure
from jasco.reports.report import Pair, Report

_SIGNIFICANT = 0.05
_SAME = 1e-9


class Outcome(StrEnum):
    """What a difference shows, in words between the names of the models."""

    CLEAR = "is clearly better than"
    WEAK = "may be better than"
    OPEN = "cannot be distinguished from"
    WORSE = "scores below, on their common answers,"


@dataclass(frozen=True)
class Lead:
    """The difference between a model and another one, the first minus the second."""

    first: str
    second: str
    difference: Estimate
    pair: Pair

    @classmethod
    def of(cls, pair: Pair, first: str) -> "Lead":
        """Return a pair with a given model first."""
        compared = pair.comparison
        difference = compared.mean if compared.tested == "mean" else compared.best_mean
        lead = cls(pair.first, pair.second, difference, pair)
        return lead if pair.first == first else lead.reversed()

    def reversed(self) -> "Lead":
        """Return the second minus the first."""
        return Lead(self.second, self.first, -self.difference, self.pair)

    @property
    def outcome(self) -> Outcome:
        """What the difference shows."""
        if (self.difference.value or 0) < -_SAME:
            return Outcome.WORSE
        p, excludes = self.pair.p_holm, self.difference.excludes_0
        if p is None:
            return Outcome.WEAK if excludes else Outcome.OPEN
        signs = [p < _SIGNIFICANT, excludes]
        return Outcome.CLEAR if all(signs) else Outcome.WEAK if any(signs) else Outcome.OPEN


def leads_of(best: str, report: Report) -> dict[str, Lead]:
    """Return the differences between a model and those that it is compared with, by name."""
    pairs = [pair for pair in report.pairs or () if best in (pair.first, pair.second)]
    return {lead.second: lead for pair in pairs for lead in [Lead.of(pair, best)]}


def difference_findings(report: Report, judged: Models) -> Iterator[Finding]:
    """Yield the difference between the best model and the next, and to the others in short."""
    [ranking] = [[]] if is_mixed(judged) else rankings(judged)
    if len(ranking) < 2:
        return
    if report.pairs is None:
        if are_comparable(report, judged):
            text = "jasco compare shows whether the difference between models is real."
            yield Finding(FindingKind.DIFFERENCE, text)
        return
    best, second = ranking[0].name, ranking[1].name
    leads = leads_of(best, report)
    if lead := leads.pop(second, None):
        comparisons = sum(pair.p_holm is not None for pair in report.pairs)
        doubtful = lead.outcome is not Outcome.CLEAR or not lead.pair.comparison.complete
        yield Finding(FindingKind.DIFFERENCE, _in_words(lead, comparisons), doubtful=doubtful)
    for pair in report.not_compared or ():
        if {pair.first, pair.second} == {best, second}:
            text = f"{best} and {second} are not compared: {pair.why}."
            yield Finding(FindingKind.DIFFERENCE, text, doubtful=True)
    if leads:
        yield _other_leads(best, list(leads.values()))


def _in_words(lead: Lead, comparisons: int) -> str:
    compared, where = lead.pair.comparison, ""
    if lead.outcome is Outcome.WORSE:
        lead = lead.reversed()
        # A participant has no best-mean, by which models are ranked.
        where = "" if compared.tested == "mean" else "On the answers that both have, "
    first, second = lead.first, lead.second
    if lead.difference.value is None:
        return f"{first} and {second} have no judged answers in common."
    figures = _figures(lead, comparisons)
    if lead.difference.interval is None and lead.pair.p_holm is None:
        it = "it" if where else "It"
        text = f"{where}{it} is unknown whether {first} is really better than {second}: {figures}"
        if compared.clips < LEAST_CLIPS:
            are = "is" if compared.clips == 1 else "are"
            text += f", and {count(compared.clips, 'clip')} {are} too few for an interval"
        return f"{text}."
    if lead.outcome is Outcome.CLEAR:
        text = f"{where}{first} is clearly better than {second}: {figures}."
    elif lead.outcome is Outcome.WEAK:
        text = f"{where}{first} may be better than {second}, but the evidence is weak: {figures}."
        if lead.pair.p_holm is None:
            text += f" Fewer than {LEAST_CLIPS_FOR_P} clips are too few for a test."
    else:
        text = f"{where}{first} and {second} cannot be distinguished: {figures}"
        text += ", and its interval includes 0." if lead.difference.interval else "."
        if compared.detectable is not None:
            text += (
                f" On {count(compared.clips, 'clip')}, a true difference below "
                f"{number(compared.detectable)} would often be missed."
            )
    return text if compared.complete else f"{text} {_left_out(compared)}"


def _figures(lead: Lead, comparisons: int) -> str:
    what = "difference of the means" if lead.pair.comparison.tested == "mean" else "difference"
    text = f"the {what} is {figure(lead.difference)}"
    if lead.pair.p_holm is None:
        return text
    p = p_value(lead.pair.p_holm)
    sign = "" if p.startswith("<") else "= "
    corrected = f", corrected for {comparisons} comparisons" if comparisons > 1 else ""
    return f"{text} (p {sign}{p}{corrected})"


def _left_out(compared: Comparison) -> str:
    clips = count(compared.clips + compared.clips_left_out, "clip")
    return (
        f"Because verdicts are missing, they are compared on {compared.items} of "
        f"{count(compared.items_expected, 'item')} ({compared.clips} of {clips})."
    )


def _other_leads(best: str, leads: Sequence[Lead]) -> Finding:
    parts = []
    for outcome in Outcome:
        shown = [
            f"{lead.second} ({figure(lead.difference)})"
            for lead in leads
            if lead.outcome is outcome
        ]
        if shown:
            parts.append(f"{outcome} {listed(shown, MOST_NAMES)}")
    doubtful = any(lead.outcome is not Outcome.CLEAR for lead in leads)
    text = f"Compared with the other models, {best} {'; it '.join(parts)}."
    return Finding(FindingKind.DIFFERENCE, text, doubtful=doubtful)
