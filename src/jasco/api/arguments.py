"""Arguments of the public functions: checked, and opened where they name something."""

import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jasco.api.messages import Notify
from jasco.backends.specs import Spec, open_spec
from jasco.data.dataset import DataSet
from jasco.data.instructions_file import read_instructions
from jasco.data.sources import find_data
from jasco.errors import InputError, one_line
from jasco.judges.judge import Judge
from jasco.judges.panel import open_judges
from jasco.models.function_model import FunctionModel, has_own_name, name_of
from jasco.models.model import Model
from jasco.protocol.instructions import checked_instructions
from jasco.protocol.protocols import protocol_named


def as_paths(target: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the paths of what is to be scored."""
    targets = [target] if isinstance(target, str | os.PathLike) else target
    paths = list(targets) if isinstance(targets, Iterable) else []
    is_right = bool(paths) and all(map(is_path, paths))
    check("target", target, is_right, "a run or judged CSV files")
    return [Path(path) for path in paths]


def as_data(data: str | Path | DataSet, notify: Notify) -> DataSet:
    """Return a data set, opened where it is a name or a folder."""
    if isinstance(data, DataSet):
        return data
    check("data", data, is_path(data), "a name, a folder or a data set")
    return find_data(str(data), notify)


def as_judges(judges: Sequence[str | Judge]) -> list[Judge]:
    """Return the judges of specs, of which one may name a panel, and of judges made already."""
    check("judges", judges, isinstance(judges, Iterable), "a list of specs or judges")
    opened: list[Judge] = []
    for judge in [judges] if isinstance(judges, str) else judges:
        if isinstance(judge, str):
            opened += open_judges(judge)
        else:
            check("judges", judge, _is_provider(judge, "judge"), "specs or judges")
            opened.append(judge)
    return opened


def as_model(model: Any, name: str | None = None, run: str | Path | None = None) -> Model:
    """Return the model of a spec, a function or an object with a method ``answer``.

    Parameters
    ----------
    model : str, Model, function or object
        As of :func:`jasco.evaluate`.
    name : str or None
        The name of a function or object.
    run : str, Path or None
        The run's folder, in which the name must stand for this model alone; None is a new run.
    """
    is_name = name is None or (isinstance(name, str) and name.strip())
    check("name", name, is_name, "a text that is not empty")
    if isinstance(model, str) or _is_provider(model, "answer"):
        opened: Model = open_spec("model", model) if isinstance(model, str) else model
        if name:
            raise InputError(f"{opened.spec.label}: it has a name; leave out name={name!r}")
        return opened
    function = FunctionModel.of(model, name)
    if run is not None and not name and not has_own_name(model):
        raise InputError(
            f"the run could take this model for another one: {name_of(model)} is not the name of "
            "one function only; give it one of its own: name=..."
        )
    return function


def _is_provider(value: object, method: str) -> bool:
    """Return whether a value was made of a spec, and has the method that is needed."""
    return isinstance(getattr(value, "spec", None), Spec) and callable(getattr(value, method, None))


def as_protocol(protocol: str | None) -> str | None:
    """Return the name of a protocol, None for the run's own or the default."""
    if protocol is None:
        return None
    check("protocol", protocol, isinstance(protocol, str), "a name or None")
    return protocol_named(protocol).name


def as_instructions(instructions: Path | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the instructions of a file or a list, None for those of the run."""
    if instructions is None:
        return None
    if isinstance(instructions, Path):
        return read_instructions(instructions)
    is_right = (
        isinstance(instructions, Sequence)
        and not isinstance(instructions, str)
        and all(isinstance(text, str) for text in instructions)
    )
    check("instructions", instructions, is_right, "a list of texts or None")
    return checked_instructions(instructions)


def as_positive(name: str, value: Any, otherwise: str = "") -> int:
    """Return any kind of positive integer, those of numpy too, as an int."""
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    check(name, value, number > 0, f"a positive integer{otherwise}")
    return number


def as_boolean(name: str, value: bool) -> bool:
    """Return True or False, and refuse other values, even those that are true or false."""
    check(name, value, isinstance(value, bool), "True or False")
    return value


def as_prices(name: str, prices: float | Mapping[str, float] | None) -> list[str]:
    """Return prices as on the command line, from a number or from numbers by name."""
    if not isinstance(prices, Mapping):
        return [] if prices is None else [str(prices)]
    is_right = all(isinstance(label, str) and label for label in prices)
    check(name, prices, is_right, "a number, or numbers by the names of models or judges")
    return [f"{label}={price}" for label, price in prices.items()]


def is_path(value: object) -> bool:
    """Return whether a value can name a file or folder."""
    text = str(value) if isinstance(value, str | os.PathLike) else ""
    return bool(text.strip()) and "\0" not in text


def check(name: str, value: object, is_right: object, wanted: str) -> None:
    """Raise ``InputError`` for an argument that is not right."""
    if not is_right:
        raise InputError(f"{name} must be {wanted}: got {one_line(repr(value), 80)}")
