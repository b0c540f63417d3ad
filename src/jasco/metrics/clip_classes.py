"""What suffices to solve each clip."""

from collections.abc import Mapping
from math import isnan

import numpy as np
from numpy.typing import NDArray

CLIP_CLASSES = ("prompt", "sound", "speech", "either", "jointly", "harmed", "unsolved")
"""What suffices to solve a clip."""

SOLVED = 0.5
"""The least mean value of a clip that counts as solved: a rating of 1."""
_ROUNDING = 1e-9


def classify_clips(values: Mapping[str, NDArray[np.float64]], full: str) -> tuple[str | None, ...]:
    """Return what suffices to solve each clip, one of :data:`CLIP_CLASSES`.

    A clip that is solved with the complete input is solved by the instruction alone (``prompt``) if
    it is also solved without audio; else by the ``sound`` or the ``speech`` if it is also solved
    with that alone, or by ``either``; else only ``jointly``. Other clips are ``harmed`` by a cue if
    they are solved with less than the complete input, or ``unsolved``.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (clips,)
        The mean value of each clip by condition; NaN if unknown. Without a value under ``none``, a
        clip does not count as solved by the instruction alone.
    full : str
        The condition that stands for the complete input.

    Returns
    -------
    tuple of str or None
        None if a value of ``full``, ``sound`` or ``speech`` is unknown.
    """
    unknown = np.full(len(values[full]), np.nan)
    columns = (values.get(key, unknown) for key in (full, "none", "sound", "speech"))
    return tuple(_class(*map(float, row)) for row in zip(*columns, strict=True))


def _class(full: float, none: float, sound: float, speech: float) -> str | None:
    if any(map(isnan, (full, sound, speech))):
        return None
    by_full, by_prompt, by_sound, by_speech = (
        value >= SOLVED - _ROUNDING for value in (full, none, sound, speech)
    )
    if not by_full:
        return "harmed" if by_prompt or by_sound or by_speech else "unsolved"
    if by_prompt:
        return "prompt"
    if by_sound and by_speech:
        return "either"
    return "sound" if by_sound else "speech" if by_speech else "jointly"
