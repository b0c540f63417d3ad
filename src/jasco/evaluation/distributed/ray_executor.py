"""Tasks of Ray Core, on a local Ray or on a cluster.

Ray's own retries are off: it repeats some failures, such as a lack of memory, without a limit.
"""

import logging
import os
import re
import secrets
import signal
import socket
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from jasco.backends.options import Option, at_least
from jasco.errors import IncompleteError, InputError, invalid_value, one_line
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

_PATIENCE = 15.0  # seconds for a head that does not answer; after 60 s Ray ends this process
_POLL = 2.0
_MOST_SUBMITTED = 1_000  # at once
_OBJECT_STORE = 80_000_000  # bytes, about the minimum; results are small


def _head(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+:\d{1,5}", text):
        raise ValueError("expected HOST:PORT of the cluster's head")
    return text


class RayExecutor(Executor):
    """Runs tasks with Ray, in Ray's worker processes.

    The command must run on a node of the cluster. The nodes need the same environment, with the
    same jasco: nothing is uploaded, and ``PYTHONPATH`` and working directories are not set.
    """

    OPTIONS = (
        Option("address", "HOST:PORT of the head (default: RAY_ADDRESS, else a local Ray)", _head),
        Option("num_cpus", "cores for each task", at_least(0, float), 1.0),
        Option("num_gpus", "GPUs for each task", at_least(0, float), 0.0),
        Option("workers", "most tasks at once (default: no limit)", at_least(1, int)),
    )

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        folder: Path,  # noqa: ARG002
        notify: Notify,
    ) -> Generator[tuple[int, Result | Lost], None, None]:
        """See :meth:`Executor.run`."""
        if not tasks:
            return
        with _connected(self.options["address"]) as is_local:
            self._check_resources(is_local, notify)
            yield from self._run(function, tasks, notify)

    def _check_resources(self, is_local: bool, notify: Notify) -> None:
        wanted = {"CPU": self.options["num_cpus"], "GPU": self.options["num_gpus"]}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if any(all(node.get(key, 0) >= wanted[key] for key in wanted) for node in nodes):
            return
        problem = f"no node of Ray has num_cpus={wanted['CPU']:g} and num_gpus={wanted['GPU']:g}"
        if is_local:
            raise InputError(f"{problem}; reduce num_cpus or num_gpus")
        notify(f"{problem}; the tasks wait for one")

    def _run(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], notify: Notify
    ) -> Generator[tuple[int, Result | Lost], None, None]:
        submit = ray.remote(_run_task).options(
            num_cpus=self.options["num_cpus"], num_gpus=self.options["num_gpus"], max_retries=0
        )
        waiting = deque(range(len(tasks)))
        runs = [0] * len(tasks)
        submitted: dict[Any, int] = {}
        try:
            while waiting or submitted:
                while waiting and len(submitted) < (self.options["workers"] or _MOST_SUBMITTED):
                    index = waiting.popleft()
                    runs[index] += 1
                    submitted[submit.remote(function, tasks[index])] = index
                done, _ = ray.wait(list(submitted), num_returns=1, timeout=_POLL)
                if not done:
                    _check_head()
                for reference in done:
                    index = submitted.pop(reference)
                    try:
                        result = ray.get(reference)
                    except RayError as error:
                        _check_head()
                        if runs[index] < MOST_RUNS:
                            notify(runs_again(tasks[index], _reason(error), runs[index]))
                            waiting.append(index)
                            continue
                        result = Lost(_reason(error))
                    yield index, result
        finally:
            _stop(list(submitted))


def _reason(error: RayError) -> str:
    return f"{type(error).__name__}: {one_line(error)}"


def _stop(references: list[Any]) -> None:
    """Interrupt the tasks in progress, and cancel those that have not started."""
    with suppress(RayError):
        for force, seconds in ((False, GRACE), (True, 5.0)):
            if not references:
                return
            for reference in references:
                ray.cancel(reference, force=force)
            _, references = ray.wait(references, num_returns=len(references), timeout=seconds)


@contextmanager
def _connected(address: str | None) -> Iterator[bool]:
    """Connect to a cluster or to a new local Ray; the value is whether it is local."""
    if not address and (address := os.environ.get("RAY_ADDRESS")):
        try:
            _head(address)
        except ValueError as error:
            raise InputError(invalid_value("RAY_ADDRESS", address, error)) from None
    if address:
        if not _answers(address, 10.0):
            raise IncompleteError(f"Ray: no answer from {address}; check that the head is running")
        with _initialized(address=address):
            yield False
        return
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Without it, Ray stores a token in the home folder. Ray reads it once in a process.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # Paths of sockets must be short, so TMPDIR is not used.
    with (
        tempfile.TemporaryDirectory(
            prefix="jasco-ray-",
            dir="/tmp",
            ignore_cleanup_errors=True,
        ) as folder,
        _initialized(
            address="local",
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE,
            _temp_dir=folder,
        ),
    ):
        yield True


@contextmanager
def _initialized(**settings: Any) -> Iterator[None]:
    # Otherwise messages about killed workers are printed to standard output.
    ray._private.worker._worker_logs_enabled = False  # noqa: SLF001
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **settings)
    except (RayError, RuntimeError, ValueError, OSError, AssertionError) as error:
        ray.shutdown()
        if "version mismatch" in str(error).lower():
            raise InputError(f"Ray: {one_line(error)}; install the cluster's versions") from error
        raise IncompleteError(
            f"Ray could not be used: {one_line(error)}; if the cluster requires a token, set "
            "RAY_AUTH_MODE=token"
        ) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray has replaced it
    try:
        yield
    except RayError as error:
        raise IncompleteError(f"the connection to Ray was lost: {_reason(error)}") from error
    finally:
        ray.shutdown()


def _answers(address: str, timeout: float) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout).close()
    except (OSError, OverflowError):
        return False
    return True


def _check_head() -> None:
    """Raise ``IncompleteError`` if the head of the cluster does not answer for some time."""
    address = ray.get_runtime_context().gcs_address
    end = time.monotonic() + _PATIENCE
    while not _answers(address, 5.0):
        if time.monotonic() > end:
            raise IncompleteError(f"Ray: the head at {address} does not answer any more")
        time.sleep(1)


def _run_task(function: Callable[[Any], Any], task: Any) -> Any:
    """Run a task in a worker process."""
    with suppress(ValueError):  # not in the main thread
        signal.set_wakeup_fd(_wake_up_main_thread(), warn_on_full_buffer=False)
    try:
        return function(task)
    except Exception as error:
        traceback.print_exc()
        return Lost(f"{type(error).__name__}: {one_line(error)}")


@cache
def _wake_up_main_thread() -> int:
    """Let a cancelled task end a blocking call; return the descriptor for Python's signals.

    Ray's ``cancel`` only simulates SIGINT, which does not interrupt a wait or a sleep. A real
    signal does, and Python then handles both.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.signal(signal.SIGURG, lambda *_: None)
    main = threading.main_thread().ident
    assert main

    def forward() -> None:
        while number := reader.recv(1):
            if number[0] == signal.SIGINT:
                signal.pthread_kill(main, signal.SIGURG)

    threading.Thread(target=forward, daemon=True).start()
    return writer.detach()
