"""What a chat completion says: an answer, or why there is none.

Servers and gateways report many failures with HTTP status 200: as an ``error`` object, or as a
finish reason beside a text that is empty or partial. None of these is an answer.
"""

import json
from collections.abc import Mapping
from typing import Any

from jasco.benchmark.errors import whole_text
from jasco.benchmark.responses import Failure, Response

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


class _MalformedError(Exception):
    """It is no chat completion with one text."""


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
        Its finish reason is ``length`` however the server calls a text that was cut off. Kinds
        of failure: ``malformed``, ``error``, ``content filter``, ``refusal``, ``cut off``.
    """
    try:
        completion = _read_object(body)
        if error := completion.get("error"):
            return _error(error)
        choice = _choice_of(completion)
        message, reason = choice.get("message"), choice.get("finish_reason")
        if not isinstance(reason, str | None):
            raise _MalformedError(f"finish reason {reason!r} is not a text")
        if failure := _reported_failure(choice, reason):
            return failure
        if not isinstance(message, dict):
            raise _MalformedError("no message in the chat completion")
        text = message.get("content")
        if (text is None or _is_blank(text)) and (
            failure := _failure_without_text(message, reason, max_tokens=max_tokens, greedy=greedy)
        ):
            return failure
        if not isinstance(text, str):
            raise _MalformedError("no text in the chat completion")
    except (_MalformedError, RecursionError) as error:
        return Failure("malformed", f"{error}: {body[:100]!r}")
    usage, served = completion.get("usage"), completion.get("model")
    return Response(
        text=whole_text(text),
        finish_reason="length" if _name(reason) in _CUT_OFF else reason,
        usage={
            name: count
            for name in ("prompt_tokens", "completion_tokens")
            if isinstance(usage, dict) and isinstance(count := usage.get(name), int)
        },
        served=whole_text(served) if isinstance(served, str) else None,
    )


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        completion = json.loads(body)
    except (ValueError, RecursionError):
        raise _MalformedError("not JSON") from None
    if not isinstance(completion, dict):
        raise _MalformedError("not a chat completion")
    return completion


def _choice_of(completion: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choice with index 0, which is also the one that has no index."""
    choices = completion.get("choices")
    if not isinstance(choices, list) or not all(isinstance(each, dict) for each in choices):
        raise _MalformedError("not a chat completion")
    first = [each for each in choices if each.get("index") is None or _is_zero(each["index"])]
    if len(first) != 1:
        raise _MalformedError(f"{len(first)} choices with index 0")
    return dict(first[0])


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
    message: Mapping[str, Any], reason: str | None, *, max_tokens: int, greedy: bool
) -> Failure | None:
    """Say why there is no text; None where the model ended without having said anything."""
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        return Failure("refusal", f"the model refused: {refusal}", final=greedy)
    if _name(reason) in _CUT_OFF:
        return Failure(
            "cut off",
            f"no text within max_tokens={max_tokens} (finish reason {reason!r}); "
            "a larger max_tokens leaves room for one",
            final=greedy,
        )
    if _name(reason) not in _ENDED or message.get("tool_calls"):
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
