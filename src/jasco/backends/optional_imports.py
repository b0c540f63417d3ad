"""Optional libraries, which the extras of the package bring."""

import importlib
from typing import Any

from jasco.errors import InputError, one_line


def import_optional(module: str, user: str, extra: str) -> Any:
    """Import a module that is, or needs, an optional library.

    Parameters
    ----------
    module : str
        Its full name.
    user : str
        What needs it, for the message, such as the label of a model.
    extra : str
        The extra of this package that brings it.

    Raises
    ------
    InputError
        A library is not installed or is broken; the message names it and the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = error.name or module
        if missing.startswith("jasco"):
            raise
        # The error of a library that is installed and broken contains the reason.
        reason = "" if isinstance(error, ModuleNotFoundError) else f" ({one_line(error)})"
        raise InputError(f"{user} needs {missing}{reason}: pip install 'jasco[{extra}]'") from error
