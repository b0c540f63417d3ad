"""The plan of a sweep: its models, data sets and judges, read from a TOML file."""

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from jasco.backends.budget import read_limits, read_price_list
from jasco.backends.secrets import mask_spec
from jasco.data.dataset import MINI, PUBLISHED
from jasco.data.instructions_file import read_instructions
from jasco.errors import (
    InputError,
    did_you_mean,
    did_you_mean_path,
    invalid_value,
    one_line,
    whole_text,
)
from jasco.evaluation.distributed.checkpoints import SeenCheckpoints, absolute, step_of
from jasco.evaluation.job import Job
from jasco.judges.judge import Judge
from jasco.judges.panel import open_judges
from jasco.protocol.protocols import protocol_named

SETTLE = 60.0
"""Seconds without a change after which a checkpoint counts as written, unless the plan differs."""
SEEN_FILE = ".checkpoints.json"
_LONGEST_NAME = 200
_LONGEST_SLUG = 60
_DIGITS = 8  # of the hash in the name of a folder
_PLACEHOLDERS = ("checkpoint", "step")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class ModelEntry:
    """A model of the plan, or the checkpoints of one.

    Attributes
    ----------
    spec : str
        The spec; for checkpoints, with ``{checkpoint}`` or ``{step}``.
    name : str or None
        The name in tables; for checkpoints, it may contain the same placeholders.
    checkpoints : str or None
        The glob pattern of the checkpoints.
    options : mapping
        Options that override those of the plan.
    """

    spec: str
    name: str | None
    checkpoints: str | None
    options: Mapping[str, Any]

    @property
    def series(self) -> str:
        """The name of the curve over its checkpoints; empty for a single model."""
        if not self.checkpoints:
            return ""
        return _PLACEHOLDER.sub("", self.name or "").strip(" -_/.,:") or self.checkpoints


@dataclass(frozen=True)
class DataEntry:
    """A data set of the plan: its name or folder, its name in tables, and its options."""

    source: str
    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One model on one data set, which is one run.

    Attributes
    ----------
    model, data : str
        Their names in tables.
    folder : pathlib.Path
        The run's folder.
    spec : str or None
        The model's spec; None if the checkpoint no longer exists, so that only its answers can be
        judged.
    source : str
        The name or folder of the data set.
    name : str or None
        The name that the run stores; None for the label of the model.
    step : int or None
        The step of a checkpoint.
    series : str
        The name of the curve to which a checkpoint belongs; empty for a single model.
    settings : mapping of str to object
        Further attributes of its :class:`~jasco.evaluation.job.Job`.
    """

    model: str
    data: str
    folder: Path
    spec: str | None
    source: str
    name: str | None
    step: int | None
    series: str
    settings: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.model} on {self.data}"


@dataclass(frozen=True)
class PlannedModel:
    """A model of the sweep, with one cell for each data set.

    Attributes
    ----------
    name : str
        Its name in tables.
    folder : pathlib.Path
        The folder of its runs.
    pattern : str or None
        The pattern that matched its checkpoint.
    checkpoint : pathlib.Path or None
        The folder of its checkpoint.
    cells : tuple of Cell
        One for each data set.
    """

    name: str
    folder: Path
    pattern: str | None
    checkpoint: Path | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep evaluates.

    Attributes
    ----------
    path : pathlib.Path
        The file of the plan.
    root : pathlib.Path
        The folder of all runs.
    judges : tuple of Judge
        The judges of every run.
    models : tuple of ModelEntry
    data : tuple of DataEntry
    options : mapping
        Options of all runs.
    settle : float
        Seconds without a change after which a checkpoint counts as written.
    """

    path: Path
    root: Path
    judges: tuple[Judge, ...]
    models: tuple[ModelEntry, ...]
    data: tuple[DataEntry, ...]
    options: Mapping[str, Any]
    settle: float = SETTLE

    @property
    def folder(self) -> Path:
        """The folder of the plan, to which its paths are relative."""
        return self.path.parent

    @property
    def seen(self) -> SeenCheckpoints:
        """The checkpoints that the sweep has evaluated."""
        return SeenCheckpoints(self.root / SEEN_FILE)

    def model(
        self, entry: ModelEntry, checkpoint: Path | None = None, *, exists: bool = True
    ) -> PlannedModel:
        """Return a model of the sweep: that of an entry, or one of its checkpoints.

        Raises
        ------
        InputError
            The name or spec requires the number of a step, and the folder's name contains none.
        """
        step = step_of(checkpoint) if checkpoint else None
        spec, name = entry.spec, entry.name or mask_spec(entry.spec).partition(",")[0]
        if checkpoint:
            spec = self._filled(spec, checkpoint, step)
            name = self._filled(entry.name or checkpoint.name, checkpoint, step)
            name = one_line(whole_text(name), _LONGEST_NAME)
        folder = self.root / folder_name(name)
        cells = tuple(
            Cell(
                model=name,
                data=data.name,
                folder=folder / folder_name(data.name),
                spec=spec if exists else None,
                source=data.source,
                name=name if checkpoint else entry.name,
                step=step,
                series=entry.series,
                settings=_job_settings(
                    {**self.options, **data.options, **entry.options}, self.folder
                ),
            )
            for data in self.data
        )
        return PlannedModel(name, folder, entry.checkpoints, checkpoint, cells)

    def _filled(self, text: str, checkpoint: Path, step: int | None) -> str:
        if "{step}" in text and step is None:
            raise InputError(f"{checkpoint}: no number for {{step}} in the name of the folder")
        return text.replace("{checkpoint}", str(checkpoint)).replace("{step}", str(step))


