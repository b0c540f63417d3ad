"""Running an evaluation in a separate thread, because a notebook's thread has an event loop."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from jasco.evaluation.run_job import Stop

T = TypeVar("T")


def run_in_thread(function: Callable[[Callable[[Stop], None]], T]) -> T:
    """Run a function in a thread, and stop it if the calling thread is interrupted.

    Parameters
    ----------
    function : callable
        It receives a callable, which it calls with the function that stops it once it has started.

    Raises
    ------
    BaseException
        The exception that the function raised; or the one that interrupted the wait for it, such as
        KeyboardInterrupt or SystemExit from a signal handler, after the function has stopped.
    """
    begun: Future[Stop] = Future()
    with ThreadPoolExecutor(1, thread_name_prefix="jasco") as thread:
        result = thread.submit(function, begun.set_result)
        try:
            return result.result()
        except BaseException:
            if not result.done():
                begun.add_done_callback(_stop)  # immediately, or when it starts
            raise


def _stop(begun: Future[Stop]) -> None:
    with suppress(RuntimeError):  # it has just finished
        begun.result()()
