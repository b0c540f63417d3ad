"""Reading JSON from outside: strictly, with a check of the type of every field."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from jasco.errors import InputError, one_line

Check = Callable[[Any], bool]
"""Returns whether a value is acceptable; a missing field has the value None."""

_LARGEST = 2**63 - 1  # of integers, as SQLite stores them


def read_object(content: bytes, where: str, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Read a JSON object with known fields.

    Parameters
    ----------
    content : bytes
        The JSON in UTF-8.
    where : str
        Its place, for messages.
    checks : mapping of str to callable
        The check of each field; other fields are not allowed.

    Raises
    ------
    InputError
        It is not strict JSON, or a field is missing, unknown or invalid.
    """
    value = read_json(content, where)
    if not isinstance(value, dict):
        raise InputError(f"{where}: not a JSON object")
    for name in value:
        if name not in checks:
            raise InputError(f"{where}: unknown field {one_line(name, 60)!r}")
    for name, check in checks.items():
        if not check(value.get(name)):
            state = "invalid" if name in value else "missing"
            raise InputError(f"{where}: {state} field {name!r}")
    return value


def read_lines(content: bytes, where: str, checks: Mapping[str, Check]) -> Iterator[dict[str, Any]]:
    """Read JSON Lines, of objects with known fields; parameters and errors as `read_object`."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line:
            yield read_object(line, f"{where}: line {number}", checks)


def read_json(content: bytes, where: str) -> Any:
    """Read strict JSON: no NaN, infinite or huge number, no duplicate field, no lone surrogate.

    Raises
    ------
    InputError
        It is not strict JSON.
    """
    try:
        value = json.loads(
            content.decode(), object_pairs_hook=_members, parse_constant=_not_a_number,
            parse_float=_finite, parse_int=_exact,
        )  # fmt: skip
        json.dumps(value, ensure_ascii=False).encode()  # fails for a lone surrogate
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        if isinstance(error, UnicodeError):
            reason = "not UTF-8"
        raise InputError(f"{where}: not valid JSON ({one_line(reason, 100)})") from None
    return value


def write_json(value: Any) -> bytes:
    """Return a value as compact JSON in UTF-8, with sorted fields."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    return text.encode()


def write_lines(values: Iterable[Any]) -> bytes:
    """Return values as JSON Lines."""
    return b"".join(write_json(value) + b"\n" for value in values)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a field is given twice")
    return members


def _not_a_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _exact(text: str) -> int:
    # The length is checked first: converting a long text takes quadratic time.
    if len(text) > 20 or abs(int(text)) > _LARGEST:
        raise ValueError("an integer is too large")
    return int(text)


# --- checks ---


def is_text(value: Any) -> bool:
    """Return whether a value is a text."""
    return isinstance(value, str)


def is_flag(value: Any) -> bool:
    """Return whether a value is true or false."""
    return isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether a value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_scalar(value: Any) -> bool:
    """Return whether a value is neither an object nor a list."""
    return not isinstance(value, dict | list)


def is_sha256(value: Any) -> bool:
    """Return whether a value is a SHA-256 in hexadecimal digits."""
    return isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value))


def one_of(*values: object) -> Check:
    """Return the check for one of several texts."""
    return lambda value: isinstance(value, str) and value in values


def whole(low: int, high: int = _LARGEST) -> Check:
    """Return the check for an integer in a range."""
    return lambda value: type(value) is int and low <= value <= high


def optional(check: Check) -> Check:
    """Return the check for a value that may be missing."""
    return lambda value: value is None or check(value)


def list_of(check: Check) -> Check:
    """Return the check for a list of values."""
    return lambda value: isinstance(value, list) and all(map(check, value))


def mapping_of(check: Check) -> Check:
    """Return the check for an object with any names."""
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def record_of(checks: Mapping[str, Check]) -> Check:
    """Return the check for an object with known fields; others are not allowed."""
    return lambda value: (
        isinstance(value, dict)
        and value.keys() <= checks.keys()
        and all(check(value.get(name)) for name, check in checks.items())
    )
