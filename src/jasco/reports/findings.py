"""The findings of a report in plain words: what a reader asks first.

A finding states computed figures only. The text is the same in the terminal and on the page; texts
from models, judges and data sets in it are not escaped: the writers do that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jasco.errors import count, one_line
from jasco.metrics.agreement import Agreement, JudgeAgreement
from jasco.metrics.bootstrap import LEAST_CLIPS, Estimate
from jasco.metrics.comparison import LEAST_CLIPS as LEAST_CLIPS_FOR_P
from jasco.metrics.reliance import Effect, excludes_0
from jasco.metrics.scoring import Score, mean_by_clip
from jasco.metrics.verdict_matrix import nan_mean
from jasco.protocol.clips import AnyClip, Clip
from jasco.reports.comparison import judge_difference
from jasco.reports.formats import listed, number, p_value, percent, short_names
from jasco.reports.formats import with_interval as figure
from jasco.reports.notes import NOT_JUDGED, cautions
from jasco.reports.report import SHARES, ModelReport, Pair, Report

if TYPE_CHECKING:  # it imports the formats that import this module
    from jasco.reports.reliance_report import RelianceReport

RELIABLE, TENTATIVE = 0.8, 0.667
"""Krippendorff's alpha from which agreement is reliable, and allows tentative conclusions:
Krippendorff, *Content Analysis* (4th edition, 2018), chapter 12."""
_SIGNIFICANT = 0.05
_WIDE = 0.4  # width of an interval of a score that is a fifth of the scale
_OFTEN = 0.2  # share of answers attributed to a missing cue that makes the shares doubtful
_MOST_CLIPS = 3
_MOST_NAMES = 4
_LONGEST_CUE = 50
_SAME = 1e-9


class FindingKind(StrEnum):
    """The question that a finding answers."""

    BEST = "best"  # which model is best, and what its figure means
    DIFFERENCE = "difference"  # whether the lead is real
    CUES = "cues"  # what the answers rest on
    CLIPS = "clips"  # which clips are hardest
    JUDGES = "judges"  # how well judges agree, and which one differs
    DOUBT = "doubt"  # reasons not to trust the figures


@dataclass(frozen=True)
class Finding:
    """A finding in words.

    Attributes
    ----------
    kind : FindingKind
        The question that it answers.
    text : str
        One or several sentences.
    doubtful : bool
        Whether the figures do not support a firm conclusion.
    clips : tuple of str
        The ids of the clips that the text names.
    """

    kind: FindingKind
    text: str
    doubtful: bool = False
    clips: tuple[str, ...] = ()


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
        *_best(report, judged),
        *_differences(report, judged),
        *_cues(judged, measured),
        *_clips(judged, {clip.id: clip for clip in clips}),
        *_judges(judged),
        *_doubts(report, judged),
    ]


Models = Mapping[str, ModelReport]


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


# --- the best model ---


@dataclass(frozen=True)
class _Ranked:
    """A model with the figure by which it is ranked."""

    name: str
    model: ModelReport
    score: Score

    @property
    def value(self) -> Estimate:
        single_prompt = self.model.results.single_prompt
        return self.score.mean if single_prompt else self.score.best_mean

    @property
    def shown(self) -> str:
        return f"{self.name} {figure(self.value)}"


def _ranking(models: Models, judge: str = "") -> list[_Ranked]:
    """Return the models with a figure, by a judge or by all: the best first, participants last."""
    ranked = [
        _Ranked(name, model, model.judges[judge].score if judge else model.score)
        for name, model in models.items()
        if not judge or judge in model.judges
    ]
    return sorted(
        (each for each in ranked if each.value.value is not None),
        key=lambda each: (each.model.results.single_prompt, -(each.value.value or 0)),
    )


def _separate_judges(models: Models) -> list[str]:
    """Return the judges if their figures are not averaged, else one empty name."""
    if any(model.results.mixed for model in models.values()):
        return list(dict.fromkeys(judge for model in models.values() for judge in model.judges))
    return [""]


def _incomparable(report: Report, models: Models) -> bool:
    """Return whether the models differ in data, protocol, instructions or judges."""
    first, *others = (model.results for model in models.values())
    return bool(report.mismatches) or any(judge_difference(first, other) for other in others)


def _best(report: Report, judged: Models) -> Iterator[Finding]:
    if not any(_ranking(judged, judge) for judge in _separate_judges(judged)):
        why = "no verdict is readable" if judged else NOT_JUDGED
        text = f"{listed([*report.models], _MOST_NAMES)}: {why}, so there are no figures."
        yield Finding(FindingKind.BEST, text, doubtful=True)
        return
    for judge in _separate_judges(judged):
        ranked = _ranking(judged, judge)
        models = [each for each in ranked if not each.model.results.single_prompt]
        if len(ranked) > 1 and _incomparable(report, judged) and not judge:
            text = (
                "The models differ in their data, protocol or judges, so the figures do not show "
                f"which one is best: {listed([each.shown for each in ranked])}."
            )
            yield Finding(FindingKind.BEST, text, doubtful=True)
            continue
        if models:
            yield _best_of(models, judge)
        for each in ranked:
            if each.model.results.single_prompt:
                yield _participant(each, models)


def _best_of(ranked: Sequence[_Ranked], judge: str) -> Finding:
    best, prompts = ranked[0], len(ranked[0].model.results.instructions)
    ties = [each for each in ranked if _close(each.value, best.value)]
    its = "its" if len(ties) == 1 else "their"
    answers = f"the best of {its} {prompts} answers" if prompts > 1 else f"{its} answer"
    text = (
        f"{_lead(ranked, ties)}on {count(_clips_of(best), 'clip')}, {answers} to a clip scores "
        f"{figure(best.value)} of 2 on average{_rated_by(best.model, judge)}."
    )
    if others := [each.shown for each in ranked if each not in ties]:
        text += f" Next: {listed(others, _MOST_NAMES)}."
    elif len(ranked) == 1:
        text += " Answers that do not rest on both the sound and the speech score 0."
    return Finding(FindingKind.BEST, text, doubtful=_is_doubtful(best, judge))


def _lead(ranked: Sequence[_Ranked], ties: Sequence[_Ranked]) -> str:
    names = listed([each.name for each in ties], _MOST_NAMES)
    if len(ranked) == 1:
        return f"{names}: "
    if len(ties) == 1:
        return f"{names} scores highest: "
    return f"{names} score equally: " if len(ties) == len(ranked) else f"{names} score highest: "


def _close(one: Estimate, other: Estimate) -> bool:
    return abs(float(one) - float(other)) < _SAME


def _clips_of(ranked: _Ranked) -> int:
    return ranked.model.results.data.clips


def _rated_by(model: ModelReport, judge: str = "") -> str:
    """Format the judges of a model; empty if they are unknown."""
    known = _known_judges(model, judge)
    several = " (their mean)" if len(known) > 1 else ""
    return f", rated by {listed(known, _MOST_NAMES)}{several}" if known else ""


def _known_judges(model: ModelReport, judge: str = "") -> list[str]:
    """Return the names of a model's judges; a judged CSV file does not name its judge."""
    names = short_names(model.judges)
    known = []
    for label, report in model.judges.items():
        if judge not in ("", label):
            continue
        if report.facts.identity or label != model.results.model:
            known.append(f"{names[label]} (proxy)" if report.proxy else names[label])
        elif report.proxy:
            known.append("a proxy")
    return known


