"""Verdicts, and a judge's attempts at one, which :mod:`jasco.protocol.verdict_parser` reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Orientation(StrEnum):
    """The cue that an answer rests on."""

    AUDIO = "Audio-Oriented"
    SPEECH = "Speech-Oriented"
    BOTH = "Both"
    NEITHER = "Neither"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's rating (0, 1, 2) and orientation; None where it could not be read."""

    rating: int | None
    orientation: Orientation | None

    @property
    def readable(self) -> bool:
        """Whether both parts could be read, so that the verdict counts."""
        return self.rating is not None and self.orientation is not None

    @property
    def gated(self) -> int:
        """The gated score of a readable verdict: the rating if the orientation is Both, else 0."""
        assert self.rating is not None
        assert self.orientation is not None
        return self.rating if self.orientation is Orientation.BOTH else 0


PROXY_MARK = "Proxy verdict"
"""First words of the text of a judge that is a proxy: they mark its figures everywhere."""


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
