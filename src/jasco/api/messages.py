"""Messages to the user, with options named as in Python.

Messages are written with the options of the command line; in Python, ``--run`` becomes ``run=``.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from jasco.errors import IncompleteError, InputError, RunConflictError
from jasco.terminal import write_line

Notify = Callable[[str], None]
"""Called with each message to the user, one line."""
_log = logging.getLogger("jasco")
_FLAGS = {
    "--allow-mismatch": "allow_mismatch=True",
    "--compat": "compat=True",
    "--judge": "judges=",
    "--no-preflight": "preflight=False",
    "--retry-final": "retry_final=True",
}
_IN_MESSAGES = re.compile(
    r"(?P<help>see: jasco (?:eval|respond|judge)(?: --help)?(?=$|;))"
    r"|(?P<command>: jasco [a-z]+[^;]*)"
    r"|^--judge (?P<judge>.+?)(?=: )"
    r"|(?<![\w-])(?P<output>-o)(?: (?=[A-Z])|(?![\w-]))"
    r"|(?<![\w-])--(?P<name>concurrency|conditions|data|draws|evaluator|format|gold|hub-task"
    r"|instructions|limit|model-id|name|on|protocol|relationship|run|samples|shards?|source-url"
    r"|stems|(?:max|price)-[a-z]+)"
    r"(?:(?P<colon>:)| (?P<value>v?\d+)\b|(?![\w-]))"
    r"|(?<![\w-])(?P<flag>--[a-z][a-z-]*)(?![\w-])"
)


def log_message(line: str) -> None:
    """Log a message, or write it to stderr if logging is not configured."""
    if _log.hasHandlers() or _log.level != logging.NOTSET:
        _log.info("%s", python_names(line))
    else:
        with suppress(OSError, ValueError):  # stderr is closed
            write_line(python_names(line))


def python_names(message: str) -> str:
    """Return a message with options replaced by the parameters of the Python functions.

    A complete command in a message is not changed, but marked as one for a terminal.

    Examples
    --------
    >>> python_names("run: other data; use a different --run")
    'run: other data; use a different run='
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
    if found["output"]:
        return "output="
    if found["judge"]:
        return f"judges=[{found['judge']!r}]"
    if found["name"]:
        value = found["value"] or ""
        value = value if not value or value.isdigit() else repr(value)
        return found["name"].replace("-", "_") + (found["colon"] or f"={value}")
    return _FLAGS.get(found["flag"], found["flag"])


@contextmanager
def named_as_in_python() -> Iterator[None]:
    """Replace options by parameters in the messages of errors."""
    try:
        yield
    except (InputError, RunConflictError, IncompleteError) as error:
        if len(error.args) == 1 and isinstance(error.args[0], str):
            error.args = (python_names(error.args[0]),)
        raise
