"""A judge's attempts at a verdict, and the verdict that was read from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jasco.protocol.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Attempt:
    """One answer of a judge; ``asked`` is the kind of prompt: ``verdict`` or ``repair``."""

    asked: str
    text: str
    finish_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    served: str | None = None
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and the judge's answers that it was read from."""

    verdict: Verdict
    attempts: tuple[Attempt, ...]
