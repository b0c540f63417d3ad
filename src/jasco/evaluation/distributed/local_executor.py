"""Worker processes on this machine.

``concurrent.futures.ProcessPoolExecutor`` loses all tasks if one of its workers is killed;
therefore each worker process has its own pipe here.
"""

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from multiprocessing import connection, current_process, get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jasco.backends.options import Option, at_least
from jasco.errors import InputError, one_line
from jasco.evaluation.distributed.executors import (
    GRACE,
    MOST_RUNS,
    Executor,
    Lost,
    Notify,
    Result,
    Task,
    runs_again,
)
from jasco.models.devices import available_cores

_NO_GUARD = 78
_POLL = 0.5  # seconds; a process that a killed worker forked keeps the worker's pipe open
_SPAWN = get_context("spawn")


class LocalExecutor(Executor):
    """Runs tasks in worker processes on this machine.

    The output of each worker is appended to ``local-N.log`` in the folder.
    """

    OPTIONS = (Option("workers", "number of worker processes (default: cores)", at_least(1, int)),)

    def __init__(self, options: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(options)
        # A worker imports the script that started it, before it gets its first task.
        if getattr(current_process(), "_inheriting", False):
            sys.stderr.write(
                "jasco: on='local': the script is imported by its workers; put the "
                "call under: if __name__ == '__main__':\n"
            )
            os._exit(_NO_GUARD)

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        folder: Path,
        notify: Notify,
    ) -> Generator[tuple[int, Result | Lost], None, None]:
        """See :meth:`Executor.run`."""
        waiting = deque(range(len(tasks)))
        runs = [0] * len(tasks)
        size = min(self.options["workers"] or available_cores(), len(tasks))
        workers = [_Worker(folder / f"local-{number}.log") for number in range(size)]
        try:
            while waiting or any(worker.is_busy for worker in workers):
                for worker in workers:
                    if waiting and not worker.is_busy:
                        index = waiting.popleft()
                        runs[index] += 1
                        worker.start_task(index, (function, tasks[index]))
                for worker in _wait(workers):
                    index = worker.index
                    result = worker.take_result()
                    if isinstance(result, _Ended):
                        if runs[index] < MOST_RUNS:
                            notify(runs_again(tasks[index], result.reason, runs[index]))
                            waiting.append(index)
                            continue
                        result = Lost(result.reason)
                    yield index, result
        finally:
            _stop(workers)


class _Ended:
    """A worker ended without a result."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Worker:
    """A worker process, which is started for its first task and replaced if it ends."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.process: Any = None
        self.connection: Connection[Any, Any] | None = None
        self.index = -1

    @property
    def is_busy(self) -> bool:
        return self.index >= 0

    def start_task(self, index: int, job: tuple[Any, Any]) -> None:
        """Send a task to the process; start the process if necessary."""
        if self.process is None or not self.process.is_alive():
            self._start()
        assert self.connection
        self.index = index
        with suppress(OSError):  # the process has ended, which take_result reports
            self.connection.send(job)

    def _start(self) -> None:
        self.close()
        self.connection, other_end = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_work, args=(other_end, str(self._log)))
        # Until the worker has its own session, Ctrl-C in a terminal reaches it, too.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
            self.process = process
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
            other_end.close()

    def has_news(self) -> bool:
        """Return whether there is a result or the process has ended."""
        assert self.connection
        return self.connection.poll() or not self.process.is_alive()

    def take_result(self) -> Any:
        """Return the result of the task, or how the process ended."""
        assert self.connection
        self.index = -1
        with suppress(EOFError, OSError):
            if self.connection.poll():
                return self.connection.recv()
        self.process.join(GRACE)
        self.process.kill()
        self.process.join()
        if self.process.exitcode == _NO_GUARD:
            raise InputError(
                "--on local: the script is imported by its workers, and calls jasco when it is "
                "imported; put the call under: if __name__ == '__main__':"
            )
        return _Ended(_how_it_ended(self.process.exitcode, self._log))

    def close(self) -> None:
        """Close the connection: a process without a task ends."""
        if self.connection:
            self.connection.close()


def _wait(workers: Sequence[_Worker]) -> list[_Worker]:
    """Return the busy workers that have a result or have ended, after a wait."""
    busy = [worker for worker in workers if worker.is_busy]
    connection.wait([worker.connection for worker in busy if worker.connection], _POLL)
    return [worker for worker in busy if worker.has_news()]


def _stop(workers: Sequence[_Worker]) -> None:
    """Interrupt the tasks in progress and end all processes."""
    started = [worker for worker in workers if worker.process]
    try:
        for worker in started:
            worker.close()
            if worker.is_busy:
                worker.process.terminate()
        deadline = time.monotonic() + GRACE
        for worker in started:
            worker.process.join(max(0, deadline - time.monotonic()))
    finally:
        for worker in started:
            worker.process.kill()
        for worker in started:
            worker.process.join()


def _how_it_ended(status: int, log: Path) -> str:
    end = f"ended with exit status {status}"
    if status < 0:
        memory = " (perhaps out of memory)" if status == -signal.SIGKILL else ""
        end = f"was killed by signal {-status}{memory}"
    return f"the worker {end}; see {log}"


def _work(tasks: "Connection[Any, Any]", log: str) -> None:
    """Run tasks until the connection is closed or a signal arrives: the worker's main function."""
    os.setsid()  # Ctrl-C in a terminal is for the driver, which interrupts its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # discards one that arrived before
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _redirect_output(log)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    try:
        while True:
            tasks.send(_run_task(tasks.recv_bytes()))
    except (EOFError, OSError):  # the driver has closed the connection
        pass
    except KeyboardInterrupt:
        sys.exit(130)


def _run_task(job: bytes) -> Any:
    for number in (signal.SIGINT, signal.SIGTERM):  # asyncio resets them at the end of a task
        signal.signal(number, signal.default_int_handler)
    try:
        function, task = pickle.loads(job)  # noqa: S301 (from the driver)
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {task}: started\n")
        result = function(task)
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {task}: ended\n")
        return result
    except Exception as error:
        traceback.print_exc()
        return Lost(f"{type(error).__name__}: {one_line(error)}")


def _redirect_output(log: str) -> None:
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _end_with_driver() -> None:
    """Interrupt the task if the driver is killed."""
    driver = parent_process()
    assert driver
    driver.join()
    signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)  # type: ignore[arg-type]
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)
