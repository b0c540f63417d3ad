"""Messages in the terms of the functions: ``--run`` of the command line is ``run=`` here."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from jasco.errors import IncompleteError, InputError, RunConflictError

_PARAMETERS = {
    "--compat": "compat=True",
    "--concurrency": "concurrency=",
    "--data": "data=",
    "--judge": "judges=",
    "--limit": "limit=",
    "--no-preflight": "preflight=False",
    "--protocol": "protocol=",
    "--retry-final": "retry_final=True",
    "--run": "run=",
}
_IN_MESSAGES = re.compile(
    r"(?P<help>see: jasco (?:eval|respond|judge)(?: --help)?(?=$|;))"
    r"|(?P<command>: jasco [a-z]+[^;]*)"
    r"|^--judge (?P<judge>.+?)(?=: )"
    r"|--(?P<given>limit|protocol|concurrency) (?P<value>\d+|v\d+)\b"
    r"|(?<![\w-])(?P<option>--[a-z][a-z-]*)(?![\w-])"
)


def python_names(message: str) -> str:
    """Return a message of the command with the parameters of :func:`jasco.evaluate` in it.

    A whole command that a message suggests stays as it is, and is said to be for a terminal.

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
    if found["given"]:
        is_text = not found["value"].isdigit()
        return f"{found['given']}={found['value']!r}" if is_text else found[0][2:].replace(" ", "=")
    return _PARAMETERS.get(found["option"], found["option"])


@contextmanager
def named_as_in_python() -> Iterator[None]:
    """Let errors through with the names of parameters in their messages; their class stays."""
    try:
        yield
    except (InputError, RunConflictError, IncompleteError) as error:
        if len(error.args) == 1 and isinstance(error.args[0], str):
            error.args = (python_names(error.args[0]),)
        raise
