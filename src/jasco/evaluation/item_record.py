"""The record of one item of a run: what was sent to the model and the judges, and their replies.

Requests are not stored. They are rebuilt from the identity stored in the run, by the same code that
sends them.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from jasco.backends.specs import Kind, reopen
from jasco.errors import InputError, invalid_value
from jasco.protocol.clips import Item
from jasco.protocol.protocols import PROTOCOLS
from jasco.runs.reader import RunReader

SCHEMA = 1
_ROW_COLUMNS = {
    "model", "judge", "clip", "instruction", "sample", "protocol", "repeat", "failure_kind",
    "failure_message", "final", "seconds", "written_at",
}  # fmt: skip


def show(run: Path, clip: str, prompt: int | str, sample: int | str = 1) -> dict[str, Any]:
    """Return everything that a run holds about an item.

    Parameters
    ----------
    run : pathlib.Path
        The run's folder.
    clip : str
        The clip's id.
    prompt : int or str
        The number of the instruction, from 1.
    sample : int or str
        The number of the model's response to the item, from 1.

    Returns
    -------
    dict
        Can be written as JSON. ``model`` has a ``request`` (the body that is sent, with a
        placeholder for the audio; None if no JSON is sent) and a ``reply`` or a ``failure``; each
        of ``judges`` has ``verdicts``, one per repeat, each with all its ``attempts``.

    Raises
    ------
    InputError
        There is no run, it has no such clip, instruction or sample, or there is no response yet.
    """
    with ExitStack() as stack:
        whole = stack.enter_context(RunReader.open(run))
        place = whole.clip_index(clip)
        store = stack.enter_context(whole.part_with(place))
        instructions = store.instructions
        number = _number("prompt", prompt, len(instructions))
        shown = _number("sample", sample, store.samples)
        item = Item(store.clip(place), number, instructions[number - 1], shown - 1)
        condition = store.condition
        asked = replace(item, instruction=condition.prompt(item.clip, item.instruction))
        responses = store.rows_of("responses", place, number, item.sample)
        if not responses:
            raise InputError(
                f"{run}: clip {clip}, instruction {number}{_of_sample(shown, store.samples)} is "
                "not answered yet; repeat the command that created the run to resume it"
            )
        response = responses[0]
        samples = store.samples
        verdicts = store.rows_of("verdicts", place, number, item.sample)
        facts = store.audio_of(place)
        audio = dict(zip(("path", "sha256", "seconds"), facts, strict=True)) if facts else None
        model, model_record = _provider(store, "model", response["model"])
        text: str = response["text"] or ""
        judge_records = []
        for judge_number in sorted({row["judge"] for row in verdicts}):
            judge, record = _provider(store, "judge", judge_number)
            rows = [row for row in verdicts if row["judge"] == judge_number]
            record["verdicts"] = [_verdict(row, judge, item, text) for row in rows]
            judge_records.append(record)
    request = model.request(asked, has_audio=condition.has_audio) if model else None
    outcome = _outcome(response)
    return {
        "schema": SCHEMA,
        "run": str(run),
        "clip": clip,
        "prompt": number,
        "sample": shown,
        "samples": samples,
        "instruction": item.instruction,
        "condition": condition.key,
        "asked": asked.instruction,
        "annotations": {
            name: getattr(item.clip, name)
            for name in ("sound", "speech", "audio_only", "speech_only", "reference", "keywords")
        },
        "audio": audio,
        "model": {
            **model_record,
            "request": None if request is None else _without_audio(request, audio),
            "reply": None if outcome["failure"] else _reply(response),
            **outcome,
        },
        "judges": judge_records,
    }


def _number(what: str, given: int | str, most: int) -> int:
    text = str(given)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise InputError(invalid_value(f"--{what}", text, f"expected a number from 1 to {most}"))
    return int(text)


def _of_sample(sample: int, samples: int) -> str:
    return f", sample {sample}" if samples > 1 else ""


def _provider(store: RunReader, kind: Kind, number: int) -> tuple[Any, dict[str, Any]]:
    """Reopen a model or judge of a run (None if that fails), and return its record as well."""
    providers = store.models() if kind == "model" else store.judges()
    [(label, identity)] = [(label, identity) for n, label, identity in providers if n == number]
    provider = reopen(kind, identity)
    if provider:
        provider.adaptations = store.adaptations(f"{kind}s", number)
    return provider, {"label": label, "identity": identity}


def _reply(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything stored about a response, whatever columns the run has."""
    reply = {name: value for name, value in row.items() if name not in _ROW_COLUMNS}
    return reply | {"usage": json.loads(row["usage"] or "{}")}


def _outcome(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what responses and verdicts have in common."""
    kind, message, final = row["failure_kind"], row["failure_message"], bool(row["final"])
    failure = None if kind is None else {"kind": kind, "message": message, "final": final}
    return {"failure": failure, "seconds": row["seconds"], "written_at": row["written_at"]}


def _verdict(row: Mapping[str, Any], judge: Any, item: Item, text: str) -> dict[str, Any]:
    protocol = PROTOCOLS.get(row["protocol"])
    outcome = _outcome(row)
    attempts: list[dict[str, Any]] = json.loads(row["attempts"] or "[]")
    if outcome["failure"] and not attempts:
        attempts = [{"asked": "verdict"}]
    first = attempts[0].get("text", "") if attempts else ""

    def request(attempt: Mapping[str, Any]) -> dict[str, Any] | None:
        if not judge or not protocol:
            return None
        repair_of = first if attempt.get("asked") == "repair" else None
        body = judge.request(item, text, protocol, repair_of)
        return None if body is None else dict(body)

    return {
        **{name: row[name] for name in ("protocol", "repeat", "rating", "orientation")},
        **outcome,
        "attempts": [
            {**attempt, "text": attempt.get("text", ""), "request": request(attempt)}
            for attempt in attempts
        ],
    }


def _without_audio(body: Any, audio: Mapping[str, Any] | None) -> Any:
    """Replace the audio in a request, in any form, with a placeholder."""
    if isinstance(body, Mapping):
        return {
            key: _placeholder(value, audio)
            if key in ("input_audio", "audio_url")
            else _without_audio(value, audio)
            for key, value in body.items()
        }
    if isinstance(body, list | tuple):
        return [_without_audio(part, audio) for part in body]
    return body


def _placeholder(part: Any, audio: Mapping[str, Any] | None) -> Any:
    text = "<the clip's audio>"
    if audio:
        text = f"<{audio['path']}, {audio['seconds']:.1f} s, sha256 {audio['sha256']}>"
    if isinstance(part, Mapping):
        return {key: text if key in ("data", "url") else value for key, value in part.items()}
    return text
