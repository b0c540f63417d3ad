"""The entry point of the command, which handles Ctrl-C from start to exit.

It imports as little as can be: everything else is imported once the signal is handled.
"""

import os
import signal


def end_at_once(*_: object) -> None:
    """End on a signal before a command begins, while there is nothing to be kept."""
    try:
        os.write(2, b"jasco: interrupted\n")
    finally:
        os._exit(130)


def listen() -> bool:
    """Handle Ctrl-C; return whether it reaches us, which in a shell's background it does not."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_at_once)
    return signal.getsignal(signal.SIGINT) is end_at_once


def main() -> int:
    """Run the command and return its exit status."""
    is_foreground = listen()
    from jasco.cli.streams import prepare_streams

    prepare_streams()
    from jasco.cli.main import main as run

    try:
        return run()
    finally:  # all is done: let the interpreter end
        if is_foreground:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
