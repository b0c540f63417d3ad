"""Conversion of the arguments of the public functions: data sets, models, judges, divisions."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jasco.api import arguments
from jasco.api.messages import Notify
from jasco.backends.budget import PriceList, read_price_list
from jasco.backends.specs import Spec, open_spec
from jasco.data.dataset import DataSet
from jasco.data.instructions_file import read_instructions
from jasco.data.sources import find_data, find_folder
from jasco.errors import InputError, invalid_value
from jasco.evaluation.distributed.divided_run import Division
from jasco.evaluation.distributed.executors import open_executor
from jasco.judges.judge import Judge
from jasco.judges.panel import open_judges
from jasco.models.function_model import FunctionModel, has_own_name, name_of
from jasco.models.model import Model
from jasco.protocol.instructions import checked_instructions
from jasco.protocol.protocols import protocol_named
from jasco.runs.shards import MOST_SHARDS, Shard


def as_data(data: str | Path | DataSet, notify: Notify) -> DataSet:
    """Return a data set; load it if a name or a folder is given."""
    check_data(data)
    return data if isinstance(data, DataSet) else find_data(str(data), notify)


def check_data(data: object) -> None:
    """Raise ``InputError`` for a value that is not a data set, or its name or folder."""
    is_right = isinstance(data, DataSet) or arguments.is_path(data)
    arguments.check("data", data, is_right, "a name, a folder or a data set")


def as_source(data: str | Path | DataSet | None, notify: Notify) -> DataSet | Path | None:
    """Return a data set, or its folder if a name or a folder is given."""
    if data is None or isinstance(data, DataSet):
        return data
    check_data(data)
    return find_folder(str(data), notify)


def as_division(shard: str | None, shards: int | None, on: str | None) -> Division | None:
    """Return how a run is divided and processed; None if nothing is given.

    Raises
    ------
    InputError
        A value is invalid, or both a shard and an executor or another number of shards are given.
    """
    arguments.check("shard", shard, shard is None or isinstance(shard, str), "K/N or None")
    arguments.check("on", on, on is None or isinstance(on, str), "the name of an executor or None")
    count = 0 if shards is None else arguments.as_positive("shards", shards, " or None")
    if count > MOST_SHARDS:
        raise InputError(invalid_value("--shards", shards, f"expected at most {MOST_SHARDS:,}"))
    if shard is not None:
        if on is not None or shards is not None:
            raise InputError("--shard processes one shard here; omit --shards and --on")
        return Division(shard=Shard.parse(shard))
    if on is None and shards is None:
        return None
    return Division(shards=count, executor=None if on is None else open_executor(on))


def as_judges(judges: str | Sequence[str | Judge]) -> list[Judge]:
    """Return judges, given as judge objects or as specs, each of which may name a panel."""
    arguments.check("judges", judges, isinstance(judges, Iterable), "a list of specs or judges")
    opened: list[Judge] = []
    for judge in [judges] if isinstance(judges, str) else judges:
        if isinstance(judge, str):
            opened += open_judges(judge)
        else:
            arguments.check("judges", judge, _is_provider(judge, "judge"), "specs or judges")
            opened.append(judge)
    return opened


def as_model(model: Any, name: str | None = None, run: str | Path | None = None) -> Model:
    """Return a model, given as a spec, a function or an object with a method ``answer``.

    Parameters
    ----------
    model : str, Model, function or object
        As in :func:`jasco.evaluate`.
    name : str or None
        The name of the model; a run identifies a function or object by it.
    run : str, Path or None
        The run's folder, in which the name must be unique to this model; None for a new run.
    """
    name = arguments.as_name(name)
    if isinstance(model, str):
        opened: Model = open_spec("model", model)
        return opened
    if _is_provider(model, "answer"):
        provider: Model = model
        return provider
    function = FunctionModel.of(model, name)
    if run is not None and not name and not has_own_name(model):
        raise InputError(
            f"{name_of(model)}: not a unique name, and the run identifies the model by it; give "
            "the model a name: name=..."
        )
    return function


def _is_provider(value: object, method: str) -> bool:
    """Return whether a value has a spec and the given method."""
    return isinstance(getattr(value, "spec", None), Spec) and callable(getattr(value, method, None))


def as_protocol(protocol: str | None) -> str | None:
    """Return the name of a protocol; None selects that of the run, or the default."""
    if protocol is None:
        return None
    arguments.check("protocol", protocol, isinstance(protocol, str), "a name or None")
    return protocol_named(protocol).name


def as_instructions(instructions: Path | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return instructions, given as a file or a list; None selects those of the run."""
    if instructions is None:
        return None
    if isinstance(instructions, Path):
        return read_instructions(instructions)
    is_right = (
        isinstance(instructions, Sequence)
        and not isinstance(instructions, str)
        and all(isinstance(text, str) for text in instructions)
    )
    arguments.check("instructions", instructions, is_right, "a list of strings or None")
    return checked_instructions(instructions)


def as_price_list(
    price_in: float | Mapping[str, float] | None, price_out: float | Mapping[str, float] | None
) -> PriceList:
    """Return the prices of tokens."""
    return read_price_list(as_prices("price_in", price_in), as_prices("price_out", price_out))


def as_prices(name: str, prices: float | Mapping[str, float] | None) -> list[str]:
    """Return prices, given as a number or as numbers by name, in the form of the command line."""
    if not isinstance(prices, Mapping):
        return [] if prices is None else [str(prices)]
    is_right = all(isinstance(label, str) and label for label in prices)
    arguments.check(name, prices, is_right, "a number, or numbers by the names of models or judges")
    return [f"{label}={price}" for label, price in prices.items()]
