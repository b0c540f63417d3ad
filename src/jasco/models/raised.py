"""Where in a user's own code an exception was raised."""

import functools
import inspect
import linecache
import os
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from jasco.backends.secrets import mask_spec
from jasco.errors import one_line

_LIBRARIES = (
    "<frozen ",
    str(Path(__file__).parents[1]) + os.sep,
    *(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)
"""What the paths of code begin with that is not the user's own."""
_LONGEST_LINE = 100


def raised_at(error: BaseException, file: str = "") -> str:
    """Give the place in the user's code at which an exception was raised.

    Parameters
    ----------
    error : BaseException
        An exception that was caught.
    file : str
        The file of the user's code, as its code objects have it.

    Returns
    -------
    str
        ``FILE:LINE: SOURCE`` of the innermost frame in that file or, where there is none, of the
        innermost frame outside of libraries; empty where there is none either.
    """
    found, fallback = None, None
    for frame, number in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if file and name == file:
            found = frame, number
        elif not name.startswith(_LIBRARIES):
            fallback = frame, number
    place = found or fallback
    return _written(*place) if place else ""


def _written(frame: FrameType, number: int) -> str:
    name = frame.f_code.co_filename
    source = linecache.getline(name, number, frame.f_globals).strip()
    where = f"{one_line(_shown(name))}:{number}"
    return f"{where}: {one_line(mask_spec(source), _LONGEST_LINE)}" if source else where


def _shown(name: str) -> str:
    """Shorten a path: relative to the working folder, or the file's name alone."""
    try:
        return str(Path(name).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return Path(name).name


def file_of(function: Callable[..., Any]) -> str:
    """Return the file of a function's code, as tracebacks name it; empty where it has none."""
    while isinstance(function, functools.partial):
        function = function.func
    inner: Any = inspect.unwrap(function)
    code = getattr(inner, "__code__", None) or getattr(inner.__call__, "__code__", None)
    return str(getattr(code, "co_filename", ""))
