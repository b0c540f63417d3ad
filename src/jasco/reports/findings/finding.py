"""What a finding is."""

from dataclasses import dataclass
from enum import StrEnum

MOST_NAMES = 4
"""The number of names that a sentence lists; further ones are counted."""


class FindingKind(StrEnum):
    """The question that a finding answers."""

    BEST = "best"  # which model is best, and what its figure means
    DIFFERENCE = "difference"  # whether the lead is real
    CUES = "cues"  # what the answers rest on
    CLIPS = "clips"  # which clips are hardest
    JUDGES = "judges"  # how well judges agree, and which one differs
    DOUBT = "doubt"  # reasons not to trust the figures


@dataclass(frozen=True)
class Finding:
    """A finding in words.

    Attributes
    ----------
    kind : FindingKind
        The question that it answers.
    text : str
        One or several sentences.
    doubtful : bool
        Whether the figures do not support a firm conclusion.
    clips : tuple of str
        The ids of the clips that the text names.
    """

    kind: FindingKind
    text: str
    doubtful: bool = False
    clips: tuple[str, ...] = ()
