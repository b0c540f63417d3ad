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
        Makes the value of the text (``ValueError`` where it cannot).
    default : object
        The value where the key is not given.
    identity : bool
        Whether it may change a number.
    repeatable : bool
        Whether it may be given several times; the value is then a tuple.
    family : bool
        Whether it stands for ``name.KEY=VALUE``, any key; the value is then a mapping, or None.
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
        try:
            value = kind(text)
        except ValueError:
            noun = "a whole number" if kind is int else "a number"
            raise ValueError(f"{noun} of at least {lowest} is needed") from None
        if not lowest <= value < float("inf"):
            raise ValueError(f"a number of at least {lowest} is needed")
        return value

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
    if text not in ("true", "false"):
        raise ValueError("true or false is needed")
    return text == "true"


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
"""Every provider takes it whose name is not verbatim; an identity holds it only where given."""
SERVE = Option(
    "serve", "an option of the server that is started", default=MappingProxyType({}), family=True
)
"""Every provider takes it that starts a server."""


def read_options(shown: str, pairs: Sequence[str], known: Mapping[str, Option]) -> dict[str, Any]:
    """Read options as they stand in a spec, which messages show without its secrets."""
    given: dict[str, list[Any]] = {}
    families: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        key, _, text = pair.partition("=")
        name, dot, path = key.partition(".")
        option = known.get(name)
        if (
            option is None
            or option.family != bool(dot)
            or (option is not SERVE and is_secret_name(path))
        ):
            raise InputError(f"{shown!r}: {_unknown(key, known)}")
        if not text:
            raise InputError(f"{shown!r}: {key} has no value; write {key}=...")
        if key.endswith("_env") and shown_variable(text) != text:
            raise InputError(
                f"{shown!r}: the environment has no variable of that name; {key} takes the name "
                "of the variable that holds the key, not the key"
            )
        if name in given and not option.repeatable:
            raise InputError(f"{shown!r}: {key} is given twice")
        try:
            if option.family:
                _read_member(option, families.setdefault(name, {}), path, text)
            else:
                given.setdefault(name, []).append(_read_value(option, text))
        except ValueError as error:
            raise InputError(f"{shown!r}: {mask_spec(pair)} is no good: {error}") from None
    return {
        name: families.get(name, option.default)
        if option.family
        else tuple(given.get(name, ()))
        if option.repeatable
        else given.get(name, [option.default])[0]
        for name, option in known.items()
    }


def _read_value(option: Option, text: str) -> Any:
    value = option.read(text)
    if not option.identity:
        return value
    # However the default is written (1, 1.0, -0.0), it is the same identity.
    return option.default if value == option.default else canonical(value)


def _read_member(option: Option, values: dict[str, Any], path: str, text: str) -> None:
    """Set the value of a family at a dotted key: JSON where it reads as such, else a text.

    What is for a server that is started is handed on as it stands.
    """
    *parents, name = [path] if option is SERVE else path.split(".")
    if not all([*parents, name]):
        raise ValueError("a part of the key is empty")
    if option is SERVE and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError("a key holds letters, digits, dots, hyphens and underscores")
    if (first := [*parents, name][0]) in option.reserved:
        raise ValueError(
            f"jasco sets {first} itself; use an option of the spec, such as max_tokens, "
            "temperature or stream"
        )
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ValueError(f"{parent} has a value of its own already")
    if name in values:
        raise ValueError("it is given twice")
    value: Any = text
    if option is not SERVE:
        with suppress(ValueError, RecursionError):
            value = json.loads(text)
    if _holds_secret_name(value):
        raise ValueError("keys are never typed into a spec; use api_key_env=NAME")
    values[name] = canonical(value)


def _holds_secret_name(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(is_secret_name(key) or _holds_secret_name(part) for key, part in value.items())
    return isinstance(value, list) and any(map(_holds_secret_name, value))


def _unknown(key: str, known: Mapping[str, Option]) -> str:
    key = key.strip()
    if "api_key_env" in known and is_secret_name(key):
        return (
            f"{key!r} is no option: keys are never typed into a spec; set an environment "
            "variable to the key and write api_key_env=NAME"
        )
    names = [f"{name}.KEY" if option.family else name for name, option in known.items()]
    takes = f"it takes {', '.join(names)}" if names else "it takes no options"
    return f"unknown key {mask_spec(f',{key}')[1:]!r}; {takes}{did_you_mean(key, names)}"


def canonical(value: Any) -> Any:
    """Return a value with equal numbers written in one way: identities are compared as JSON.

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
