"""One item of a run, whole: what was sent to the model and the judges, and what came back.

What was sent is not stored. It is put together again from the identity that the run holds, by the
code that sends it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jasco.backends.specs import reopen
from jasco.errors import InputError, one_line
from jasco.judges.judge import Judge
from jasco.models.model import Model
from jasco.protocol.clips import Item
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.protocols import PROTOCOLS
from jasco.runs.reader import RunReader

SCHEMA = 1


def show(run: Path, clip: str, prompt: int | str) -> dict[str, Any]:
    """Give all that a run knows of an item.

    Parameters
    ----------
    run : pathlib.Path
        The run's folder.
    clip : str
        The clip's id.
    prompt : int or str
        The number of the instruction, from 1 to 8.

    Returns
    -------
    dict
        Ready for JSON. ``model`` has a ``request`` (the body as it is sent, with a placeholder for
        the audio; None where none is sent as JSON) and a ``reply`` or a ``failure``; each of
        ``judges`` has ``verdicts``, one for each repeat, with all ``attempts`` likewise.

    Raises
    ------
    InputError
        There is no run, no such clip or prompt in it, or it is not answered yet.
    """
    number = _number(prompt)
    with RunReader.open(run) as store:
        place = store.clip_index(clip)
        item = Item(store.data().clips[place], number)
        answered = store.rows_of("responses", place, number)
        if not answered:
            raise InputError(
                f"{run}: clip {clip}, prompt {number} is not answered yet; the command that began "
                "the run goes on with it"
            )
        held = store.audio_of(place)
        audio = dict(zip(("path", "sha256", "seconds"), held, strict=True)) if held else None
        models = {each[0]: each[1:] for each in store.models()}
        judges = {each[0]: each[1:] for each in store.judges()}
        row = answered[0]
        adapted = {
            (table, each): store.adaptations(table, each)
            for table, numbers in (("models", models), ("judges", judges))
            for each in numbers
        }
        marked = store.rows_of("verdicts", place, number)
    return {
        "schema": SCHEMA,
        "run": str(run),
        "clip": clip,
        "prompt": number,
        "instruction": item.instruction,
        "audio": audio,
        "model": _model(*models[row["model"]], adapted["models", row["model"]], row, item, audio),
        "judges": [
            _judge(
                *judges[judge],
                adapted["judges", judge],
                [each for each in marked if each["judge"] == judge],
                item,
                row,
            )
            for judge in sorted({each["judge"] for each in marked})
        ],
    }


def _number(prompt: int | str) -> int:
    text = str(prompt)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= len(INSTRUCTIONS)):
        raise InputError(
            f"prompt {one_line(text, 40)!r}: there is no such one; they are numbered 1 to "
            f"{len(INSTRUCTIONS)}"
        )
    return int(text)


def _model(
    label: str,
    identity: Mapping[str, Any],
    adaptations: Mapping[str, Any],
    row: Mapping[str, Any],
    item: Item,
    audio: Mapping[str, Any] | None,
) -> dict[str, Any]:
    model: Model | None = reopen("model", identity)
    if model:
        model.adaptations = dict(adaptations)
    body = model.request(item) if model else None
    answer = row["failure_kind"] is None
    return {
        "label": label,
        "identity": dict(identity),
        "request": None if body is None else _without_audio(body, audio),
        "reply": _reply(row) if answer else None,
        "failure": None if answer else _failure(row),
        "seconds": row["seconds"],
        "written_at": row["written_at"],
    }


_OF_THE_ROW = {
    "model", "judge", "clip", "instruction", "protocol", "repeat", "failure_kind",
    "failure_message", "final", "seconds", "written_at",
}  # fmt: skip


def _reply(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give all that is stored of an answer, whatever columns a run has for it."""
    reply = {name: value for name, value in row.items() if name not in _OF_THE_ROW}
    return reply | {"usage": json.loads(row["usage"] or "{}")}


def _failure(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": row["failure_kind"],
        "message": row["failure_message"],
        "final": bool(row["final"]),
    }


def _judge(
    label: str,
    identity: Mapping[str, Any],
    adaptations: Mapping[str, Any],
    rows: list[dict[str, Any]],
    item: Item,
    answered: Mapping[str, Any],
) -> dict[str, Any]:
    judge: Judge | None = reopen("judge", identity)
    if judge:
        judge.adaptations = dict(adaptations)
    prediction = answered["text"] or ""
    return {
        "label": label,
        "identity": dict(identity),
        "verdicts": [_verdict(row, judge, item, prediction) for row in rows],
    }


def _verdict(
    row: Mapping[str, Any], judge: Judge | None, item: Item, prediction: str
) -> dict[str, Any]:
    protocol = PROTOCOLS.get(row["protocol"])

    def request(repair_of: str | None = None) -> dict[str, Any] | None:
        if judge is None or protocol is None:
            return None
        body = judge.request(item, prediction, protocol, repair_of)
        return None if body is None else dict(body)

    attempts: list[dict[str, Any]] = json.loads(row["attempts"] or "[]")
    first = attempts[0].get("text", "") if attempts else ""
    failed = row["failure_kind"] is not None
    return {
        "protocol": row["protocol"],
        "repeat": row["repeat"],
        "rating": row["rating"],
        "orientation": row["orientation"],
        "failure": _failure(row) if failed else None,
        "seconds": row["seconds"],
        "written_at": row["written_at"],
        "attempts": [
            {
                **each,
                "text": each.get("text", ""),
                "request": request(first if each.get("asked") == "repair" else None),
            }
            for each in attempts or [{"asked": "verdict"}]
            if attempts or failed
        ],
    }


def _without_audio(body: Any, audio: Mapping[str, Any] | None) -> Any:
    """Put a placeholder where a request holds audio, in whatever form."""
    if isinstance(body, Mapping):
        return {
            key: _placeholder(value, audio)
            if key in ("input_audio", "audio_url")
            else _without_audio(value, audio)
            for key, value in body.items()
        }
    if isinstance(body, list | tuple):
        return [_without_audio(each, audio) for each in body]
    return body


def _placeholder(part: Any, audio: Mapping[str, Any] | None) -> Any:
    told = "the clip's audio"
    if audio:
        told = f"{audio['path']}, {audio['seconds']:.1f} s, sha256 {audio['sha256']}"
    if isinstance(part, Mapping):
        return {key: f"<{told}>" if key in ("data", "url") else each for key, each in part.items()}
    return f"<{told}>"
