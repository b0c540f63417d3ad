"""The notes below a table: what is missing, failed or in doubt, and what the figures rest on.

They are made once, each with its :class:`NoteKind`, and every writer shows those of the kinds that
it has room for. Texts of models, judges and servers in them are not escaped: the writers do that.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any

from jasco.backends.chat_requests import change_in_words
from jasco.errors import count, one_line
from jasco.metrics.agreement import Agreement
from jasco.metrics.comparison import LEAST_CLIPS
from jasco.reports.exam import exam_status
from jasco.reports.formats import between, failure_counts, number, percent, reason_texts
from jasco.reports.formats import with_interval as figure
from jasco.reports.report import JudgeReport, ModelReport, Pair, Report, most_clipped
from jasco.reports.spending import spending_line


class NoteKind(Enum):
    """What a note is about."""

    PROMPTS = auto()  # how much the prompts and the judges matter: in tables too
    VARIANCE = auto()  # how much clips, prompts, samples and judges vary
    JUDGE = auto()  # how reliable a judge is: its exam, its agreement with itself
    KNOWN_ISSUES = auto()
    INTERVALS = auto()
    MISSING = auto()
    REASON = auto()  # the commonest message of a kind of failure
    DETAIL = auto()  # how the answers and verdicts came about
    DOUBT = auto()  # what must be known before a figure is believed
    INCOMPLETE = auto()
    COMPARISON = auto()  # pairs that are not compared, or in spite of a difference


BASIS = (NoteKind.JUDGE, NoteKind.KNOWN_ISSUES)  # what the figures rest on
CAUTIONS = (NoteKind.DOUBT, NoteKind.INCOMPLETE)  # what is to be read before the figures


def note_lines(report: Report, kinds: Container[NoteKind] = tuple(NoteKind)) -> list[str]:
    """Return the lines of a report's notes of some kinds, each once."""
    return list(dict.fromkeys(line for kind, line in _notes(report) if kind in kinds))


def _notes(report: Report) -> Iterator[tuple[NoteKind, str]]:
    for name, model in report.models.items():
        yield from _about(NoteKind.PROMPTS, name, _prompts(model))
        yield from _about(NoteKind.VARIANCE, name, _variance(model))
        for judge, judge_report in model.judges.items():
            yield from _about(NoteKind.JUDGE, judge, _reliability(judge_report))
        yield from _about(NoteKind.KNOWN_ISSUES, name, _known_issues(model))
    yield from ((NoteKind.INTERVALS, line) for line in _intervals(report))
    for name, model in report.models.items():
        results = model.results
        yield from _about(NoteKind.MISSING, name, [unanswered(model)])
        yield from _about(NoteKind.REASON, name, reason_texts(results.answers.reasons))
        yield from _about(NoteKind.DETAIL, name, _answering(model))
        yield from _about(NoteKind.MISSING, name, [] if model.judges else [NOT_JUDGED])
        for judge, judge_report in model.judges.items():
            yield from _about(NoteKind.MISSING, judge, _missing_verdicts(judge, model))
            yield from _about(NoteKind.REASON, judge, reason_texts(judge_report.facts.reasons))
            yield from _about(NoteKind.DETAIL, judge, _judging(judge_report))
        for judge, failed in results.without_verdict.items():
            text = f"gave no verdict ({failure_counts(failed)}), and is left out of the figures"
            yield from _about(NoteKind.MISSING, judge, [text])
            reasons = results.reasons_without_verdict.get(judge, ())
            yield from _about(NoteKind.REASON, judge, reason_texts(reasons))
        yield from _about(NoteKind.DETAIL, name, [spending_line(results.spent)])
        yield from _about(NoteKind.DOUBT, name, _doubts(model))
        for judge, judge_report in model.judges.items():
            yield from _about(NoteKind.DOUBT, judge, _several_served(judge_report.facts.served))
            subject = judge if results.mixed else name
            yield from _about(NoteKind.DOUBT, subject, [_PROXY] if judge_report.proxy else ())
        yield from _about(NoteKind.INCOMPLETE, name, _incomplete(model))
    for pair in report.not_compared or ():
        yield NoteKind.COMPARISON, f"{pair.first} and {pair.second} are not compared: {pair.why}"
    for mismatch in report.mismatches or ():
        yield NoteKind.COMPARISON, f"compared all the same (--allow-mismatch): {mismatch}"


