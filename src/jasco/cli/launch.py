"""The entry point of the command, which handles Ctrl-C from start to exit.

It imports as little as possible; other modules are imported after the handler is installed.
"""

import signal
import sys

from jasco.cli.interrupts import listen


def main() -> int:
    """Run the command and return its exit status."""
    if sys.platform == "win32":
        sys.stderr.write("jasco: Windows is not supported; use WSL (Windows Subsystem for Linux)\n")
        return 2
    is_foreground = listen()
    from jasco.cli.streams import prepare_streams

    prepare_streams()
    from jasco.cli.main import main as run

    try:
        return run()
    finally:  # the work is finished: let the interpreter exit
        if is_foreground:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
