"""Options of chat completion requests, the request body, and its adaptation to a server.

Some servers use another name for a parameter, or need audio or the transport in another form. Such
changes do not affect answers, so they are made if a server's error asks for them. Changes that
affect the prompt or the sampling are never made: the error names the option of the spec instead.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Self

from jasco.backends.options import Option, address, at_least, integer, one_of, true_or_false
from jasco.backends.specs import Spec

Message = Mapping[str, Any]
"""A chat message: its ``role`` and its ``content``, a text or a list of parts."""

AUDIO_FORMS = ("input_audio", "data_url", "audio_url")
"""Forms in which audio can be sent; see :meth:`RequestFormat.body`."""
_WAV_BYTES_A_SECOND = 32_000
# An upper bound for current models, which use 25 to 50 tokens per second.
_AUDIO_TOKENS_A_SECOND = 50
_SAMPLING = ("temperature", "top_p", "seed")
_MESSAGE_TOKENS = 64  # upper bound for the chat template, per message

TIMEOUT = Option("timeout", "timeout of one call in seconds", at_least(0.01, float), 600.0)
TRANSPORT_OPTIONS = (
    Option("base_url", "server address up to /v1; repeat to share load", address, repeatable=True),
    Option("api_key_env", "environment variable with the API key (default: OPENAI_API_KEY)"),
    TIMEOUT,
    Option("stream", "true: request a streamed response", true_or_false, False),
    Option("modalities", "output modality to request, such as text", repeatable=True),
)
AUDIO_FORM = Option(
    "audio",
    "form in which audio is sent: input_audio, data_url or audio_url",
    one_of(*AUDIO_FORMS),
    AUDIO_FORMS[0],
)
"""For models only; judges receive no audio."""
FURTHER_OPTIONS = (
    Option(
        "extra_body",
        "additional request parameter; parsed as JSON if possible",
        identity=True,
        family=True,
        if_given=True,
        reserved=(
            "audio", "max_completion_tokens", "max_tokens", "messages", "modalities", "model", "n",
            "response_format", "seed", "stream", "temperature", "top_p",
        ),
    ),
    Option(
        "chat_template_kwargs",
        "variable of the model's chat template, such as enable_thinking=false",
        identity=True,
        family=True,
        if_given=True,
    ),
)  # fmt: skip


def temperature(text: str) -> float | None:
    """Read a sampling temperature; ``none`` means the server's default."""
    return None if text == "none" else at_least(0, float)(text)


def decoding_options(max_tokens: int) -> tuple[Option, ...]:
    """Return the sampling options, greedy by default, with this default of ``max_tokens``."""
    return (
        Option(
            "temperature",
            "sampling temperature; none: the server's default",
            temperature,
            0.0,
            identity=True,
        ),
        Option("top_p", "nucleus sampling threshold", at_least(0, float), identity=True),
        Option(
            "max_tokens", "maximum tokens of an answer", at_least(1, int), max_tokens, identity=True
        ),
        Option("seed", "sampling seed", integer, identity=True),
    )


