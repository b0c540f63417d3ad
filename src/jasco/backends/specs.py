"""Specs of models and judges: ``provider/name[,key=value...]``.

A provider is a class, found through the entry points ``jasco.models`` and ``jasco.judges``. It
declares its name and its options, and is created from a :class:`Spec`.

Identity is not transport: options that may change a result form the identity, which is the key in
a run and in the signature; the others only determine where and how fast it runs.
"""

import json
import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from jasco.backends.budget import Budget
from jasco.backends.optional_imports import import_optional
from jasco.backends.options import LABEL, SERVE, Option, defaults, read_options
from jasco.backends.secrets import mask_spec
from jasco.data.dataset import DataSet
from jasco.errors import InputError, near, whole_text

Kind = Literal["model", "judge"]


@dataclass(frozen=True)
class Spec:
    """A spec as the user typed it, checked and with the defaults filled in.

    Attributes
    ----------
    provider, name : str
        The name is empty for a provider that needs none.
    options : mapping
        All options of the provider with their values.
    identity : mapping
        Provider, name and the options that may change a result.
    label : str
        The name in tables and JSON: ``provider/name`` and the identity options that differ from
        their defaults.
    """

    provider: str
    name: str
    options: Mapping[str, Any]
    identity: Mapping[str, Any]
    label: str

    def __reduce__(self) -> tuple[Any, ...]:
        options, identity = _plain(self.options), _plain(self.identity)
        return _unpickled_spec, (self.provider, self.name, options, identity, self.label)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping as a dict, and the mappings in it likewise: proxies cannot be pickled."""
    return {
        name: _plain(value) if isinstance(value, Mapping) else value
        for name, value in options.items()
    }


def _unpickled_spec(
    provider: str, name: str, options: dict[str, Any], identity: dict[str, Any], label: str
) -> Spec:
    return Spec(provider, name, MappingProxyType(options), MappingProxyType(identity), label)


def identity_key(identity: Mapping[str, Any]) -> str:
    """Return an identity as one text, independent of the order of its parts."""
    return json.dumps(dict(identity), sort_keys=True)


class Provider:
    """The base class of models and judges.

    It is created from a :class:`Spec` without doing any work; ``prepare`` loads what it needs.
    """

    NAME: ClassVar[str | None] = None
    """A description of the name after the slash, for help; None if the provider takes no name."""
    raw_name: ClassVar[bool] = False
    """Whether everything after the slash is the name, including commas; options precede it."""
    OPTIONS: ClassVar[Sequence[Option]] = ()
    launches_server: ClassVar[bool] = False
    """Whether it starts a server, which is configured with ``serve.KEY=VALUE``."""
    exclusive: ClassVar[bool] = False
    """Whether it runs alone on this machine: it is prepared, used and closed before the next."""
    recorded: ClassVar[bool] = False
    """Whether it reads a file, with one answer per item and the published instructions."""
    METERED: ClassVar[bool] = False
    """Whether its calls and their tokens are counted, because they may cost money."""
    REVISION: ClassVar[str] = ""
    """Version of the data that ships with it; part of the identity if not empty."""

    spec: Spec
    folder: Path | None = None
    """The run's folder, for logs; None if there is no run."""
    notify: Callable[[str], None] = staticmethod(lambda _: None)
    """Shows a line to the user during the work, such as the reason for a wait."""
    budget: Budget | None = None
    """The budget in which HTTP requests reserve their upper bounds; None if nothing is counted."""
    adaptations: MutableMapping[str, Any]
    """Changes of its requests that its server required; stored in the run."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.adaptations = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a worker creates an equal provider, from its spec alone."""
        return type(self), (self.spec,)

    def __eq__(self, other: object) -> bool:
        """Return whether two providers are created in the same way."""
        if not isinstance(other, Provider):
            return NotImplemented
        return self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash((type(self), self.spec.label))

    def check(self) -> None:
        """Check quickly that the programs that it starts are installed; by default do nothing.

        This is called before the first call to any model or judge.

        Raises
        ------
        InputError
            A program is missing.
        """

    async def prepare(self, data: DataSet) -> None:
        """Load what is needed for this data set; by default do nothing.

        Raises
        ------
        InputError
            Something required is not available, or the data does not match.
        """

    async def close(self) -> None:
        """Release everything; by default do nothing."""

    def fingerprint(self) -> str:
        """Return a hash of the file, folder or code that it uses; empty if there is none.

        The hash is computed before every command, without loading anything: a run refuses a source
        that has changed since its first answer.
        """
        return ""


def providers(kind: Kind) -> dict[str, EntryPoint]:
    """Return the available providers, built-in and installed."""
    return {point.name: point for point in entry_points(group=f"jasco.{kind}s")}


