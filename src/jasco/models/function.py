"""A model that is a Python function of the user's.

``python/module:function`` or ``python/path/to/file.py:function``, where the function is

* ``answer(audio, sampling_rate, prompt) -> str``, or
* ``answer(audios, sampling_rate, prompts) -> list of str``: the parameter's name, ``prompts``,
  says that it takes a batch.

``audio`` is a float32 array from -1 to 1, shape (samples,), one channel. The function is called
in one thread, a call at a time; it need not be thread-safe.
"""

import asyncio
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

from jasco.benchmark.clips import Item
from jasco.benchmark.dataset import DataSet
from jasco.benchmark.errors import InputError, one_line, whole_text
from jasco.benchmark.responses import Failure, Response
from jasco.models.model import Model
from jasco.providers.audio import SAMPLING_RATE, Audio
from jasco.providers.specs import Spec

_BATCH = 8
_Question = tuple[Audio, str, "asyncio.Future[Response | Failure]"]


class FunctionModel(Model):
    """A Python function that answers; it may take batches."""

    NAME = "module:function"
    VERBATIM = True
    HEARS = True
    SERVED = False
    OPTIONS = ()

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting: list[_Question] = []
        self._answer_all: Callable[[list[Audio], list[str]], list[Response | Failure]]
        self._batch = 1

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002
        """Import the function."""
        function = await self._in_thread(_import_function, self.spec.name)
        if "prompts" in inspect.signature(function).parameters:
            self._batch = _BATCH
            self._answer_all = lambda audios, prompts: _call_batch(function, audios, prompts)
        else:
            self._answer_all = lambda audios, prompts: [_call(function, audios[0], prompts[0])]

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Queue the question; the thread takes as many at once as the function can."""
        assert audio is not None
        future: asyncio.Future[Response | Failure] = asyncio.get_running_loop().create_future()
        self._waiting.append((audio, item.instruction, future))
        await self._in_thread(lambda: None)  # the calls before this one are done
        if self._waiting and not future.done():
            batch, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
            audios, prompts, futures = (list(part) for part in zip(*batch, strict=True))
            answers = await self._in_thread(self._answer_all, audios, prompts)
            for each, answer in zip(futures, answers, strict=True):
                if not each.done():  # a cancelled question wants no answer
                    each.set_result(answer)
        return await future

    async def close(self) -> None:
        """End the thread once its call is over."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[..., Any], *arguments: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _import_function(name: str) -> Callable[..., Any]:
    module_name, colon, function_name = name.rpartition(":")
    if not colon:
        raise InputError(f"python/{name}: write python/module:function")
    module = _import_module(name, module_name)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(f"python/{name}: {module_name} has no function {function_name}")
    if inspect.iscoroutinefunction(function):
        raise InputError(f"python/{name}: {function_name} is async; give a plain function")
    return function  # type: ignore[no-any-return]


def _import_module(name: str, module_name: str) -> ModuleType:
    try:
        if module_name.endswith(".py"):
            return _import_file(Path(module_name).resolve())
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the user's module may raise anything
        what = f"{type(error).__name__}: {one_line(error)}"
        raise InputError(f"python/{name}: cannot be imported ({what})") from error


def _import_file(path: Path) -> ModuleType:
    # By its path, not its name: there may be another module of that name.
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # what the file defines can be pickled
    spec.loader.exec_module(module)
    return module


def _call(function: Callable[..., Any], audio: Audio, prompt: str) -> Response | Failure:
    try:
        return _checked(function(audio.floats, SAMPLING_RATE, prompt))
    except (Exception, SystemExit) as error:  # the user's function may raise anything
        return _failure(error)


def _call_batch(
    function: Callable[..., Any], audios: list[Audio], prompts: list[str]
) -> list[Response | Failure]:
    try:
        answers = function([audio.floats for audio in audios], SAMPLING_RATE, prompts)
    except (Exception, SystemExit) as error:  # the user's function may raise anything
        return [_failure(error)] * len(prompts)
    if (
        isinstance(answers, str)
        or not isinstance(answers, Sequence)
        or len(answers) != len(prompts)
    ):
        what = (
            f"{len(answers)} answers"
            if isinstance(answers, list | tuple)
            else type(answers).__name__
        )
        failure = Failure(
            "malformed", f"{what} for {len(prompts)} prompts, not a list of as many str"
        )
        return [failure] * len(prompts)
    return [_checked(answer) for answer in answers]


def _checked(answer: object) -> Response | Failure:
    if isinstance(answer, str):
        return Response(whole_text(answer))
    return Failure("malformed", f"the function returned {type(answer).__name__}, not str")


def _failure(error: BaseException) -> Failure:
    return Failure("error", f"{type(error).__name__}: {one_line(error)}")
