"""How the work on a run ended, as a value that a worker can return."""

import sqlite3
import traceback
from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

from jasco.errors import IncompleteError, InputError, RunConflictError
from jasco.evaluation.kept_providers import KeptProviders
from jasco.evaluation.signals import sigterm_interrupts

State = Literal["complete", "incomplete", "invalid", "refused", "error"]
"""``complete``: nothing is left that the same work could finish; ``incomplete``; ``invalid`` (the
user's input); ``refused``; or ``error`` (a bug): as a command with exit status 0, 4, 2, 3 or 1."""


class Outcome(NamedTuple):
    """How the work on a run ended.

    Attributes
    ----------
    state : str
        As :data:`State`.
    message : str
        The reason, for a bug its traceback; empty if the work is complete, or if single calls
        failed.
    """

    state: State
    message: str = ""


def outcome_of(work: Callable[[], bool], *, but: type[Exception] | tuple[()] = ()) -> Outcome:
    """Do some work, and return how it ended. SIGTERM interrupts it like Ctrl-C.

    Parameters
    ----------
    work : callable
        Returns whether nothing is left that the same work could finish.
    but : exception class
        Errors that are raised unchanged.

    Raises
    ------
    KeyboardInterrupt
        The work was interrupted; completed work is saved.
    """
    try:
        with sigterm_interrupts():
            return Outcome("complete" if work() else "incomplete")
    except but:
        raise
    except InputError as error:
        return Outcome("invalid", str(error))
    except (RunConflictError, sqlite3.DatabaseError) as error:
        return Outcome("refused", str(error))
    except (IncompleteError, OSError) as error:
        return Outcome("incomplete", str(error) or type(error).__name__)
    except Exception:
        return Outcome("error", traceback.format_exc())


@cache
def kept_in_this_process() -> KeptProviders:
    """Return the models and judges that a worker process keeps from task to task."""
    return KeptProviders()
