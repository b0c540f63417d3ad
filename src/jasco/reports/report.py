"""The report: the results of one or several models, from which all outputs are formatted.

:meth:`Report.to_json` returns the documented JSON object of ``jasco score --json``.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from jasco.data.dataset import ALTERED
from jasco.errors import InputError
from jasco.metrics.agreement import Agreement, PairAgreement
from jasco.metrics.bootstrap import NO_ESTIMATE, Estimate
from jasco.metrics.comparison import Comparison
from jasco.metrics.corrected import Corrected, CorrectedFigure
from jasco.metrics.reliance import Attribution
from jasco.metrics.scoring import Score
from jasco.metrics.variance import VarianceComponents
from jasco.protocol.instructions import INSTRUCTIONS, instructions_label
from jasco.protocol.protocols import DEFAULT
from jasco.protocol.verdicts import Orientation
from jasco.reports.published import PublishedResult, published_results
from jasco.reports.signature import DIGITS, signature
from jasco.reports.spending import spending_json
from jasco.runs.results import AnswerLabels, Answers, Data, JudgeFacts, Results
from jasco.version import __version__

Json = dict[str, Any]
SCHEMA = 1
SHARES = ("audio", "both", "speech")  # of modality dependence, in the order of all tables


@dataclass(frozen=True)
class JudgeReport:
    """The figures of one judge for a model, and information about the judge."""

    score: Score
    facts: JudgeFacts
    attribution: Attribution | None = None
    corrected: Corrected | None = None

    @property
    def proxy(self) -> bool:
        """Whether the judge is a proxy."""
        return self.facts.proxy

    @property
    def complete(self) -> bool:
        """Whether every expected verdict is available and readable."""
        return self.score.complete

    def to_json(self) -> Json:
        """Return the entry of ``judges`` in the documented JSON object."""
        facts = self.facts
        return _score_json(self.score) | as_json(
            {
                "proxy": facts.proxy,
                "verdicts": facts.verdicts,
                "failed": facts.failed,
                "failed_final": facts.final,
                "reasons": facts.reasons,
                "check": facts.check or None,
                "unreadable_cut_off": facts.cut_off,
                **pick(facts, "served", "adaptations", "exam", "examined_as"),
                "agreement_with_itself": facts.self_agreement,
                "attribution_without_cue": self.attribution,
                **_corrected_json(self.corrected),
            }
        )


@dataclass(frozen=True)
class ModelReport:
    """The figures of one model, and the results from which they were computed.

    Attributes
    ----------
    results : Results
        The answers and verdicts.
    score : Score
        The figures of the panel; only coverage and bounds if there is no verdict.
    judges : mapping of str to JudgeReport
        The figures of each judge, by its label.
    agreement : Agreement or None
        The agreement between the judges; None for a single judge.
    """

    results: Results
    score: Score
    judges: Mapping[str, JudgeReport]
    agreement: Agreement | None

    @classmethod
    def of(cls, results: Results) -> "ModelReport":
        """Return the report of a model's results."""
        figures = results.figures
        if figures is None:
            bounds = None if results.single_prompt else (0.0, 2.0)
            score = Score(None, 0.0, 0.0, complete=False, bounds=bounds, mean_bounds=(0.0, 2.0))
            return cls(results, score, {}, None)
        judges = {
            name: JudgeReport(
                score,
                results.judges[name],
                results.attribution.get(name),
                results.corrected_by_judge.get(name),
            )
            for name, score in figures.judges.items()
        }
        return cls(results, figures.panel, judges, figures.agreement)

    @property
    def corrected(self) -> Corrected | None:
        """The figures of the panel, corrected with labels; None without labels."""
        return self.results.corrected

    @property
    def proxy(self) -> bool:
        """Whether a judge is a proxy."""
        return any(judge.proxy for judge in self.results.judges.values())

    @property
    def complete(self) -> bool:
        """Whether every item has an answer and every answer a readable verdict of each judge."""
        return self.results.complete

    def to_json(self) -> Json:
        """Return the entry of ``models`` in the documented JSON object."""
        results, without = self.results, self.results.without_known_issues
        known_issues = {
            "clips": {issue.clip: issue.text for issue in results.known_issues},
            "best_mean_without": without.best_mean if without else NO_ESTIMATE,
            "mean_without": without.mean if without else NO_ESTIMATE,
        }
        figures = _score_json(self.score)
        figures["instructions"] |= {
            "published": results.published_instructions,
            "texts": list(results.instructions),
        }
        return figures | as_json(
            {
                "complete": self.complete,
                "items_a_clip": 1 if results.single_prompt else len(results.instructions),
                "samples": results.samples,
                "proxy": self.proxy,
                **pick(results, "model", "tags", "condition", "mixed", "served", "adaptations"),
                "judges_without_verdict": results.without_verdict,
                "judges_without_verdict_reasons": results.reasons_without_verdict,
                "judges": self.judges,
                "agreement": self.agreement,
                "variance_components": _variance_json(results.variance_components),
                "known_issues": known_issues if results.known_issues else None,
                "answers": _answers_json(results.answers),
                "spent": spending_json(results.spent) if results.spent else None,
                **_labels_json(results.labels),
                **_corrected_json(self.corrected),
            }
        )


