"""The notes below a table: missing data, failures, cautions, and the basis of the figures.

Each note has a :class:`NoteKind`, and each writer shows the kinds that it has room for. Texts from
models, judges and servers in notes are not escaped: the writers do that.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any

from jasco.backends.chat_requests import change_in_words
from jasco.errors import count, one_line
from jasco.metrics.agreement import Agreement
from jasco.metrics.comparison import LEAST_CLIPS
from jasco.metrics.reliance import Attribution
from jasco.protocol.conditions import ORIGINAL
from jasco.reports.exam import exam_status
from jasco.reports.formats import (
    between,
    failure_counts,
    listed,
    number,
    percent,
    reason_texts,
)
from jasco.reports.formats import with_interval as figure
from jasco.reports.report import JudgeReport, ModelReport, Pair, Report, most_clipped
from jasco.reports.spending import spending_line


class NoteKind(Enum):
    """The kind of a note."""

    PROMPTS = auto()  # effect of instructions and judges; also shown in tables
    VARIANCE = auto()  # variance components of the scores
    JUDGE = auto()  # reliability of a judge: its exam, its self-agreement
    ATTRIBUTION = auto()  # how far modality dependence by a judge can be believed
    KNOWN_ISSUES = auto()
    INTERVALS = auto()
    MISSING = auto()
    REASON = auto()  # the most frequent message of a kind of failure
    DETAIL = auto()  # how answers and verdicts were produced
    DOUBT = auto()  # reasons not to trust a figure
    INCOMPLETE = auto()
    COMPARISON = auto()  # pairs that are not compared, or compared despite a mismatch


BASIS = (NoteKind.JUDGE, NoteKind.ATTRIBUTION, NoteKind.KNOWN_ISSUES)  # the basis of the figures
CAUTIONS = (NoteKind.DOUBT, NoteKind.INCOMPLETE)  # to be read before the figures


def note_lines(report: Report, kinds: Container[NoteKind] = tuple(NoteKind)) -> list[str]:
    """Return the lines of a report's notes of the given kinds, without duplicates."""
    lines = (
        f"{subject}: {text}" if subject else text
        for kind, subject, text in _notes(report)
        if kind in kinds
    )
    return list(dict.fromkeys(lines))


def cautions(report: Report) -> list[str]:
    """Return the notes of the kinds ``CAUTIONS``, each once for all models or judges."""
    subjects: dict[str, dict[str, None]] = {}  # an ordered set by text
    for kind, subject, text in _notes(report):
        if kind in CAUTIONS:
            subjects.setdefault(text, {})[subject] = None
    return [f"{listed([*of_text])}: {text}" for text, of_text in subjects.items()]


Note = tuple[NoteKind, str, str]
"""The kind, the model or judge that it is about (or empty), and the text."""


def _notes(report: Report) -> Iterator[Note]:
    for name, model in report.models.items():
        yield from _about(NoteKind.PROMPTS, name, _prompts(model))
        yield from _about(NoteKind.VARIANCE, name, _variance(model))
        for judge, judge_report in model.judges.items():
            yield from _about(NoteKind.JUDGE, judge, _reliability(judge, judge_report))
            subject = judge if len(report.models) == 1 else f"{judge}, on {name}"
            texts = [attribution_text(judge_report.attribution)]
            yield from _about(NoteKind.ATTRIBUTION, subject, texts)
        yield from _about(NoteKind.KNOWN_ISSUES, name, _known_issues(model))
    yield from ((NoteKind.INTERVALS, "", line) for line in _intervals(report))
    for name, model in report.models.items():
        results = model.results
        if name != (results.name or results.model) and results.source:  # numbered
            yield NoteKind.DETAIL, name, " + ".join(map(str, results.source))
        yield from _about(NoteKind.MISSING, name, [unanswered(model)])
        yield from _about(NoteKind.REASON, name, reason_texts(results.answers.reasons))
        yield from _about(NoteKind.DETAIL, name, _answering(model))
        yield from _about(NoteKind.MISSING, name, [] if model.judges else [NOT_JUDGED])
        for judge, judge_report in model.judges.items():
            yield from _about(NoteKind.MISSING, judge, _missing_verdicts(judge, model))
            yield from _about(NoteKind.REASON, judge, reason_texts(judge_report.facts.reasons))
            yield from _about(NoteKind.DETAIL, judge, _judging(judge_report))
        for judge, failed in results.without_verdict.items():
            text = f"no verdicts ({failure_counts(failed)}); not included in the figures"
            yield from _about(NoteKind.MISSING, judge, [text])
            reasons = results.reasons_without_verdict.get(judge, ())
            yield from _about(NoteKind.REASON, judge, reason_texts(reasons))
        yield from _about(NoteKind.DETAIL, name, [spending_line(results.spent)])
        yield from _about(NoteKind.DOUBT, name, _doubts(model))
        for judge, judge_report in model.judges.items():
            yield from _about(NoteKind.DOUBT, judge, _several_served(judge_report.facts.served))
            subject = judge if results.mixed else name
            yield from _about(NoteKind.DOUBT, subject, [PROXY] if judge_report.proxy else ())
        yield from _about(NoteKind.INCOMPLETE, name, _incomplete(model))
    for pair in report.not_compared or ():
        text = f"{pair.first} and {pair.second} are not compared: {pair.why}"
        yield NoteKind.COMPARISON, "", text
    for mismatch in report.mismatches or ():
        text = f"compared despite a mismatch (--allow-mismatch): {mismatch}"
        yield NoteKind.COMPARISON, "", text