def _is_doubtful(ranked: _Ranked, judge: str) -> bool:
    model = ranked.model
    proxy = model.judges[judge].proxy if judge else model.proxy
    return proxy or not model.complete or ranked.value.interval is None


def _participant(ranked: _Ranked, models: Sequence[_Ranked]) -> Finding:
    text = (
        f"{ranked.name} (human participant): the mean score is {figure(ranked.value)} of 2, with "
        "one prompt per clip"
    )
    if models:
        means = [f"{each.name} {figure(each.score.mean)}" for each in models]
        text += f"; to be compared with the mean of a model ({listed(means, _MOST_NAMES)})"
    return Finding(FindingKind.BEST, f"{text}.", doubtful=not ranked.model.complete)


# --- differences ---


class _Outcome(StrEnum):
    CLEAR = "is clearly better than"
    WEAK = "may be better than"
    OPEN = "cannot be distinguished from"
    WORSE = "scores below, on their common answers,"


@dataclass(frozen=True)
class _Lead:
    """The difference between a model and another one, the first minus the second."""

    first: str
    second: str
    difference: Estimate
    pair: Pair

    @classmethod
    def of(cls, pair: Pair, first: str) -> "_Lead":
        """Return a pair with a given model first."""
        compared = pair.comparison
        difference = compared.mean if compared.tested == "mean" else compared.best_mean
        if pair.first == first:
            return cls(first, pair.second, difference, pair)
        return cls(first, pair.first, _negative(difference), pair)

    def reversed(self) -> "_Lead":
        """Return the second minus the first."""
        return _Lead(self.second, self.first, _negative(self.difference), self.pair)

    @property
    def outcome(self) -> _Outcome:
        """What the difference shows."""
        if (self.difference.value or 0) < -_SAME:
            return _Outcome.WORSE
        p, excludes = self.pair.p_holm, excludes_0(self.difference)
        if p is None:
            return _Outcome.WEAK if excludes else _Outcome.OPEN
        signs = [p < _SIGNIFICANT, excludes]
        return _Outcome.CLEAR if all(signs) else _Outcome.WEAK if any(signs) else _Outcome.OPEN


