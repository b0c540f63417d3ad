"""One item of a run, as text that is safe to print in a terminal."""

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent
from typing import Any

from jasco.protocol.conditions import ORIGINAL

_SHOWN_ALREADY = ("text", "reasoning", "asked", "request")

Json = Mapping[str, Any]


def render_item(item: Json) -> str:
    """Format the requests and replies of an item."""
    return harmless("\n".join(_lines(item)))


def render_failed(rows: Sequence[Json]) -> str:
    """Format failed answers and verdicts, one per line."""
    lines, several = [], any(row["sample"] > 1 for row in rows)
    for row in rows:
        sample = f", sample {row['sample']}" if several else ""
        judge = f", judge {row['judge']}" if row["judge"] else ""
        item = f"clip {row['clip']}, instruction {row['instruction']}{sample}{judge}"
        lines.append(_escape_newlines(f"{item}: {row['failure']}"))
    return harmless("\n".join(lines))


def harmless(text: str) -> str:
    """Escape control characters, such as those of terminal escape sequences, as Python does."""
    return "".join(
        character
        if character in "\n\t" or character.isprintable() or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode()
        for character in text
    )


def _lines(item: Json) -> Iterator[str]:
    sample = f", sample {item['sample']} of {item['samples']}" if item["samples"] > 1 else ""
    yield f"clip {item['clip']}, instruction {item['prompt']}{sample}: {item['instruction']}"
    if item["condition"] != ORIGINAL:
        yield f"condition: {item['condition']}"
    if item["asked"] != item["instruction"]:
        yield _escape_newlines(f"asked: {item['asked']}")
    if audio := item["audio"]:
        yield f"audio: {audio['path']}, {audio['seconds']:.1f} s, sha256 {audio['sha256']}"
    for name, text in item["annotations"].items():
        yield _escape_newlines(f"{name.replace('_', ' ')}: {text}")
    model = item["model"]
    yield from ("", f"=== model {model['label']}")
    yield from _request(model["request"])
    if not model["failure"]:
        yield from _reply("reply", model["reply"])
    yield from _end(model)
    for judge in item["judges"]:
        for verdict in judge["verdicts"]:
            yield from _verdict(judge["label"], verdict)
    if not item["judges"]:
        yield from ("", "not judged yet")


def _verdict(label: str, verdict: Json) -> Iterator[str]:
    repeat = f", repeat {verdict['repeat']}" if verdict["repeat"] else ""
    yield from ("", f"=== judge {label}, protocol {verdict['protocol']}{repeat}")
    for attempt in verdict["attempts"]:
        yield from _request(attempt["request"])
        if not verdict["failure"]:
            yield from _reply(f"reply ({attempt.get('asked', 'verdict')})", attempt)
    if not verdict["failure"]:
        rating = verdict["rating"]
        yield f"rating: {'unreadable' if rating is None else rating}"
        yield f"orientation: {verdict['orientation'] or 'unreadable'}"
    yield from _end(verdict)


def _request(body: Json | None) -> Iterator[str]:
    if body is None:
        yield "--- request: none (only requests to servers are shown)"
    else:
        yield from ("--- request", json.dumps(body, indent=2, ensure_ascii=False))


def _reply(name: str, reply: Json) -> Iterator[str]:
    if reply.get("reasoning"):
        yield from ("--- reasoning", _quote(reply["reasoning"]))
    yield from (f"--- {name}", _quote(reply["text"]), "---")
    for key, value in reply.items():
        if key not in _SHOWN_ALREADY and value not in (None, {}, ""):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield _escape_newlines(f"{key.replace('_', ' ')}: {text}")


def _quote(text: object) -> str:
    """Indent the output of a model, to distinguish it from other lines."""
    return indent(str(text), "    ", lambda _: True)


def _escape_newlines(text: str) -> str:
    return text.replace("\n", "\\n")


def _end(part: Json) -> Iterator[str]:
    """Format the failure, if any, and the duration and time of an answer or verdict."""
    if failure := part["failure"]:
        final = ", final" if failure["final"] else ""
        yield ""
        yield _escape_newlines(f"failure: {failure['kind']}{final}: {failure['message']}")
    seconds = "" if part["seconds"] is None else f"seconds: {part['seconds']:.2f}, "
    yield f"{seconds}written at {part['written_at']}"
