"""Stopping several jobs that run one after the other."""

import threading
from contextlib import suppress

from jasco.evaluation.run_job import Stop


class Stops:
    """Stops the job that is in progress, and those that follow."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._stop: Stop = lambda: None

    def begun(self, stop: Stop) -> None:
        """Take the function that stops the job which has just begun."""
        self._stop = stop
        if self._stopped.is_set():
            stop()

    def stop(self) -> None:
        """Stop all jobs; may be called from any thread."""
        self._stopped.set()
        with suppress(RuntimeError):  # the job has just finished
            self._stop()

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if the jobs were stopped."""
        if self._stopped.is_set():
            raise KeyboardInterrupt

    def wait(self, seconds: float) -> None:
        """Wait; raise ``KeyboardInterrupt`` if the jobs are stopped meanwhile."""
        if self._stopped.wait(seconds):
            raise KeyboardInterrupt