def _negative(estimate: Estimate) -> Estimate:
    if estimate.value is None:
        return estimate
    low, high = (None if end is None else -end for end in (estimate.low, estimate.high))
    return Estimate(-estimate.value, high, low)


def _differences(report: Report, judged: Models) -> Iterator[Finding]:
    ranked = [] if _separate_judges(judged) != [""] else _ranking(judged)
    if len(ranked) < 2:
        return
    if report.pairs is None:
        if not _incomparable(report, judged):
            text = "jasco compare shows whether the difference between models is real."
            yield Finding(FindingKind.DIFFERENCE, text)
        return
    best, second = ranked[0].name, ranked[1].name
    leads = {
        lead.second: lead
        for pair in report.pairs
        if best in (pair.first, pair.second)
        for lead in [_Lead.of(pair, best)]
    }
    comparisons = sum(pair.p_holm is not None for pair in report.pairs)
    if second in leads:
        lead = leads.pop(second)
        doubtful = lead.outcome is not _Outcome.CLEAR or not lead.pair.comparison.complete
        text = _lead_in_words(lead, comparisons)
        yield Finding(FindingKind.DIFFERENCE, text, doubtful=doubtful)
    else:
        whys = {
            frozenset((each.first, each.second)): each.why for each in report.not_compared or ()
        }
        if why := whys.get(frozenset((best, second))):
            text = f"{best} and {second} are not compared: {why}."
            yield Finding(FindingKind.DIFFERENCE, text, doubtful=True)
    if leads:
        yield _other_leads(best, list(leads.values()))


