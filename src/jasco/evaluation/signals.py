"""SIGTERM, which clusters send before they end a job, as an interruption like Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def interrupt_once(*_: object) -> None:
    """Raise ``KeyboardInterrupt`` for the first SIGTERM, and ignore further ones.

    Slurm sends the signal twice; the second one must not interrupt the saving of results.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C during a block; outside the main thread, do nothing.

    If the block was interrupted by SIGTERM, further ones are ignored: the process is ending.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGTERM, interrupt_once)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, earlier)  # asyncio resets those that it has handled