@dataclass(frozen=True)
class Pair:
    """The paired differences between two models, the first minus the second.

    Attributes
    ----------
    first, second : str
        The names of the models.
    comparison : Comparison
        The differences.
    p_holm : float or None
        The p-value, corrected for the number of pairs.
    """

    first: str
    second: str
    comparison: Comparison
    p_holm: float | None

    def to_json(self) -> Json:
        """Return the entry of ``pairs`` in the documented JSON object."""
        compared = self.comparison
        return as_json(
            {
                **pick(self, "first", "second"),
                **pick(compared, "clips", "clips_left_out", "items", "items_expected"),
                **pick(compared, "complete", "best_mean", "tested"),
                "tested_bounds": compared.bounds,
                "p": compared.p,
                "p_holm": self.p_holm,
                "minimum_detectable_difference": compared.detectable,
                "mean": compared.mean,
                **_dependence_json(compared),
            }
        )


@dataclass(frozen=True)
class NotCompared:
    """Two models that cannot be compared, and the reason."""

    first: str
    second: str
    why: str


@dataclass(frozen=True)
class Report:
    """The results of one or several models on the same data.

    Attributes
    ----------
    signature : str
        How the figures were produced, in one line.
    protocol : str
        The judging protocol; empty if no model is judged.
    data : Data
        The data set.
    models : mapping of str to ModelReport
        The models by name.
    versions : mapping of str to str, or None
        The versions of jasco, Python and NumPy.
    published : sequence of PublishedResult or None
        The results published for the same protocol, if they are to be shown.
    pairs : sequence of Pair or None
        The differences between models, if they are compared.
    not_compared : sequence of NotCompared or None
        The pairs that cannot be compared.
    mismatches : sequence of str or None
        The differences in data, protocol or judges of models that are compared despite them.
    """

    signature: str
    protocol: str
    data: Data
    models: Mapping[str, ModelReport]
    versions: Mapping[str, str] | None = None
    published: Sequence[PublishedResult] | None = None
    pairs: Sequence[Pair] | None = None
    not_compared: Sequence[NotCompared] | None = None
    mismatches: Sequence[str] | None = None

    @property
    def instructions(self) -> tuple[str, ...]:
        """The instructions of the first model; others differ only with mismatches."""
        return next((model.results.instructions for model in self.models.values()), INSTRUCTIONS)

    @property
    def published_instructions(self) -> bool:
        """Whether all models answered the published instructions."""
        return all(model.results.published_instructions for model in self.models.values())

    def to_json(self) -> Json:
        """Return the documented JSON object, without the parts that the report does not have."""
        parts = {name: part for name, part in vars(self).items() if part is not None}
        return as_json({"schema": SCHEMA, **parts})


# --- creation of a report ---


def summarise(results: Sequence[Results], *, published: bool = False) -> Report:
    """Return the report of one or several models on the same data.

    Raises
    ------
    InputError
        The results use different data, protocols or instructions.
    """
    report = collate(results)
    for (name, one), (other_name, other) in combinations(report.models.items(), 2):
        if difference := data_difference(one.results, other.results):
            raise InputError(
                f"{name} and {other_name} differ in {difference}, so they cannot be shown in one "
                "table; give them one by one"
            )
    protocol = report.protocol or DEFAULT
    versions = {"jasco": __version__, "python": platform.python_version(), "numpy": np.__version__}
    comparable = report.published_instructions
    shown = published_results(protocol) if published and comparable else None
    return replace(report, versions=versions, published=shown)


def collate(results: Sequence[Results]) -> Report:
    """Return the report of several models, even if their data differ."""
    protocol = next((model.protocol for model in results if model.protocol), "")
    data = shared_data(results)
    models = dict(zip(distinct_names(results), map(ModelReport.of, results), strict=True))
    return Report(signature(results, data, protocol), protocol, data, models)


def by_data_set(results: Sequence[Results]) -> list[list[Results]]:
    """Group models by data, protocol and instructions: those that one table can show."""
    groups: list[list[Results]] = []
    for model in results:
        for group in groups:
            if not any(data_difference(model, other) for other in group):
                group.append(model)
                break
        else:
            groups.append([model])
    return groups


def distinct_names(results: Sequence[Results]) -> list[str]:
    """Return the names of the models, numbered if several have the same name."""
    names = [model.name or model.model for model in results]
    numbered = [f"{name} ({place})" for place, name in enumerate(names, start=1)]
    pairs = zip(names, numbered, strict=True)
    chosen = [other if names.count(name) > 1 else name for name, other in pairs]
    # A model may be named "m (1)" while two others are named "m".
    return chosen if len(set(chosen)) == len(chosen) else numbered


