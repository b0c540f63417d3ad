"""What is known to be wrong with the published data: reported with a result, never repaired.

A clip is known by the hash of its annotations, so that a corrected data set has none of this.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jasco.errors import count
from jasco.protocol.clips import Clip

_DIGITS = 12
TOO_GENERAL = "1f3f301487a2"
"""The clip whose reference breaks the rubric's own rule on general terms."""
_KNOWN = {
    "35e7a9b8b001": "the keyword 'age' occurs inside other words",
    "167d3d406970": "the voice does not say the sentence that is written down",
    "5014e0125ce7": "a keyword is misspelt ('gumble')",
    "234a4c131f3e": "the reference is odd, and the sentence says 'amend' for a fine",
    TOO_GENERAL: "the reference is so general that the rubric rates it 0",
}


@dataclass(frozen=True)
class Fault:
    """A clip, by id, and what is wrong with it."""

    clip: str
    what: str


def known_faults(clips: Sequence[Clip]) -> tuple[Fault, ...]:
    """List what is known to be wrong with some of these clips."""
    return tuple(
        Fault(clip.id, what) for clip in clips if (what := _KNOWN.get(clip.sha256[:_DIGITS]))
    )


def repetitions(clips: Sequence[Clip]) -> Iterator[str]:
    """Say which sound labels and keywords several clips share: they are not quite independent."""
    for what, texts in (
        ("sound", [clip.sound for clip in clips]),
        ("keywords", [clip.keywords for clip in clips]),
    ):
        repeated = [text for text, number in Counter(texts).items() if number > 1]
        if repeated:
            stand = "stands" if len(repeated) == 1 else "stand"
            labels = count(len(repeated), f"label of {what}", f"labels of {what}")
            yield f"{labels} {stand} with more than one clip"