def _about(kind: NoteKind, subject: str, texts: Iterable[str]) -> Iterator[Note]:
    """Yield the notes about a model or judge."""
    return ((kind, subject, text) for text in texts if text)


# --- the basis of the figures ---


def _prompts(model: ModelReport) -> Iterator[str]:
    score = model.score
    if model.results.single_prompt and model.judges:
        yield (
            "one instruction per clip (human participant), so no best-mean; mean (best of 1) "
            + figure(score.mean)
        )
    if score.best_at:
        curve = " ".join(number(mean.value) for mean in score.best_at)
        yield f"best of 1 to {len(score.best_at)} instructions: {curve}"
    if means := [mean.value for mean in score.by_instruction if mean.value is not None]:
        order = (
            "; instructions that name the sound first minus those that name the speech first: "
            f"{figure(score.sound_first)}"
        )
        yield (
            f"mean by instruction: {number(min(means))} to {number(max(means))}"
            + (order if model.results.published_instructions else "")
        )
    if model.agreement and not model.results.mixed:
        yield f"agreement between judges (Krippendorff's alpha): {_alphas(model.agreement)}"


_COMPONENTS = {
    "clip": "clips", "prompt": "instructions", "sample": "samples", "judge": "judges",
    "clip_prompt": "clips x instructions", "clip_judge": "clips x judges",
    "prompt_judge": "instructions x judges", "clip_prompt_judge": "clips x instructions x judges",
    "residual": "residual",
}  # fmt: skip


def _variance(model: ModelReport) -> Iterator[str]:
    variance = model.results.variance_components
    if not variance or (variance.samples == 1 and variance.judges == 1):
        return
    parts = []
    for name, label in _COMPONENTS.items():
        if (share := variance.shares[name]) is not None:
            parts_of = variance.includes.get(name, ())
            included = [_COMPONENTS[part] for part in parts_of if part in ("sample", "residual")]
            suffix = f" (with {' and '.join(included)})" if included else ""
            parts.append(f"{label}{suffix} {percent(share, digits=0)}")
    if not parts:
        return
    judges = "; the variance of judges is unknown with one judge" if variance.judges == 1 else ""
    clips = count(variance.clips, "complete clip")
    yield f"variance of a score ({clips}): {', '.join(parts)}{judges}"


def _reliability(name: str, judge: JudgeReport) -> Iterator[str]:
    yield exam_status(name, judge.facts)
    if agreement := judge.facts.self_agreement:
        yield f"self-agreement (Krippendorff's alpha): {_alphas(agreement)}"


def _alphas(agreement: Agreement) -> str:
    rating, orientation = agreement.rating_alpha, agreement.orientation_alpha
    return f"rating {figure(rating)}, orientation {figure(orientation)}"


def attribution_text(attribution: Attribution | None) -> str:
    """Format how often a judge attributes answers to a missing cue; empty if not measured."""
    if attribution is None:
        return ""
    a = attribution
    parts = [
        f"{figure(share, percent)} of {count(answers, 'answer')} given without the {cue} as "
        f"{label}-Oriented or Both"
        for cue, label, share, answers in (
            ("speech", "Speech", a.speech, a.speech_answers),
            ("sound", "Audio", a.sound, a.sound_answers),
        )
        if answers
    ]
    neither = "not counting answers labelled Neither"
    return f"labels {', and '.join(parts)}, {neither}; see: jasco reliance" if parts else ""


