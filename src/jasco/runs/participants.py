"""Human participants in an evaluation: their names, and the rule of one instruction per clip."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from jasco.errors import InputError, count

HUMAN = "human"
"""The provider of the models that are participants: ``human/NAME``."""
_LONGEST_NAME = 40


def participant_name(name: str) -> str:
    """Return the normalised name of a participant.

    Surrounding and repeated blanks and the encoding of accents are ignored: names that read the
    same belong to the same participant.

    Raises
    ------
    InputError
        The name is empty or longer than 40 characters, or contains a comma (not allowed in a
        spec), a line break or another invisible character.
    """
    typed = name.strip()
    normalised = " ".join(unicodedata.normalize("NFC", typed).split())
    for character in typed:
        # Categories C* are invisible, or reverse the text around them; Zl and Zp break lines.
        if unicodedata.category(character)[0] == "C" or character in "\u2028\u2029":
            raise InputError(
                f"invalid name: it contains the invisible character U+{ord(character):04X}; "
                "remove it"
            )
    if "," in normalised:
        raise InputError("invalid name: it contains a comma; remove it")
    if not 1 <= len(normalised) <= _LONGEST_NAME:
        length = count(len(normalised), "character")
        raise InputError(f"invalid name: {length} (expected 1 to {_LONGEST_NAME})")
    return normalised


def is_single_prompt(identity: Mapping[str, Any]) -> bool:
    """Return whether a model is a participant, who answers one instruction per clip, not eight.

    Hearing a clip again would bias the answer: what was missed at first may be understood then.
    """
    return identity.get("provider") == HUMAN
