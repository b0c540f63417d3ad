"""Reading chat completions: an answer, or the reason why there is none.

Servers and gateways report many failures with HTTP status 200: as an ``error`` object, or as a
finish reason with an empty or partial text. None of these is an answer. An answer is a string or a
list of parts, complete or streamed, with or without reasoning.
"""

import json
import re
from collections.abc import Mapping
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
_LONGEST_NAME = 200  # characters of the name of a model
_QUOTED = 1_000  # bytes of a body; messages show fewer
_MOST_TOKENS = 2**53  # a larger count is not plausible
_REPORTED_STATUSES = ("400", "401", "402", "403", "413", "422", "429")


class _MalformedError(Exception):
    """The body is not a chat completion."""


class Completion:
    """The body of a response with HTTP status 200.

    Parameters
    ----------
    body : bytes
        The body as received.

    Attributes
    ----------
    usage : dict of str to int
        The token counts, whatever else the body contains.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._content: dict[str, Any] = {}
        self._problem = ""
        try:
            self._content = _parse(body)
        except (_MalformedError, RecursionError) as error:
            self._problem = str(error)
        self.usage = _usage(self._content)

    def read(self, *, max_tokens: int, greedy: bool) -> Response | Failure:
        """Return the answer, or the reason why there is none.

        Parameters
        ----------
        max_tokens : int
            The maximum length of the answer that was requested.
        greedy : bool
            Whether the same request would give the same text again.

        Returns
        -------
        Response or Failure
            The text of the first choice; it is empty only if the model ended without text. A
            refusal is the model's answer. The finish reason of a text that was cut off is
            ``length``, whatever the server calls it. Kinds of failure: ``malformed``, ``error``,
            ``content filter``, ``cut off``, ``no text``.
        """
        try:
            if self._problem:
                raise _MalformedError(self._problem)
            return self._outcome(max_tokens, greedy)
        except (_MalformedError, RecursionError) as error:
            return Failure("malformed", f"{error}: {self._body[:_QUOTED]!r}")

    def _outcome(self, max_tokens: int, greedy: bool) -> Response | Failure:
        if error := self._content.get("error"):
            return _error(error)
        choice = _choice_of(self._content)
        message = choice.get("message")
        if message is None and isinstance(choice.get("text"), str):  # of a legacy completion
            message = {"content": choice["text"]}
        reason = choice.get("finish_reason")
        if not isinstance(reason, str | None):
            raise _MalformedError(f"finish reason {reason!r} is not a string")
        if failure := _reported_failure(choice, message, reason):
            return failure
        if not isinstance(message, dict):
            raise _MalformedError("no message in the chat completion")
        text, reasoning = _text_of(message)
        is_cut_off = _name(reason) in _CUT_OFF
        if not text.strip():
            if reasoning:
                return only_reasoning(reasoning, cut_off=is_cut_off, greedy=greedy)
            if is_cut_off:
                return Failure(
                    "cut off",
                    f"no text within max_tokens={max_tokens} (finish reason {reason!r}); "
                    "use a larger max_tokens",
                    final=greedy,
                )
            if message.get("tool_calls"):
                return Failure(NO_TEXT, "a tool call instead of text", final=greedy)
            if message.get("content") is None or _name(reason) not in _ENDED:
                raise _MalformedError(f"no text (finish reason {reason!r})")
        served = self._content.get("model")
        return Response(
            text=whole_text(text),
            finish_reason="length" if is_cut_off else reason and whole_text(reason)[:100],
            usage=self.usage,
            served=whole_text(served)[:_LONGEST_NAME] if isinstance(served, str) else None,
            reasoning=whole_text(reasoning),
        )


def reported_status(body: bytes) -> int:
    """Return the status that a gateway reports within a response with HTTP status 200."""
    if b'"error"' not in body[:_QUOTED]:
        return 200
    try:
        error = _parse(body).get("error")
    except (_MalformedError, RecursionError):
        return 200
    code = str(error.get("code")) if isinstance(error, dict) else ""
    if code == "insufficient_quota":
        return 429
    return int(code) if code in _REPORTED_STATUSES else 200


def _usage(completion: Mapping[str, Any]) -> dict[str, int]:
    usage = completion.get("usage")
    counts: dict[str, Any] = usage if isinstance(usage, dict) else {}
    return {
        name: int(counts[name])
        for name in ("prompt_tokens", "completion_tokens")
        if type(counts.get(name)) in (int, float)
        and 0 <= counts[name] <= _MOST_TOKENS  # False for NaN
    }


# --- the parts of a completion ---


def _parse(body: bytes) -> dict[str, Any]:
    if _STREAMED.match(body):
        return _parse_stream(body)
    try:
        completion = json.loads(body)
    except (ValueError, RecursionError):
        raise _MalformedError("not valid JSON in UTF-8") from None
    if not isinstance(completion, dict):
        raise _MalformedError("not a chat completion")
    return completion


def _parse_stream(body: bytes) -> dict[str, Any]:
    """Parse a streamed completion (server-sent events) into one completion."""
    completion: dict[str, Any] = {}
    message: dict[str, Any] = {}
    choice: dict[str, Any] = {"index": 0, "message": message}
    is_complete = False
    try:
        for line in re.split(
            "\r\n|\r|\n", body.decode()
        ):  # other line breaks may be part of a text
            data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
            if data == "[DONE]":
                is_complete = True
                break
            if not data:
                continue
            piece = json.loads(data)
            if error := piece.get("error"):
                return {"error": error}
            completion |= {name: piece[name] for name in ("model", "usage") if piece.get(name)}
            for part in piece.get("choices") or ():
                if part.get("index") in (None, 0):
                    _add_piece(choice, message, part)
    except (AttributeError, TypeError, ValueError, RecursionError):
        raise _MalformedError("not a streamed chat completion") from None
    if not is_complete and not choice.get("finish_reason"):
        raise _MalformedError("the stream ended early")
    return {**completion, "choices": [choice]}


def _add_piece(choice: dict[str, Any], message: dict[str, Any], part: Mapping[str, Any]) -> None:
    choice |= {name: part[name] for name in ("finish_reason", "error") if part.get(name)}
    delta = part.get("delta") or part.get("message") or {"content": part.get("text")}
    for name in ("content", "refusal", *_REASONING):
        if (content := delta.get(name)) is not None:
            message[name] = message.get(name, "") + _text_and_thought(content)[0]
    if calls := delta.get("tool_calls"):
        message["tool_calls"] = calls


def _choice_of(completion: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choice with index 0, or without an index."""
    choices = completion.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise _MalformedError("not a chat completion")
    first = [
        choice
        for choice in choices
        if (index := choice.get("index")) is None or (index == 0 and index is not False)
    ]
    if len(first) != 1:
        raise _MalformedError(f"{len(first)} choices with index 0, not one")
    return dict(first[0])


