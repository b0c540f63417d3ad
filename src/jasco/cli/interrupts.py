"""Handling of Ctrl-C before a command starts."""

import os
import signal


def end_at_once(*_: object) -> None:
    """End the process on a signal before a command starts, when there is nothing to save."""
    try:
        os.write(2, b"jasco: interrupted\n")
    finally:
        os._exit(130)


def listen() -> bool:
    """Handle Ctrl-C; return whether it is received (a shell's background jobs ignore it)."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_at_once)
    return signal.getsignal(signal.SIGINT) is end_at_once