def _known_issues(model: ModelReport) -> Iterator[str]:
    if issues := model.results.known_issues:
        name = "mean" if model.results.single_prompt else "best_mean"
        without = model.results.without_known_issues
        clips = ", ".join(issue.clip for issue in issues)
        yield (
            f"{name.replace('_', '-')} without the clips that have known issues ({clips}; "
            "see: jasco data verify): "
            + (figure(getattr(without, name)) if without else number(None))
        )


def _intervals(report: Report) -> Iterator[str]:
    scores = [model.score for model in report.models.values()]
    scores += [judge.score for m in report.models.values() for judge in m.judges.values()]
    if any(score.mean.interval for score in scores):
        yield (
            "Intervals: 95%, bootstrap over clips; they do not include variation between judges or "
            "repeated answers."
        )
    if any(model.results.rows is not None for model in report.models.values()):
        yield "Arithmetic of the published script (--compat), without intervals."


# --- answers and verdicts ---

NOT_JUDGED = "not judged yet"


def unanswered(model: ModelReport) -> str:
    """Format the number of unanswered items and the reasons; empty if there are none."""
    answers = model.results.answers
    number_of_items = answers.expected - answers.answered
    why = f" ({failure_counts(answers.failed)})" if answers.failed else ""
    items = count(answers.expected, model.results.unit)
    return f"{number_of_items} of {items} not answered{why}" if number_of_items else ""


def _answering(model: ModelReport) -> Iterator[str]:
    answers = model.results.answers
    if cut := answers.truncated:
        were = "was" if cut == 1 else "were"
        yield f"{count(cut, 'answer')} {were} cut off at the maximum length"
    if answers.converted_clips:
        yield f"converted to 16 kHz mono PCM16: {count(answers.converted_clips, 'clip')}"
    if most := most_clipped(answers):
        yield (
            f"clipped samples: {count(len(answers.clipped or ()), 'clip')} (most: clip "
            f"{one_line(most['clip'], 40)}, {count(most['samples'], 'sample')})"
        )
    for warning, clips in answers.audio_warnings.items():
        yield f"{warning}: {count(len(clips), 'clip')} ({one_line(', '.join(clips), 80)})"
    if cut := answers.cut_clips:
        were = "was" if cut == 1 else "were"
        yield (
            f"{count(cut, 'clip')} {were} cut off at the {answers.max_audio_seconds:g} s that the "
            "model can process"
        )
    for runtime in answers.runtime:
        parts = ", ".join(f"{key} {value}" for key, value in runtime.items())
        yield f"computed with {one_line(parts, 500)}"
    yield from _adaptations(model.results.adaptations)


def _missing_verdicts(judge: str, model: ModelReport) -> Iterator[str]:
    facts, answered = model.judges[judge].facts, model.results.answers.answered
    left = answered - facts.verdicts - facts.final
    if left > 0 and len(model.judges) > 1:
        yield (
            f"{left} of {count(answered, 'answer')} have no verdict from this judge; repeat the "
            "command that added it, select the other judges with --judge, or remove it with: "
            f"jasco forget RUN --judge {judge}"
        )
    if failed := sum(facts.failed.values()):
        yield f"{count(failed, 'verdict')} failed ({failure_counts(facts.failed)})"


def _judging(judge: JudgeReport) -> Iterator[str]:
    facts = judge.facts
    if (check := facts.check) and check["state"] == "wrong":
        yield (
            "wrong verdict on a question with a known answer: "
            f"{check['rating']}, {check['orientation']} (expected 2, Both)"
        )
    if facts.cut_off:
        yield (
            f"{count(facts.cut_off, 'unreadable verdict')} cut off at the maximum length; increase "
            "max_tokens"
        )
    yield from _adaptations(facts.adaptations)


def _adaptations(adaptations: Mapping[str, Any]) -> Iterator[str]:
    if changes := change_in_words(adaptations):
        yield f"{changes}, because the server requires it"


# --- cautions ---


