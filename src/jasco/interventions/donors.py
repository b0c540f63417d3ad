"""Donors: the clips from which a swapped cue is taken."""

import random
from collections.abc import Iterator, Sequence

from jasco.errors import InputError
from jasco.protocol.answer_texts import keyword_stems
from jasco.protocol.clips import Clip
from jasco.protocol.conditions import Cue

_SEED = 20240923


def donor_of(clip: Clip, cue: Cue, draw: int, clips: Sequence[Clip]) -> Clip:
    """Return the clip from which a cue of another clip is taken.

    Its keywords share no word with those of the clip, and its cue has another description. The
    choice depends only on the data set, the clip, the cue and the draw; the donors of a clip's
    draws differ.

    Parameters
    ----------
    clip : Clip
        The clip whose cue is replaced.
    cue : str
        The cue.
    draw : int
        The number of the draw, from 1.
    clips : sequence of Clip
        All clips of the data set.

    Raises
    ------
    InputError
        The data set has fewer suitable clips than draws.
    """
    found = 0
    for found, donor in enumerate(_donors(clip, cue, clips), start=1):
        if found == draw:
            return donor
    raise InputError(
        f"clip {clip.id}: only {found} other clips have different keywords and another {cue}; use "
        f"--draws {found}, or omit swap-{cue}"
    )


def _donors(clip: Clip, cue: Cue, clips: Sequence[Clip]) -> Iterator[Clip]:
    """Yield the suitable donors of a clip in random order."""
    rng = random.Random(f"{_SEED} {cue} {clip.sha256}")  # noqa: S311 (not a secret)
    own, seen = keyword_stems(clip.keywords), set[int]()
    while len(seen) < len(clips):
        place = rng.randrange(len(clips))
        if place in seen:
            continue
        seen.add(place)
        donor = clips[place]
        is_same = donor.id == clip.id or getattr(donor, cue) == getattr(clip, cue)
        if not is_same and own.isdisjoint(keyword_stems(donor.keywords)):
            yield donor
