"""How a user names a model or a judge: ``provider/name[,key=value...]``.

A provider is a class, found through the entry points ``jasco.models`` and ``jasco.judges``. It
says what its name means and which options it takes; it is made from a :class:`Spec`.

Identity is not transport: options that may change a number make up the identity (they key the
run and the signature), the others only say where and how fast.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol
from urllib.parse import urlsplit

from jasco.benchmark.dataset import DataSet
from jasco.benchmark.errors import InputError, whole_text
from jasco.benchmark.suggestions import did_you_mean, near

Kind = Literal["model", "judge"]


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
    """

    name: str
    help: str
    read: Callable[[str], Any] = str
    default: Any = None
    identity: bool = False
    repeatable: bool = False


@dataclass(frozen=True)
class Spec:
    """What a user asked for, checked and with the defaults filled in.

    Attributes
    ----------
    provider, name : str
        The name is empty for a provider that needs none.
    options : mapping
        Every option of the provider with its value.
    identity : mapping
        Provider, name and the options that may change a number.
    label : str
        What tables and JSON call it: ``provider/name`` and the identity options that differ
        from their defaults.
    """

    provider: str
    name: str
    options: Mapping[str, Any]
    identity: Mapping[str, Any]
    label: str


def identity_key(identity: Mapping[str, Any]) -> str:
    """Write an identity as one text, whatever the order of its parts."""
    return json.dumps(dict(identity), sort_keys=True)