def _doubts(model: ModelReport) -> Iterator[str]:
    yield _preflight_doubt(model.results.answers.preflight)
    if model.results.condition != ORIGINAL:
        yield (
            f"condition {model.results.condition} of modality reliance: the model was not given "
            "the clips themselves; see: jasco reliance"
        )
    yield from _several_served(model.results.served)
    if not model.results.published_instructions:
        instructions = count(len(model.results.instructions), "custom instruction")
        yield (
            f"not the published instructions: {instructions} (listed in JSON); the figures cannot "
            "be compared with published results"
        )
    if model.results.mixed:
        yield (
            "figures are given for each judge separately, because a proxy is never averaged "
            "with other judges; select judges with --judge"
        )


def _preflight_doubt(preflight: Mapping[str, Any] | None) -> str:
    if preflight is None or preflight["state"] == "passed":
        return ""
    reason = one_line(preflight.get("reason", ""), 500)
    unknown = "unknown whether the model uses the audio:"
    doubt = {
        "refused": f"AUDIO NOT USED (preflight): the model {reason}",
        "inconclusive": f"{unknown} preflight inconclusive: {reason}",
        "skipped": f"{unknown} preflight skipped (--no-preflight)",
    }[preflight["state"]]
    return doubt + ("; overridden by --no-preflight" if preflight.get("overridden") else "")


def _several_served(served: Sequence[str]) -> Iterator[str]:
    if len(served) > 1:
        yield (
            f"the server reported several models in this run ({one_line(' and '.join(served))}): "
            "the figures may mix them"
        )


PROXY = (
    "PROXY figures. A small classifier stands in for the protocol's judges, for trying things out "
    "and comparing your own runs, not for publication; see: jasco judges"
)


def _incomplete(model: ModelReport) -> Iterator[str]:
    if model.complete or not model.judges:
        return
    score, single_prompt = model.score, model.results.single_prompt
    name, ends = ("The mean", score.mean_bounds) if single_prompt else ("Best-mean", score.bounds)
    bounds = "; its bounds, with all missing verdicts at their worst and best, are " + between(ends)
    yield (
        f"INCOMPLETE: coverage {percent(score.coverage)}. {name} is computed over the clips that "
        f"have a readable verdict{bounds if ends else ''}."
    )


def missing(report: Report) -> Iterator[str]:
    """Format a summary of what each incomplete model lacks."""
    for name, model in report.models.items():
        lacking = list(filter(None, [unanswered(model)]))
        if not model.judges and (model.results.answers.answered or not lacking):
            lacking.append(NOT_JUDGED)
        if not model.complete and model.judges:
            lacking.append(f"coverage {percent(model.score.coverage)}")
        if lacking:
            yield f"{name}: {', '.join(lacking)}"


# --- comparisons ---

_PAIRS_EXPLAINED = (
    "Paired over clips. p: sign-flip permutation test of best-mean; Holm: corrected for the number "
    "of pairs; detectable: the true difference that is detected with 80% power. The intervals do "
    "not include variation between judges or repeated answers."
)
_MISSING_EXPLAINED = (
    "If verdicts are missing, models are compared on the items for which all judges of both models "
    "have a readable verdict: best-mean is computed over the common instructions of each clip; "
    "clips without any are excluded. Verdicts are assumed to be missing at random. Bounds are "
    "computed over all clips, with all missing verdicts at their worst for one model and at their "
    "best for the other, so a difference over the common items can lie outside them."
)
_PARTICIPANTS_EXPLAINED = (
    "A participant hears a clip once and is given one instruction. In comparisons with a "
    "participant, p, Holm and detectable refer to the mean (best of 1); a model's mean is over the "
    "instructions with a readable verdict; p: permutation test, exchanging the participant's and "
    "the model's answers."
)


def explain_pairs(pairs: Sequence[Pair]) -> str:
    """Return an explanation of the columns of a table of differences."""
    compared = [pair.comparison for pair in pairs]
    texts = [_PAIRS_EXPLAINED]
    if any(pair.clips < LEAST_CLIPS for pair in compared):
        texts.append(f"No p is given for fewer than {LEAST_CLIPS} clips.")
    if not all(pair.complete for pair in compared):
        texts.append(_MISSING_EXPLAINED)
    if any(pair.tested == "mean" for pair in compared):
        texts.append(_PARTICIPANTS_EXPLAINED)
    return " ".join(texts)
