"""Validation of the arguments of the public functions: texts, numbers and paths.

Neither models nor judges are imported here, so that scoring starts quickly.
"""

import json
import operator
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

from jasco.errors import InputError, one_line
from jasco.runs.results import Tag

_LONGEST_NAME = 200


def as_paths(target: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the paths of runs or judged CSV files."""
    targets = [target] if isinstance(target, str | os.PathLike) else target
    paths = list(targets) if isinstance(targets, Iterable) else []
    is_right = bool(paths) and all(map(is_path, paths))
    check("target", target, is_right, "a run or judged CSV files")
    return [Path(path) for path in paths]


def as_names(name: str, value: str | Iterable[str]) -> list[str]:
    """Return a list of names; a single name may be given as a str."""
    names = [value] if isinstance(value, str) else value
    is_right = isinstance(names, Iterable)
    names = list(names) if is_right else []
    check(name, value, is_right and all(isinstance(each, str) for each in names), "a list of names")
    return names


def as_name(name: str | None) -> str | None:
    """Return the name of a model in tables; None selects its default name."""
    if name is None:
        return None
    is_right = isinstance(name, str) and name.strip() and one_line(name, _LONGEST_NAME) == name
    check("name", name, is_right, f"one line of 1 to {_LONGEST_NAME} characters")
    return name


def as_tags(tags: Mapping[str, object] | None) -> dict[str, Tag]:
    """Return tags by key: numbers as int or float, everything else as a string."""
    check("tags", tags, tags is None or isinstance(tags, Mapping), "a mapping of keys to values")
    checked: dict[str, Tag] = {}
    for key, value in (tags or {}).items():
        is_key = isinstance(key, str) and re.fullmatch(r"[A-Za-z_][\w.-]{0,49}", key)
        check("tag key", key, is_key, "a letter, then at most 49 letters, digits, '_', '-' or '.'")
        checked[key] = _as_number(value)
        text = str(checked[key])
        is_text = value is not None and one_line(text, _LONGEST_NAME) == text
        check(f"tag {key}", value, is_text, f"one line of at most {_LONGEST_NAME} characters")
    return checked


def read_tags(texts: Iterable[str]) -> dict[str, Tag]:
    """Return tags given as ``KEY=VALUE`` on the command line; what reads as a number is one."""
    tags: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--tag {one_line(text)}: expected KEY=VALUE")
        tags[key] = _number_in(value)
    return as_tags(tags)


def _number_in(text: str) -> Tag:
    """Return the finite number that a text is in JSON (007 is none), else the text itself."""
    if text.removeprefix("-")[:1].isdigit():
        with suppress(ValueError, OverflowError):
            number: int | float = json.loads(text)
            if isfinite(number):
                return number
    return text


def _as_number(value: object) -> Tag:
    """Return an int or a finite float, including those of numpy, as such; else a string."""
    if isinstance(value, bool):
        return str(value)
    with suppress(TypeError):
        return operator.index(value)  # type: ignore[arg-type]
    if isinstance(value, Real) and isfinite(value):
        return float(value)
    return str(value)


def as_positive(name: str, value: Any, otherwise: str = "") -> int:
    """Return a positive integer of any integer type, such as those of NumPy, as an int."""
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    check(name, value, number > 0, f"a positive integer{otherwise}")
    return number


def as_boolean(name: str, value: bool) -> bool:
    """Return a boolean; reject other values, whether truthy or falsy."""
    check(name, value, isinstance(value, bool), "True or False")
    return value


def is_path(value: object) -> bool:
    """Return whether a value can name a file or folder."""
    text = str(value) if isinstance(value, str | os.PathLike) else ""
    return bool(text.strip()) and "\0" not in text


def check(name: str, value: object, is_valid: object, expected: str) -> None:
    """Raise ``InputError`` if an argument is invalid."""
    if not is_valid:
        raise InputError(f"{name} must be {expected}: got {one_line(repr(value), 80)}")