def _lead_in_words(lead: _Lead, comparisons: int) -> str:
    compared = lead.pair.comparison
    where = ""
    if lead.outcome is _Outcome.WORSE:
        lead = lead.reversed()
        # A participant has no best-mean, by which models are ranked.
        where = "" if compared.tested == "mean" else "On the answers that both have, "
    first, second, difference = lead.first, lead.second, lead.difference
    if difference.value is None:
        return f"{first} and {second} have no judged answers in common."
    what = "difference of the means" if compared.tested == "mean" else "difference"
    parts = [f"the {what} is {figure(difference)}"]
    if lead.pair.p_holm is not None:
        p = p_value(lead.pair.p_holm)
        sign = "" if p.startswith("<") else "= "
        corrected = f", corrected for {comparisons} comparisons" if comparisons > 1 else ""
        parts.append(f"(p {sign}{p}{corrected})")
    figures = " ".join(parts)
    if difference.interval is None and lead.pair.p_holm is None:
        clips = count(compared.clips, "clip")
        few = compared.clips < LEAST_CLIPS
        why = f"{clips} {'is' if compared.clips == 1 else 'are'} too few for an interval"
        text = f"unknown whether {first} is really better than {second}: {figures}"
        text += f", and {why}" if few else ""
        return f"{where}it is {text}." if where else f"It is {text}."
    if lead.outcome is _Outcome.CLEAR:
        text = f"{where}{first} is clearly better than {second}: {figures}."
    elif lead.outcome is _Outcome.WEAK:
        text = f"{where}{first} may be better than {second}, but the evidence is weak: {figures}."
        if lead.pair.p_holm is None:
            text += f" Fewer than {LEAST_CLIPS_FOR_P} clips are too few for a test."
    else:
        text = f"{where}{first} and {second} cannot be distinguished: {figures}"
        text += ", and its interval includes 0." if difference.interval else "."
        if compared.detectable is not None:
            text += (
                f" On {count(compared.clips, 'clip')}, a true difference below "
                f"{number(compared.detectable)} would often be missed."
            )
    if not compared.complete:
        total = compared.clips + compared.clips_left_out
        text += (
            f" Because verdicts are missing, they are compared on {compared.items} of "
            f"{count(compared.items_expected, 'item')} ({compared.clips} of "
            f"{count(total, 'clip')})."
        )
    return text


def _other_leads(best: str, leads: Sequence[_Lead]) -> Finding:
    parts = []
    for outcome in _Outcome:
        shown = [
            f"{lead.second} ({figure(lead.difference)})"
            for lead in leads
            if lead.outcome is outcome
        ]
        if shown:
            parts.append(f"{outcome} {listed(shown, _MOST_NAMES)}")
    doubtful = any(lead.outcome is not _Outcome.CLEAR for lead in leads)
    text = f"Compared with the other models, {best} {'; it '.join(parts)}."
    return Finding(FindingKind.DIFFERENCE, text, doubtful=doubtful)


# --- cues ---

_ALONE = {"audio": "the sound alone", "both": "both cues", "speech": "the speech alone"}


def _cues(judged: Models, reliance: Mapping[str, "RelianceReport"]) -> Iterator[Finding]:
    for name, model in judged.items():
        measured = name in reliance and _measured_reliance(name, reliance[name])
        if measured:
            yield measured
            continue
        for judge in _separate_judges({name: model}):
            if found := _dependence(name, model, judge):
                yield found


def _dependence(name: str, model: ModelReport, judge: str) -> Finding | None:
    score = model.judges[judge].score if judge else model.score
    by = f"{_rated_by(model, judge)}" if judge else ""
    shares = {share: getattr(score, share) for share in SHARES}
    if any(share.value is None for share in shares.values()):
        if score.neither_rate != 1:
            return None
        text = f"{name}: no answer names an action that follows from the sound or the speech{by}."
        return Finding(FindingKind.CUES, text)
    first, second, third = sorted(shares, key=lambda share: -shares[share].value)
    separate = _is_above(shares[first], shares[second])
    others = (
        f"{percent(shares[second].value)} rest on {_ALONE[second]}, "
        f"{percent(shares[third].value)} on {_ALONE[third]}"
    )
    leading = figure(shares[first], percent)
    if separate:
        how = "mostly" if shares[first].value > 0.5 else "most often"
        text = (
            f"{name} answers {how} from {_ALONE[first]}{by}: {leading} of the answers that rest on "
            f"a cue; {others}."
        )
    else:
        text = (
            f"{name}: no cue clearly dominates{by}; of the answers that rest on a cue, {leading} "
            f"rest on {_ALONE[first]}, {others.replace(' rest', '', 1)}."
        )
    if neither := score.neither_rate:
        text += f" {percent(neither)} of all answers name no action."
    warning = _attribution_warning(model, judge)
    doubtful = (
        bool(warning) or not separate or (model.judges[judge].proxy if judge else model.proxy)
    )
    return Finding(FindingKind.CUES, text + warning, doubtful=doubtful)


