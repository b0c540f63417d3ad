"""What the answers rest on: measured by removing each cue, or according to the judges."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from jasco.metrics.reliance import Effect
from jasco.reports.findings.finding import Finding, FindingKind
from jasco.reports.findings.ranking import Models, Rated, judges_apart
from jasco.reports.formats import percent, signed_number
from jasco.reports.formats import with_interval as figure
from jasco.reports.report import SHARES

if TYPE_CHECKING:  # it imports the formats that import this package
    from jasco.reports.reliance_report import RelianceReport

_OFTEN = 0.2  # share of answers attributed to a missing cue that makes the shares doubtful
_ALONE = {"audio": "the sound alone", "both": "both cues", "speech": "the speech alone"}


def cue_findings(judged: Models, reliance: Mapping[str, "RelianceReport"]) -> Iterator[Finding]:
    """Yield the cues that each model depends on."""
    for name, model in judged.items():
        measured = _measured(name, reliance[name]) if name in reliance else None
        if measured:
            yield measured
        else:
            for judge in judges_apart({name: model}):
                yield from _according_to_judges(Rated(name, model, judge), is_alone=not reliance)


def _measured(name: str, report: "RelianceReport") -> Finding | None:
    """Return what was measured by removing each cue; None if it was not."""
    effects = report.main_figures.effects
    lost = {cue: effects.get(f"necessity_{cue}", Effect()).v for cue in ("sound", "speech")}
    if any(effect.value is None for effect in lost.values()):
        return None
    used = [cue for cue, effect in lost.items() if (effect.low or 0) > 0]
    one, other = [*used, *(cue for cue in lost if cue not in used)]
    depend = {
        2: "depend on both cues",
        1: f"depend on the {one}, and not measurably on the {other}",
        0: "do not measurably depend on the sound or the speech",
    }[len(used)]
    text = (
        f"The answers of {name} {depend}: without the {one}, the mean rating (divided by 2) "
        f"changes by {figure(-lost[one], signed_number)}, without the {other} by "
        f"{figure(-lost[other], signed_number)} (measured by removing each cue)."
    )
    doubtful = report.proxy or not report.complete or not used
    return Finding(FindingKind.CUES, text, doubtful=doubtful)


def _according_to_judges(rated: Rated, *, is_alone: bool) -> Iterator[Finding]:
    """Yield what the labels of the judges say; ``is_alone`` if no model was measured."""
    name, score = rated.name, rated.score
    by = (
        ("" if is_alone else ", according to the judges") if rated.judge is None else rated.rated_by
    )
    shares = {share: getattr(score, share) for share in SHARES}
    if any(share.value is None for share in shares.values()):
        if score.neither_rate == 1:
            text = f"{name}: no answer names an action that follows from the sound or the speech"
            yield Finding(FindingKind.CUES, f"{text}{by}.")
        return
    first, second, third = sorted(shares, key=lambda share: -shares[share].value)
    leading, next_, least = (
        figure(shares[first], percent),
        percent(shares[second].value),
        percent(shares[third].value),
    )
    separate = shares[first].is_above(shares[second])
    if separate:
        how = "mostly" if shares[first].value > 0.5 else "most often"
        text = (
            f"{name} answers {how} from {_ALONE[first]}{by}: {leading} of the answers that rest on "
            f"a cue; {next_} rest on {_ALONE[second]}, {least} on {_ALONE[third]}."
        )
    else:
        text = (
            f"{name}: no cue clearly dominates{by}; of the answers that rest on a cue, {leading} "
            f"rest on {_ALONE[first]}, {next_} on {_ALONE[second]}, {least} on {_ALONE[third]}."
        )
    if score.neither_rate:
        text += f" {percent(score.neither_rate)} of all answers name no action."
    doubtful = mislabelled(rated) is not None or not separate or rated.proxy
    yield Finding(FindingKind.CUES, text, doubtful=doubtful)


def mislabelled(rated: Rated) -> float | None:
    """Return the largest share of a cue's labels in answers given without it; None if small."""
    shares = [
        share.value
        for label, report in rated.model.judges.items()
        if rated.judge in (None, label) and (attribution := report.attribution)
        for share in (attribution.sound, attribution.speech)
        if share.value is not None and share.value >= _OFTEN
    ]
    return max(shares, default=None)
