"""Responses of a model: a text, or a failure, which is never an empty text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jasco.errors import one_line

_LASTING = frozenset({"rejected", "content filter", "moderation", "no text", "cut off"})


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why there is no answer or no verdict.

    Attributes
    ----------
    kind : str
        A short word or two to count by: ``timeout``, ``connection``, ``server``, ``rate limit``,
        ``malformed``, ``error``, ``rejected``, ``moderation``, ``content filter``, ``no text``,
        ``cut off``, ``crash``, ``memory``, ``unanswered``, ``unjudged``.
    message : str
        The reason, in one line.
    final : bool
        Whether a repeat of the same request cannot mend it.
    """

    kind: str
    message: str
    final: bool = False

    @property
    def lasting(self) -> bool:
        """Whether the same request would fail again, final or not."""
        return self.final or self.kind in _LASTING


@dataclass(frozen=True, slots=True)
class Response:
    """A model's answer to one item, verbatim (an empty text is an answer, too).

    Attributes
    ----------
    text : str
        The answer.
    finish_reason : str or None
        ``stop``, ``length`` (cut off), or another word of the server.
    usage : mapping
        Tokens as counted by the model or server: ``prompt_tokens``, ``completion_tokens``.
    served : str or None
        The server's name of the model that answered.
    reasoning : str
        The reasoning before the answer; judges do not see it.
    """

    text: str
    finish_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    served: str | None = None
    reasoning: str = ""


_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")


def served_name(text: str) -> str:
    """Return a server's name of its model as one printable line of at most 100 characters."""
    return one_line(_TERMINAL_SEQUENCE.sub("", text[:10_000]), 100)
