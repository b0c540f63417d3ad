"""The conditions of causal modality reliance: what a model is given instead of a clip.

A condition is an intervention on the input of a model: a cue is removed, replaced by that of
another clip, or given as text. Instructions and annotations stay those of the clip, and so does the
question that a judge sees. Clips are mixtures of two *stems*, the sound alone and the speech alone,
which have the level that they have in the mixture.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal, get_args

from jasco.errors import InputError, did_you_mean
from jasco.protocol.clips import Clip

Cue = Literal["sound", "speech"]
CUES: tuple[Cue, ...] = get_args(Cue)
"""The two cues of a clip; also the names of its stems."""

ORIGINAL = "original"
"""The condition of an ordinary run."""
DRAWS = 3
"""Default number of donors from which each cue is replaced."""


@dataclass(frozen=True)
class Condition:
    """A condition.

    Attributes
    ----------
    key : str
        Its name, such as ``sound`` or ``swap-sound-1``; also that of the folder of its run.
    stems : tuple of str
        The stems of the clip that are in the audio.
    text : tuple of str
        The cues that the prompt states as text.
    swapped : str or None
        The cue that comes from another clip, the donor.
    draw : int
        Which donor is used, from 1; 0 if no cue is swapped.
    has_audio : bool
        Whether the model receives audio.
    needs_stems : bool
        Whether its audio is made from stems.
    """

    key: str
    stems: tuple[Cue, ...] = ()
    text: tuple[Cue, ...] = ()
    swapped: Cue | None = None
    draw: int = 0
    has_audio: bool = True
    needs_stems: bool = True

    @property
    def name(self) -> str:
        """The key without the draw."""
        return self.key.removesuffix(f"-{self.draw}")

    def prompt(self, clip: Clip, instruction: str) -> str:
        """Return the prompt of an item: the cues that are given as text, then the instruction."""
        lines = {"sound": f"Audio sound: {clip.sound}", "speech": f"Spoken text: {clip.speech}"}
        return "\n".join([*(lines[cue] for cue in CUES if cue in self.text), instruction])

    def judged_as(self, clip: Clip, donor: Clip) -> Clip:
        """Return a clip with the annotations of the swapped cue, if any, taken from its donor."""
        if self.swapped == "sound":
            return replace(clip, sound=donor.sound, audio_only=donor.audio_only)
        if self.swapped == "speech":
            return replace(clip, speech=donor.speech, speech_only=donor.speech_only)
        return clip


_BOTH: tuple[Cue, ...] = ("sound", "speech")
_SINGLE = (
    Condition(ORIGINAL, stems=_BOTH, needs_stems=False),
    Condition("remix", stems=_BOTH),
    Condition("sound", stems=("sound",)),
    Condition("speech", stems=("speech",)),
    Condition("none", has_audio=False, needs_stems=False),
    Condition("silence", needs_stems=False),
    Condition("swap-sound", stems=("speech",), swapped="sound"),
    Condition("swap-speech", stems=("sound",), swapped="speech"),
    Condition("text-sound", stems=("sound",), text=("speech",)),
    Condition("text-speech", stems=("speech",), text=("sound",)),
    Condition("text", text=_BOTH, has_audio=False, needs_stems=False),
)
_BY_NAME = {condition.key: condition for condition in _SINGLE}
SETS = {
    "core": (ORIGINAL, "remix", "sound", "speech", "none", "silence"),
    "all": tuple(_BY_NAME),
}
"""Names of the conditions, by the name of a set of them."""


def swap_key(cue: Cue, draw: int) -> str:
    """Return the key of the condition in which a cue comes from a donor, counted from 1."""
    return f"swap-{cue}-{draw}"


def condition_of(key: str) -> Condition:
    """Return the condition of a key, such as ``sound`` or ``swap-sound-1``.

    Raises
    ------
    InputError
        The key is unknown.
    """
    swap = re.fullmatch(r"swap-(sound|speech)-([1-9][0-9]{0,3})", key)
    if swap:
        return replace(_BY_NAME[f"swap-{swap[1]}"], key=key, draw=int(swap[2]))
    if key not in _BY_NAME or _BY_NAME[key].swapped:
        raise InputError(f"no such condition: {key!r}")
    return _BY_NAME[key]


def parse_conditions(text: str, draws: int = DRAWS) -> list[Condition]:
    """Return the conditions of a comma-separated list of their names, or names of sets.

    ``original`` is always among them. A swapped cue is one condition per donor.

    Parameters
    ----------
    text : str
        ``core``, ``all``, or names such as ``sound,swap-speech``.
    draws : int
        Number of donors of a swapped cue.

    Raises
    ------
    InputError
        A name is unknown.
    """
    known = [*SETS, *_BY_NAME]
    chosen = {ORIGINAL}
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name not in known:
            raise InputError(
                f"--conditions: no such condition: {name!r}; expected names out of "
                f"{', '.join(known)}{did_you_mean(name, known)}"
            )
        chosen.update(SETS.get(name, (name,)))
    conditions: list[Condition] = []
    for condition in _SINGLE:
        if condition.key not in chosen:
            continue
        if condition.swapped:
            keys = (swap_key(condition.swapped, draw) for draw in range(1, draws + 1))
            conditions += map(condition_of, keys)
        else:
            conditions.append(condition)
    return conditions
