"""The notes below a table: what is missing, failed or in doubt, and what the figures rest on.

They are made once, as :class:`Note`, and every writer shows those of the kinds that it has room
for. Texts of models, judges and servers in them are not escaped: that is for the writers.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from jasco.backends.requests import change_in_words
from jasco.errors import count, one_line
from jasco.metrics.agreement import Agreement
from jasco.metrics.comparison import LEAST_CLIPS
from jasco.protocol.failure_reasons import Reason
from jasco.reports.exam import exam_status
from jasco.reports.formats import (
    between,
    failure_counts,
    number,
    percent,
    reason_texts,
    with_interval,
)
from jasco.reports.report import ModelReport, Pair, Report, most_clipped
from jasco.reports.spending import spending_line


class NoteKind(Enum):
    """What a note is about."""

    PROMPTS = auto()
    """How much the prompts and the judges matter: tables say so too."""
    JUDGE = auto()
    """How reliable a judge is: its exam, its agreement with itself."""
    KNOWN_ISSUES = auto()
    INTERVALS = auto()
    MISSING = auto()
    REASON = auto()
    """The commonest message of a kind of failure."""
    DETAIL = auto()
    """How the answers came about."""
    DOUBT = auto()
    """What must be known before a figure is believed."""
    INCOMPLETE = auto()
    COMPARISON = auto()
    """Pairs that are not compared, or are compared in spite of a difference."""


@dataclass(frozen=True)
class Note:
    """One line below a table.

    Attributes
    ----------
    kind : NoteKind
    subject : str
        The model or judge that it is about; empty where it is about all.
    text : str
    """

    kind: NoteKind
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}" if self.subject else self.text


BASIS = (NoteKind.JUDGE, NoteKind.KNOWN_ISSUES)
"""The kinds of notes that say what the figures rest on."""
CAUTIONS = (NoteKind.DOUBT, NoteKind.INCOMPLETE)
"""The kinds of notes that must be read before the figures."""


def note_lines(report: Report, kinds: Container[NoteKind] = tuple(NoteKind)) -> list[str]:
    """Return the lines of a report's notes of some kinds, each once."""
    return list(dict.fromkeys(str(note) for note in notes(report) if note.kind in kinds))


def notes(report: Report) -> Iterator[Note]:
    """Return all notes of a report."""
    for name, model in report.models.items():
        yield from _figures(name, model)
    if any(
        each.score.mean.interval
        for model in report.models.values()
        for each in (model, *model.judges.values())
    ):
        text = (
            "Intervals: bootstrap over the clips. Judges and decoding are held fixed; how much "
            "they vary is not in them."
        )
        yield Note(NoteKind.INTERVALS, "", text)
    for name, model in report.models.items():
        yield from _answering(name, model)
        yield from _judging(name, model)
        for subject, adaptations in (
            (name, model.results.adaptations),
            *((judge, each.facts.adaptations) for judge, each in model.judges.items()),
        ):
            if changes := change_in_words(adaptations):
                yield Note(NoteKind.DETAIL, subject, f"{changes}, because its server asked for it")
        if line := spending_line(model.results.spent):
            yield Note(NoteKind.DETAIL, name, line)
        yield from _cautions(name, model)
    for pair in report.not_compared or ():
        text = f"{pair.first} and {pair.second} are not compared: {pair.why}"
        yield Note(NoteKind.COMPARISON, "", text)
    for mismatch in report.mismatches or ():
        yield Note(NoteKind.COMPARISON, "", f"compared all the same (--allow-mismatch): {mismatch}")


def _figures(name: str, model: ModelReport) -> Iterator[Note]:
    """Format what lies behind the headline, and what it rests on."""
    score, single_prompt = model.score, model.results.single_prompt
    if single_prompt and model.judges:
        yield Note(
            NoteKind.PROMPTS,
            name,
            "one prompt a clip, as of a participant: no best-mean; best of 1 (mean) "
            + with_interval(score.mean),
        )
    if score.best_at:
        curve = " ".join(number(figure.value) for figure in score.best_at)
        yield Note(NoteKind.PROMPTS, name, f"best of 1 to {len(score.best_at)} prompts: {curve}")
    if means := [each.value for each in score.by_instruction if each.value is not None]:
        yield Note(
            NoteKind.PROMPTS,
            name,
            f"mean by prompt: {number(min(means))} to {number(max(means))}; sound named first "
            f"minus speech named first: {with_interval(score.sound_first)}",
        )
    if model.agreement and not model.results.mixed:
        text = f"the judges agree (Krippendorff's alpha): {_alphas(model.agreement)}"
        yield Note(NoteKind.PROMPTS, name, text)
    for judge, report in model.judges.items():
        yield Note(NoteKind.JUDGE, judge, exam_status(report.facts))
        if report.facts.with_itself:
            text = f"agrees with itself (alpha): {_alphas(report.facts.with_itself)}"
            yield Note(NoteKind.JUDGE, judge, text)
    if issues := model.results.faults:
        figure = "mean" if single_prompt else "best_mean"
        without = model.without_known_issues
        value = with_interval(getattr(without, figure)) if without else number(None)
        yield Note(
            NoteKind.KNOWN_ISSUES,
            name,
            f"without the clips that have known issues ({', '.join(i.clip for i in issues)}; "
            f"see: jasco data verify): {figure.replace('_', '-')} {value}",
        )