def _text_of(message: Mapping[str, Any]) -> tuple[str, str]:
    """Return the text of a message, and its reasoning; empty for none."""
    content, refusal = message.get("content"), message.get("refusal")
    text, thought = ("", "") if content is None else _text_and_thought(content)
    if not text.strip() and isinstance(refusal, str) and refusal.strip():
        text = refusal  # a separate field, but still the model's answer
    thoughts = [thought, *(message.get(name) for name in _REASONING)]
    return text, next((part for part in thoughts if isinstance(part, str) and part.strip()), "")


def _text_and_thought(content: object) -> tuple[str, str]:
    """Join the parts that content may consist of: texts and reasoning."""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        raise _MalformedError("the content is neither a string nor a list of parts")
    texts, thoughts = [], []
    for part in content:
        part = {"text": part} if isinstance(part, str) else part
        if not isinstance(part, dict):
            raise _MalformedError("a part of the content is neither a string nor an object")
        thought = part.get("thinking", part.get("reasoning"))
        text = part.get("text", part.get("refusal"))
        if thought:
            thoughts.append("".join(_text_and_thought(thought)))
        if isinstance(text, str):
            texts.append(text)
        elif not thought:
            raise _MalformedError(f"a part of the content is of type {part.get('type')!r}")
    return "".join(texts), "\n".join(thoughts)


# --- failures reported by a completion ---


def _reported_failure(
    choice: Mapping[str, Any], message: object, reason: str | None
) -> Failure | None:
    """Return the failure that a choice reports, even if it also has a text."""
    message = message if isinstance(message, dict) else {}
    text = message.get("content")
    shown = f"finish reason {reason!r}"
    if isinstance(text, str) and text.strip():
        shown += f" after {text!r}"
    if _is_filter(reason):  # a partial text is not an answer either
        return Failure("content filter", shown, final=True)
    if error := choice.get("error") or message.get("error"):
        return _error(error)
    return Failure("error", shown) if _name(reason) in _FAILED else None


def _error(error: object) -> Failure:
    """Return the failure that an ``error`` object describes, with the server's message."""
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    if not isinstance(message, str) or not message:
        message = json.dumps(error, ensure_ascii=False)
    elif code not in (None, ""):
        message = f"{message} (code {code})"
    is_filter = _is_filter(code)
    return Failure("content filter" if is_filter else "error", message, final=is_filter)


def _is_filter(word: object) -> bool:
    name = _name(word)
    return name in _FILTERED or name.startswith("content_filter")


def _name(reason: object) -> str:
    """Normalise a finish reason or a code: ``Content-Filter`` becomes ``content_filter``."""
    return "_".join(str(reason or "").lower().replace("-", " ").replace("_", " ").split())