def _is_above(one: Estimate, other: Estimate) -> bool:
    """Return whether the intervals of two figures do not overlap; without intervals, False."""
    return one.low is not None and other.high is not None and one.low > other.high


def _attribution_warning(model: ModelReport, judge: str) -> str:
    """Format how often judges attribute answers to a missing cue, if that is often."""
    parts = []
    names = short_names(model.judges)
    for label, report in model.judges.items():
        if judge not in ("", label) or report.attribution is None:
            continue
        parts += [
            f"{names[label]} labels {percent(share.value)} of the answers given without the {cue} "
            "as resting on it"
            for cue, share in (
                ("sound", report.attribution.sound),
                ("speech", report.attribution.speech),
            )
            if share.value is not None and share.value >= _OFTEN
        ]
    return f" These labels are doubtful: {listed(parts, _MOST_NAMES)}." if parts else ""


def _measured_reliance(name: str, report: "RelianceReport") -> Finding | None:
    """Return what was measured by removing each cue; None if it was not."""
    effects = report.main_figures.effects
    lost = {cue: effects.get(f"necessity_{cue}", Effect()).v for cue in ("sound", "speech")}
    if any(effect.value is None for effect in lost.values()):
        return None
    used = [cue for cue, effect in lost.items() if (effect.low or 0) > 0]
    unused = [cue for cue in lost if cue not in used]
    shown = {cue: figure(effect) for cue, effect in lost.items()}
    if not unused:
        text = (
            "depend on both cues: without the sound, the rating (from 0 to 1) falls by "
            f"{shown['sound']}, without the speech by {shown['speech']}"
        )
    elif used:
        [cue], [other] = used, unused
        text = (
            f"depend on the {cue}, and not measurably on the {other}: without the {cue}, the "
            f"rating (from 0 to 1) falls by {shown[cue]}, without the {other} by {shown[other]}"
        )
    else:
        text = (
            "do not measurably depend on the sound or the speech: without the sound, the rating "
            f"(from 0 to 1) falls by {shown['sound']}, without the speech by {shown['speech']}"
        )
    doubtful = report.proxy or not report.complete or not used
    text = f"The answers of {name} {text} (measured by removing each cue)."
    return Finding(FindingKind.CUES, text, doubtful=doubtful)


# --- clips ---


def _clips(judged: Models, texts: Mapping[str, Clip]) -> Iterator[Finding]:
    models = {name: model for name, model in judged.items() if model.results.matrices}
    several = {n: m for n, m in models.items() if not m.results.single_prompt} or models
    if not several:
        return
    clips = next(iter(several.values())).results.clips
    scores = [_clip_means(model, clips) for model in several.values()]
    if not clips or any(each is None for each in scores):
        return
    means = nan_mean(np.array(scores), axis=0)
    order = np.argsort(means, kind="stable")  # clips without a score are sorted to the end
    no_credit = int((means == 0).sum())
    rated = int((~np.isnan(means)).sum())
    if rated < 2:
        return
    who = next(iter(several)) if len(several) == 1 else None
    zero = f"{who} scores 0" if who else "All models score 0"
    if no_credit > 1:
        shown = [clips[place] for place in order[: min(no_credit, _MOST_CLIPS)]]
        example = ": " if no_credit == len(shown) else ", for example "
        text = f"{zero} on {no_credit} of {rated} clips{example}{_in_words(shown, texts)}."
    elif means[order[0]] < means[order[rated - 1]]:
        shown = [clips[place] for place in order[: min(rated - 1, _MOST_CLIPS)]]
        hardest = "clip is" if len(shown) == 1 else "clips are"
        text = f"The hardest {hardest} {_in_words(shown, texts)}."
        text += f" {zero} on the first of these clips." if no_credit and len(shown) > 1 else ""
    else:
        return
    yield Finding(FindingKind.CLIPS, text, clips=tuple(clip.id for clip in shown))


