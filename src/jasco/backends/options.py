"""Options of a spec, ``key=value``: how they are declared and read."""

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
from jasco.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Option:
    """One ``key=value`` of a spec.

    Attributes
    ----------
    name, help : str
        The key, and what it does.
    read : callable
        Reads the value of a text (``ValueError`` where it is invalid).
    default : object
        The value where the key is not given.
    identity : bool
        Whether it may change a number.
    repeatable : bool
        Whether it may be given several times; the value is then a tuple.
    family : bool
        Whether it stands for ``name.KEY=VALUE``, any key; the value is then a mapping. Of the
        identity, dots in a key make nested mappings, and values are parsed as JSON if possible.
    if_given : bool
        Whether the identity holds it only where it differs from its default: so it does for
        options that came later than runs that do not know them.
    reserved : sequence of str
        Keys that a family may not hold, because other options set them.
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
    """Return a reader of numbers that are not below a bound."""

    def read(text: str) -> float:
        with suppress(ValueError):
            if lowest <= (value := kind(text)) < float("inf"):
                return value
        noun = "a whole number" if kind is int else "a number"
        raise ValueError(f"{noun} of at least {lowest} is needed")

    return read


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a reader of a choice."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)} is needed")
        return text

    return read


def true_or_false(text: str) -> bool:
    """Read ``true`` or ``false``."""
    return one_of("true", "false")(text) == "true"


def address(text: str) -> str:
    """Read the address of a server."""
    parts = urlsplit(text)
    is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    if not is_good or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("write http://HOST:PORT/v1")
    return text


def _read_label(text: str) -> str:
    if len(text) > _LONGEST_LABEL or not text.isprintable() or text != text.strip():
        raise ValueError(f"1 to {_LONGEST_LABEL} printable characters are needed")
    return text


_LONGEST_LABEL = 40
LABEL = Option(
    "label", "tells two otherwise equal names apart", _read_label, identity=True, if_given=True
)
"""For every provider whose name is not verbatim; an identity holds it only where given."""
SERVE = Option(
    "serve", "an option of the server that is started", default=MappingProxyType({}), family=True
)
"""For every provider that starts a server."""


def defaults(known: Mapping[str, Option]) -> dict[str, Any]:
    """Return the values of options that are not given."""
    return {name: () if option.repeatable else option.default for name, option in known.items()}


def read_options(shown: str, pairs: Sequence[str], known: Mapping[str, Option]) -> dict[str, Any]:
    """Read options as they stand in a spec, which messages show without its secrets."""
    values = defaults(known)
    given: set[str] = set()
    for pair in pairs:
        key, _, text = pair.partition("=")
        name, dot, path = key.partition(".")
        option = known.get(name)
        is_known = option is not None and option.family == bool(dot)
        # The identity is stored, and holds no secrets.
        if option is None or not is_known or (option.identity and is_secret_name(path)):
            raise InputError(f"{shown!r}: {_unknown(key.strip(), known)}")
        if not text:
            raise InputError(f"{shown!r}: {key} has no value; write {key}=...")
        if key.endswith("_env") and shown_variable(text) != text:
            raise InputError(
                f"{shown!r}: the environment has no variable of that name; {key} takes the name "
                "of the variable that holds the key, not the key"
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
        except ValueError as error:
            raise InputError(f"{shown!r}: {mask_spec(pair)} is not valid: {error}") from None
        given.add(name)
    return values


def _read_value(option: Option, text: str) -> Any:
    value = option.read(text)
    if not option.identity:
        return value
    # However the default is written (1, 1.0, -0.0), it is the same identity.
    return option.default if value == option.default else canonical(value)


def _add_member(option: Option, members: dict[str, Any], path: str, text: str) -> None:
    *parents, name = path.split(".") if option.identity else [path]
    if not all([*parents, name]):
        raise ValueError("a part of the key is empty")
    if not option.identity and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise ValueError("a key consists of letters, digits, dots, hyphens and underscores")
    if (first := [*parents, name][0]) in option.reserved:
        raise ValueError(
            f"jasco sets {first} itself; use an option of the spec, such as max_tokens, "
            "temperature or stream"
        )
    for parent in parents:
        members = members.setdefault(parent, {})
        if not isinstance(members, dict):
            raise ValueError(f"{parent} has a value of its own already")
    if name in members:
        raise ValueError("it is given twice")
    value: Any = text
    if option.identity:
        with suppress(ValueError, RecursionError):
            value = json.loads(text)
        if _holds_secret_name(value):
            raise ValueError("keys are never typed into a spec; use api_key_env=NAME")
    members[name] = canonical(value)


def _holds_secret_name(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(is_secret_name(key) or _holds_secret_name(part) for key, part in value.items())
    return isinstance(value, list) and any(map(_holds_secret_name, value))


def _unknown(key: str, known: Mapping[str, Option]) -> str:
    if "api_key_env" in known and is_secret_name(key):
        return (
            f"{key!r} is no option: keys are never typed into a spec; set an environment "
            "variable to the key and write api_key_env=NAME"
        )
    names = [f"{name}.KEY" if option.family else name for name, option in known.items()]
    takes = f"it takes {', '.join(names)}" if names else "it takes no options"
    return f"unknown key {mask_spec(f',{key}')[1:]!r}; {takes}{did_you_mean(key, names)}"


def canonical(value: Any) -> Any:
    """Return a value with equal numbers written in one form: identities are compared as JSON.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a finite number is needed")
        return value + 0.0  # -0.0 becomes 0.0
    if isinstance(value, Mapping):
        return {key: canonical(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(part) for part in value]
    return value
