"""The eight published instructions, in their order, and custom instructions."""

import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files

from jasco.errors import InputError, one_line

INSTRUCTIONS: tuple[str, ...] = tuple(
    (files("jasco.protocol") / "prompts" / "instructions.txt").read_text("utf-8").splitlines()
)
SOUND_FIRST = (1, 4, 6, 7)
"""Numbers of the published instructions that name the sound before the speech."""
MOST_INSTRUCTIONS = 64
LONGEST_INSTRUCTION = 2_000
"""Maximum number of characters of an instruction."""
_DIGITS = 12


def checked_instructions(texts: Sequence[str], source: str = "instructions") -> tuple[str, ...]:
    """Return custom instructions without surrounding white space.

    Parameters
    ----------
    texts : sequence of str
        The texts of the instructions.
    source : str
        Their origin, for error messages.

    Raises
    ------
    InputError
        There are none or more than 64, or one is empty, too long or a duplicate.
    """
    if not 1 <= len(texts) <= MOST_INSTRUCTIONS:
        raise InputError(
            f"{source}: {len(texts)} instructions (expected 1 to {MOST_INSTRUCTIONS}); "
            "write one per line"
        )
    numbers: dict[str, int] = {}
    for number, text in enumerate((text.strip() for text in texts), start=1):
        if not text:
            raise InputError(f"{source}: instruction {number} is empty; remove it")
        if len(text) > LONGEST_INSTRUCTION:
            raise InputError(
                f"{source}: instruction {number} has {len(text):,} characters (expected at most "
                f"{LONGEST_INSTRUCTION:,}); shorten it"
            )
        if text in numbers:
            raise InputError(
                f"{source}: duplicate instruction {one_line(text, 60)!r} (instructions "
                f"{numbers[text]} and {number}); remove one"
            )
        numbers[text] = number
    return tuple(numbers)


def instructions_difference(stored: Sequence[str], given: Sequence[str]) -> str:
    """Format the difference between two lists of instructions: their numbers, or the first text."""
    if len(stored) != len(given):
        return f"{len(stored)} in the run, {len(given)} given"
    number, there, here = next(
        (number, there, here)
        for number, (there, here) in enumerate(zip(stored, given, strict=True), start=1)
        if there != here
    )
    return f"instruction {number}: {one_line(there, 60)!r} in the run, {one_line(here, 60)!r} given"


def instructions_label(instructions: Sequence[str]) -> str:
    """Return ``published``, or ``custom[K]:`` with a hash of the K texts.

    The hash is the first 12 digits of the SHA-256 of the texts as a compact JSON array in UTF-8.
    """
    if tuple(instructions) == INSTRUCTIONS:
        return "published"
    text = json.dumps(list(instructions), ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"custom[{len(instructions)}]:{digest[:_DIGITS]}"