def _alphas(agreement: Agreement) -> str:
    rating, orientation = agreement.rating_alpha, agreement.orientation_alpha
    return f"rating {with_interval(rating)}, orientation {with_interval(orientation)}"


def _answering(name: str, model: ModelReport) -> Iterator[Note]:
    answers = model.results.answers
    if lacking := _unanswered(model):
        yield Note(NoteKind.MISSING, name, lacking)
    yield from _reasons(name, answers.reasons)
    details = []
    if answers.truncated:
        were = "was" if answers.truncated == 1 else "were"
        details.append(
            f"{count(answers.truncated, 'answer')} {were} cut off at the longest length allowed"
        )
    if answers.treated_clips:
        details.append(f"converted to 16 kHz mono PCM16: {count(answers.treated_clips, 'clip')}")
    if most := most_clipped(answers):
        details.append(
            f"clipped samples: {count(len(answers.clipped or ()), 'clip')} (most: clip "
            f"{one_line(most['clip'], 40)}, {count(most['samples'], 'sample')})"
        )
    details += [
        f"{warning}: {count(len(clips), 'clip')} ({one_line(', '.join(clips), 80)})"
        for warning, clips in answers.audio_warnings.items()
    ]
    if answers.cut_clips:
        are = "is" if answers.cut_clips == 1 else "are"
        details.append(
            f"{count(answers.cut_clips, 'clip')} {are} longer than the "
            f"{answers.max_audio_seconds:g} s that the model takes, and cut off there"
        )
    for runtime in answers.runtime:
        parts = ", ".join(f"{key} {value}" for key, value in runtime.items())
        details.append(f"computed with {one_line(parts, 500)}")
    yield from (Note(NoteKind.DETAIL, name, text) for text in details)


def _judging(name: str, model: ModelReport) -> Iterator[Note]:
    answered = model.results.answers.answered
    if not model.judges:
        yield Note(NoteKind.MISSING, name, "not judged yet")
    for judge, report in model.judges.items():
        facts = report.facts
        left = answered - facts.given - facts.final
        if left > 0 and len(model.judges) > 1:
            text = (
                f"{left} of {count(answered, 'answer')} have no verdict of this judge: finish it "
                "with the command that began it, leave it out with --judge, or remove it: "
                f"jasco forget RUN --judge {judge}"
            )
            yield Note(NoteKind.MISSING, judge, text)
        if failed := sum(facts.failed.values()):
            text = f"{count(failed, 'verdict')} failed ({failure_counts(facts.failed)})"
            yield Note(NoteKind.MISSING, judge, text)
            yield from _reasons(judge, facts.reasons)
        if (check := facts.check) and check["state"] == "wrong":
            text = (
                f"gave rating {check['rating']}, {check['orientation']} to a known question whose "
                "verdict is 2, Both"
            )
            yield Note(NoteKind.DETAIL, judge, text)
        if facts.cut_off:
            text = (
                f"{facts.cut_off} of its unreadable verdicts were cut off at the longest length "
                "allowed; max_tokens=... allows more"
            )
            yield Note(NoteKind.DETAIL, judge, text)
    for judge, failed_by_kind in model.results.without_verdict.items():
        text = f"gave no verdict ({failure_counts(failed_by_kind)}), and is left out of the figures"
        yield Note(NoteKind.MISSING, judge, text)
        yield from _reasons(judge, model.results.reasons_without_verdict.get(judge, ()))


def _reasons(subject: str, reasons: Iterable[Reason]) -> Iterator[Note]:
    return (Note(NoteKind.REASON, subject, text) for text in reason_texts(reasons))


