"""What a model gives back: a text, or a failure. Never an empty string for a failure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jasco.errors import one_line

LASTING = frozenset({"rejected", "content filter", "moderation", "no text", "cut off"})
"""Kinds of failures that the same request would meet again, final or not."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer or no verdict.

    Attributes
    ----------
    kind : str
        A short word or two to count by: ``timeout``, ``connection``, ``server``, ``rate limit``,
        ``malformed``, ``error``, ``rejected``, ``moderation``, ``content filter``, ``no text``,
        ``cut off``, ``crash``, ``memory``, ``unanswered``, ``unjudged``.
    message : str
        What was seen, in one line.
    final : bool
        Whether asking the same again cannot mend it.
    """

    kind: str
    message: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """A model's answer to one item, word for word (possibly empty: that is an answer too).

    Attributes
    ----------
    text : str
        What the model said.
    finish_reason : str or None
        ``stop``, ``length`` (cut off), or as the server put it.
    usage : mapping
        Tokens as counted by whoever generated them: ``prompt_tokens``, ``completion_tokens``.
    served : str or None
        What the server called the model that answered.
    reasoning : str
        What the model reasoned before its answer; judges are not shown it.
    """

    text: str
    finish_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    served: str | None = None
    reasoning: str = ""


_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")


def served_name(text: str) -> str:
    """Return what a server calls its model as one clean line, of 100 characters at most."""
    return one_line(_TERMINAL_SEQUENCE.sub("", text[:10_000]), 100)
