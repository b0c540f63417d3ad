"""The human participants in an evaluation: their names, and that they hear a clip once."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from jasco.errors import InputError

HUMAN = "human"
"""The provider of the models that are participants: ``human/NAME``."""
_LONGEST_NAME = 40


def participant_name(name: str) -> str:
    """Return the name of a participant, normalised as it is stored.

    Blanks around it, doubled blanks and the encoding of accents are not part of it: names that
    read the same are those of one participant.

    Raises
    ------
    InputError
        It is empty or longer than 40 characters, or holds a comma (which a spec cannot), a line
        break, or an invisible character.
    """
    typed = name.strip()
    normalised = " ".join(unicodedata.normalize("NFC", typed).split())
    for character in typed:
        # Categories C* are invisible, or reverse the text around them; Zl and Zp break lines.
        if unicodedata.category(character)[0] == "C" or character in "\u2028\u2029":
            raise InputError(
                f"a name cannot hold the character U+{ord(character):04X}, which is not seen; "
                "leave it out"
            )
    if "," in normalised:
        raise InputError("a name cannot hold a comma; write it without")
    if not 1 <= len(normalised) <= _LONGEST_NAME:
        raise InputError(f"a name has 1 to {_LONGEST_NAME} characters, this one {len(normalised)}")
    return normalised


def is_single_prompt(identity: Mapping[str, Any]) -> bool:
    """Return whether a model is a participant, who answers one instruction a clip, not eight.

    Hearing a clip again would bias the answer: what was not understood at first may be then.
    """
    return identity.get("provider") == HUMAN
