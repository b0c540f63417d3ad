"""Imports of optional libraries, which are installed by the extras of the package."""

import importlib
from typing import Any

from jasco.errors import InputError, one_line


def import_optional(module: str, user: str, extra: str) -> Any:
    """Import a module that is, or requires, an optional library.

    Parameters
    ----------
    module : str
        The full name of the module.
    user : str
        What requires the module, for the message, such as the label of a model.
    extra : str
        The extra of this package that installs the library.

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
        # If the library is installed but broken, the error contains the reason.
        reason = "" if isinstance(error, ModuleNotFoundError) else f" ({one_line(error)})"
        raise InputError(
            f"{user} requires {missing}{reason}; run: pip install 'jasco[{extra}]'"
        ) from error
