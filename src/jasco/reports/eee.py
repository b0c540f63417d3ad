"""Records for Every Eval Ever: the figures of a model, and its answers with their scores.

A record is a JSON file with the figures and a JSONL file with one line per answer and judge, at
``data/COLLECTION/ORG/NAME/UUID.json`` and ``UUID_samples.jsonl``. The schema is version 0.3.0 of
https://github.com/evaleval/every_eval_ever.

Conventions
-----------
* An answer without a readable verdict has no score, so it has no line: it is counted in the record,
  never a 0.
* Lines contain instructions, answers, scores, ids and hashes. Annotations, and what judges wrote,
  which quotes them, are only included if the licence of the data set permits any use.
* A record's id follows from its content, so the same evaluation always has the same file names.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from jasco.data.data_cards import DataCard, card_of
from jasco.metrics.bootstrap import LEVEL, Estimate
from jasco.metrics.scoring import Score
from jasco.protocol.clips import Item
from jasco.protocol.conditions import ORIGINAL
from jasco.protocol.protocols import PROTOCOLS
from jasco.reports.publication import Evaluation, Publication
from jasco.reports.report import Json, JudgeReport, ModelReport, as_json
from jasco.reports.signature import identity_name
from jasco.runs.results import JudgedItems, JudgeFacts
from jasco.version import __version__

SCHEMA_VERSION = "0.3.0"
_HIGHEST = 2  # of a score
_ENGINES = {"hf": "Transformers", "vllm": "vLLM"}
_LOADS_WEIGHTS = {"cascade", "hf", "ltu-as", "salmonn", "vllm", "wavllm"}
"""Providers that run a model on the user's own machines; others may be a server of any kind."""
_TYPED_ARGUMENTS = {"temperature": float, "top_p": float, "top_k": float, "max_tokens": int}


@dataclass(frozen=True)
class Record:
    """A record, ready to be written.

    Attributes
    ----------
    folder : str
        The folder of its files, relative to that of the collection of records.
    uuid : str
        The name of its files.
    figures, samples : str
        The content of both files; ``samples`` is empty if no answer has a score.
    lines, left_out : int
        The number of lines of ``samples``, and of verdicts without a score, which have no line.
    """

    folder: str
    uuid: str
    figures: str
    samples: str
    lines: int
    left_out: int

    @property
    def files(self) -> dict[str, str]:
        """The content of each file by its path."""
        contents = {".json": self.figures, "_samples.jsonl": self.samples}
        return {
            f"{self.folder}/{self.uuid}{end}": content
            for end, content in contents.items()
            if content
        }


def to_record(evaluation: Evaluation, publication: Publication, now: int) -> Record:
    """Return the record of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        The figures, answers and verdicts of one model.
    publication : Publication
        The model's id, and who evaluated it.
    now : int
        The time at which the record is written, in seconds since 1970.
    """
    return _Builder(evaluation, publication).record(now)


@dataclass(frozen=True)
class _Metric:
    """A figure of a record: the attribute of a score, its meaning and its range."""

    key: str
    name: str
    description: str
    highest: float = 1
    lower_is_better: bool = False

    def config(self) -> Json:
        return {
            "evaluation_description": self.description,
            "metric_id": f"jasco.{self.key}",
            "metric_name": self.name,
            "metric_kind": "judge_score" if self.highest == _HIGHEST else "rate",
            "metric_unit": "points" if self.highest == _HIGHEST else "proportion",
            "lower_is_better": self.lower_is_better,
            "score_type": "continuous",
            "min_score": 0,
            "max_score": self.highest,
        }


_AMONG = "Share of the answers that rest on {}, among those that rest on any cue."
METRICS = (
    _Metric(
        "best_mean",
        "best-mean",
        "A clip's best score over the instructions, averaged over the clips. The score of an "
        "answer is its rating (0, 1 or 2) if it rests on sound and speech together, else 0.",
        _HIGHEST,
    ),
    _Metric("mean", "mean", "The mean score over the instructions and the clips.", _HIGHEST),
    _Metric("both", "answers from both cues", _AMONG.format("sound and speech together")),
    _Metric(
        "audio", "answers from the sound", _AMONG.format("the sound alone"), lower_is_better=True
    ),
    _Metric(
        "speech", "answers from the speech", _AMONG.format("the speech alone"), lower_is_better=True
    ),
    _Metric(
        "neither_rate", "neither", "Share of answers that name no action.", lower_is_better=True
    ),
    _Metric("coverage", "coverage", "Share of the expected verdicts that could be read."),
)
"""The figures of a record, in order; the first is the headline."""


