"""The body of a chat completion request, and how it is adapted to a server.

Some servers know a parameter by another name, or want audio or the transport in another form. That
changes no answer, so such a change is made where a server's error asks for it. What would change
the prompt or the sampling is never changed: the error then names the option of the spec that does.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

Message = Mapping[str, Any]
"""One chat message: its ``role`` and its ``content``, a text or a list of parts."""

AUDIO_FORMS = ("input_audio", "data_url", "audio_url")
"""How audio can be sent; see :meth:`RequestFormat.body`."""
_WAV_BYTES_A_SECOND = 32_000
# More than any model in use spends: 25 to 50 tokens a second.
_AUDIO_TOKENS_A_SECOND = 50
_MESSAGE_TOKENS = 64  # of the chat template, for each message


@dataclass(frozen=True)
class RequestFormat:
    """How requests to one server are written.

    Attributes
    ----------
    model : str
        The name that the server knows it by.
    max_tokens : int
        The longest answer.
    sampling : mapping
        ``temperature``, ``top_p`` and ``seed``, as far as they are given.
    extra : mapping
        Further parameters, as they stand.
    limit_name : str
        What the server calls ``max_tokens``.
    audio : str
        One of :data:`AUDIO_FORMS`.
    stream : bool
        Whether to ask for the answer in pieces.
    modalities : sequence of str
        What the answer is to consist of; left out where empty.
    """

    model: str
    max_tokens: int
    sampling: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    limit_name: str = "max_tokens"
    audio: str = AUDIO_FORMS[0]
    stream: bool = False
    modalities: Sequence[str] = ()

    def body(
        self, messages: Sequence[Message], form: Mapping[str, Any] = MappingProxyType({})
    ) -> dict[str, Any]:
        """Write the body of a request.

        Parameters
        ----------
        messages : sequence of mapping
            Audio is an ``input_audio`` part (WAV, base64). It is sent as such, or as one whose
            data is a data URL, or as an ``audio_url`` part.
        form : mapping
            The form that the answer is to have (``response_format``).
        """
        return {
            "messages": [self._message(each) for each in messages],
            "model": self.model,
            **self.sampling,
            self.limit_name: self.max_tokens,
            **({"modalities": list(self.modalities)} if self.modalities else {}),
            **({"stream": True} if self.stream else {}),
            **form,
            **self.extra,
        }

    @property
    def greedy(self) -> bool:
        """Whether the same request gives the same text again."""
        return self.sampling.get("temperature") == 0

    def _message(self, message: Message) -> Message:
        if self.audio == AUDIO_FORMS[0] or not isinstance(message["content"], list):
            return message
        return {**message, "content": [self._part(part) for part in message["content"]]}

    def _part(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        if part["type"] != "input_audio":
            return part
        audio = part["input_audio"]
        url = f"data:audio/{audio['format']};base64,{audio['data']}"
        if self.audio == "audio_url":
            return {"type": "audio_url", "audio_url": {"url": url}}
        return {"type": "input_audio", "input_audio": {**audio, "data": url}}


CHANGEABLE = ("limit_name", "audio", "stream")
"""What of a format may be changed because a server asks for it."""
_UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|unrecogni[sz]ed|unknown|unexpected|not permitted|"
    r"not allowed|invalid|expected|instead|no longer",
    re.IGNORECASE,
)
_STREAM_ONLY = re.compile(
    r"only support\w* (?:the )?stream|stream(?:ing)?(?: mode)? is required|requires? stream|"
    r"enable the stream|stream must be (?:set to )?true",
    re.IGNORECASE,
)
# Of the type of the part, not of what it holds.
_UNKNOWN_PART = re.compile(
    r"(?:unknown|unsupported|unrecogni[sz]ed|unexpected|invalid|not supported)[^.]{0,40}"
    r"\b(?:type|tag|value|part)s?\b[^.]{0,20}input_audio|"
    r"input_audio[^.]{0,60}(?:does not match|not one of|is not (?:a )?(?:valid|supported|known)|"
    r"unknown|unsupported)",
    re.IGNORECASE,
)
_BAD_URL = re.compile(r"url does not appear to be valid|invalid (?:audio )?url", re.IGNORECASE)


def suggested_changes(error: str, written: RequestFormat) -> Iterator[dict[str, Any]]:
    """Yield changes of a format that a server's error suggests, by names of its attributes.

    Parameters
    ----------
    error : str
        The server's words.
    written : RequestFormat
        The format of the request that was refused.
    """
    if _STREAM_ONLY.search(error) and not written.stream:
        yield {"stream": True}
    if (
        written.limit_name == "max_tokens"
        and "max_tokens" in error
        and "max_completion_tokens" in error
        and re.search(
            "unsupported|not support|unknown|unrecogni[sz]ed|instead", error, re.IGNORECASE
        )
    ):
        yield {"limit_name": "max_completion_tokens"}
    if written.audio == "input_audio":
        if _BAD_URL.search(error):
            yield {"audio": "data_url"}
        elif _UNKNOWN_PART.search(error):
            yield {"audio": "audio_url"}


def changed(written: RequestFormat, changes: Mapping[str, Any]) -> RequestFormat:
    """Apply changes to a format, those that a run holds among them; others are left out."""
    known = {name: value for name, value in changes.items() if name in CHANGEABLE}
    return replace(written, **known)


def change_in_words(changes: Mapping[str, Any]) -> str:
    """Format changes as text."""
    words = {
        "limit_name": "max_tokens is sent as {}",
        "audio": "audio is sent as {}",
        "stream": "answers are streamed",
    }
    return ", ".join(words[name].format(value) for name, value in changes.items() if name in words)


_OPTIONS = (
    # A word that names the parameter, and what the user can do.
    (r"temperature", "temperature=none leaves it out"),
    (r"top_p", "leave out top_p"),
    (r"\bseed\b", "leave out seed"),
    (r"response_format|json_schema|guided", "leave out output=json"),
    (r"\bmodalit(?:y|ies)\b", "modalities=text asks for text"),
)
_NO_SYSTEM_ROLE = re.compile(
    r"system (?:role|message|prompt)s?(?: is| are)? not (?:supported|allowed)|"
    r"roles must alternate|does(?: not|n't) support (?:a )?system|"
    r"(?:developer|system) instruction is not enabled",
    re.IGNORECASE,
)


def option_for(error: str, options: Sequence[str]) -> str | None:
    """Return the option that resolves a server's error.

    Parameters
    ----------
    error : str
        The server's words.
    options : sequence of str
        Those that the spec may hold.

    Returns
    -------
    str or None
        What to do; None where the error is about something else.
    """
    if "system" in options and _NO_SYSTEM_ROLE.search(error):
        return "system=user puts it into the user's message"
    if _UNSUPPORTED.search(error) or "requires" in error:
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


def takes_no_audio(error: str) -> bool:
    """Whether a server says that it takes no audio at all."""
    return bool(_NO_AUDIO.search(error))


def holds_audio(messages: Sequence[Message]) -> bool:
    """Whether any message holds audio."""
    return any(part["type"] == "input_audio" for part in _parts(messages))


def most_tokens(messages: Sequence[Message], max_tokens: int) -> int:
    """Bound the tokens of a call, prompt and answer: a byte of text is at most a token."""
    tokens = max_tokens + _MESSAGE_TOKENS * len(messages)
    for message in messages:
        if isinstance(message["content"], str):
            tokens += len(message["content"].encode())
    for part in _parts(messages):
        if part["type"] == "text":
            tokens += len(part["text"].encode())
        elif part["type"] == "input_audio":
            seconds = len(part["input_audio"]["data"]) * 3 / 4 / _WAV_BYTES_A_SECOND
            tokens += math.ceil(seconds * _AUDIO_TOKENS_A_SECOND) + _MESSAGE_TOKENS
    return tokens


def _parts(messages: Sequence[Message]) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        if isinstance(message["content"], list):
            yield from message["content"]
