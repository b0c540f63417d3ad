"""User code: importing a function, and locating where an exception was raised."""

import functools
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from jasco.backends.secrets import mask_spec
from jasco.errors import InputError, one_line

_LIBRARIES = (
    "<frozen ",
    str(Path(__file__).parents[1]) + os.sep,
    *(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)
"""Prefixes of the paths of code that is not the user's."""
_LONGEST_LINE = 100


def import_function(name: str) -> Callable[..., Any]:
    """Import a function by ``module:function`` or ``path/to/file.py:function``.

    Raises
    ------
    InputError
        The module or function does not exist, or the import fails.
    """
    module_name, colon, function_name = name.rpartition(":")
    if not colon:
        raise InputError(f"python/{name}: missing function; write python/module:function")
    try:
        module = _import_module(name, module_name)
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # the user's module may raise anything
        reason, place = f"{type(error).__name__}: {one_line(error)}", raised_at(error)
        where = f" at {place}" if place else ""
        raise InputError(f"python/{name}: cannot be imported ({reason}){where}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(f"python/{name}: {module_name} has no function {function_name}")
    return function  # type: ignore[no-any-return]


def source_file(module_name: str) -> list[Path]:
    """Return the file of a module without importing it; empty if it is not found."""
    if module_name.endswith(".py"):
        return [Path(module_name)]
    _append_to_path(Path.cwd())
    found = _find_spec(module_name)
    return [Path(found.origin)] if found and found.origin else []


def _import_module(name: str, module_name: str) -> ModuleType:
    if not module_name.endswith(".py"):
        _check_not_shadowed(name, module_name)
        _append_to_path(Path.cwd())
        return importlib.import_module(module_name)
    # By path, not by name: another module may have this name.
    path = Path(module_name).resolve()
    name = f"_{path.stem}_file" if _find_spec(path.stem) else path.stem
    _append_to_path(path.parent)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)  # so that its definitions can be pickled
    spec.loader.exec_module(module)
    return module


def _check_not_shadowed(name: str, module_name: str) -> None:
    """Raise ``InputError`` if a module in the working folder is shadowed by an installed one."""
    top = module_name.partition(".")[0]
    for mine in (Path.cwd() / f"{top}.py", Path.cwd() / top / "__init__.py"):
        found = _find_spec(top) if mine.is_file() else None
        if found and not (found.origin and Path(found.origin).resolve() == mine.resolve()):
            raise InputError(
                f"python/{name}: {mine} has the same name as an installed library "
                f"({found.origin or top}), which takes precedence; rename it, or give its path: "
                f"python/path/to/{top}.py:function"
            )


def _find_spec(name: str) -> ModuleSpec | None:
    with suppress(Exception):  # not a module name, or its parent package fails
        return importlib.util.find_spec(name)
    return None


def _append_to_path(folder: Path) -> None:
    """Append a folder to the module search path, so that it cannot shadow installed modules."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def raised_at(error: BaseException, file: str = "") -> str:
    """Return the location in the user's code at which an exception was raised.

    Parameters
    ----------
    error : BaseException
        An exception that was caught.
    file : str
        The file of the user's code, as in its code objects.

    Returns
    -------
    str
        ``FILE:LINE: SOURCE`` of the innermost frame in that file or, if there is none, of the
        innermost frame outside libraries; empty if there is none either.
    """
    found, fallback = None, None
    for frame in traceback.extract_tb(error.__traceback__):
        if file and frame.filename == file:
            found = frame
        elif not frame.filename.startswith(_LIBRARIES):
            fallback = frame
    if not (place := found or fallback):
        return ""
    where = f"{one_line(_short(place.filename))}:{place.lineno}"
    return f"{where}: {one_line(mask_spec(place.line), _LONGEST_LINE)}" if place.line else where


def _short(name: str) -> str:
    """Return a path relative to the working folder, or else the file name alone."""
    try:
        return str(Path(name).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return Path(name).name


def file_of(function: Callable[..., Any]) -> str:
    """Return the file of a function's code, as in tracebacks; empty if it has none."""
    while isinstance(function, functools.partial):
        function = function.func
    inner: Any = inspect.unwrap(function)
    code = getattr(inner, "__code__", None) or getattr(inner.__call__, "__code__", None)
    return str(getattr(code, "co_filename", ""))
