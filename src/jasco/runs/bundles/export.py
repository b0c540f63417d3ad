"""The content of a bundle, from a run."""

import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jasco.data.dataset import MINI_SHA256
from jasco.errors import InputError
from jasco.runs.bundles.content import (
    ANNOTATION_FIELDS,
    CHECK_FIELDS,
    PREFLIGHT_FIELDS,
    BundledRun,
    Json,
)
from jasco.runs.bundles.published_texts import PublishedTexts
from jasco.runs.merge import OwnFacts
from jasco.runs.read_run import model_of
from jasco.runs.reader import RunReader
from jasco.runs.schema import PREFLIGHT, fact_about, judge_fact


def bundled(folder: Path) -> BundledRun:
    """Return the content of a run's bundle: without audio, keys, addresses and paths.

    Raises
    ------
    InputError
        There is no run, or it has no answers; or two judges would have the same name.
    """
    with RunReader.open(folder) as run:
        _, _, identity = model_of(run)
        facts, clips, responses, verdicts, proxies = _rows_of(run)
        entries = [identity, *(judge for _, _, judge in run.judges())]
        values = [value for entry in entries for value in entry.values() if isinstance(value, str)]
        texts = PublishedTexts(values, [run.data_root, folder.absolute()])
        judges = {number: texts.message(name) for number, name, _ in run.judges()}
        ids = {clip["clip"]: clip["id"] for clip in clips}
        answers = [_response(row, ids, texts) for row in responses]
        judged = [_verdict(row, ids, judges, texts) for row in verdicts]
        about = _about(run, facts, proxies, texts)
    if len(set(judges.values())) < len(judges):
        raise InputError(
            f"{folder}: without the folders in their names, two judges have the same name; "
            "distinguish them with label=NAME in their specs"
        )
    is_free = facts.get("annotations_sha256") == MINI_SHA256
    content = BundledRun(
        {**about, "masked_texts": texts.masked},
        [_clip(row, with_annotations=is_free) for row in clips],
        answers,
        judged,
    )
    # As it will be read, with only the types of JSON.
    return BundledRun.from_members(content.to_members(), folder)


class _Rows(NamedTuple):
    """The facts and rows of a run, from all of its parts, and the numbers of the proxies."""

    facts: dict[str, str]
    clips: list[Json]
    responses: list[Json]
    verdicts: list[Json]
    proxies: set[int]


def _rows_of(run: RunReader) -> _Rows:
    clips = {row["clip"]: row for row in run.covered_clips()}
    facts, own = run.facts(), OwnFacts()
    responses, verdicts, proxies = list[Json](), list[Json](), set[int]()
    for part in run.parts():
        if run.shards:
            own.add(part)
        clips |= {row["clip"]: row for row in part.covered_clips()}
        proxies |= {number for number, _, _ in part.judges() if part.is_proxy(number)}
        responses.extend(part.rows("responses"))
        verdicts.extend(part.rows("verdicts"))
    if run.shards:
        facts |= own.merged()
    for rows in (responses, verdicts):
        rows.sort(key=_place)
    return _Rows(facts, [clips[place] for place in sorted(clips)], responses, verdicts, proxies)


def _place(row: Json) -> tuple[int, ...]:
    names = ("clip", "instruction", "sample", "judge", "repeat")
    return tuple(row.get(name, 0) for name in names)


def _about(
    run: RunReader, facts: Mapping[str, str], proxies: Container[int], texts: PublishedTexts
) -> Json:
    def json_fact(name: str, otherwise: Any = None) -> Any:
        value = texts.clean(json.loads(facts.get(name) or "null"))
        return otherwise if value is None else value

    def provider(table: str, number: int, label: str, identity: Json) -> Json:
        return {
            "label": texts.message(label),
            "identity": texts.clean(identity),
            "adaptations": json_fact(fact_about("adaptations", table, number)),
            "source": facts.get(fact_about("source", table, number)),
        }

    model, label, identity = model_of(run)
    seconds = facts.get("max_audio_seconds")
    return _object(
        {
            "model": _object(
                {
                    **provider("models", model, label, identity),
                    "name": texts.message(run.name_of(model)) or None,
                }
            ),
            "judges": [
                _object(
                    {
                        **provider("judges", *judge),
                        "proxy": judge[0] in proxies,
                        "check": _picked(json_fact(judge_fact("check", judge[0])), CHECK_FIELDS),
                    }
                )
                for judge in run.judges()
            ],
            "data": {
                "name": texts.message(facts.get("data") or ""),
                "annotations_sha256": facts.get("annotations_sha256"),
                "clips": run.clip_count,
            },
            "protocol": facts.get("protocol"),
            "instructions": list(run.instructions),
            "samples": run.samples,
            "condition": run.condition.key,
            "tags": texts.clean(run.tags),
            "preflight": _picked(json_fact(PREFLIGHT), PREFLIGHT_FIELDS),
            "runtime": json_fact("runtime", []),
            "max_audio_seconds": seconds and float(seconds),
            "audio": json_fact("audio"),
            "created_with": _programs(facts.get("created_with")),
        }
    )


def _programs(created_with: str | None) -> str | None:
    """Return the versions of jasco and Python, without that of the operating system."""
    return created_with and ", ".join(created_with.split(", ")[:2])


def _picked(value: Json | None, names: Sequence[str]) -> Json | None:
    return value and {name: value[name] for name in names if name in value}


def _clip(row: Json, *, with_annotations: bool) -> Json:
    names = ("id", "annotations_sha256", "audio_sha256", "seconds", "conversions")
    annotations = {name: row[name] for name in ANNOTATION_FIELDS} if with_annotations else None
    return _object({**{name: row[name] for name in names}, "annotations": annotations})


def _response(row: Json, ids: Mapping[int, str], texts: PublishedTexts) -> Json:
    return _object({**_item(row, ids), **_written(row, texts), **_failed(row, texts)})


def _verdict(
    row: Json, ids: Mapping[int, str], judges: Mapping[int, str], texts: PublishedTexts
) -> Json:
    attempts = json.loads(row["attempts"] or "null")
    return _object(
        {
            **_item(row, ids),
            **_failed(row, texts),
            "judge": judges[row["judge"]],
            "repeat": row["repeat"],
            "rating": row["rating"],
            "orientation": row["orientation"],
            "attempts": attempts
            and [
                _object({"asked": attempt["asked"], **_written(attempt, texts)})
                for attempt in attempts
            ],
        }
    )


def _item(row: Json, ids: Mapping[int, str]) -> Json:
    return {"clip": ids[row["clip"]], "instruction": row["instruction"], "sample": row["sample"]}


def _written(row: Json, texts: PublishedTexts) -> Json:
    usage = row.get("usage")
    return {
        "text": None if row.get("text") is None else texts.verbatim(row["text"]),
        "reasoning": texts.verbatim(row["reasoning"]) if row.get("reasoning") else None,
        "finish_reason": row.get("finish_reason"),
        "usage": json.loads(usage) if isinstance(usage, str) else usage,
        "served": row.get("served") and texts.message(row["served"]),
    }


def _failed(row: Json, texts: PublishedTexts) -> Json:
    if row["failure_kind"] is None:
        return {}
    message = texts.message(row["failure_message"] or "")
    kind = row["failure_kind"]
    return {"failure_kind": kind, "failure_message": message, "final": bool(row["final"])}


def _object(fields: Json) -> Json:
    """Return a JSON object without the fields that have no value."""
    return {name: part for name, part in fields.items() if part is not None}
