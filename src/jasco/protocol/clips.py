"""Clips, items and their hashes.

Conventions
-----------
A clip is identified by its ``id``, which is part of a file name. Clips are in the order of their
data set. Hashes of several clips are computed in order of id, numerical if all ids are integers.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from jasco.errors import InputError
from jasco.protocol.instructions import INSTRUCTIONS

_SAFE_ID = re.compile(r"[\w-](?:[\w. -]*[\w-])?")


@dataclass(frozen=True)
class Clip:
    """The annotations of a clip: a sound, a spoken sentence, and the expected answers.

    Attributes
    ----------
    id : str
        The id of the clip; its audio file is ``ID.wav``.
    sound, speech : str
        A description of the background sound, and the spoken sentence.
    audio_only, speech_only : str
        The answers that follow from the sound alone or the speech alone: plausible, but wrong.
    reference : str
        The correct answer, which follows from sound and speech together.
    keywords : str
        Comma-separated keywords of a complete answer.

    Raises
    ------
    InputError
        The id cannot be part of a file name.
    """

    id: str
    sound: str
    speech: str
    audio_only: str
    speech_only: str
    reference: str
    keywords: str

    def __post_init__(self) -> None:
        if not _SAFE_ID.fullmatch(self.id):
            raise InputError(
                f"clip id {self.id!r} cannot name a file; use letters, digits, '-', '_' and '.'"
            )

    @property
    def cells(self) -> tuple[str, ...]:
        """The seven annotations, in the order of the columns of the published ``v0.csv``."""
        # ``dataclasses.astuple`` takes a multiple of the time, for each of a million clips.
        return (
            self.id,
            self.sound,
            self.speech,
            self.audio_only,
            self.speech_only,
            self.reference,
            self.keywords,
        )

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the cells as a compact JSON array in UTF-8: 64 hexadecimal digits."""
        text = json.dumps(self.cells, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class ClipHash(NamedTuple):
    """The id of a clip, and the hash of its annotations."""

    id: str
    sha256: str


AnyClip = Clip | ClipHash


@dataclass(frozen=True, slots=True)
class Item:
    """A clip with an instruction, which a model answers.

    Attributes
    ----------
    clip : Clip
        The clip.
    number : int
        The number of the instruction, from 1.
    instruction : str
        The text of the instruction; by default, that of the published instruction.
    sample : int
        The index of the sample, from 0, if the model answers each item several times.
    """

    clip: Clip
    number: int
    instruction: str = ""
    sample: int = 0

    def __post_init__(self) -> None:
        if not self.instruction:
            object.__setattr__(self, "instruction", INSTRUCTIONS[self.number - 1])


def items_of(clip: Clip, instructions: Sequence[str] = INSTRUCTIONS, sample: int = 0) -> list[Item]:
    """Return the items of a clip, in the order of the instructions."""
    return [Item(clip, number, text, sample) for number, text in enumerate(instructions, start=1)]


def id_order(ids: Iterable[str]) -> list[str]:
    """Return ids in numerical order if all are integers, else in alphabetical order."""
    ids = list(ids)
    if all(re.fullmatch(r"[0-9]{1,18}", id_) for id_ in ids):
        return sorted(ids, key=lambda id_: (int(id_), id_))
    return sorted(ids)


def combined_sha256(hashes: dict[str, str]) -> str:
    """Compute the SHA-256 of hashes, joined by newlines in order of id."""
    return hashlib.sha256("\n".join(hashes[id_] for id_ in id_order(hashes)).encode()).hexdigest()


def annotations_sha256(clips: Iterable[AnyClip]) -> str:
    """Compute the hash of a data set's annotations, which does not depend on their order."""
    return combined_sha256({clip.id: clip.sha256 for clip in clips})