def _clip_means(model: ModelReport, clips: Sequence[AnyClip]) -> NDArray[np.float64] | None:
    """Return the mean score of each clip, by judges that are no proxy if there are any.

    Return None if the model answered other clips.
    """
    results = model.results
    matrices = [
        matrix
        for judge, matrix in results.matrices.items()
        if not (results.mixed and results.judges[judge].proxy)
    ]
    means = mean_by_clip(matrices)
    if len(means) != len(clips):
        return None
    if all(one.id == other.id for one, other in zip(clips, results.clips, strict=True)):
        return means
    places = {clip.id: place for place, clip in enumerate(results.clips)}
    if not all(clip.id in places for clip in clips):
        return None
    return means[[places[clip.id] for clip in clips]]


def _in_words(clips: Sequence[AnyClip], texts: Mapping[str, Clip]) -> str:
    described = []
    for clip in clips:
        text = clip if isinstance(clip, Clip) else texts.get(clip.id)
        if text is None:
            described.append(clip.id)
            continue
        sound, speech = (one_line(cue, _LONGEST_CUE) for cue in (text.sound, text.speech))
        described.append(f'{clip.id} ({sound}; "{speech}")')
    return listed(described)


# --- judges ---


def _judges(judged: Models) -> Iterator[Finding]:
    models = {name: model for name, model in judged.items() if not model.results.mixed}
    agreements = {name: each.agreement for name, each in models.items() if each.agreement}
    yield from _exams(judged)
    if not agreements:
        known = dict.fromkeys(name for model in models.values() for name in _known_judges(model))
        if len(models) == len(judged) > 0 and len(known) < 2:
            only = f"Only one judge, {next(iter(known))}" if known else "Only one judge"
            text = f"{only}: how others would rate the answers is unknown."
            yield Finding(FindingKind.JUDGES, text, doubtful=True)
        return
    yield _agreement_in_words(agreements)
    by_judge: dict[str, list[JudgeAgreement]] = {}
    for agreement in agreements.values():
        for judge in agreement.judges:
            by_judge.setdefault(judge.judge, []).append(judge)
    common = {judge: each for judge, each in by_judge.items() if len(each) == len(agreements)}
    names = short_names(common)
    if len(common) > 2:
        yield from _odd_judge(common, names)
    if len(common) > 1:
        yield from _severity(common, names)


def _exams(judged: Models) -> Iterator[Finding]:
    """Yield how many known answers each examined judge rated correctly."""
    exams = {
        label: judge.facts.exam["known_answers"]["accuracy"]
        for model in judged.values()
        for label, judge in model.judges.items()
        if judge.facts.exam
    }
    names = short_names(exams)
    shown = [
        f"{names[label]} {percent(share)}" for label, share in exams.items() if share is not None
    ]
    if shown:
        text = f"Correct verdicts in an exam with known answers: {listed(shown)}."
        yield Finding(FindingKind.JUDGES, text)


def _agreement_in_words(agreements: Mapping[str, Agreement]) -> Finding:
    parts, lowest = [], 1.0
    for label, name in (("ratings", "rating_alpha"), ("orientations", "orientation_alpha")):
        alphas = [getattr(agreement, name) for agreement in agreements.values()]
        values = [alpha.value for alpha in alphas if alpha.value is not None]
        if not values:
            parts.append(f"{label} unknown, because all labels are equal")
            continue
        shown = figure(alphas[0]) if len(alphas) == 1 else _range(values)
        levels = dict.fromkeys(map(_level, (min(values), max(values))))
        parts.append(f"{label} {shown}, {' to '.join(levels)}")
        lowest = min(lowest, *values)
    text = (
        f"Agreement between the judges (Krippendorff's alpha): {'; '.join(parts)}. By convention, "
        f"{RELIABLE} or more is reliable, and {TENTATIVE} or more allows tentative conclusions."
    )
    return Finding(FindingKind.JUDGES, text, doubtful=lowest < TENTATIVE)


