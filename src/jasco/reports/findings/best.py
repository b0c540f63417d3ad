"""Which model is best, and what its figure means."""

from collections.abc import Iterator, Sequence
from math import isclose

from jasco.errors import count
from jasco.reports.findings.differences import Outcome, leads_of
from jasco.reports.findings.finding import MOST_NAMES, Finding, FindingKind
from jasco.reports.findings.ranking import Models, Rated, are_comparable, is_mixed, rankings
from jasco.reports.formats import listed
from jasco.reports.formats import with_interval as figure
from jasco.reports.notes import NOT_JUDGED
from jasco.reports.report import Report


def best_findings(report: Report, judged: Models) -> Iterator[Finding]:
    """Yield the best model, by each judge if they are not averaged, and the participants."""
    ranked = [*filter(None, rankings(judged))]
    if not ranked:
        why = "no verdict is readable" if judged else NOT_JUDGED
        text = f"{listed([*report.models], MOST_NAMES)}: {why}, so there are no figures."
        yield Finding(FindingKind.BEST, text, doubtful=True)
    elif len(ranked[0]) > 1 and not is_mixed(judged) and not are_comparable(report, judged):
        text = (
            "The models differ in their data, protocol or judges, so the figures do not show "
            f"which one is best: {listed([each.shown for each in ranked[0]])}."
        )
        yield Finding(FindingKind.BEST, text, doubtful=True)
    else:
        for ranking in ranked:
            models = [each for each in ranking if not each.is_participant]
            if models:
                yield _best_of(models, report)
            yield from (_participant(each, models) for each in ranking if each.is_participant)


def _best_of(ranking: Sequence[Rated], report: Report) -> Finding:
    best, results = ranking[0], ranking[0].model.results
    ties = [each for each in ranking if isclose(each.value, best.value, abs_tol=1e-9)]
    instructions = len(results.instructions)
    its = "its" if len(ties) == 1 else "their"
    answers = f"the best of {its} {instructions} answers" if instructions > 1 else f"{its} answer"
    text = (
        f"{_lead(ranking, ties, report)}on {count(results.data.clips, 'clip')}, {answers} to a "
        f"clip scores {figure(best.value)} of 2 on average{best.rated_by}."
    )
    if others := [each.shown for each in ranking if each not in ties]:
        text += f" Next: {listed(others, MOST_NAMES)}."
    elif len(ranking) == 1:
        text += " Answers that do not rest on both the sound and the speech score 0."
    doubtful = best.proxy or not best.model.complete or best.value.interval is None
    return Finding(FindingKind.BEST, text, doubtful=doubtful)


def _lead(ranking: Sequence[Rated], ties: Sequence[Rated], report: Report) -> str:
    names = listed([each.name for each in ties], MOST_NAMES)
    if len(ranking) == 1:
        return f"{names}: "
    if len(ties) == 1:
        return f"{names} scores highest{_reservation(ranking[0], ranking[1], report)}: "
    return f"{names} score equally: " if len(ties) == len(ranking) else f"{names} score highest: "


def _reservation(best: Rated, second: Rated, report: Report) -> str:
    lead = leads_of(best.name, report).get(second.name) if best.judge is None else None
    if lead and lead.outcome is not Outcome.CLEAR:
        return f", but not clearly higher than {second.name}"
    return ""


def _participant(participant: Rated, models: Sequence[Rated]) -> Finding:
    text = (
        f"{participant.name} (human participant): the mean score is {figure(participant.value)} "
        "of 2, with one instruction per clip"
    )
    if models:
        means = [f"{each.name} {figure(each.score.mean)}" for each in models]
        text += f"; to be compared with the mean of a model ({listed(means, MOST_NAMES)})"
    return Finding(FindingKind.BEST, f"{text}.", doubtful=not participant.model.complete)
