"""Executors: they run tasks in worker processes, on this machine or on a cluster.

An executor is given on the command line as ``NAME[,key=value...]``, such as ``local,workers=2``.
Its module is imported only if it is used, because it may require an extra.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from jasco.backends.optional_imports import import_optional
from jasco.backends.options import Option, read_options
from jasco.errors import InputError, did_you_mean, invalid_value

Task = TypeVar("Task")
Result = TypeVar("Result")
Notify = Callable[[str], None]

MOST_RUNS = 3
"""How often a task is run whose workers end unexpectedly."""
GRACE = 10.0
"""Seconds between the interruption of a task and the kill."""
_EXECUTORS = {
    "local": "jasco.evaluation.distributed.local_executor:LocalExecutor",
    "ray": "jasco.evaluation.distributed.ray_executor:RayExecutor",
    "slurm": "jasco.evaluation.distributed.slurm_executor:SlurmExecutor",
}


_NAMES = ", ".join(_EXECUTORS)


@dataclass(frozen=True)
class Lost:
    """A task without a result: its worker ended unexpectedly, also when it was retried.

    Attributes
    ----------
    reason : str
        What is known about the end of the worker, in one line.
    """

    reason: str


def runs_again(task: object, reason: str, runs: int) -> str:
    """Format the message about a task that is run again because its worker has ended."""
    return f"{task}: {reason}; running it again ({runs + 1} of {MOST_RUNS})"


class Executor(ABC):
    """Runs a function for each of several tasks, in worker processes.

    Function, tasks and results are pickled. The function must be importable by name in the workers.
    The text of a task (``str``) names it in messages.
    A worker process may run several tasks, one after the other.

    Parameters
    ----------
    options : mapping of str to object
        The values of :attr:`OPTIONS`.
    """

    OPTIONS: ClassVar[Sequence[Option]] = ()

    def __init__(self, options: Mapping[str, Any] = MappingProxyType({})) -> None:
        defaults = {option.name: option.default for option in self.OPTIONS}
        self.options: Mapping[str, Any] = {**defaults, **options}

    @abstractmethod
    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        folder: Path,
        notify: Notify,
    ) -> Generator[tuple[int, Result | Lost], None, None]:
        """Run a function for each task, and yield each result when it has ended.

        A task whose worker ends unexpectedly (killed, out of memory, node lost) is run again, at
        most three times in total. If the iterator is closed early, tasks in progress are
        interrupted like by Ctrl-C, get a few seconds to end, and are then killed; the remaining
        tasks do not start. If this process is killed, its workers end as well, except where a
        cluster owns them.

        Parameters
        ----------
        function : callable
            Takes a task and returns its result; an exception counts as a lost task.
        tasks : sequence
            Arguments of the function.
        folder : pathlib.Path
            An existing folder for logs and other files of the executor, on a file system that
            the workers share.
        notify : callable
            Takes each line that the user should read.

        Yields
        ------
        index : int
            The index of the task.
        result : object or Lost
            What the function returned.

        Raises
        ------
        InputError
            An option is invalid, or the cluster cannot be used in this way.
        IncompleteError
            The cluster is not available.
        """


def open_executor(text: str) -> Executor:
    """Return the executor that ``NAME[,key=value...]`` describes.

    Raises
    ------
    InputError
        The name or an option is unknown, a value is invalid, or an extra is not installed.
    """
    name, *pairs = text.split(",")
    if name not in _EXECUTORS:
        raise InputError(
            f"{invalid_value('--on', name, f'expected one of: {_NAMES}')}"
            f"{did_you_mean(name, _EXECUTORS)}"
        )
    module, class_name = _EXECUTORS[name].split(":")
    import_optional(module, f"--on {name}", extra=name)
    executor: type[Executor] = getattr(import_module(module), class_name)
    return executor(read_options(text, pairs, {option.name: option for option in executor.OPTIONS}))
