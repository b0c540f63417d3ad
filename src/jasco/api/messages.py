"""Messages to the user: written to stderr, and in the terms of the caller.

A message names options as on the command line; from Python, ``--run`` is ``run=``.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jasco.errors import IncompleteError, InputError, RunConflictError

Notify = Callable[[str], None]
"""Takes messages to the user, a line each."""
_FLAGS = {
    "--compat": "compat=True",
    "--judge": "judges=",
    "--no-preflight": "preflight=False",
    "--retry-final": "retry_final=True",
}
_IN_MESSAGES = re.compile(
    r"(?P<help>see: jasco (?:eval|respond|judge)(?: --help)?(?=$|;))"
    r"|(?P<command>: jasco [a-z]+[^;]*)"
    r"|^--judge (?P<judge>.+?)(?=: )"
    r"|(?<![\w-])--(?P<name>concurrency|data|instructions|limit|protocol|run|samples|(?:max|price)-[a-z]+)"
    r"(?:(?P<colon>:)| (?P<value>v?\d+)\b|(?![\w-]))"
    r"|(?<![\w-])(?P<flag>--[a-z][a-z-]*)(?![\w-])"
)


def write_message(line: str) -> None:
    """Write a message to stderr; a progress bar that is shown gives way to it."""
    if tqdm := sys.modules.get("tqdm"):
        tqdm.tqdm.write(f"jasco: {line}", file=sys.stderr)
    else:
        sys.stderr.write(f"jasco: {line}\n")


def python_names(message: str) -> str:
    """Return a message of the command with the parameters of :func:`jasco.evaluate` in it.

    A whole command that a message suggests stays as it is, marked as one for a terminal.

    Examples
    --------
    >>> python_names("run: other data; take another --run")
    'run: other data; take another run='
    >>> python_names("--limit 3 has no effect")
    'limit=3 has no effect'
    >>> python_names("provider 'x' is unknown; see: jasco models")
    "provider 'x' is unknown; see: jasco models (in a terminal)"
    """
    return _IN_MESSAGES.sub(_renamed, message)


def _renamed(found: re.Match[str]) -> str:
    if found["help"]:
        return "see: help(jasco.evaluate)"
    if found["command"]:
        return f"{found['command']} (in a terminal)"
    if found["judge"]:
        return f"judges=[{found['judge']!r}]"
    if found["name"]:
        value = found["value"] or ""
        value = value if not value or value.isdigit() else repr(value)
        return found["name"].replace("-", "_") + (found["colon"] or f"={value}")
    return _FLAGS.get(found["flag"], found["flag"])


@contextmanager
def named_as_in_python() -> Iterator[None]:
    """Rename options to parameters in the messages of errors, whose classes stay."""
    try:
        yield
    except (InputError, RunConflictError, IncompleteError) as error:
        if len(error.args) == 1 and isinstance(error.args[0], str):
            error.args = (python_names(error.args[0]),)
        raise
