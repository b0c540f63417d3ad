"""What a judge wrote about a response, and the verdict that was read from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jasco.protocol.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a judge wrote when it was asked: ``asked`` is ``verdict`` or ``repair``."""

    asked: str
    text: str
    finish_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    served: str | None = None
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and every word it was read from."""

    verdict: Verdict
    attempts: tuple[Attempt, ...]
