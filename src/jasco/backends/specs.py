"""How a user names a model or a judge: ``provider/name[,key=value...]``.

A provider is a class, found through the entry points ``jasco.models`` and ``jasco.judges``. It
says what its name means and which options it takes; it is made from a :class:`Spec`.

Identity is not transport: options that may change a number make up the identity (they key the
run and the signature), the others only say where and how fast.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from jasco.backends.budget import Budget
from jasco.backends.secrets import is_secret_name, mask_spec, shown_variable
from jasco.data.dataset import DataSet
from jasco.errors import InputError, did_you_mean, near, whole_text

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
    family : bool
        Whether it stands for ``name.KEY=VALUE``, any key; the value is then a mapping, or None.
    if_given : bool
        Whether the identity holds it only where it differs from its default: so it does for
        options that came later than runs that do not know them.
    """

    name: str
    help: str
    read: Callable[[str], Any] = str
    default: Any = None
    identity: bool = False
    repeatable: bool = False
    family: bool = False
    if_given: bool = False


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


def _say_nothing(_: str) -> None:
    """Ignore a line."""


class Provider:
    """The base class of models and judges.

    It is made from a :class:`Spec` without doing any work; ``prepare`` loads what it needs.
    """

    NAME: ClassVar[str | None] = None
    """What the name after the slash is, for help; None where the provider takes none."""
    raw_name: ClassVar[bool] = False
    """Whether everything after the slash is the name, commas included; options stand before it."""
    OPTIONS: ClassVar[Sequence[Option]] = ()
    launches_server: ClassVar[bool] = False
    """Whether it starts a server, which ``serve.KEY=VALUE`` is for."""
    exclusive: ClassVar[bool] = False
    """Whether it takes the machine for itself: it is prepared, used and closed before the next."""
    METERED: ClassVar[bool] = False
    """Whether its calls and their tokens are counted, because they may cost something."""
    REVISION: ClassVar[str] = ""
    """Which version of the data that it ships; part of the identity where there is one."""

    spec: Spec
    folder: Path | None = None
    """The run's folder, for logs; None where there is no run."""
    notify: Callable[[str], None] = staticmethod(_say_nothing)
    """Says a line to the user while it works, such as why it waits."""
    budget: Budget | None = None
    """Where every HTTP request is to reserve what it may take; None where nothing is counted."""
    adaptations: MutableMapping[str, Any]
    """How its requests differ from the usual because its server asked for it; kept in the run."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.adaptations = {}

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
    shown = mask_spec(text)
    if text != whole_text(text):
        raise InputError(f"{kind} {shown!r}: not UTF-8")
    known = providers(kind)
    provider = re.split("[/,]", text, maxsplit=1)[0]
    if provider not in known:
        provider = re.split("[/,]", shown, maxsplit=1)[0]
        raise InputError(
            f"{kind} {shown!r}: provider {provider!r} is unknown; see: jasco {kind}s"
            f"{_meant(shown, provider, [*known, *other_names])}"
        )
    try:
        made_by = known[provider].load()
    except ModuleNotFoundError as error:
        raise InputError(
            f"{kind} {shown!r} needs {error.name}: pip install 'jasco[{provider}]'"
        ) from error
    return made_by(parse_spec(text, made_by))


def reopen(kind: Kind, identity: Mapping[str, Any]) -> Any:
    """Make a model or judge again from the identity that a run holds of it.

    Its transport (address, key, timeout) is not known any more: it can tell what it sends, and is
    not to be asked anything.

    Returns
    -------
    Model, Judge or None
        None where its provider is not installed any more, or cannot be made of this identity.
    """
    known = providers(kind)
    if identity.get("provider") not in known:
        return None
    try:
        made_by = known[identity["provider"]].load()
        return made_by(_spec_of(identity, made_by))
    except (ImportError, InputError, KeyError, TypeError, ValueError):
        return None


def _spec_of(identity: Mapping[str, Any], provider: type[Provider]) -> Spec:
    options: dict[str, Any] = {
        option.name: () if option.repeatable else option.default for option in provider.OPTIONS
    }
    options |= {"serve": {}} if provider.launches_server else {}
    options |= {key: each for key, each in identity.items() if key not in ("provider", "name")}
    return Spec(
        provider=identity["provider"],
        name=identity["name"],
        options=MappingProxyType(options),
        identity=MappingProxyType(dict(identity)),
        label="/".join(filter(None, [identity["provider"], identity["name"]])),
    )


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
    """Read a spec for the provider that it names.

    Where its name is verbatim, options stand before the slash: ``worker,env=NAME/COMMAND``.
    """
    head, slash, rest = text.partition("/")
    pairs: list[str] = []
    if provider.raw_name:
        head, *pairs = head.split(",")
    else:
        if "," in head:  # no name, or none before the first option
            (head, *pairs), slash, rest = text.split(","), "", ""
        else:
            rest, *pairs = rest.split(",")
    if provider.NAME is None and rest:
        raise InputError(f"{mask_spec(text)!r}: {head} takes no name; write {head}[,key=value...]")
    if provider.NAME is not None and not rest:
        raise InputError(f"{mask_spec(text)!r}: write {head}/{provider.NAME}")
    is_path = "/" in rest and "://" not in rest  # of a file, or an organisation's model
    if not provider.raw_name and not is_path and (shown := mask_spec(rest)) != rest:
        raise InputError(
            f"{head}/{shown}: the name holds what looks like a key or a password, and names are "
            "shown and kept; write it without"
        )
    serve = [pair for pair in pairs if provider.launches_server and pair.startswith(_SERVE)]
    pairs = [pair for pair in pairs if pair not in serve]
    labelled = not provider.raw_name and any(pair.startswith("label=") for pair in pairs)
    known = (*provider.OPTIONS, LABEL) if labelled else provider.OPTIONS
    options = _read_options(
        text, pairs, {option.name: option for option in known}, verbatim=provider.raw_name
    )
    if provider.launches_server:
        options["serve"] = _read_serve(text, serve)
    identifying = [option for option in known if option.identity]
    given = [option for option in identifying if options[option.name] != option.default]
    told = [each for option in given for each in _written(option, options[option.name])]
    return Spec(
        provider=head,
        name=rest,
        options=MappingProxyType(options),
        identity=MappingProxyType(
            {"provider": head, "name": rest}
            | ({"revision": provider.REVISION} if provider.REVISION else {})
            | {
                option.name: options[option.name]
                for option in identifying
                if not option.if_given or option in given
            }
        ),
        label=",".join([head + slash + rest, *told]),
    )


def _read_options(
    text: str, pairs: list[str], known: dict[str, Option], *, verbatim: bool
) -> dict[str, Any]:
    given: dict[str, list[Any]] = {}
    families: dict[str, dict[str, Any]] = {}
    shown = mask_spec(text)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        family, dot, rest = key.partition(".")
        if dot and family in known and known[family].family and not is_secret_name(rest):
            if not equals or not value:
                raise InputError(f"{shown!r}: {key} has no value; write {key}=...")
            try:
                _put(families.setdefault(family, {}), rest, value)
            except ValueError as error:
                raise InputError(f"{shown!r}: {mask_spec(pair)} is no good: {error}") from None
            continue
        if key not in known or known[key].family:
            raise InputError(f"{shown!r}: {_unknown(pair, known, verbatim=verbatim)}")
        if not equals or not value:
            raise InputError(f"{shown!r}: {key} has no value; write {key}=...")
        if key.endswith("_env") and shown_variable(value) != value:
            raise InputError(
                f"{shown!r}: the environment has no variable of that name; {key} takes the name "
                "of the variable that holds the key, not the key"
            )
        if key in given and not known[key].repeatable:
            raise InputError(f"{shown!r}: {key} is given twice")
        try:
            given.setdefault(key, []).append(_read_value(known[key], value))
        except ValueError as error:
            raise InputError(f"{shown!r}: {mask_spec(pair)} is no good: {error}") from None
    for name, values in families.items():
        try:
            known[name].read(json.dumps(values))
        except ValueError as error:
            raise InputError(f"{shown!r}: {error}") from None
    return {
        name: families.get(name)
        if option.family
        else tuple(given.get(name, ()))
        if option.repeatable
        else given.get(name, [option.default])[0]
        for name, option in known.items()
    }


def _put(values: dict[str, Any], path: str, text: str) -> None:
    """Put a value where a dotted key says; it is JSON where it reads as such, else a text."""
    *parents, name = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ValueError(f"{parent} has a value of its own already")
    if not all([*parents, name]):
        raise ValueError("a part of the key is empty")
    if name in values:
        raise ValueError("it is given twice")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if _holds_secret_name(value):
        raise ValueError("keys are never typed into a spec; take api_key_env=NAME")
    values[name] = canonical(value)


def _holds_secret_name(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(is_secret_name(key) or _holds_secret_name(each) for key, each in value.items())
    return isinstance(value, list) and any(map(_holds_secret_name, value))


def _written(option: Option, value: Any, prefix: str = "") -> list[str]:
    """Write an option of the identity as ``key=value``; a family as several."""
    name = prefix or option.name
    if option.family and isinstance(value, Mapping):
        return [
            each for key, part in value.items() for each in _written(option, part, f"{name}.{key}")
        ]
    if value is None:
        return [f"{name}=none"]
    if option.family and not isinstance(value, str):
        return [f"{name}={json.dumps(value, ensure_ascii=False)}"]
    return [f"{name}={value}"]


def _unknown(pair: str, known: Mapping[str, Option], *, verbatim: bool) -> str:
    key = pair.partition("=")[0].strip()
    if "api_key_env" in known and is_secret_name(key):
        return (
            f"{key!r} is no option: keys are never typed into a spec; set an environment variable "
            "to the key and write api_key_env=NAME"
        )
    named = [f"{name}.KEY" if option.family else name for name, option in known.items()]
    names = named if verbatim else [*dict.fromkeys([*named, LABEL.name])]
    takes = f"it takes {', '.join(names)}" if names else "it takes no options"
    return f"unknown key {mask_spec(f',{key}')[1:]!r}; {takes}{did_you_mean(key, names)}"


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
            raise InputError(f"{mask_spec(text)!r}: {mask_spec(pair)!r} is no {_SERVE}KEY=VALUE")
        if key in given:
            raise InputError(f"{mask_spec(text)!r}: {_SERVE}{key} is given twice")
        given[key] = value
    return given


def _read_label(text: str) -> str:
    if len(text) > _LONGEST_LABEL or not text.isprintable() or text != text.strip():
        raise ValueError(f"1 to {_LONGEST_LABEL} printable characters are needed")
    return text


_LONGEST_LABEL = 40
LABEL = Option(
    "label", "tells two otherwise equal names apart", _read_label, identity=True, if_given=True
)
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


def true_or_false(text: str) -> bool:
    """Read ``true`` or ``false``."""
    if text not in ("true", "false"):
        raise ValueError("true or false is needed")
    return text == "true"


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