def check_distinct(models: Iterable[PlannedModel]) -> None:
    """Raise ``InputError`` if two models have the same folder."""
    by_folder: dict[str, PlannedModel] = {}
    for model in models:
        other = by_folder.setdefault(_key(model.folder.name), model)
        if other is not model:
            both = [str(each.checkpoint or each.name) for each in (other, model)]
            raise InputError(
                f"{' and '.join(both)}: two models have the same folder {model.folder}; give each "
                "a different name in the plan: name = ..."
            )


def folder_name(name: str) -> str:
    """Return a name for a folder: readable, safe on all file systems, and always the same.

    A name that is not changed needs no hash.

    Examples
    --------
    >>> folder_name("step-1000"), folder_name("openai/Qwen2-Audio")
    ('step-1000', 'openai-Qwen2-Audio-65d266f2')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub("[^A-Za-z0-9._-]+", "-", plain).strip("-.")[:_LONGEST_SLUG].rstrip("-.")
    if slug and slug == name:
        return name
    digest = hashlib.sha256(whole_text(name).encode()).hexdigest()[:_DIGITS]
    return f"{slug}-{digest}" if slug else digest


def _key(folder: str) -> str:
    return folder.casefold()  # some file systems ignore the case


# --- reading ---


@dataclass(frozen=True)
class _Kind:
    """The values that a key of the plan can have."""

    expected: str
    is_right: Callable[[Any], Any]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def _is_number(value: Any, lowest: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and isfinite(value) and value >= lowest


def _is_price(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(_is_number(price, 0) for price in value.values())
    return _is_number(value, 0)


_TEXT = _Kind("a string", _is_text)
_NAME = _Kind(
    f"one line of 1 to {_LONGEST_NAME} characters",
    lambda value: _is_text(value) and one_line(value, _LONGEST_NAME) == value,
)
_COUNT = _Kind("a positive integer", lambda value: type(value) is int and 0 < value < 10**15)
_SWITCH = _Kind("true or false", lambda value: isinstance(value, bool))
_AMOUNT = _Kind("a number > 0", lambda value: _is_number(value, 0) and value > 0)
_PRICE = _Kind("a number >= 0, or a table of numbers by the names of models or judges", _is_price)
_LIST = _Kind("a list that is not empty", lambda value: isinstance(value, list) and value)
_TABLE = _Kind("a table", lambda value: isinstance(value, Mapping))
_SECONDS = _Kind("a number of seconds >= 0", lambda value: _is_number(value, 0))

_PLAN = {
    "run_root": _TEXT, "judges": _LIST, "data": _LIST, "models": _LIST, "options": _TABLE,
    "settle": _SECONDS,
}  # fmt: skip
_OPTIONS = {
    "concurrency": _COUNT, "samples": _COUNT, "limit": _COUNT, "protocol": _TEXT,
    "instructions": _TEXT, "preflight": _SWITCH, "retry_final": _SWITCH, "max_calls": _COUNT,
    "max_tokens": _COUNT, "max_cost": _AMOUNT, "price_in": _PRICE, "price_out": _PRICE,
}  # fmt: skip
PLAN_KEYS, OPTION_KEYS = tuple(_PLAN), tuple(_OPTIONS)
"""The keys of a plan and of its options."""
_MODEL = {"spec": _TEXT, "name": _NAME, "checkpoints": _TEXT, **_OPTIONS}
_JUDGE = {"spec": _TEXT}
_DATA = {"data": _TEXT, "name": _NAME, "limit": _COUNT}


def read_plan(path: Path) -> SweepPlan:
    """Read the plan of a sweep.

    Raises
    ------
    InputError
        The file cannot be read, or a key or value in it is invalid.
    """
    values = _checked(str(path), _read_toml(path), _PLAN, ("run_root", "judges", "data", "models"))
    options = _checked(f"{path}: options", values.get("options", {}), _OPTIONS)
    folder = path.parent
    models = tuple(_models(path, values["models"]))
    data = tuple(_data(path, values["data"]))
    with _in_file(path):
        for each in (*(entry.options for entry in models), *(entry.options for entry in data)):
            _job_settings({**options, **each}, folder)
    names = [_key(folder_name(entry.name)) for entry in data]
    series = [entry.series for entry in models if entry.checkpoints]
    for key, used, shown in (
        ("data", names, [entry.name for entry in data]),
        ("models", series, series),
    ):
        for place, name in enumerate(used):
            if name in used[:place]:
                raise InputError(
                    f"{path}: {key}: two entries have the same name {shown[place]!r}; give each a "
                    "different name: name = ..."
                )
    root = absolute(folder, values["run_root"])
    judges = tuple(_judges(path, values["judges"]))
    settle = float(values.get("settle", SETTLE))
    plan = SweepPlan(path, root, judges, models, data, options, settle)
    with _in_file(path):
        check_distinct(plan.model(entry) for entry in models if not entry.checkpoints)
        _check_prices(plan)
    return plan


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: invalid TOML: {one_line(error)}") from None
    except RecursionError:
        raise InputError(f"{path}: invalid TOML: nested too deeply") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        hint = did_you_mean_path(path)
        raise InputError(f"{path}: cannot be read ({error.strerror or error}){hint}") from None
    except ValueError as error:  # a date or number out of range
        raise InputError(f"{path}: invalid TOML: {one_line(error)}") from None


def _checked(
    where: str, values: Any, kinds: Mapping[str, _Kind], required: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the values of a table, after checking its keys and their values."""
    for key, value in values.items():
        if key not in kinds:
            raise InputError(
                f"{where}: unknown key {one_line(key, 60)!r} (expected one of: "
                f"{', '.join(kinds)}){did_you_mean(key, kinds)}"
            )
        if not kinds[key].is_right(value):
            raise InputError(
                invalid_value(f"{where}: {key}", value, f"expected {kinds[key].expected}")
            )
    for key in required:
        if key not in values:
            raise InputError(f"{where}: missing key {key!r}; give {key} = {kinds[key].expected}")
    return dict(values)


