"""Verdicts, and the replies of a judge, from which verdicts are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Orientation(StrEnum):
    """The cues on which an answer rests, according to a judge.

    Attributes
    ----------
    AUDIO, SPEECH
        The sound alone, or the speech alone.
    BOTH
        Sound and speech together.
    NEITHER
        No cue: the answer names no action.
    """

    AUDIO = "Audio-Oriented"
    SPEECH = "Speech-Oriented"
    BOTH = "Both"
    NEITHER = "Neither"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's verdict on an answer.

    Attributes
    ----------
    rating : int or None
        0, 1 or 2; None if it could not be read.
    orientation : Orientation or None
        The cues on which the answer rests; None if they could not be read.
    """

    rating: int | None
    orientation: Orientation | None

    @property
    def readable(self) -> bool:
        """Whether rating and orientation could be read, so that the verdict is used."""
        return self.rating is not None and self.orientation is not None

    @property
    def gated(self) -> int:
        """The score of a readable verdict: the rating if the orientation is Both, else 0."""
        assert self.rating is not None
        assert self.orientation is not None
        return self.rating if self.orientation is Orientation.BOTH else 0


PROXY_MARK = "Proxy verdict"
"""The beginning of a proxy's replies, by which its figures are marked as those of a proxy."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One reply of a judge.

    Attributes
    ----------
    asked : str
        The prompt: ``verdict`` or ``repair``.
    text : str
        The reply.
    finish_reason : str or None
        ``stop``, ``length`` (cut off at the maximum number of tokens), or another value of the
        server.
    usage : mapping of str to int
        Numbers of tokens: ``prompt_tokens`` and ``completion_tokens``.
    served : str or None
        The name of the model that replied, as reported by the server.
    reasoning : str
        The reasoning that precedes the reply.
    """

    asked: str
    text: str
    finish_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    served: str | None = None
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the replies of the judge from which it was read.

    Attributes
    ----------
    verdict : Verdict
        The verdict.
    attempts : tuple of Attempt
        The reply to the judge prompt and, if it had to be repaired, that to the repair prompt.
    """

    verdict: Verdict
    attempts: tuple[Attempt, ...]
