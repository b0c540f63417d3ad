"""The people in an evaluation: what they may be called, and that they hear a clip once."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from jasco.errors import InputError

HUMAN = "human"
"""The provider of the models that are people: ``human/NAME``."""
_LONGEST_NAME = 40


def person_named(name: str) -> str:
    """Take a name as it was typed; give the one by which the person is known.

    Blanks around it and doubled ones count for nothing, and neither does how its accents are
    encoded: who reads the same name means the same person.

    Raises
    ------
    InputError
        It is empty or longer than 40 characters, or holds a comma (which a spec cannot), a line
        break, or a character that is not seen.
    """
    typed = name.strip()
    known = " ".join(unicodedata.normalize("NFC", typed).split())
    # Categories C* are not seen, or turn around what stands beside them; Zl and Zp break lines.
    unseen = next(
        (c for c in typed if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"), ""
    )
    if unseen:
        raise InputError(
            f"a name cannot hold the character U+{ord(unseen):04X}, which is not seen; leave it out"
        )
    if "," in known:
        raise InputError("a name cannot hold a comma; write it without")
    if not 1 <= len(known) <= _LONGEST_NAME:
        raise InputError(f"a name has 1 to {_LONGEST_NAME} characters, this one {len(known)}")
    return known


def is_single_prompt(identity: Mapping[str, Any]) -> bool:
    """Whether a model is a person, who is asked about a clip with one instruction, not eight.

    Hearing a clip again would spoil the answer: what was not understood at first may be then.
    """
    return identity.get("provider") == HUMAN
