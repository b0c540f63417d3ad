"""The three ways in which a command ends early, and how text and numbers stand in a message.

Each message says what, where and what to do, in one line.
"""


class InputError(ValueError):
    """The user's input is wrong."""


class Refused(Exception):  # noqa: N818 - no error: what was asked for does not fit what is there
    """Doing this would harm what is there already."""


class CannotGoOn(Exception):  # noqa: N818 - no error: what was done is kept, and can be resumed
    """The world outside does not let us finish."""


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number before its noun: ``1 clip``, ``2 clips``, ``0 replies``.

    Parameters
    ----------
    number : int
        How many.
    noun : str
        What, in the singular: its last word is the one that changes.
    plural : str
        The plural, where it is not the regular one.
    """
    if number == 1:
        return f"1 {noun}"
    if not plural:
        is_ies = noun.endswith("y") and noun[-2:-1] not in tuple("aeiou")
        is_es = noun.endswith(("s", "x", "z", "ch", "sh"))
        plural = noun[:-1] + "ies" if is_ies else f"{noun}es" if is_es else f"{noun}s"
    return f"{number} {plural}"


def one_line(text: object, longest: int = 200) -> str:
    """Quote foreign text in a message: one line, printable, not too long."""
    line = " ".join(str(text)[: 4 * longest].split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def whole_text(text: str) -> str:
    """Replace lone surrogates, which no file and no database can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def duration(seconds: float) -> str:
    """Write a time in the largest unit that fits, rounded: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