def _entries(
    path: Path, key: str, entries: Sequence[Any], kinds: Mapping[str, _Kind], main: str
) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield the entries of a list as tables, each with its place; a string is the main key."""
    for number, entry in enumerate(entries, start=1):
        where = f"{path}: {key}, entry {number}"
        table = {main: entry} if isinstance(entry, str) else entry
        if not isinstance(table, Mapping):
            raise InputError(invalid_value(where, entry, "expected a string or a table"))
        yield where, _checked(where, table, kinds, (main,))


def _models(path: Path, entries: Sequence[Any]) -> Iterable[ModelEntry]:
    for where, table in _entries(path, "models", entries, _MODEL, "spec"):
        spec, name, pattern = (table.pop(key, None) for key in ("spec", "name", "checkpoints"))
        names = _PLACEHOLDER.findall(f"{spec} {name or ''}")
        if pattern is None and {*names} & {*_PLACEHOLDERS}:
            raise InputError(f"{where}: {{{names[0]}}} requires the key 'checkpoints'")
        if pattern is not None:
            for each in names:
                if each not in _PLACEHOLDERS:
                    raise InputError(
                        f"{where}: unknown placeholder {{{each}}} (expected one of: "
                        f"{{checkpoint}}, {{step}}){did_you_mean(each, _PLACEHOLDERS)}"
                    )
            if not _PLACEHOLDER.search(spec):
                raise InputError(
                    f"{where}: spec: missing {{checkpoint}} or {{step}}; all checkpoints would be "
                    "the same model"
                )
        yield ModelEntry(spec, name, pattern, table)


def _data(path: Path, entries: Sequence[Any]) -> Iterable[DataEntry]:
    for _, table in _entries(path, "data", entries, _DATA, "data"):
        source, name = table.pop("data"), table.pop("name", None)
        if source not in (MINI, PUBLISHED):
            name = name or one_line(Path(source).name or source, _LONGEST_NAME)
            source = str(absolute(path.parent, source))
        yield DataEntry(source, name or source, table)


def _judges(path: Path, entries: Sequence[Any]) -> list[Judge]:
    with _in_file(path):
        judges = [
            judge
            for _, table in _entries(path, "judges", entries, _JUDGE, "spec")
            for judge in open_judges(table["spec"])
        ]
        Job(path.parent, None, None, judges)  # checks that they are distinct
    return judges


@contextmanager
def _in_file(path: Path) -> Iterator[None]:
    """Begin the messages of errors with the file of the plan."""
    try:
        yield
    except InputError as error:
        if str(error).startswith(str(path)):
            raise
        raise InputError(f"{path}: {error}") from None


def _job_settings(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return options of a plan as attributes of a job."""
    settings = dict(options)
    limits = [settings.pop(key, None) for key in ("max_calls", "max_tokens", "max_cost")]
    prices = [_prices(settings.pop(key, None)) for key in ("price_in", "price_out")]
    if "protocol" in settings:
        settings["protocol"] = protocol_named(settings["protocol"]).name
    if "instructions" in settings:
        settings["instructions"] = read_instructions(folder / settings["instructions"])
    return {**settings, "limits": read_limits(*limits), "prices": read_price_list(*prices)}


def _prices(prices: float | Mapping[str, float] | None) -> list[str]:
    if isinstance(prices, Mapping):
        return [f"{label}={price}" for label, price in prices.items()]
    return [] if prices is None else [str(prices)]


def _check_prices(plan: SweepPlan) -> None:
    """Raise ``InputError`` for the price of a name that is not a model or judge of the plan."""
    known = [entry.spec.partition(",")[0] for entry in plan.models]
    known += [judge.spec.label for judge in plan.judges]
    heads = {label.partition(",")[0] for label in known}
    for entry in plan.models:
        prices = _job_settings({**plan.options, **entry.options}, plan.folder)["prices"]
        for name in {*prices.into, *prices.out} - {""}:
            if name.partition(",")[0] not in heads:
                raise InputError(
                    f"price of {one_line(name)}: no such model or judge (expected one of: "
                    f"{', '.join(known)}){did_you_mean(name, known)}"
                )
