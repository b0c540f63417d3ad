"""Errors that end a command early, and the formatting of their messages.

A message states what is wrong, where, and what to do, in one line.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

CHECK_DOWNLOAD = "check that the download is complete"
"""What to do about a missing or damaged part of a downloaded model."""
_NEAR = 0.65  # cutoff for difflib: "ofline" is close to "offline", "gold" is not close to "ok"
_MOST_SUGGESTED = 3
_MOST_FILES = 10_000  # a folder with more is not searched


class InputError(ValueError):
    """The user's input is invalid."""


class RunConflictError(Exception):
    """The command conflicts with what the run or file already holds."""


class IncompleteError(Exception):
    """The command could not finish, for an external reason."""


def invalid_value(name: str, value: object, expected: object) -> str:
    """Format an error about the value of an option.

    Examples
    --------
    >>> invalid_value("temperature", "warm", "expected a number >= 0")
    "temperature: invalid value 'warm' (expected a number >= 0)"
    """
    return f"{name}: invalid value {one_line(value, 60)!r} ({expected})"


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
    """Format text from elsewhere for a message: one printable line, shortened if it is long."""
    line = " ".join(str(text)[: 4 * longest].split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def whole_text(text: str) -> str:
    """Return a text with lone surrogates replaced: files and databases cannot store them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def duration(seconds: float) -> str:
    """Format a time in the largest unit that fits, rounded: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return at most three known names that are close to a mistyped one, ignoring case.

    The closest comes first.
    """
    by_key = {candidate.casefold(): candidate for candidate in reversed(list(known))}
    found = get_close_matches(name.casefold(), by_key, _MOST_SUGGESTED, _NEAR)
    return [by_key[key] for key in found]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Format ``; did you mean X?`` for the end of a message; empty if no name is close."""
    return _suggestion(near(name, known))


def did_you_mean_path(path: Path, *, folders: bool = False) -> str:
    """Format ``; did you mean PATH?``, with paths close to one that does not exist.

    Suffixes are ignored (``frist`` is close to ``first.csv``), but paths with the same suffix come
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