class Provider(Protocol):
    """What every class behind an entry point has.

    It is made from a :class:`Spec` without doing any work; ``prepare`` loads what it needs.
    """

    NAME: ClassVar[str | None]
    """What the name after the slash is, for help; None where the provider takes none."""
    VERBATIM: ClassVar[bool]
    """Whether everything after the slash is the name, commas included; it has no options then."""
    OPTIONS: ClassVar[Sequence[Option]]
    SERVES: ClassVar[bool] = False
    """Whether it starts a server, which ``serve.KEY=VALUE`` is for."""
    ALONE: ClassVar[bool] = False
    """Whether it takes the machine for itself: it is prepared, used and closed before the next."""
    LOCAL: ClassVar[bool] = False
    """Whether it makes no calls and counts no tokens: a file is read, or a classifier computes."""
    REVISION: ClassVar[str] = ""
    """Which version of the data that it ships; part of the identity where there is one."""

    spec: Spec
    folder: Path | None = None
    """The run's folder, for logs; None where there is no run."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def check(self) -> None:
        """See, quickly, that the programs that it starts are there; by default nothing.

        It is called before the first call to any model or judge.

        Raises
        ------
        InputError
            One is missing.
        """

    async def prepare(self, data: DataSet) -> None:
        """Get ready for this data set; by default nothing.

        Raises
        ------
        InputError
            What it needs is not to be had, or the data does not fit.
        """

    async def close(self) -> None:
        """Give everything back; by default nothing."""

    def fingerprint(self) -> str:
        """Hash the file, folder or code that it works with; empty where there is none.

        It is computed without loading anything, before every command: a run refuses a source
        that has changed since its first answer.
        """
        return ""


_SERVE = "serve."


def providers(kind: Kind) -> dict[str, EntryPoint]:
    """List what can be named: built in and installed."""
    return {point.name: point for point in entry_points(group=f"jasco.{kind}s")}


def open_spec(kind: Kind, text: str, other_names: Sequence[str] = ()) -> Any:
    """Make the model or judge that a spec names.

    ``other_names`` are what else may be written there, for suggestions.

    Raises
    ------
    InputError
        The provider or a key is unknown, a value cannot be read, a name is missing, or the
        provider needs an extra that is not installed.
    """
    if text != whole_text(text):
        raise InputError(f"{kind} {text!r}: not UTF-8")
    known = providers(kind)
    provider = re.split("[/,]", text, maxsplit=1)[0]
    if provider not in known:
        raise InputError(
            f"{kind} {text!r}: provider {provider!r} is unknown; see: jasco {kind}s"
            f"{_meant(text, provider, [*known, *other_names])}"
        )
    try:
        made_by = known[provider].load()
    except ModuleNotFoundError as error:
        raise InputError(
            f"{kind} {text!r} needs {error.name}: pip install 'jasco[{provider}]'"
        ) from error
    return made_by(parse_spec(text, made_by))


def _meant(text: str, provider: str, known: Sequence[str]) -> str:
    """Suggest, without options, what a text with an unknown provider may stand for."""
    name = text.partition(",")[0]
    rest = name.removeprefix(provider)
    if found := near(provider, known):
        return f"; did you mean {' or '.join(each + rest for each in found)}?"
    if name.lower().endswith(".csv"):
        fitting = ["csv"]
    elif re.fullmatch(r"[\w./]+:\w+", name):
        fitting = ["python"]
    else:
        fitting = ["openai", "vllm", "hf"] if rest else ["openai"]
    specs = [f"{each}/{name}" for each in fitting if each in known]
    return f"; a provider stands first: {' or '.join(specs)}" if specs else ""


def parse_spec(text: str, provider: type[Provider]) -> Spec:
    """Read a spec for the provider that it names."""
    head, slash, rest = text.partition("/")
    pairs: list[str] = []
    if not provider.VERBATIM:
        if "," in head:  # no name, or none before the first option
            (head, *pairs), slash, rest = text.split(","), "", ""
        else:
            rest, *pairs = rest.split(",")
    if provider.NAME is None and rest:
        raise InputError(f"{text!r}: {head} takes no name; write {head}[,key=value...]")
    if provider.NAME is not None and not rest:
        raise InputError(f"{text!r}: write {head}/{provider.NAME}")
    serve = [pair for pair in pairs if provider.SERVES and pair.startswith(_SERVE)]
    pairs = [pair for pair in pairs if pair not in serve]
    labelled = not provider.VERBATIM and any(pair.startswith("label=") for pair in pairs)
    known = (*provider.OPTIONS, LABEL) if labelled else provider.OPTIONS
    options = _read_options(text, pairs, {option.name: option for option in known})
    if provider.SERVES:
        options["serve"] = _read_serve(text, serve)
    identifying = [option for option in known if option.identity]
    told = [
        f"{option.name}={options[option.name]}"
        for option in identifying
        if options[option.name] != option.default
    ]
    return Spec(
        provider=head,
        name=rest,
        options=MappingProxyType(options),
        identity=MappingProxyType(
            {"provider": head, "name": rest}
            | ({"revision": provider.REVISION} if provider.REVISION else {})
            | {option.name: options[option.name] for option in identifying}
        ),
        label=",".join([head + slash + rest, *told]),
    )


def _read_options(text: str, pairs: list[str], known: dict[str, Option]) -> dict[str, Any]:
    given: dict[str, list[Any]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if key not in known:
            names = dict.fromkeys([*known, LABEL.name])
            raise InputError(
                f"{text!r}: unknown key {key!r}; it takes {', '.join(names)}"
                f"{did_you_mean(key, names)}"
            )
        if not equals or not value:
            raise InputError(f"{text!r}: {key} has no value; write {key}=...")
        if key in given and not known[key].repeatable:
            raise InputError(f"{text!r}: {key} is given twice")
        try:
            given.setdefault(key, []).append(_read_value(known[key], value))
        except ValueError as error:
            raise InputError(f"{text!r}: {key}={value} is no good: {error}") from None
    return {
        name: tuple(given.get(name, ()))
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


def canonical(value: Any) -> Any:
    """Write equal numbers in one way, at any depth: identities are compared as JSON.

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
        return {key: canonical(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(each) for each in value]
    return value


def _read_serve(text: str, pairs: list[str]) -> dict[str, str]:
    """Read what is for the server; it is handed on as it stands."""
    given: dict[str, str] = {}
    for pair in pairs:
        key, _, value = pair.removeprefix(_SERVE).partition("=")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", key, re.IGNORECASE) or not value:
            raise InputError(f"{text!r}: {pair!r} is no {_SERVE}KEY=VALUE")
        if key in given:
            raise InputError(f"{text!r}: {_SERVE}{key} is given twice")
        given[key] = value
    return given


def _read_label(text: str) -> str:
    if len(text) > _LONGEST_LABEL or not text.isprintable() or text != text.strip():
        raise ValueError(f"1 to {_LONGEST_LABEL} printable characters are needed")
    return text


_LONGEST_LABEL = 40
LABEL = Option("label", "tells two otherwise equal names apart", _read_label, identity=True)
"""Every provider takes it whose name is not verbatim; an identity holds it only where given."""


def at_least(lowest: float, kind: type[int] | type[float]) -> Callable[[str], float]:
    """Make a reader of numbers that are not below a bound."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise ValueError(f"{what} of at least {lowest} is needed") from None
        if not lowest <= value < float("inf"):
            raise ValueError(f"a number of at least {lowest} is needed")
        return value

    return read


def one_of(*choices: str) -> Callable[[str], str]:
    """Make a reader of a choice."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)} is needed")
        return text

    return read


def address(text: str) -> str:
    """Read the address of a server."""
    parts = urlsplit(text)
    good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    if not good or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("write http://HOST:PORT/v1")
    return text