class _Builder:
    """Builds the parts of a record."""

    def __init__(self, evaluation: Evaluation, publication: Publication) -> None:
        self.evaluation, self.publication = evaluation, publication
        self.report, self.model = evaluation.report, evaluation.model
        self.results, self.items = self.model.results, evaluation.items

    def record(self, now: int) -> Record:
        assert self.publication.model_id
        results = self.evaluation_results()
        rows = [*self.rows()]
        digest = hashlib.sha256(
            _json([self.report.signature, vars(self.publication), results, rows]).encode()
        ).digest()
        file = str(uuid.UUID(bytes=digest[:16], version=4))
        collection = self.collection
        model_id = self.publication.model_id
        evaluation_id = f"{collection}/{model_id.replace('/', '_')}/{digest.hex()[:16]}"
        ids = {
            "schema_version": SCHEMA_VERSION, "evaluation_id": evaluation_id, "model_id": model_id,
        }  # fmt: skip
        # In ASCII, because readers may split lines at other line separators as well.
        samples = "".join(f"{_json({**ids, **row})}\n" for row in rows)
        folder = f"data/{collection}/{model_id}"
        figures = {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": evaluation_id,
            **self.timestamps(now),
            "source_metadata": self.source(),
            "eval_library": {
                "name": "jasco",
                "version": __version__,
                "additional_details": _strings(
                    {"signature": self.report.signature, "protocol": self.report.protocol}
                ),
            },
            "model_info": self.model_info(),
            "evaluation_results": results,
        }
        left_out = self.expected_rows - len(rows)
        if rows:
            figures["detailed_evaluation_results"] = {
                "format": "jsonl",
                "file_path": f"{folder}/{file}_samples.jsonl",
                "hash_algorithm": "sha256",
                "checksum": hashlib.sha256(samples.encode()).hexdigest(),
                "total_rows": len(rows),
                "additional_details": _strings(
                    {
                        "verdicts_expected": self.expected_rows,
                        "without_score": left_out,
                        "is_correct": f"the score is {_HIGHEST}, the highest",
                        "annotations": "included" if self.has_free_texts else "omitted: licence",
                    }
                ),
            }
        text = json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False)
        return Record(folder, file, f"{text}\n", samples, len(rows), left_out)

    @cached_property
    def card(self) -> DataCard | None:
        return card_of(self.report.data.name, self.items.clips)

    @property
    def has_free_texts(self) -> bool:
        return bool(self.card and self.card.has_free_texts)

    @property
    def collection(self) -> str:
        """The name of the folder of all records about the data set."""
        name = re.sub(r"[^a-z0-9]+", "-", self.report.data.name.casefold())[:60].strip("-")
        return f"jasco-{name}" if name else "jasco"

    @property
    def evaluation_name(self) -> str:
        condition = self.results.condition
        return self.collection.replace("-", ".", 1) + (
            "" if condition == ORIGINAL else f".{condition}"
        )

    def timestamps(self, now: int) -> Json:
        evaluated = self.evaluation.evaluated
        when = datetime.fromisoformat(evaluated).timestamp() if evaluated else None
        known = {} if when is None else {"evaluation_timestamp": str(int(when))}
        return {**known, "retrieved_timestamp": str(now)}

    def source(self) -> Json:
        publication = self.publication
        url = publication.source_url
        return {
            "source_name": "jasco",
            "source_type": "evaluation_run",
            "source_organization_name": publication.evaluator,
            "evaluator_relationship": publication.relationship,
            **({"additional_details": {"url": url}} if url else {}),
        }

    def model_info(self) -> Json:
        results, model_id = self.results, self.publication.model_id
        details = {
            "label": results.model,
            "served": list(results.served) or None,
            "runtime": list(results.answers.runtime) or None,
            "tags": dict(results.tags) or None,
        }
        name = results.name or identity_name(results.model, results.identity)
        return _model_info(name, str(model_id), results.identity, details)

    # --- figures ---

    def evaluation_results(self) -> list[Json]:
        """Return the figures of the panel, and those of each judge if there are several."""
        judges = self.model.judges
        panel = [] if self.results.mixed else [*self.results_of(self.model, judges)]
        if len(judges) > 1 or self.results.mixed:
            panel += [
                result
                for label, judge in judges.items()
                for result in self.results_of(judge, {label: judge}, f"@{label}")
            ]
        return panel

    def results_of(
        self,
        figures: ModelReport | JudgeReport,
        judges: Mapping[str, JudgeReport],
        suffix: str = "",
    ) -> Iterator[Json]:
        score = figures.score
        for metric in METRICS:
            value = getattr(score, metric.key)
            estimate = value if isinstance(value, Estimate) else Estimate(value)
            if estimate.value is None:
                continue
            yield {
                "evaluation_result_id": f"{metric.key}{suffix}",
                "evaluation_name": self.evaluation_name,
                "source_data": self.source_data(),
                "metric_config": metric.config() | self.scoring(figures, judges),
                "score_details": {
                    "score": min(estimate.value, metric.highest),  # a mean may round to more
                    "details": self.details(score, metric),
                    **self.uncertainty(score, estimate),
                },
                "generation_config": self.generation(),
            }

    def details(self, score: Score, metric: _Metric) -> dict[str, str]:
        bounds = {"best_mean": score.bounds, "mean": score.mean_bounds}.get(metric.key)
        return _strings(
            {
                "clips": self.report.data.clips,
                "instructions": len(self.results.instructions),
                "samples": self.results.samples,
                "coverage": score.coverage,
                "unreadable_rate": score.unreadable_rate,
                "complete": score.complete,
                "whole_data_set": self.evaluation.whole,
                "bounds": None if score.complete else bounds,
            }
        )

    def uncertainty(self, score: Score, estimate: Estimate) -> Json:
        if estimate.interval is None:
            return {}
        interval = {
            "lower": estimate.low,
            "upper": estimate.high,
            "confidence_level": LEVEL,
            "method": "nonparametric, over clips (jasco: Figures and intervals)",
        }
        # With missing verdicts, fewer clips contribute.
        number = {"num_samples": self.report.data.clips} if score.complete else {}
        return {"uncertainty": {"confidence_interval": interval, **number}}

    def scoring(
        self, figures: ModelReport | JudgeReport, judges: Mapping[str, JudgeReport]
    ) -> Json:
        """Return how answers were judged; a proxy is not a language model."""
        described = {label: _judge(label, judge.facts) for label, judge in judges.items()}
        if figures.proxy:
            return {"additional_details": _strings({"proxy": True, "judges": described})}
        protocol = PROTOCOLS.get(self.report.protocol)
        if not protocol or not judges:
            return {"additional_details": _strings({"judges": described})}
        agreement = isinstance(figures, ModelReport) and figures.agreement
        alphas = (
            {
                "rating_alpha": agreement.rating_alpha,
                "orientation_alpha": agreement.orientation_alpha,
            }
            if agreement
            else {}
        )
        return {
            "llm_scoring": {
                "judges": list(described.values()),
                "input_prompt": protocol.judge_template,
                **({"aggregation_method": "average"} if len(judges) > 1 else {}),
                "additional_details": _strings({"protocol": protocol.name, **as_json(alphas)}),
            }
        }

    def source_data(self) -> Json:
        data, card = self.report.data, self.card
        details = {
            "annotations_sha256": data.annotations_sha256,
            "audio_sha256": data.audio_sha256,
            "clips": data.clips,
            "items": data.items,
            "licence": card and card.licence,
            "known_issues": [issue.clip for issue in self.results.known_issues] or None,
        }
        address = {"source_type": "url", "url": [card.url]} if card and card.url else None
        return {
            "dataset_name": data.name,
            **(address or {"source_type": "other"}),
            "additional_details": _strings(details),
        }

    def generation(self) -> Json:
        results = self.results
        options = {
            name: value
            for name, value in results.identity.items()
            if name not in ("provider", "name") and value is not None
        }
        typed = {
            name: as_type(options.pop(name))
            for name, as_type in _TYPED_ARGUMENTS.items()
            if _is_number(options.get(name))
        }
        details = {
            **options,
            "instructions": list(results.instructions),
            "samples": results.samples,
            "adaptations": dict(results.adaptations) or None,
        }
        return {"generation_args": typed, "additional_details": _strings(details)}

    # --- samples ---

    @property
    def expected_rows(self) -> int:
        return self.results.answers.expected * len(self.results.judges)

    def rows(self) -> Iterator[Json]:
        """Yield the lines of all answers that have a score, without the ids of the record."""
        for clip in self.items.clips:
            for item in self.items.items_of(clip):
                for sample, answers in enumerate(self.items.samples, start=1):
                    yield from self.rows_of_answer(item, answers, sample)

    def rows_of_answer(self, item: Item, answers: JudgedItems, sample: int) -> Iterator[Json]:
        key = item.clip.id, item.number
        answer = answers.answers.get(key)
        if answer is None:
            return
        many = len(self.results.judges) > 1
        for judge, facts in self.results.judges.items():
            texts, verdict = answers.judges.get(judge, {}).get(key, ([], None))
            if verdict is None or not verdict.readable:
                continue
            facts_of_row = {
                "clip": item.clip.id,
                "clip_sha256": item.clip.sha256,
                "instruction": item.number,
                "sample": sample,
                "judge": judge,
                "rating": verdict.rating,
                "orientation": str(verdict.orientation),
                "cut_off": True if key in answers.cut_off else None,
            }
            if self.has_free_texts:
                facts_of_row |= {
                    "sound": item.clip.sound, "speech": item.clip.speech,
                    "keywords": item.clip.keywords, "judge_output": "\n---\n".join(texts),
                }  # fmt: skip
            raw = self.input_of(item, answers)
            reference = [item.clip.reference] if self.has_free_texts else []
            yield {
                "evaluation_name": self.evaluation_name,
                "evaluation_result_id": f"mean@{judge}" if many else "mean",
                "sample_id": f"{item.clip.id}/{item.number}"
                + (f"/{sample}" if self.results.samples > 1 else ""),
                "sample_hash": _sample_hash(raw, reference),
                "interaction_type": "single_turn",
                "input": {"raw": raw, "reference": reference},
                "output": {"raw": [answer]},
                "answer_attribution": [
                    {
                        "turn_idx": 0,
                        "source": "output.raw",
                        "extracted_value": answer,
                        "extraction_method": "proxy_judge" if facts.proxy else "llm_judge",
                        "is_terminal": True,
                    }
                ],
                "evaluation": {
                    "score": verdict.gated,
                    "is_correct": verdict.gated == _HIGHEST,
                },
                "metadata": _strings(facts_of_row),
            }

    def input_of(self, item: Item, answers: JudgedItems) -> str:
        """Return the input of an item, in which hashes stand for the audio.

        Without them, all clips would have the same eight inputs, and samples the same hash.
        """
        _, audio = answers.audio.get(item.clip.id, ("", ""))
        kind, sha256 = ("audio", audio) if audio else ("clip", item.clip.sha256)
        return f"<{kind} sha256:{sha256}>\n{item.instruction}"