def _about(kind: NoteKind, subject: str, texts: Iterable[str]) -> Iterator[tuple[NoteKind, str]]:
    """Yield the lines about a model or judge."""
    return ((kind, f"{subject}: {text}") for text in texts if text)


# --- what the figures rest on ---


def _prompts(model: ModelReport) -> Iterator[str]:
    score = model.score
    if model.results.single_prompt and model.judges:
        yield (
            "one prompt a clip, as of a participant: no best-mean; best of 1 (mean) "
            + figure(score.mean)
        )
    if score.best_at:
        curve = " ".join(number(mean.value) for mean in score.best_at)
        yield f"best of 1 to {len(score.best_at)} prompts: {curve}"
    if means := [mean.value for mean in score.by_instruction if mean.value is not None]:
        order = f"; sound named first minus speech named first: {figure(score.sound_first)}"
        yield (
            f"mean by prompt: {number(min(means))} to {number(max(means))}"
            + (order if model.results.published_instructions else "")
        )
    if model.agreement and not model.results.mixed:
        yield f"the judges agree (Krippendorff's alpha): {_alphas(model.agreement)}"


_COMPONENTS = {
    "clip": "clips", "prompt": "prompts", "sample": "samples", "judge": "judges",
    "clip_prompt": "clips x prompts", "clip_judge": "clips x judges",
    "prompt_judge": "prompts x judges", "clip_prompt_judge": "clips x prompts x judges",
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
    judges = "; one judge: how judges vary is not known" if variance.judges == 1 else ""
    clips = count(variance.clips, "complete clip")
    yield f"variance of a score ({clips}): {', '.join(parts)}{judges}"


def _reliability(judge: JudgeReport) -> Iterator[str]:
    yield exam_status(judge.facts)
    if judge.facts.self_agreement:
        yield f"agrees with itself (alpha): {_alphas(judge.facts.self_agreement)}"


def _alphas(agreement: Agreement) -> str:
    rating, orientation = agreement.rating_alpha, agreement.orientation_alpha
    return f"rating {figure(rating)}, orientation {figure(orientation)}"


def _known_issues(model: ModelReport) -> Iterator[str]:
    if issues := model.results.known_issues:
        name = "mean" if model.results.single_prompt else "best_mean"
        without = model.results.without_known_issues
        clips = ", ".join(issue.clip for issue in issues)
        yield (
            f"without the clips that have known issues ({clips}; "
            f"see: jasco data verify): {name.replace('_', '-')} "
            + (figure(getattr(without, name)) if without else number(None))
        )


def _intervals(report: Report) -> Iterator[str]:
    scores = [model.score for model in report.models.values()]
    scores += [judge.score for m in report.models.values() for judge in m.judges.values()]
    if any(score.mean.interval for score in scores):
        yield (
            "Intervals: bootstrap over the clips. Judges and decoding are held fixed; how much "
            "they vary is not in them."
        )


# --- how answering and judging went ---

NOT_JUDGED = "not judged yet"


def unanswered(model: ModelReport) -> str:
    """Format how many items are not answered, and why; empty if all are."""
    answers = model.results.answers
    number_of_items = answers.expected - answers.answered
    why = f" ({failure_counts(answers.failed)})" if answers.failed else ""
    items = count(answers.expected, model.results.unit)
    return f"{number_of_items} of {items} not answered{why}" if number_of_items else ""


def _answering(model: ModelReport) -> Iterator[str]:
    answers = model.results.answers
    if cut := answers.truncated:
        were = "was" if cut == 1 else "were"
        yield f"{count(cut, 'answer')} {were} cut off at the longest length allowed"
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
        are = "is" if cut == 1 else "are"
        yield (
            f"{count(cut, 'clip')} {are} longer than the {answers.max_audio_seconds:g} s that the "
            "model takes, and cut off there"
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
            f"{left} of {count(answered, 'answer')} have no verdict of this judge: finish it with "
            "the command that began it, leave it out with --judge, or remove it: jasco forget RUN "
            f"--judge {judge}"
        )
    if failed := sum(facts.failed.values()):
        yield f"{count(failed, 'verdict')} failed ({failure_counts(facts.failed)})"


def _judging(judge: JudgeReport) -> Iterator[str]:
    facts = judge.facts
    if (check := facts.check) and check["state"] == "wrong":
        yield (
            f"gave rating {check['rating']}, {check['orientation']} to a known question whose "
            "verdict is 2, Both"
        )
    if facts.cut_off:
        yield (
            f"{facts.cut_off} of its unreadable verdicts were cut off at the longest length "
            "allowed; max_tokens=... allows more"
        )
    yield from _adaptations(facts.adaptations)


def _adaptations(adaptations: Mapping[str, Any]) -> Iterator[str]:
    if changes := change_in_words(adaptations):
        yield f"{changes}, because its server asked for it"


# --- cautions ---


def _doubts(model: ModelReport) -> Iterator[str]:
    yield _preflight_doubt(model.results.answers.preflight)
    yield from _several_served(model.results.served)
    if not model.results.published_instructions:
        instructions = count(len(model.results.instructions), "custom instruction")
        yield (
            f"not the published instructions: {instructions} (listed in JSON); the figures cannot "
            "be compared with published results"
        )
    if model.results.mixed:
        yield (
            "a proxy and other judges are never averaged: the figures are each judge's own; "
            "--judge chooses whose are shown"
        )


def _preflight_doubt(preflight: Mapping[str, Any] | None) -> str:
    if preflight is None or preflight["state"] == "passed":
        return ""
    reason = one_line(preflight.get("reason", ""), 500)
    unknown = "it is not known whether the model uses the audio:"
    doubt = {
        "refused": f"AUDIO NOT USED, by the preflight: the model {reason}",
        "inconclusive": f"{unknown} preflight: {reason}",
        "skipped": f"{unknown} no preflight (--no-preflight)",
    }[preflight["state"]]
    return doubt + ("; overridden by --no-preflight" if preflight.get("overridden") else "")


def _several_served(served: Sequence[str]) -> Iterator[str]:
    if len(served) > 1:
        yield (
            f"its server called it {one_line(' and '.join(served))} within this run: the figures "
            "may be of a mixture of models"
        )


_PROXY = (
    "PROXY figures. A small classifier stands in for the protocol's judges: to try things and to "
    "compare your own runs, not to publish; see: jasco judges"
)


def _incomplete(model: ModelReport) -> Iterator[str]:
    if model.complete or not model.judges:
        return
    score, single_prompt = model.score, model.results.single_prompt
    name, ends = ("The mean", score.mean_bounds) if single_prompt else ("Best-mean", score.bounds)
    bounds = "; with every missing verdict at its worst and at its best it is " + between(ends)
    yield (
        f"INCOMPLETE: coverage {percent(score.coverage)}. {name} counts the clips that have a "
        f"readable verdict{bounds if ends else ''}."
    )


def missing(report: Report) -> Iterator[str]:
    """Format in a few words what each incomplete model lacks."""
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
    "Paired over clips. p: sign-flip permutation test of best-mean; Holm: corrected for the "
    "number of pairs; detectable: the true difference that this benchmark finds four times out of "
    "five. Judges and decoding are held fixed; how much they vary is not in the intervals."
)
_MISSING_EXPLAINED = (
    "Where verdicts are missing, models are compared on the items that every judge of both has a "
    "readable verdict on: best-mean is that of the best of the common prompts of each clip, and "
    "clips without any are left out. What is missing is taken to be missing by chance. Bounds: "
    "every missing verdict at its worst for one model and at its best for the other."
)
_PARTICIPANTS_EXPLAINED = (
    "A participant hears a clip once and answers one prompt: compared with one, p, Holm and "
    "detectable are those of the mean (best of 1), a model's over the prompts that have a readable "
    "verdict; p: by exchanging the participant's answers with the model's."
)


def explain_pairs(pairs: Sequence[Pair]) -> str:
    """Return what the columns of a table of differences hold."""
    compared = [pair.comparison for pair in pairs]
    texts = [_PAIRS_EXPLAINED]
    if any(pair.clips < LEAST_CLIPS for pair in compared):
        texts.append(f"Of fewer than {LEAST_CLIPS} clips there is no p.")
    if not all(pair.complete for pair in compared):
        texts.append(_MISSING_EXPLAINED)
    if any(pair.tested == "mean" for pair in compared):
        texts.append(_PARTICIPANTS_EXPLAINED)
    return " ".join(texts)
