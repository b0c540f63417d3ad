"""The results of a bundle, computed from a run that is rebuilt from its rows."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from jasco.backends.specs import identity_key
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Judgement
from jasco.runs.bundles.content import ANNOTATION_FIELDS, BundledRun, Json, attempts_of, verdict_of
from jasco.runs.clip_index import PUT_CLIP
from jasco.runs.read_run import results_of_condition
from jasco.runs.results import Results
from jasco.runs.schema import (
    CONDITION_FACT,
    INSTRUCTIONS_FACT,
    PREFLIGHT,
    SAMPLES_FACT,
    Row,
    fact_about,
    judge_fact,
    response_row,
    verdict_row,
)
from jasco.runs.writer import RunWriter


def results_of_bundle(run: BundledRun) -> Results:
    """Return the results of a bundle, as if its run were read.

    The exams of judges are not part of a bundle.
    """
    with _rebuilt(run) as folder:
        results = results_of_condition(folder)
    judges = {
        name: replace(facts, exam=None, examined_as=()) for name, facts in results.judges.items()
    }
    return replace(results, judges=judges)


@contextmanager
def _rebuilt(run: BundledRun) -> Iterator[Path]:
    """Yield the folder of a run with the content of a bundle; it exists for the block."""
    with tempfile.TemporaryDirectory(prefix="jasco-") as folder:
        with RunWriter.open(Path(folder)) as writer:
            writer.set_facts(_facts(run))
            writer.commit([*_entry_rows(run), *_clip_rows(run), *_outcome_rows(run)])
        yield Path(folder)


def _facts(run: BundledRun) -> dict[str, str]:
    about = run.about
    instructions = tuple(about["instructions"])
    values: dict[str, Any] = {
        PREFLIGHT: about.get("preflight"),
        "runtime": about["runtime"],
        "audio": about.get("audio"),
        "max_audio_seconds": about.get("max_audio_seconds"),
        "tags": about["tags"],
        INSTRUCTIONS_FACT: None if instructions == INSTRUCTIONS else list(instructions),
        fact_about("adaptations", "models", 1): about["model"].get("adaptations"),
    }
    for number, judge in enumerate(about["judges"], start=1):
        values[fact_about("adaptations", "judges", number)] = judge.get("adaptations")
        values[judge_fact("check", number)] = judge.get("check")
    texts = {
        "data": about["data"]["name"],
        "annotations_sha256": about["data"]["annotations_sha256"],
        "clips_covered": str(len(run.clips)),
        SAMPLES_FACT: str(about["samples"]),
        CONDITION_FACT: about["condition"],
        "protocol": about.get("protocol"),
        fact_about("name", "models", 1): about["model"].get("name"),
    }
    encoded = {
        name: json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
        if value is not None
    }
    return encoded | {name: text for name, text in texts.items() if text}


def _entry_rows(run: BundledRun) -> Iterator[Row]:
    model = run.about["model"]
    yield "INSERT INTO models VALUES (1, ?, ?)", (model["label"], identity_key(model["identity"]))
    for number, judge in enumerate(run.about["judges"], start=1):
        entry = number, judge["label"], identity_key(judge["identity"]), judge["proxy"]
        yield "INSERT INTO judges VALUES (?, ?, ?, ?)", entry


def _clip_rows(run: BundledRun) -> Iterator[Row]:
    for place, clip in enumerate(run.clips):
        annotations = clip.get("annotations") or dict.fromkeys(ANNOTATION_FIELDS, "")
        texts = [annotations[name] for name in ANNOTATION_FIELDS]
        yield PUT_CLIP, (place, clip["id"], *texts, clip["annotations_sha256"])
        audio = (clip.get(name) for name in ("audio_sha256", "seconds", "conversions"))
        yield (
            "UPDATE clips SET audio_sha256 = ?, seconds = ?, conversions = ? WHERE clip = ?",
            (*audio, place),
        )


def _outcome_rows(run: BundledRun) -> Iterator[Row]:
    places = {clip["id"]: place for place, clip in enumerate(run.clips)}
    judges = {label: number for number, label in enumerate(run.judges, start=1)}
    responses = (
        response_row(
            1, places[row["clip"]], row["instruction"], _answer(row), None, sample=row["sample"]
        )
        for row in run.responses
    )
    verdicts = (
        verdict_row(
            1,
            judges[row["judge"]],
            run.about["protocol"],
            row["repeat"],
            places[row["clip"]],
            row["instruction"],
            _failure(row) or Judgement(verdict_of(row), attempts_of(row)),
            0.0,
            sample=row["sample"],
        )
        for row in run.verdicts
    )
    return chain(responses, verdicts)


def _answer(row: Json) -> Response | Failure:
    return _failure(row) or Response(
        row["text"],
        row.get("finish_reason"),
        row.get("usage") or {},
        row.get("served"),
        row.get("reasoning") or "",
    )


def _failure(row: Json) -> Failure | None:
    if row.get("failure_kind") is None:
        return None
    message = row.get("failure_message") or ""
    return Failure(row["failure_kind"], message, bool(row.get("final")))
