"""Known issues of the published data: they are reported with results, never corrected.

A clip is identified by the hash of its annotations, so that a corrected clip has no known issue.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from jasco.errors import count
from jasco.protocol.clips import AnyClip, Clip

_DIGITS = 12
TOO_GENERAL = "1f3f301487a2"
"""Hash of the clip whose reference breaks the rubric's own rule on general terms."""
_KNOWN = {
    "35e7a9b8b001": "the keyword 'age' occurs inside other words",
    "167d3d406970": "the recorded speech differs from the annotated sentence",
    "5014e0125ce7": "a keyword is misspelt ('gumble')",
    "234a4c131f3e": "the reference is odd, and the sentence says 'amend' for a fine",
    TOO_GENERAL: "the reference is so general that the rubric rates it 0",
}


@dataclass(frozen=True)
class KnownIssue:
    """A known issue of a clip.

    Attributes
    ----------
    clip : str
        The clip's id.
    text : str
        The issue, in a few words.
    """

    clip: str
    text: str


def known_issues(clips: Iterable[AnyClip]) -> tuple[KnownIssue, ...]:
    """Return the known issues of these clips."""
    texts = ((clip.id, _KNOWN.get(clip.sha256[:_DIGITS])) for clip in clips)
    return tuple(KnownIssue(id_, text) for id_, text in texts if text)


def issue_lines(clips: Sequence[Clip]) -> Iterator[str]:
    """Format the known issues of these clips, and the labels that several of them share."""
    for issue in known_issues(clips):
        yield f"Clip {issue.clip}: {issue.text}"
    yield from repetitions(clips)


def repetitions(clips: Sequence[Clip]) -> Iterator[str]:
    """Format the number of sound labels and keyword labels that several clips share.

    Such clips are not fully independent.
    """
    for name, labels in (
        ("sound label", [clip.sound for clip in clips]),
        ("keyword label", [clip.keywords for clip in clips]),
    ):
        repeated = sum(number > 1 for number in Counter(labels).values())
        if repeated:
            verb = "belongs" if repeated == 1 else "belong"
            yield f"{count(repeated, name)} {verb} to more than one clip"
