"""The main command: its subcommands, error messages (one line each) and exit statuses.

Exit status: 0 done, no work is left that the same command could finish (missing items are still
reported); 1 internal error; 2 invalid input; 3 refused: the run contains other data or another
model, another process is writing to it, or the model ignores the audio; 4 incomplete, and the same
command may finish it; 130 interrupted. Results are written to stdout, everything else to stderr.
"""

import _thread
import errno
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial

import click

from jasco.cli.completion import completed
from jasco.cli.groups import CommandGroup
from jasco.cli.interrupts import end_at_once
from jasco.cli.streams import discard, is_broken
from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.evaluation.signals import interrupt_once
from jasco.terminal import write_line
from jasco.version import __version__

EXIT_INTERRUPTED = 130
_EXIT_STATUSES: dict[type[Exception], int] = {
    InputError: 2,
    RunConflictError: 3,
    sqlite3.DatabaseError: 3,
    IncompleteError: 4,
    OSError: 4,
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MODULES = {
    "answering": ["eval", "respond", "judge", "exam"],
    "sweeping": ["sweep"],
    "intervening": ["reliance"],
    "scoring": ["score", "compare", "report"],
    "publishing": ["bundle", "verify", "leaderboard"],
    "inspecting": ["runs", "show", "view", "forget", "merge"],
    "preparing": ["data", "convert"],
    "listing": ["models", "judges", "doctor"],
    "completion": ["completion"],
}


@click.group(
    "jasco",
    cls=CommandGroup,
    modules=_MODULES,
    epilog="Exit status: 0 done; 2 invalid input; 3 refused; 4 incomplete, and the same command "
    "may finish it; 130 interrupted, and the same command resumes it.",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.option("--debug", is_flag=True, expose_value=False, help="show tracebacks")
@click.version_option(__version__, message="jasco %(version)s")
def jasco_command() -> None:
    """Evaluate auditory language models on joint audio-speech co-reasoning."""
    signal.signal(signal.SIGTERM, interrupt_once)
    if signal.getsignal(signal.SIGINT) is end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.unraisablehook = _defer_interruption


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    status = _status_of(partial(_run, words), debug="--debug" in words[:1])
    status = _status_of(sys.stdout.flush, otherwise=status)
    if status == EXIT_INTERRUPTED:
        sys.stderr.flush()
        os._exit(EXIT_INTERRUPTED)  # do not wait for a model's thread, which may be busy
    return status


def _run(words: list[str]) -> int:
    if (status := completed(jasco_command)) is not None:
        return status
    if not words:
        raise click.UsageError(
            "missing command; to get started, run: "
            "jasco eval cascade --data mini --judge offline --run runs/first"
        )
    with jasco_command.make_context("jasco", words) as context:
        complete = jasco_command.invoke(context)
    return 4 if complete is False else 0


def _defer_interruption(ignored: "sys.UnraisableHookArgs") -> None:
    """Repeat an interruption that occurred where no exception can propagate."""
    if ignored.exc_type is KeyboardInterrupt:
        threading.Timer(0.05, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(ignored)


def _status_of(step: Callable[[], int | None], *, otherwise: int = 0, debug: bool = False) -> int:
    """Run a step and return its exit status; report an error in one line."""
    try:
        return step() or otherwise
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        write_line(_usage_message(error), "error")
        return 2
    except (KeyboardInterrupt, Exception) as error:
        if isinstance(error, BrokenPipeError) and is_broken(sys.stdout):
            discard(1)  # the reader closed the pipe
            return otherwise
        if _is_interruption(error):
            write_line("interrupted; completed work is saved, and the same command resumes it")
            return EXIT_INTERRUPTED
        statuses = [status for kind, status in _EXIT_STATUSES.items() if isinstance(error, kind)]
        if debug or not statuses:
            raise
        message: object = error
        if isinstance(error, OSError) and error.errno in _FULL:
            message = f"{error.filename or 'the output'}: cannot be written ({error.strerror}); "
            message += "free some space, or write to another disk"
            if not error.filename:
                discard(1)  # the rest of the buffer is written at exit
        write_line(one_line(message, 1000), "error")
        return statuses[0]


def _usage_message(error: click.UsageError) -> str:
    from jasco.backends.secrets import mask_spec  # the arguments may contain an API key

    message = one_line(mask_spec(error.format_message().rstrip(". ")), 1000)
    command = error.ctx.command_path if error.ctx else "jasco"
    return f"{message[:1].lower()}{message[1:]}; see: {command} --help"


def _is_interruption(error: BaseException | None) -> bool:
    """Return whether an error is Ctrl-C, or was caused by it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
