"""Errors that end a command early, and formatting of their messages.

A message states what is wrong, where, and what to do, in one line.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_NEAR = 0.65  # of difflib: "ofline" is near "offline", "gold" is not near "ok"
_MOST_SUGGESTED = 3
_MOST_FILES = 10_000  # a folder with more is not searched


class InputError(ValueError):
    """The user's input is wrong."""


class RunConflictError(Exception):
    """The command conflicts with what the run or file already holds."""


class IncompleteError(Exception):
    """The command could not finish, for a reason outside of it."""


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number before its noun: ``1 clip``, ``2 clips``, ``0 replies``.

    Parameters
    ----------
    number : int
        The number.
    noun : str
        The noun in the singular; its last word is the one that changes.
    plural : str
        The plural, if it is irregular.
    """
    if number == 1:
        return f"1 {noun}"
    if not plural and re.search("[^aeiou]y$", noun):
        plural = noun[:-1] + "ies"
    return f"{number} {plural or noun + ('es' if re.search('(?:s|x|z|ch|sh)$', noun) else 's')}"


def one_line(text: object, longest: int = 200) -> str:
    """Return foreign text for a message: one printable line, shortened if it is long."""
    line = " ".join(str(text)[: 4 * longest].split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def whole_text(text: str) -> str:
    """Return a text without lone surrogates, which cannot be stored in files and databases."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def duration(seconds: float) -> str:
    """Format a time in the largest unit that fits, rounded: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return at most three known names that are near a mistyped one, whatever the case.

    The nearest comes first.
    """
    by_key = {candidate.casefold(): candidate for candidate in reversed(list(known))}
    found = get_close_matches(name.casefold(), by_key, _MOST_SUGGESTED, _NEAR)
    return [by_key[key] for key in found]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Format ``; did you mean X?`` for the end of a message; empty where no name is near."""
    return _suggestion(near(name, known))


def did_you_mean_path(path: Path, *, folders: bool = False) -> str:
    """Format ``; did you mean PATH?``, with paths near one that does not exist.

    Suffixes are ignored (``frist`` is near ``first.csv``), but paths with the same suffix come
    first. With ``folders``, only folders are suggested.
    """
    try:
        neighbours = [
            entry
            for entry, _ in zip(path.parent.iterdir(), range(_MOST_FILES), strict=False)
            if not entry.name.startswith(".") and (entry.is_dir() or not folders)
        ]
    except OSError:
        return ""
    by_stem: dict[str, list[Path]] = {}
    for entry in sorted(neighbours, key=lambda other: (other.suffix != path.suffix, other.name)):
        by_stem.setdefault(entry.stem, []).append(entry)
    found = [str(entry) for stem in near(path.stem, by_stem) for entry in by_stem[stem]]
    return _suggestion(found[:_MOST_SUGGESTED])


def _suggestion(found: list[str]) -> str:
    return f"; did you mean {' or '.join(one_line(name) for name in found)}?" if found else ""