def _level(alpha: float) -> str:
    return "reliable" if alpha >= RELIABLE else "tentative" if alpha >= TENTATIVE else "unreliable"


def _range(values: Sequence[float]) -> str:
    ends = dict.fromkeys(map(number, (min(values), max(values))))
    return " to ".join(ends)


def _odd_judge(
    judges: Mapping[str, Sequence[JudgeAgreement]], names: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield which of at least three judges agrees least with the others, on every model."""
    kappas = {judge: [one.rating_kappa for one in each] for judge, each in judges.items()}
    if any(kappa.value is None for each in kappas.values() for kappa in each):
        return
    means = {judge: float(np.mean([*map(float, each)])) for judge, each in kappas.items()}
    odd, *others = sorted(means, key=means.__getitem__)
    if not all(
        _is_above(kappas[other][place], kappa)
        for place, kappa in enumerate(kappas[odd])
        for other in others
    ):
        return
    shown = figure(kappas[odd][0]) if len(kappas[odd]) == 1 else _range([*map(float, kappas[odd])])
    best = _range([means[other] for other in others])
    text = (
        f"{names[odd]} is the odd judge out: its mean weighted kappa with the others is {shown}; "
        f"that of the others is {best}."
    )
    yield Finding(FindingKind.JUDGES, text)


def _severity(
    judges: Mapping[str, Sequence[JudgeAgreement]], names: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield which judge is strictest and which most lenient, if that holds on every model."""
    differences = {judge: [one.score_difference for one in each] for judge, each in judges.items()}
    clear = {
        judge: float(np.mean([*map(float, each)]))
        for judge, each in differences.items()
        if all(map(excludes_0, each)) and len({float(one) > 0 for one in each}) == 1
    }

    def shown(judge: str) -> str:
        sizes = [_size(one) for one in differences[judge]]
        return figure(sizes[0]) if len(sizes) == 1 else _range([*map(float, sizes)])

    strict = min(clear, key=clear.__getitem__, default="")
    lenient = max(clear, key=clear.__getitem__, default="")
    strict = strict if strict and clear[strict] < 0 else ""
    lenient = lenient if lenient and clear[lenient] > 0 else ""
    if len(judges) == 2 and strict:
        [other] = [judge for judge in judges if judge != strict]
        text = f"{names[strict]} is stricter than {names[other]}: it scores {shown(strict)} lower."
        yield Finding(FindingKind.JUDGES, text)
    elif len(judges) > 2 and (strict or lenient):
        parts = []
        if strict:
            parts.append(
                f"{names[strict]} is the strictest judge: it scores {shown(strict)} below the "
                "others on average"
            )
        if lenient:
            parts.append(
                f"{names[lenient]} is the most lenient: it scores {shown(lenient)} above the "
                "others on average"
            )
        yield Finding(FindingKind.JUDGES, f"{'; '.join(parts)}.")


def _size(estimate: Estimate) -> Estimate:
    """Return the size of a difference whose interval excludes 0."""
    return _negative(estimate) if float(estimate) < 0 else estimate


# --- doubts ---


def _doubts(report: Report, judged: Models) -> Iterator[Finding]:
    texts = [*cautions(report), *_imprecise(report, judged), *_not_examined(judged)]
    yield from (Finding(FindingKind.DOUBT, text, doubtful=True) for text in texts)


def _imprecise(report: Report, judged: Models) -> Iterator[str]:
    clips = report.data.clips
    intervals = [
        each.value.interval
        for judge in _separate_judges(judged)
        for each in _ranking(judged, judge)
    ]
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


def _not_examined(judged: Models) -> Iterator[str]:
    labels = dict.fromkeys(
        label
        for model in judged.values()
        for label, judge in model.judges.items()
        if judge.facts.exam is None and not judge.proxy
    )
    if labels:
        names = [short_names(labels)[label] for label in labels]
        yield (
            f"{listed(names, _MOST_NAMES)}: not examined, so it is unknown how reliable the "
            "verdicts are; see: jasco exam"
        )
