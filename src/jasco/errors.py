"""The errors that end a command early, and the parts of their messages.

Each message states what is wrong, where, and what to do, in one line.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_NEAR = 0.65  # of difflib: "ofline" is near "offline", "gold" is not near "ok"
_MOST_SUGGESTED = 3
_MOST_FILES = 10_000  # a folder with more is not searched


class InputError(ValueError):
    """The user's input is wrong."""


class RunConflictError(Exception):
    """Doing this would harm what is there already."""


class IncompleteError(Exception):
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


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that are near a mistyped one, the nearest first, at most three.

    Case makes no difference.
    """
    by_key: dict[str, str] = {}
    for each in known:
        by_key.setdefault(each.casefold(), each)
    found = get_close_matches(name.casefold(), by_key, _MOST_SUGGESTED, _NEAR)
    return [by_key[key] for key in found]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the end of a message, or nothing where no name is near."""
    return _asked(near(name, known))


def did_you_mean_path(path: Path, *, folders: bool = False) -> str:
    """Return ``; did you mean PATH?``, with what lies beside a path that is not there.

    What a file's name ends in makes no difference (``frist`` is near ``first.csv``), but what
    ends alike comes first. With ``folders``, nothing else is suggested.
    """
    try:
        beside = [
            entry
            for entry, _ in zip(path.parent.iterdir(), range(_MOST_FILES), strict=False)
            if not entry.name.startswith(".") and (entry.is_dir() or not folders)
        ]
    except OSError:
        return ""
    by_stem: dict[str, list[Path]] = {}
    for entry in sorted(beside, key=lambda each: (each.suffix != path.suffix, each.name)):
        by_stem.setdefault(entry.stem, []).append(entry)
    found = [str(entry) for stem in near(path.stem, by_stem) for entry in by_stem[stem]]
    return _asked(found[:_MOST_SUGGESTED])


def _asked(found: list[str]) -> str:
    return f"; did you mean {' or '.join(one_line(name) for name in found)}?" if found else ""
