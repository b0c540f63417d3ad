"""Near matches for what was mistyped: a name, a column, a file."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from jasco.benchmark.errors import one_line

_NEAR = 0.65  # of difflib: "ofline" is near "offline", "gold" is not near "ok"
_MOST_SUGGESTED = 3
_MOST_FILES = 10_000  # a folder with more is not searched


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
