"""Reading a judge's answer: its rating and its orientation, or that it cannot be read.

Conventions
-----------
A line counts when, without markdown marks, it starts with ``Rating`` or ``Orientation`` and a
colon; its value is the rest of the line, or the next line where that is empty. A value is
*definite* (``2``, ``Both``), a *placeholder* (``(int)``, the echoed list of options) or neither.
Placeholders are passed over. What is left must be definite and of one mind, else it is
unreadable: nothing is ever guessed.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

T = TypeVar("T")


class Orientation(StrEnum):
    """Which cue an answer rests on."""

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
        """Whether both parts could be read: only then does the verdict count."""
        return self.rating is not None and self.orientation is not None

    @property
    def gated(self) -> int:
        """The score that counts: the rating where the orientation is Both, else 0.

        Of a readable verdict only: what could not be read has no score.
        """
        assert self.rating is not None
        assert self.orientation is not None
        return self.rating if self.orientation is Orientation.BOTH else 0


PROXY_MARK = "Proxy verdict"
"""Begins what a stand-in for a judge writes: its figures are marked wherever the text travels."""

_FLAGS = re.IGNORECASE | re.ASCII
_MARKS = re.compile(r"[*_`#]+|~~+|^[\s>]+")
_LIST_MARK = r"(?:(?:[-+•]|[0-9]{1,2}[.)])\s+)?"
_QUOTES = "'\"‘’“”"
_RATING = re.compile(r"([012])(?:\.0+)?(?:\s*/\s*2(?:\.0+)?)?\.?(?:\s*\(([^()]*)\))?\.?", _FLAGS)
# A remark in brackets may explain a rating; it may not name another one or another scale.
_REMARK_THAT_HEDGES = re.compile(r"[0-9]|\bout of\b|^\s*or\b", _FLAGS)
_ORIENTATIONS = {
    Orientation.AUDIO: re.compile(r"audio[- ]oriented\.?", _FLAGS),
    Orientation.SPEECH: re.compile(r"speech[- ]oriented\.?", _FLAGS),
    Orientation.BOTH: re.compile(r"(?:both|good)(?:[- ]oriented)?\.?", _FLAGS),
    Orientation.NEITHER: re.compile(r"neither\.?", _FLAGS),
}
_OPTION = r"(?:audio|speech|both|good|neither)(?:[- ]oriented)?|[012]"
_PLACEHOLDER = re.compile(
    rf"|[(\[<{{][^()\[\]<>{{}}]*[)\]>}}]|[(\[]?(?:{_OPTION})(?:\s*/\s*(?:{_OPTION})){{2,}}[)\]]?\.?",
    _FLAGS,
)


def read_verdict(text: str) -> Verdict:
    """Read what a judge wrote in answer to the judge prompt. Never raises, never guesses."""
    lines = _lines(text)
    return Verdict(
        _agreed(map(_rating, _values(lines, "rating"))),
        _agreed(map(_orientation, _values(lines, "orientation"))),
    )


def read_constrained(text: str) -> Verdict:
    """Read a verdict that its server held to :func:`verdict_schema`: a JSON object."""
    try:
        told = json.loads(_after_thinking(text))
    except (ValueError, RecursionError):
        return Verdict(None, None)
    if not isinstance(told, dict):
        return Verdict(None, None)
    rating, orientation = told.get("Rating"), told.get("Orientation")
    if isinstance(rating, bool) or not isinstance(rating, int) or not isinstance(orientation, str):
        return Verdict(None, None)
    return Verdict(_agreed([_rating(str(rating))]), _agreed([_orientation(orientation)]))


def verdict_schema(both: str) -> dict[str, Any]:
    """Give the JSON schema of a verdict: the rubric's four lines, in its order.

    Parameters
    ----------
    both : str
        What the protocol calls an answer that rests on both cues.
    """
    labels = [both if each is Orientation.BOTH else str(each) for each in Orientation]
    properties = {
        "Explanation1": {"type": "string"},
        "Rating": {"type": "integer", "enum": [0, 1, 2]},
        "Explanation2": {"type": "string"},
        "Orientation": {"type": "string", "enum": labels},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read_repair(text: str) -> Orientation | None:
    """Read the reply to the repair prompt: a line may also be the bare label, in quotes or not."""
    lines = _lines(text)
    labels = [_orientation(line.strip(_QUOTES)) for line in lines]
    bare = [label for label in labels if isinstance(label, Orientation)]
    return _agreed([*map(_orientation, _values(lines, "orientation")), *bare])


class _Unclear:
    """What a value is that is neither definite nor a placeholder."""


def _after_thinking(text: str) -> str:
    rest = text.rpartition("</think>")[2]
    # Thinking that was cut off before its end has no verdict after it.
    return "" if rest.lstrip().startswith("<think>") else rest


def _lines(text: str) -> list[str]:
    lines = _after_thinking(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [_MARKS.sub("", line).strip() for line in lines]


def _values(lines: list[str], word: str) -> Iterator[str]:
    start = re.compile(rf"{_LIST_MARK}{word}\s*:\s*(.*)", _FLAGS | re.DOTALL)
    for number, line in enumerate(lines):
        if match := start.fullmatch(line):
            following = lines[number + 1] if number + 1 < len(lines) else ""
            yield match[1] or following


def _rating(value: str) -> int | _Unclear | None:
    match = _RATING.fullmatch(value)
    if match and not (match[2] and _REMARK_THAT_HEDGES.search(match[2])):
        return int(match[1])
    return None if _PLACEHOLDER.fullmatch(value) else _Unclear()


def _orientation(value: str) -> Orientation | _Unclear | None:
    for orientation, pattern in _ORIENTATIONS.items():
        if pattern.fullmatch(value):
            return orientation
    return None if _PLACEHOLDER.fullmatch(value) else _Unclear()


def _agreed(readings: Iterable[T | _Unclear | None]) -> T | None:
    found = {reading for reading in readings if reading is not None}
    only = found.pop() if len(found) == 1 else None
    return None if isinstance(only, _Unclear) else only
