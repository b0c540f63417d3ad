"""How well the judges agree, and which of them differs from the others."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jasco.metrics.agreement import JudgeAgreement
from jasco.metrics.bootstrap import Estimate
from jasco.reports.findings.agreement import (
    RELIABLE,
    TENTATIVE,
    agreements,
    alphas,
    level_of,
    unreliable_alphas,
)
from jasco.reports.findings.finding import Finding, FindingKind
from jasco.reports.findings.ranking import Models, is_mixed, known_judges
from jasco.reports.formats import listed, number, percent, short_names
from jasco.reports.formats import with_interval as figure


def judge_findings(judged: Models) -> Iterator[Finding]:
    """Yield the exams of the judges, their agreement, and the judges that differ."""
    if exams := _exams(judged):
        text = f"Correct verdicts in an exam with known answers: {listed(exams)}."
        yield Finding(FindingKind.JUDGES, text)
    found = agreements(judged)
    if found:
        text = _agreement_in_words(judged)
        yield Finding(FindingKind.JUDGES, text, doubtful=bool(unreliable_alphas(judged)))
    elif judged and not is_mixed(judged):
        known = dict.fromkeys(name for model in judged.values() for name in known_judges(model))
        if len(known) < 2:
            only = ", ".join(["Only one judge", *known])
            text = f"{only}: how others would rate the answers is unknown."
            yield Finding(FindingKind.JUDGES, text, doubtful=True)
    by_judge: dict[str, list[JudgeAgreement]] = {}
    for agreement in found:
        for judge in agreement.judges:
            by_judge.setdefault(judge.judge, []).append(judge)
    common = {judge: each for judge, each in by_judge.items() if len(each) == len(found)}
    names = short_names(common)
    panel = {names[judge]: each for judge, each in common.items()}
    for text in (_odd_judge(panel), _severity(panel)):
        if text:
            yield Finding(FindingKind.JUDGES, text)


def _exams(judged: Models) -> list[str]:
    """Return the share of known answers that each examined judge rated correctly."""
    shares = {
        label: judge.facts.exam["known_answers"]["accuracy"]
        for model in judged.values()
        for label, judge in model.judges.items()
        if judge.facts.exam
    }
    names = short_names(shares)
    return [
        f"{names[label]} {percent(share)}" for label, share in shares.items() if share is not None
    ]


def _agreement_in_words(judged: Models) -> str:
    parts = []
    for label, of_label in alphas(judged).items():
        values = [alpha.value for alpha in of_label if alpha.value is not None]
        if values:
            levels = dict.fromkeys(map(level_of, (min(values), max(values))))
            parts.append(f"{label} {_over_models(of_label)}, {' to '.join(levels)}")
        else:
            parts.append(f"{label} unknown, because all labels are equal")
    return (
        f"Agreement between the judges (Krippendorff's alpha): {'; '.join(parts)}. By convention, "
        f"{RELIABLE} or more is reliable, and {TENTATIVE} or more allows tentative conclusions."
    )


Panel = Mapping[str, Sequence[JudgeAgreement]]
"""By name: the agreement of a judge with the others on each model, if it judged all of them."""


def _odd_judge(panel: Panel) -> str:
    """Format which of at least three judges agrees least with the others, on every model."""
    kappas = {judge: [one.rating_kappa for one in each] for judge, each in panel.items()}
    if len(panel) < 3 or any(kappa.value is None for each in kappas.values() for kappa in each):
        return ""
    means = {judge: _mean(each) for judge, each in kappas.items()}
    odd, *others = sorted(means, key=means.__getitem__)
    if not all(
        kappa.is_above(of_odd)
        for other in others
        for kappa, of_odd in zip(kappas[other], kappas[odd], strict=True)
    ):
        return ""
    return (
        f"{odd} is the odd judge out: its mean weighted kappa with the others is "
        f"{_over_models(kappas[odd])}; that of the others is "
        f"{_range([means[other] for other in others])}."
    )


def _severity(panel: Panel) -> str:
    """Format which judge is strictest and which most lenient, if that holds on every model."""
    differences = {judge: [one.score_difference for one in each] for judge, each in panel.items()}
    clear = {
        judge: _mean(each)
        for judge, each in differences.items()
        if all(one.excludes_0 for one in each) and len({float(one) > 0 for one in each}) == 1
    }
    if len(panel) < 2:
        return ""
    if not clear:
        where = " on every model" if len(next(iter(panel.values()))) > 1 else ""
        return f"No judge is clearly stricter or more lenient than the others{where}."
    strict, lenient = min(clear, key=clear.__getitem__), max(clear, key=clear.__getitem__)
    below = _over_models([-one for one in differences[strict]])
    above = _over_models(differences[lenient])
    if len(panel) == 2:
        [other] = [judge for judge in panel if judge != strict]
        is_stricter = clear[strict] < 0
        return f"{strict} is stricter than {other}: it scores {below} lower." if is_stricter else ""
    parts = []
    if clear[strict] < 0:
        parts.append(
            f"{strict} is the strictest judge: it scores {below} below the others on average"
        )
    if clear[lenient] > 0:
        parts.append(
            f"{lenient} is the most lenient: it scores {above} above the others on average"
        )
    return f"{'; '.join(parts)}."


def _mean(figures: Sequence[Estimate]) -> float:
    return float(np.mean([*map(float, figures)]))


def _over_models(figures: Sequence[Estimate]) -> str:
    """Format a figure of one model with its interval, or the range of several models."""
    if len(figures) == 1:
        return figure(figures[0])
    return _range([each.value for each in figures if each.value is not None])


def _range(values: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys(map(number, (min(values), max(values)))))