def _judge(label: str, facts: JudgeFacts) -> Json:
    """Return the description of a judge."""
    identity = facts.identity
    options = {name: value for name, value in identity.items() if name not in ("provider", "name")}
    temperature = options.pop("temperature", None)
    name = str(identity.get("name") or label)
    details = {
        "label": label,
        "served": list(facts.served) or None,
        "adaptations": dict(facts.adaptations) or None,
    }
    return {
        "model_info": _model_info(label, name, identity, details),
        **({"temperature": float(temperature)} if _is_number(temperature) else {}),
        "additional_details": _strings(options),
    }


def _model_info(name: str, id_: str, identity: Mapping[str, Any], details: Json) -> Json:
    """Return the description of a model; who may obtain its weights is not known to a run."""
    provider = str(identity.get("provider", ""))
    engine = _ENGINES.get(provider)
    return {
        "name": name,
        "id": id_,
        **({"inference_engine": {"name": engine}} if engine else {}),
        "additional_details": {
            "deployment_type": "self_deployed" if provider in _LOADS_WEIGHTS else "unknown",
            "model_availability": "unknown",
            **_strings({"provider": provider or None, **details}),
        },
    }


def _sample_hash(raw: str, reference: Sequence[str]) -> str:
    """Compute the hash of a sample by the recipe of Every Eval Ever."""
    return hashlib.sha256(_json({"raw": raw, "reference": list(reference)}).encode()).hexdigest()


def _json(value: Any) -> str:
    """Return compact JSON in ASCII, with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _strings(entries: Mapping[str, Any]) -> dict[str, str]:
    """Return entries whose values are strings, as the schema requires; None is omitted."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in entries.items()
        if value is not None
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