def data_difference(one: Results, other: Results) -> str | None:
    """Return the difference between data, protocols or instructions of two models, or None."""
    for what, ours, theirs in (
        ("data", *(model.data.annotations_sha256 or model.data.name for model in (one, other))),
        ("audio", one.data.audio_sha256, other.data.audio_sha256),
        ("protocol", one.protocol, other.protocol),
    ):
        # The audio of a CSV file is unknown, and a run without verdicts has no protocol.
        if ours and theirs and ours != theirs:
            return f"{what} ({ours[:DIGITS]} and {theirs[:DIGITS]})"
    labels = [instructions_label(model.instructions) for model in (one, other)]
    return None if labels[0] == labels[1] else f"instructions ({labels[0]} and {labels[1]})"


def shared_data(results: Sequence[Results]) -> Data:
    """Return the data set of several models.

    The items are those of the model with the most items (participants answer one per clip). The
    hash of the audio is omitted if the models' hashes differ.
    """
    data = max((model.data for model in results), key=lambda data: data.items)
    if any(
        model.data.name == ALTERED for model in results
    ):  # known for runs, but not for CSV files
        data = replace(data, name=ALTERED)
    same = len({model.data.audio_sha256 for model in results}) == 1
    return data if same else replace(data, audio_sha256=None)


# --- the documented JSON object ---


def as_json(entries: Mapping[str, Any]) -> Json:
    """Return the entries of an object, encoded for JSON.

    An estimate is encoded as two entries: the figure as ``NAME``, the interval as ``NAME_ci``.
    """
    json: Json = {}
    for name, value in entries.items():
        if isinstance(value, Estimate):
            json |= {name: value.value, f"{name}_ci": _encode(value.interval)}
        else:
            json[name] = _encode(value)
    return json


def pick(source: object, *names: str) -> Json:
    """Return the given attributes of an object by name."""
    return {name: getattr(source, name) for name in names}


def _encode(value: Any) -> Any:
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, PairAgreement):
        return as_json({**vars(value), "orientation_names": list(Orientation)})
    if is_dataclass(value):
        return as_json(vars(value))
    if isinstance(value, Mapping):
        return as_json(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_encode(element) for element in value] if isinstance(value, list | tuple) else value


def _score_json(score: Score) -> Json:
    by_instruction = score.by_instruction
    return as_json(
        {
            **pick(score, "best_mean", "mean"),
            "best_at_k": [figure.value for figure in score.best_at] or None,
            "best_at_k_ci": [figure.interval for figure in score.best_at] or None,
            **_dependence_json(score),
            **pick(score, "neither_rate", "unreadable_rate", "coverage", "complete"),
            "best_mean_bounds": score.bounds,
            "mean_bounds": score.mean_bounds,
            "instructions": {
                "means": [figure.value for figure in by_instruction],
                "means_ci": [figure.interval for figure in by_instruction],
                "spread": score.instruction_spread,
                "sound_first_minus_speech_first": score.sound_first,
            },
        }
    )


def _labels_json(labels: AnswerLabels | None) -> Json:
    if labels is None:
        return {}
    counts = {"rows": labels.rows, "rows_used": labels.used, **pick(labels, "items", "clips")}
    return {"labels": {"labels_sha256": labels.sha256, **counts}}


def _corrected_json(corrected: Corrected | None) -> Json:
    if corrected is None:
        return {}
    return {"corrected": {name: _corrected_figure(each) for name, each in vars(corrected).items()}}


def _corrected_figure(figure: CorrectedFigure) -> Json:
    return {
        "estimate": figure.estimate,
        **pick(figure, "bias", "weight"),
        "labelled_clips": figure.clips,
    }


def _variance_json(variance: VarianceComponents | None) -> Json | None:
    if variance is None:
        return None
    names = "clips", "prompts", "judges", "samples", "components", "shares", "raw", "includes"
    return as_json(pick(variance, *names))


def _dependence_json(figures: Score | Comparison) -> Json:
    shares = {name: getattr(figures, name) for name in SHARES}
    return {
        "modality_dependence": {name: share.value for name, share in shares.items()},
        "modality_dependence_ci": {name: share.interval for name, share in shares.items()},
    }


def _answers_json(answers: Answers) -> Json:
    clipped, preflight = answers.clipped, answers.preflight or {}
    # The answers to the probes are only in the run.
    shown = {name: value for name, value in preflight.items() if name != "answers"}
    return {
        **pick(
            answers, "expected", "answered", "truncated", "failed", "reasons", "converted_clips"
        ),
        "clipped_clips": None if clipped is None else len(clipped),
        "most_clipped": most_clipped(answers),
        **pick(answers, "audio_warnings", "max_audio_seconds", "cut_clips", "runtime"),
        "preflight": shown or None,
    }


def most_clipped(answers: Answers) -> Json | None:
    """Return the clip with the most clipped samples, and their number; None if there is none."""
    if not answers.clipped:
        return None
    clip, samples = max(answers.clipped.items(), key=lambda each: each[1])
    return {"clip": clip, "samples": samples}