def open_spec(kind: Kind, text: str, other_names: Sequence[str] = ()) -> Any:
    """Return the model or judge that a spec names.

    Parameters
    ----------
    kind : str
        ``model`` or ``judge``.
    text : str
        The spec.
    other_names : sequence of str
        Other names that are accepted in place of a spec, for suggestions.

    Raises
    ------
    InputError
        The provider or an option is unknown, a value is invalid, a name is missing, or the
        provider requires an extra that is not installed.
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
            f"{_suggestion(shown, provider, [*known, *other_names])}"
        )
    import_optional(known[provider].module, f"{kind} {shown!r}", extra=provider)
    provider_class = known[provider].load()
    return provider_class(parse_spec(text, provider_class))


def reopen(kind: Kind, identity: Mapping[str, Any]) -> Any:
    """Return a model or judge recreated from its identity in a run.

    Its transport (address, key, timeout) is no longer known: it can return the requests that it
    sends, but must not be called.

    Returns
    -------
    Model, Judge or None
        None if its provider is no longer installed, or cannot be created from this identity.
    """
    try:
        provider = providers(kind)[identity["provider"]].load()
        options = {key: value for key, value in identity.items() if key not in ("provider", "name")}
        return provider(
            Spec(
                provider=identity["provider"],
                name=identity["name"],
                options=MappingProxyType(defaults(_known_options(provider)) | options),
                identity=MappingProxyType(dict(identity)),
                label="/".join(filter(None, [identity["provider"], identity["name"]])),
            )
        )
    except (ImportError, InputError, KeyError, TypeError, ValueError):
        return None


def _known_options(provider: type[Provider]) -> dict[str, Option]:
    serve = [SERVE] if provider.launches_server else []
    label = [] if provider.raw_name else [LABEL]
    return {option.name: option for option in (*provider.OPTIONS, *serve, *label)}


def _suggestion(text: str, provider: str, known: Sequence[str]) -> str:
    """Format a suggestion, without options, for a text with an unknown provider."""
    name = text.partition(",")[0]
    rest = name.removeprefix(provider)
    if found := near(provider, known):
        return f"; did you mean {' or '.join(nearest + rest for nearest in found)}?"
    if name.lower().endswith(".csv"):
        fitting = ["csv"]
    elif re.fullmatch(r"[\w./]+:\w+", name):
        fitting = ["python"]
    else:
        fitting = ["openai", "vllm", "hf"] if rest else ["openai"]
    specs = [f"{prefix}/{name}" for prefix in fitting if prefix in known]
    return f"; write PROVIDER/NAME: {' or '.join(specs)}" if specs else ""


def parse_spec(text: str, provider: type[Provider]) -> Spec:
    """Parse a spec for the provider that it names.

    If the name is verbatim, options precede the slash: ``worker,env=NAME/COMMAND``.
    """
    head, slash, name = text.partition("/")
    pairs: list[str] = []
    if provider.raw_name:
        head, *pairs = head.split(",")
    elif "," in head:  # no name, or none before the first option
        (head, *pairs), slash, name = text.split(","), "", ""
    else:
        name, *pairs = name.split(",")
    shown = mask_spec(text)
    if provider.NAME is None and name:
        raise InputError(f"{shown!r}: {head} takes no name; write {head}[,key=value...]")
    if provider.NAME is not None and not name:
        raise InputError(f"{shown!r}: missing name; write {head}/{provider.NAME}")
    is_path = "/" in name and "://" not in name  # a file, or an organisation's model
    if not provider.raw_name and not is_path and (masked := mask_spec(name)) != name:
        raise InputError(
            f"{head}/{masked}: the name contains what looks like a key or a password, and names "
            "are shown and stored; remove it from the name"
        )
    known = _known_options(provider)
    options = read_options(shown, pairs, known)
    identity: dict[str, Any] = {"provider": head, "name": name}
    if provider.REVISION:
        identity["revision"] = provider.REVISION
    label = [head + slash + name]
    for option in known.values():
        value = options[option.name]
        if option.identity and value != option.default:
            label += _pairs(option.name, value if option.family or value is None else str(value))
        if option.identity and (value != option.default or not option.if_given):
            identity[option.name] = value
    return Spec(
        provider=head,
        name=name,
        options=MappingProxyType(options),
        identity=MappingProxyType(identity),
        label=",".join(label),
    )


def _pairs(name: str, value: Any) -> list[str]:
    """Format an identity option as ``key=value``; a family as several pairs."""
    if isinstance(value, Mapping):
        return [pair for key, part in value.items() for pair in _pairs(f"{name}.{key}", part)]
    if value is None:
        return [f"{name}=none"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return [f"{name}={text}"]