def _cautions(name: str, model: ModelReport) -> Iterator[Note]:
    results = model.results
    if doubt := _preflight_doubt(results.answers.preflight):
        yield Note(NoteKind.DOUBT, name, doubt)
    for subject, served in (
        (name, results.served),
        *((judge, report.facts.served) for judge, report in model.judges.items()),
    ):
        if len(served) > 1:
            text = (
                f"its server called it {one_line(' and '.join(served))} within this run: the "
                "figures may be of a mixture of models"
            )
            yield Note(NoteKind.DOUBT, subject, text)
    if results.mixed:
        text = (
            "a proxy and other judges are never averaged: the figures are each judge's own; "
            "--judge chooses whose are shown"
        )
        yield Note(NoteKind.DOUBT, name, text)
    if model.proxy:
        proxies = [judge for judge, report in model.judges.items() if report.proxy]
        text = (
            "PROXY figures. A small classifier stands in for the protocol's judges: to try things "
            "and to compare your own runs, not to publish; see: jasco judges"
        )
        yield Note(NoteKind.DOUBT, ", ".join(proxies) if results.mixed else name, text)
    if not model.complete and model.judges:
        yield Note(NoteKind.INCOMPLETE, name, _incomplete(model))


def _incomplete(model: ModelReport) -> str:
    score = model.score
    figure, ends = "Best-mean", score.bounds
    if model.results.single_prompt:
        figure, ends = "The mean", score.mean_bounds
    bounds = "; with every missing verdict at its worst and at its best it is " + between(ends)
    return (
        f"INCOMPLETE: coverage {percent(score.coverage)}. {figure} counts the clips that have a "
        f"readable verdict{bounds if ends else ''}."
    )


def _preflight_doubt(preflight: Mapping[str, Any] | None) -> str:
    """Format what speaks against the model's use of the audio; empty if nothing does."""
    if preflight is None or preflight["state"] == "passed":
        return ""
    reason = one_line(preflight.get("reason", ""), 500)
    doubt = {
        "refused": f"AUDIO NOT USED, by the preflight: the model {reason}",
        "inconclusive": f"it is not known whether the model uses the audio: preflight: {reason}",
        "skipped": "it is not known whether the model uses the audio: no preflight "
        "(--no-preflight)",
    }[preflight["state"]]
    return doubt + ("; overridden by --no-preflight" if preflight.get("overridden") else "")


# --- what is missing, in a few words ---


def missing(report: Report) -> Iterator[str]:
    """Format in a few words what each incomplete model lacks."""
    for name, model in report.models.items():
        lacking = list(filter(None, [_unanswered(model)]))
        if not model.judges and (model.results.answers.answered or not lacking):
            lacking.append("not judged yet")
        if not model.complete and model.judges:
            lacking.append(f"coverage {percent(model.score.coverage)}")
        if lacking:
            yield f"{name}: {', '.join(lacking)}"


def _unanswered(model: ModelReport) -> str:
    answers = model.results.answers
    unanswered = answers.expected - answers.answered
    why = f" ({failure_counts(answers.failed)})" if answers.failed else ""
    items = count(answers.expected, "item")
    return f"{unanswered} of {items} not answered{why}" if unanswered else ""


# --- comparisons ---

_PAIRS_EXPLAINED = (
    "Paired over clips. p: sign-flip permutation test of best-mean; Holm: corrected for the "
    "number of pairs; detectable: the true difference that this benchmark finds four times out of "
    "five. Judges and decoding are held fixed; how much they vary is not in the intervals."
)


def explain_pairs(pairs: Sequence[Pair]) -> str:
    """Return what the columns of a table of differences hold."""
    compared = [pair.comparison for pair in pairs]
    texts = [_PAIRS_EXPLAINED]
    if any(each.clips < LEAST_CLIPS for each in compared):
        texts.append(f"Of fewer than {LEAST_CLIPS} clips there is no p.")
    if not all(each.complete for each in compared):
        texts.append(
            "Where verdicts are missing, models are compared on the items that every judge of "
            "both has a readable verdict on: best-mean is that of the best of the common prompts "
            "of each clip, and clips without any are left out. What is missing is taken to be "
            "missing by chance. Bounds: every missing verdict at its worst for one model and at "
            "its best for the other."
        )
    if any(each.tested == "mean" for each in compared):
        texts.append(
            "A participant hears a clip once and answers one prompt: compared with one, p, Holm "
            "and detectable are those of the mean (best of 1), a model's over the prompts that "
            "have a readable verdict; p: by exchanging the participant's answers with the model's."
        )
    return " ".join(texts)
