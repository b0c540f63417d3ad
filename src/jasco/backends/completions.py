"""What a chat completion says: an answer, or why there is none.

Servers and gateways report many failures with HTTP status 200: as an ``error`` object, or as a
finish reason beside a text that is empty or partial. None of these is an answer. An answer comes
as a text or as a list of parts, whole or streamed, with or without reasoning beside it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jasco.errors import whole_text
from jasco.protocol.reasoning import NO_TEXT, only_reasoning
from jasco.protocol.responses import Failure, Response

# Finish reasons as OpenAI, vLLM, SGLang, TGI, Anthropic, Azure, Bedrock, Cohere, DeepSeek, Gemini,
# Mistral and Zhipu write them, in lower case with underscores.
_ENDED = {"", "complete", "completed", "end_turn", "eos", "eos_token", "stop", "stop_sequence"}
_CUT_OFF = {
    "length", "max_length", "max_tokens", "model_context_window_exceeded", "model_length",
}  # fmt: skip
_FILTERED = {
    "blocklist", "error_toxic", "guardrail_intervened", "prohibited_content", "recitation",
    "refusal", "safety", "sensitive", "spii",
}  # fmt: skip
_FAILED = {
    "abort", "aborted", "cancelled", "error", "insufficient_system_resource", "network_error",
}  # fmt: skip


_REASONING = ("reasoning_content", "reasoning", "thinking")
_STREAMED = re.compile(rb"\s*(?:data:|event:|id:|retry:|:)")
_QUOTED = 1_000  # bytes of a body; what is shown is shorter
_MOST_TOKENS = 2**53  # a larger count is not one


class _MalformedError(Exception):
    """It is no chat completion."""


def read_completion(body: bytes, *, max_tokens: int, greedy: bool) -> Response | Failure:
    """Read the body of a response with HTTP status 200.

    Parameters
    ----------
    body : bytes
        As it came.
    max_tokens : int
        The longest answer that was asked for.
    greedy : bool
        Whether the same request would give the same text again.

    Returns
    -------
    Response or Failure
        The text of the choice that was asked for; it is empty only where the model ended it so.
        A refusal is the model's answer. The finish reason is ``length`` however the server calls
        a text that was cut off. Kinds of failure: ``malformed``, ``error``, ``content filter``,
        ``cut off``, ``no text``.
    """
    try:
        completion = _read_object(body)
        if error := completion.get("error"):
            return _error(error)
        choice = _choice_of(completion)
        reason = choice.get("finish_reason")
        if not isinstance(reason, str | None):
            raise _MalformedError(f"finish reason {reason!r} is not a text")
        if failure := _reported_failure(choice, reason):
            return failure
        message = _message_of(choice)
        text, reasoning = _text_of(message)
        if (text is None or _is_blank(text)) and (
            failure := _failure_without_text(
                message, reason, text, reasoning, max_tokens=max_tokens, greedy=greedy
            )
        ):
            return failure
    except (_MalformedError, RecursionError) as error:
        return Failure("malformed", f"{error}: {body[:_QUOTED]!r}")
    served = completion.get("model")
    return Response(
        text=whole_text(text or ""),
        finish_reason="length"
        if _name(reason) in _CUT_OFF
        else reason and whole_text(reason)[:100],
        usage=_usage(completion.get("usage")),
        served=whole_text(served) if isinstance(served, str) else None,
        reasoning=whole_text(reasoning),
    )


_STATUSES = (400, 401, 402, 403, 413, 422, 429)


def reported_status(body: bytes) -> int:
    """Return the status that a gateway reports within a response with HTTP status 200."""
    if b'"error"' not in body[:_QUOTED]:
        return 200
    try:
        error = _read_object(body).get("error")
    except (_MalformedError, RecursionError):
        return 200
    code = str(error.get("code")) if isinstance(error, dict) else ""
    if code == "insufficient_quota":
        return 429
    return int(code) if code in map(str, _STATUSES) else 200


def usage_of(body: bytes) -> dict[str, int]:
    """Read the tokens that a completion counts, whatever else it says."""
    try:
        return _usage(_read_object(body).get("usage"))
    except (_MalformedError, RecursionError):
        return {}


def _usage(usage: object) -> dict[str, int]:
    return {
        name: int(count)
        for name in ("prompt_tokens", "completion_tokens")
        if isinstance(usage, dict)
        and isinstance(count := usage.get(name), int | float)
        and not isinstance(count, bool)
        and 0 <= count <= _MOST_TOKENS  # False for NaN
    }


def _read_object(body: bytes) -> dict[str, Any]:
    if _STREAMED.match(body):
        return _joined(_events(body))
    try:
        completion = json.loads(body)
    except UnicodeDecodeError:
        raise _MalformedError("not UTF-8") from None
    except (ValueError, RecursionError):
        raise _MalformedError("not JSON") from None
    if not isinstance(completion, dict):
        raise _MalformedError("not a chat completion")
    return completion


def _events(body: bytes) -> list[dict[str, Any]]:
    """Read the pieces of a streamed completion (server-sent events)."""
    pieces = []
    ended = False
    try:
        for line in re.split("\r\n|\r|\n", body.decode()):  # others may stand in a text
            field, _, value = line.partition(":")
            value = value.strip()
            if field != "data" or not value:
                continue
            if value == "[DONE]":
                ended = True
                break
            piece = json.loads(value)
            if not isinstance(piece, dict):
                raise _MalformedError("not a streamed chat completion")
            pieces.append(piece)
    except (ValueError, RecursionError):
        raise _MalformedError("not a streamed chat completion") from None
    finished = any(
        isinstance(choice, dict) and choice.get("finish_reason")
        for piece in pieces
        for choice in _listed(piece.get("choices"))
    )
    if not ended and not finished and not any(piece.get("error") for piece in pieces):
        raise _MalformedError("the stream broke off")
    return pieces


def _joined(pieces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Join the pieces of a streamed completion into what it would have been as a whole."""
    completion: dict[str, Any] = {}
    message: dict[str, Any] = {}
    choice: dict[str, Any] = {"index": 0, "message": message}
    for piece in pieces:
        if error := piece.get("error"):
            return {"error": error}
        completion |= {name: piece[name] for name in ("model", "usage") if piece.get(name)}
        for part in _listed(piece.get("choices")):
            if not isinstance(part, dict):
                raise _MalformedError("not a streamed chat completion")
            if part.get("index") not in (None, 0):
                continue
            choice |= {name: part[name] for name in ("finish_reason", "error") if part.get(name)}
            delta = part.get("delta") or part.get("message") or {"content": part.get("text")}
            if not isinstance(delta, dict):
                raise _MalformedError("not a streamed chat completion")
            for name in ("content", "refusal", *_REASONING):
                if (said := delta.get(name)) is not None:
                    text, _ = _text_and_thought(said)
                    message[name] = message.get(name, "") + text
            if calls := delta.get("tool_calls"):
                message["tool_calls"] = calls
    return {**completion, "choices": [choice]}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _choice_of(completion: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choice with index 0, which is also the one that has no index."""
    choices = completion.get("choices")
    if not isinstance(choices, list) or not all(isinstance(each, dict) for each in choices):
        raise _MalformedError("not a chat completion")
    first = [each for each in choices if each.get("index") is None or _is_zero(each["index"])]
    if len(first) != 1:
        raise _MalformedError(f"{len(first)} choices with index 0")
    return dict(first[0])


def _message_of(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message of a choice; a legacy completion has its text instead."""
    message = choice.get("message")
    if message is None and isinstance(text := choice.get("text"), str):
        return {"content": text}
    if not isinstance(message, dict):
        raise _MalformedError("no message in the chat completion")
    return message


def _text_of(message: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the text of a message, or None, and the reasoning beside or within it."""
    content, refusal = message.get("content"), message.get("refusal")
    text, thought = (None, "") if content is None else _text_and_thought(content)
    if (text is None or _is_blank(text)) and isinstance(refusal, str) and refusal.strip():
        text = refusal  # in a field of its own, but the model's words all the same
    for name in _REASONING:
        if thought:
            break
        thought = said if isinstance(said := message.get(name), str) else ""
    return text, thought if thought.strip() else ""


def _text_and_thought(content: object) -> tuple[str, str]:
    """Join the parts that content may consist of: texts, and reasoning."""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        raise _MalformedError("the content is neither a text nor a list of parts")
    texts, thoughts = [], []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, dict):
            raise _MalformedError("a part of the content is neither a text nor an object")
        thought = part.get("thinking", part.get("reasoning"))
        text = part.get("text", part.get("refusal"))
        if thought:
            thoughts.append("".join(_text_and_thought(thought)))
        if isinstance(text, str):
            texts.append(text)
        elif not thought:
            raise _MalformedError(f"a part of the content is of type {part.get('type')!r}")
    return "".join(texts), "\n".join(thoughts)


def _is_zero(index: object) -> bool:
    return not isinstance(index, bool) and index == 0


def _is_blank(text: object) -> bool:
    return isinstance(text, str) and not text.strip()


def _reported_failure(choice: Mapping[str, Any], reason: str | None) -> Failure | None:
    """Return the failure that a choice reports, whatever text stands beside it."""
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    text = message.get("content")
    after = f" after {text!r}" if isinstance(text, str) and not _is_blank(text) else ""
    if _is_filter(reason):  # a partial text is not the model's answer either
        return Failure("content filter", f"finish reason {reason!r}{after}", final=True)
    if error := choice.get("error") or message.get("error"):
        return _error(error)
    if _name(reason) in _FAILED:
        return Failure("error", f"finish reason {reason!r}{after}")
    return None


def _failure_without_text(
    message: Mapping[str, Any],
    reason: str | None,
    text: str | None,
    reasoning: str,
    *,
    max_tokens: int,
    greedy: bool,
) -> Failure | None:
    """Say why there is no text; None where the model ended without having said anything."""
    cut_off = _name(reason) in _CUT_OFF
    if reasoning:
        return only_reasoning(reasoning, cut_off=cut_off, greedy=greedy)
    if cut_off:
        return Failure(
            "cut off",
            f"no text within max_tokens={max_tokens} (finish reason {reason!r}); "
            "a larger max_tokens leaves room for one",
            final=greedy,
        )
    if message.get("tool_calls"):
        return Failure(NO_TEXT, "a tool call, and no text", final=greedy)
    if text is None or _name(reason) not in _ENDED:
        raise _MalformedError(f"no text (finish reason {reason!r})")
    return None


def _error(error: object) -> Failure:
    """Make a failure of an ``error`` object, in the server's words."""
    code = error.get("code") if isinstance(error, dict) else None
    words = error.get("message") if isinstance(error, dict) else error
    if not isinstance(words, str) or not words:
        words = json.dumps(error, ensure_ascii=False)
    elif code not in (None, ""):
        words = f"{words} (code {code})"
    if _is_filter(code):
        return Failure("content filter", words, final=True)
    return Failure("error", words)


def _is_filter(word: object) -> bool:
    name = _name(word)
    return name in _FILTERED or name.startswith("content_filter")


def _name(reason: object) -> str:
    """Write a finish reason or a code in one way: ``Content-Filter`` is ``content_filter``."""
    return "_".join(str(reason or "").lower().replace("-", " ").replace("_", " ").split())
