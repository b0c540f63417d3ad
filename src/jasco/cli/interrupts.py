"""Ctrl-C before a command begins."""

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