@dataclass(frozen=True)
class RequestFormat:
    """The format of requests to one server.

    Attributes
    ----------
    model : str
        The server's name of the model.
    options : mapping
        The options above, except those that are attributes of this class.
    limit_name : str
        The server's name of ``max_tokens``.
    audio : str
        One of :data:`AUDIO_FORMS`.
    stream : bool
        Whether to request a streamed response.
    """

    model: str
    options: Mapping[str, Any]
    limit_name: str = "max_tokens"
    audio: str = AUDIO_FORMS[0]
    stream: bool = False

    def body(
        self, messages: Sequence[Message], form: Mapping[str, Any] = MappingProxyType({})
    ) -> dict[str, Any]:
        """Return the body of a request.

        Parameters
        ----------
        messages : sequence of mapping
            Audio is an ``input_audio`` part (WAV, base64). It is sent unchanged, with a data URL
            as its data, or as an ``audio_url`` part.
        form : mapping
            The requested format of the answer (``response_format``).
        """
        options = self.options
        modalities, template = options.get("modalities"), options.get("chat_template_kwargs")
        return {
            "messages": [
                {**message, "content": [self._part(part) for part in message["content"]]}
                if isinstance(message["content"], list)
                else message
                for message in messages
            ],
            "model": self.model,
            **{name: options[name] for name in _SAMPLING if options.get(name) is not None},
            self.limit_name: self.max_tokens,
            **({"modalities": list(modalities)} if modalities else {}),
            **({"stream": True} if self.stream else {}),
            **form,
            **(options.get("extra_body") or {}),
            **({"chat_template_kwargs": template} if template else {}),
        }

    @property
    def max_tokens(self) -> int:
        """The maximum length of an answer, in tokens."""
        return int(self.options["max_tokens"])

    @property
    def greedy(self) -> bool:
        """Whether the same request gives the same text again."""
        return self.options.get("temperature") == 0

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return the format with changes, as stored in a run; unknown ones are ignored."""
        if not changes:
            return self
        names = {name for _, name, _ in _CHANGES}
        return replace(self, **{name: changes[name] for name in names & changes.keys()})

    def suggested_changes(self, error: str) -> list[dict[str, Any]]:
        """Return the changes that a server's error suggests, by attribute of the format."""
        changes: dict[str, Any] = {}
        for pattern, name, value in _CHANGES:
            is_default = getattr(self, name) == getattr(RequestFormat, name)
            if is_default and name not in changes and pattern.search(error):
                changes[name] = value
        return [{name: value} for name, value in changes.items()]

    def _part(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        if part["type"] != "input_audio" or self.audio == "input_audio":
            return part
        audio = part["input_audio"]
        url = f"data:audio/{audio['format']};base64,{audio['data']}"
        if self.audio == "audio_url":
            return {"type": "audio_url", "audio_url": {"url": url}}
        return {"type": "input_audio", "input_audio": {**audio, "data": url}}


def request_format(spec: Spec, adaptations: Mapping[str, Any]) -> RequestFormat:
    """Return the format of the requests of a model or judge.

    Parameters
    ----------
    spec : Spec
        The spec, with the options above.
    adaptations : mapping
        Changes that the server required.
    """
    audio, stream = spec.options.get("audio", AUDIO_FORMS[0]), spec.options.get("stream", False)
    plain = RequestFormat(spec.name, spec.options, audio=audio, stream=stream)
    return plain.changed(adaptations)


_STREAM_ONLY = re.compile(
    r"only support\w* (?:the )?stream|stream(?:ing)?(?: mode)? is required|requires? stream|"
    r"enable the stream|stream must be (?:set to )?true",
    re.IGNORECASE,
)
_OTHER_LIMIT_NAME = re.compile(
    r"(?s)\A(?=.*max_tokens)(?=.*max_completion_tokens)"
    r"(?=.*(?i:unsupported|not support|unknown|unrecogni[sz]ed|instead))"
)
_BAD_URL = re.compile(r"url does not appear to be valid|invalid (?:audio )?url", re.IGNORECASE)
# About the type of the part, not its content.
_UNKNOWN_PART = re.compile(
    r"(?:unknown|unsupported|unrecogni[sz]ed|unexpected|invalid|not supported)[^.]{0,40}"
    r"\b(?:type|tag|value|part)s?\b[^.]{0,20}input_audio|"
    r"input_audio[^.]{0,60}(?:does not match|not one of|is not (?:a )?(?:valid|supported|known)|"
    r"unknown|unsupported)",
    re.IGNORECASE,
)
# Patterns of server errors, and the attribute of the format to change, with its new value.
_CHANGES: tuple[tuple[re.Pattern[str], str, Any], ...] = (
    (_STREAM_ONLY, "stream", True),
    (_OTHER_LIMIT_NAME, "limit_name", "max_completion_tokens"),
    (_BAD_URL, "audio", "data_url"),
    (_UNKNOWN_PART, "audio", "audio_url"),
)


def change_in_words(changes: Mapping[str, Any]) -> str:
    """Format changes as text."""
    words = {
        "limit_name": "max_tokens is sent as {}",
        "audio": "audio is sent as {}",
        "stream": "answers are streamed",
    }
    return ", ".join(words[name].format(value) for name, value in changes.items() if name in words)


_UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|unrecogni[sz]ed|unknown|unexpected|not permitted|"
    r"not allowed|invalid|expected|instead|no longer|(?-i:requires)",
    re.IGNORECASE,
)
_OPTIONS = (
    # A pattern of the parameter's name, and what the user can do.
    (r"temperature", "set temperature=none"),
    (r"top_p", "remove top_p"),
    (r"\bseed\b", "remove seed"),
    (r"response_format|json_schema|guided", "remove output=json"),
    (r"\bmodalit(?:y|ies)\b", "set modalities=text"),
)
_NO_SYSTEM_ROLE = re.compile(
    r"system (?:role|message|prompt)s?(?: is| are)? not (?:supported|allowed)|"
    r"roles must alternate|does(?: not|n't) support (?:a )?system|"
    r"(?:developer|system) instruction is not enabled",
    re.IGNORECASE,
)


def option_for(error: str, options: Sequence[str]) -> str | None:
    """Return the change of an option that resolves a server's error.

    Parameters
    ----------
    error : str
        The server's message.
    options : sequence of str
        The options of the provider.

    Returns
    -------
    str or None
        What to do; None if the error is about something else.
    """
    if "system" in options and _NO_SYSTEM_ROLE.search(error):
        return "set system=user to send the instructions in the user message"
    if _UNSUPPORTED.search(error):
        for pattern, advice in _OPTIONS:
            if re.search(pattern, error, re.IGNORECASE):
                return advice
    return None


_NO_AUDIO = re.compile(
    r"\baudio(?: (?:input|content|modality|data|part)s?)? (?:is|are) "
    r"(?:not supported|unsupported|not enabled)|\bmmproj\b|"
    r"(?:not|n't) (?:support|accept|take)\w* (?:the )?(?:\w+ ){0,3}audio"
    r"(?: (?:input|content|modalit(?:y|ie)|part)s?)?(?: yet)?\s*(?:[.;,(\"'}\])]|$)|"
    r"at most 0 audio|not a multimodal model|no endpoints found that support input audio",
    re.IGNORECASE,
)


def refuses_audio(error: str, messages: Sequence[Message]) -> bool:
    """Return whether messages contain audio and the server's error is that it supports none."""
    holds_audio = any(part["type"] == "input_audio" for part in _parts(messages))
    return holds_audio and bool(_NO_AUDIO.search(error))


def most_tokens(messages: Sequence[Message], max_tokens: int) -> int:
    """Compute an upper bound of a call's tokens, prompt and answer: one per byte of text."""
    tokens = max_tokens + _MESSAGE_TOKENS * len(messages)
    for part in _parts(messages):
        if part["type"] == "text":
            tokens += len(part["text"].encode())
        elif part["type"] == "input_audio":
            seconds = len(part["input_audio"]["data"]) * 3 / 4 / _WAV_BYTES_A_SECOND
            tokens += math.ceil(seconds * _AUDIO_TOKENS_A_SECOND) + _MESSAGE_TOKENS
    return tokens


def _parts(messages: Sequence[Message]) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        content = message["content"]
        yield from [{"type": "text", "text": content}] if isinstance(content, str) else content
