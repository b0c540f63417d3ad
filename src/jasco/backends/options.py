"""Options of a spec, ``key=value``: declaration and parsing."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from jasco.backends.secrets import is_secret_name, mask_spec, shown_variable
from jasco.errors import InputError, did_you_mean, invalid_value


@dataclass(frozen=True)
class Option:
    """One ``key=value`` of a spec.

    Attributes
    ----------
    name, help : str
        The key, and a description.
    read : callable
        Parses the value; raises ``ValueError`` if it is invalid, with the expected value as the
        message, such as "expected a number >= 0".
    default : object
        The value if the key is not given.
    identity : bool
        Whether the option may change a result.
    repeatable : bool
        Whether it may be given several times; the value is then a tuple.
    family : bool
        Whether it stands for ``name.KEY=VALUE`` with any key; the value is then a mapping. For
        identity options, dots in a key create nested mappings, and values are parsed as JSON if
        possible.
    if_given : bool
        Whether the identity contains it only if it differs from its default: needed for options
        that were added later, so that existing runs still match.
    reserved : sequence of str
        Keys that a family must not contain, because other options set them.
    """

    name: str
    help: str
    read: Callable[[str], Any] = str
    default: Any = None
    identity: bool = False
    repeatable: bool = False
    family: bool = False
    if_given: bool = False
    reserved: Sequence[str] = ()


def at_least(lowest: float, kind: type[int] | type[float]) -> Callable[[str], float]:
    """Return a parser of numbers that are not below a bound."""

    def read(text: str) -> float:
        with suppress(ValueError):
            if lowest <= (value := kind(text)) < float("inf"):
                return value
        noun = "an integer" if kind is int else "a number"
        raise ValueError(f"expected {noun} >= {lowest}")

    return read


def integer(text: str) -> int:
    """Parse an integer."""
    with suppress(ValueError):
        return int(text)
    raise ValueError("expected an integer")


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a parser of one of several choices."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return read


def true_or_false(text: str) -> bool:
    """Parse ``true`` or ``false``."""
    return one_of("true", "false")(text) == "true"


def address(text: str) -> str:
    """Parse the address of a server."""
    parts = urlsplit(text)
    is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    if not is_good or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("expected http://HOST:PORT/v1")
    return text


def _read_label(text: str) -> str:
    if len(text) > _LONGEST_LABEL or not text.isprintable() or text != text.strip():
        raise ValueError(f"expected 1 to {_LONGEST_LABEL} printable characters")
    return text


_LONGEST_LABEL = 40
LABEL = Option(
    "label", "distinguishes two otherwise equal specs", _read_label, identity=True, if_given=True
)
"""For every provider whose name is not verbatim; part of the identity only if given."""
SERVE = Option(
    "serve", "option of the server that is started", default=MappingProxyType({}), family=True
)
"""For every provider that starts a server."""


def defaults(known: Mapping[str, Option]) -> dict[str, Any]:
    """Return the default values of options."""
    return {name: () if option.repeatable else option.default for name, option in known.items()}


def read_options(shown: str, pairs: Sequence[str], known: Mapping[str, Option]) -> dict[str, Any]:
    """Parse the options of a spec; ``shown`` is the spec without secrets, for messages."""
    values = defaults(known)
    given: set[str] = set()
    for pair in pairs:
        key, _, text = pair.partition("=")
        name, dot, path = key.partition(".")
        option = known.get(name)
        is_known = option is not None and option.family == bool(dot)
        # The identity is stored, and must not contain secrets.
        if option is None or not is_known or (option.identity and is_secret_name(path)):
            raise InputError(f"{shown!r}: {_unknown(key.strip(), known)}")
        if not text:
            raise InputError(f"{shown!r}: {key}: missing value; write {key}=VALUE")
        if key.endswith("_env") and shown_variable(text) != text:
            raise InputError(
                f"{shown!r}: {key}: environment variable is not set; give the name of the variable "
                "that contains the key, not the key"
            )
        if name in given and not (option.repeatable or option.family):
            raise InputError(f"{shown!r}: {key} is given twice")
        try:
            if option.family:
                values[name] = values[name] if name in given else {}
                _add_member(option, values[name], path, text)
            elif option.repeatable:
                values[name] += (_read_value(option, text),)
            else:
                values[name] = _read_value(option, text)
        except InputError as error:
            raise InputError(f"{shown!r}: {mask_spec(pair).partition('=')[0]}: {error}") from None
        except ValueError as error:
            masked_key, _, value = mask_spec(pair).partition("=")
            problem = invalid_value(masked_key, value, error)
            raise InputError(f"{shown!r}: {problem}") from None
        given.add(name)
    return values


def _read_value(option: Option, text: str) -> Any:
    value = option.read(text)
    if not option.identity:
        return value
    # The identity does not depend on how the default is written (1, 1.0, -0.0).
    return option.default if value == option.default else canonical(value)


def _add_member(option: Option, members: dict[str, Any], path: str, text: str) -> None:
    *parents, name = path.split(".") if option.identity else [path]
    if not all([*parents, name]):
        raise InputError("part of the key is empty")
    if not option.identity and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise InputError("a key may contain letters, digits, dots, hyphens and underscores")
    if [*parents, name][0] in option.reserved:
        raise InputError(
            "set by jasco; use an option of the spec, such as max_tokens, temperature or stream"
        )
    for parent in parents:
        members = members.setdefault(parent, {})
        if not isinstance(members, dict):
            raise InputError(f"{parent} already has a value")
    if name in members:
        raise InputError("given twice")
    value: Any = text
    if option.identity:
        with suppress(ValueError, RecursionError):
            value = json.loads(text)
        if _holds_secret_name(value):
            raise InputError("API keys must not be part of a spec; use api_key_env=NAME")
    members[name] = canonical(value)


def _holds_secret_name(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(is_secret_name(key) or _holds_secret_name(part) for key, part in value.items())
    return isinstance(value, list) and any(map(_holds_secret_name, value))


def _unknown(key: str, known: Mapping[str, Option]) -> str:
    if "api_key_env" in known and is_secret_name(key):
        return (
            f"{key!r} is not an option: API keys must not be part of a spec; set an environment "
            "variable to the key and write api_key_env=NAME"
        )
    names = [f"{name}.KEY" if option.family else name for name, option in known.items()]
    valid = f"valid keys: {', '.join(names)}" if names else "it takes no options"
    return f"unknown key {mask_spec(f',{key}')[1:]!r}; {valid}{did_you_mean(key, names)}"


def canonical(value: Any) -> Any:
    """Return a value with equal numbers in one form, because identities are compared as JSON.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("expected a finite number")
        return value + 0.0  # -0.0 becomes 0.0
    if isinstance(value, Mapping):
        return {key: canonical(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(part) for part in value]
    return value
