"""The entry point of the command, which handles Ctrl-C from start to exit.

It imports as little as can be: everything else is imported once the signal is handled.
"""

import signal
import sys

from jasco.cli.interrupts import listen


def main() -> int:
    """Run the command and return its exit status."""
    if sys.platform == "win32":
        sys.stderr.write(
            "jasco: Windows is not supported; use WSL, the Windows Subsystem for Linux\n"
        )
        return 2
    is_foreground = listen()
    from jasco.cli.streams import prepare_streams

    prepare_streams()
    from jasco.cli.main import main as run

    try:
        return run()
    finally:  # all is done: let the interpreter end
        if is_foreground:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
