"""One item of a run as text, harmless to a terminal whatever a model wrote."""

import json
import unicodedata
from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import Any

_SHOWN_ALREADY = ("text", "reasoning", "asked", "request")


def as_json(shown: Mapping[str, Any]) -> str:
    """Write an item as JSON in ASCII: a terminal, too, takes it for text."""
    return json.dumps(shown, indent=2)


def render_item(shown: Mapping[str, Any]) -> str:
    """Lay out what was sent and answered about an item."""
    return harmless("\n".join(_lines(shown)))


def harmless(text: str) -> str:
    """Write what could steer a terminal, such as an escape sequence, as Python writes it."""
    return "".join(
        each
        if each in "\n\t" or each.isprintable() or unicodedata.category(each) == "Zs"
        else each.encode("unicode_escape").decode()
        for each in text
    )


def _lines(shown: Mapping[str, Any]) -> Iterator[str]:
    yield f"clip {shown['clip']}, prompt {shown['prompt']}: {shown['instruction']}"
    if audio := shown["audio"]:
        yield f"audio: {audio['path']}, {audio['seconds']:.1f} s, sha256 {audio['sha256']}"
    model = shown["model"]
    yield from ("", f"=== model {model['label']}")
    yield from _request(model["request"])
    if model["failure"]:
        yield from ("", _failure(model["failure"]))
    else:
        yield from _reply("reply", model["reply"])
    yield _made(model)
    for judge in shown["judges"]:
        for verdict in judge["verdicts"]:
            yield from _verdict(judge["label"], verdict)
    if not shown["judges"]:
        yield from ("", "no judge was asked about it yet")


def _verdict(label: str, verdict: Mapping[str, Any]) -> Iterator[str]:
    repeat = f", repeat {verdict['repeat']}" if verdict["repeat"] else ""
    yield from ("", f"=== judge {label}, protocol {verdict['protocol']}{repeat}")
    for attempt in verdict["attempts"]:
        yield from _request(attempt["request"])
        if not verdict["failure"]:
            yield from _reply(f"reply ({attempt.get('asked', 'verdict')})", attempt)
    if verdict["failure"]:
        yield from ("", _failure(verdict["failure"]))
    else:
        rating, orientation = verdict["rating"], verdict["orientation"]
        yield f"rating: {'unreadable' if rating is None else rating}"
        yield f"orientation: {orientation or 'unreadable'}"
    yield _made(verdict)


def _request(body: Mapping[str, Any] | None) -> Iterator[str]:
    if body is None:
        yield "--- request: none is sent as JSON, or its provider is not installed"
    else:
        yield from ("--- request", json.dumps(body, indent=2, ensure_ascii=False))


def _reply(name: str, reply: Mapping[str, Any]) -> Iterator[str]:
    if reply.get("reasoning"):
        yield from ("--- reasoning", _quoted(reply["reasoning"]))
    yield from (f"--- {name}", _quoted(reply["text"]), "---")
    for key, value in reply.items():
        if key not in _SHOWN_ALREADY and value not in (None, {}, ""):
            told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield _line(f"{key.replace('_', ' ')}: {told}")


def _quoted(text: object) -> str:
    """Indent what a model wrote: nothing in it looks like a line of ours."""
    return indent(str(text), "    ", lambda _: True)


def _line(text: str) -> str:
    return text.replace("\n", "\\n")


def _failure(failure: Mapping[str, Any]) -> str:
    final = ", final" if failure["final"] else ""
    return _line(f"failure: {failure['kind']}{final}: {failure['message']}")


def _made(made: Mapping[str, Any]) -> str:
    seconds = "" if made["seconds"] is None else f"seconds: {made['seconds']:.2f}, "
    return f"{seconds}written at {made['written_at']}"
