"""Responses of a model, and failures, which are never represented by an empty text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jasco.errors import one_line

_LASTING = frozenset({"rejected", "content filter", "moderation", "no text", "cut off"})


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed answer or verdict.

    Attributes
    ----------
    kind : str
        The kind of failure: ``timeout``, ``connection``, ``server``, ``rate limit``,
        ``malformed``, ``error``, ``rejected``, ``moderation``, ``content filter``, ``no text``,
        ``cut off``, ``crash``, ``memory``, ``unanswered`` or ``unjudged``. Failures are counted by
        kind.
    message : str
        The reason, in one line.
    final : bool
        Whether a retry is not expected to succeed; it is then not retried by default.
    """

    kind: str
    message: str
    final: bool = False

    @property
    def lasting(self) -> bool:
        """Whether the same request is expected to fail again, final or not."""
        return self.final or self.kind in _LASTING


@dataclass(frozen=True, slots=True)
class Response:
    """A model's answer to one item, verbatim. An empty text is also an answer.

    Attributes
    ----------
    text : str
        The answer.
    finish_reason : str or None
        ``stop``, ``length`` (cut off at the maximum number of tokens), or another value of the
        server.
    usage : mapping of str to int
        Numbers of tokens, as reported by the model or server: ``prompt_tokens`` and
        ``completion_tokens``.
    served : str or None
        The name of the model that answered, as reported by the server.
    reasoning : str
        The reasoning that precedes the answer; judges do not see it.
    """

    text: str
    finish_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    served: str | None = None
    reasoning: str = ""


_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")


def served_name(text: str) -> str:
    """Return a model name reported by a server as one printable line, at most 100 characters."""
    return one_line(_TERMINAL_SEQUENCE.sub("", text[:10_000]), 100)
