"""A model that is a Python function of the user's, named or handed over.

``python/module:function`` or ``python/path/to/file.py:function``, where the function is

* ``answer(audio, sampling_rate, prompt) -> str``, or
* ``answer(audios, sampling_rate, prompts) -> list of str``: the parameter's name, ``prompts``,
  says that it takes a batch.

``audio`` is a float32 array from -1 to 1, shape (samples,), one channel. The function is called
in one thread, not the main one, a call at a time; it need not be thread-safe. A batch that raises,
or that has another number of answers, is tried again one by one: a bad question fails alone.
"""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

from jasco.backends.fingerprints import code_fingerprint, file_fingerprint
from jasco.backends.specs import Spec, parse_spec
from jasco.data.audio import SAMPLING_RATE, Audio
from jasco.data.dataset import DataSet
from jasco.errors import InputError, one_line, whole_text
from jasco.errors import count as in_words
from jasco.models.batches import Batches, MalformedAnswersError, Question
from jasco.models.model import Model
from jasco.models.raised import file_of, raised_at
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response

_BATCH = 8


class FunctionModel(Model):
    """A Python function that answers; it may take batches."""

    NAME = "module:function"
    raw_name = True
    uses_audio = True
    remote = False
    OPTIONS = ()

    def __init__(self, spec: Spec, function: Callable[..., Any] | None = None) -> None:
        super().__init__(spec)
        self._function = function
        self._file = ""
        self._batches = Batches(place_of=lambda error: raised_at(error, self._file))
        self._answer_all: Callable[[Sequence[Question]], Sequence[Response | Failure]]

    @classmethod
    def of(cls, model: object, name: str | None = None) -> "FunctionModel":
        """Make a model of a function, or of an object that has it as its method ``answer``.

        Parameters
        ----------
        model : object
            The function, or what has the method.
        name : str or None
            What the run and the results call it; by default what it is called in its module.
        """
        function: Any = getattr(model, "answer", model)
        spec = parse_spec(f"python/{whole_text(name or name_of(model))}", cls)
        _check(spec.name, function)
        return cls(spec, function)

    def fingerprint(self) -> str:
        """Hash the file that holds the function, or the code of one that was handed over."""
        if self._function:
            return code_fingerprint(self._function)
        return file_fingerprint(_source_file(self.spec.name.rpartition(":")[0]))

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002
        """Import the function, unless it was handed over."""
        function = self._function
        if function is None:
            function = await self._batches.in_thread(lambda: _import_function(self.spec.name))
        self._file = file_of(function)
        if _takes_batches(function):
            self._batches.size = _BATCH
            self._answer_all = lambda questions: _call_batch(function, questions)
        else:
            self._answer_all = lambda questions: [_call(function, *questions[0])]

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Queue the question; the thread takes as many at once as the function can."""
        assert audio is not None
        return await self._batches.answer((audio, item.instruction), self._answer_all)

    async def close(self) -> None:
        """End the thread once its call is over."""
        self._batches.close()


def _source_file(module_name: str) -> list[Path]:
    if module_name.endswith(".py"):
        return [Path(module_name)]
    with suppress(Exception), _path_restored():  # of a module above it, which is run
        _append_to_path(Path.cwd())
        found = importlib.util.find_spec(module_name)
        return [Path(found.origin)] if found and found.origin else []
    return []


@contextmanager
def _path_restored() -> Iterator[None]:
    before = [*sys.path]
    try:
        yield
    finally:
        sys.path[:] = before


def _append_to_path(folder: Path) -> None:
    """Let modules be found in a folder, after all installed modules, which they cannot shadow."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def name_of(model: object) -> str:
    """Return what a function or object is called where nobody gives it a name."""
    called = getattr(model, "__name__", type(model).__name__)
    if has_own_name(model):
        called = getattr(model, "__qualname__", called)
    return f"{getattr(model, '__module__', None) or 'python'}:{called}"


def has_own_name(model: object) -> bool:
    """Whether the name of a function or object leads to it, and to no other.

    Two lambdas have one name, and so have two closures of one function, two partials, two methods
    of two objects, and a function and what a decorator made of it elsewhere. An object is named
    after its class, unless it has a ``__name__`` of its own.
    """
    if isinstance(model, ModuleType):
        return True
    qualified = getattr(model, "__qualname__", None)
    if not isinstance(qualified, str):
        return isinstance(getattr(model, "__name__", None), str)
    first, *parts = qualified.split(".")
    found: Any = _names_around(model).get(first)
    for part in parts:
        found = getattr(found, part, None)
    return found is model or (isinstance(model, MethodType) and found == model)


def _names_around(model: Any) -> Mapping[str, Any]:
    """Return the names of the module, or notebook, in which something was defined."""
    names: Mapping[str, Any] | None = getattr(inspect.unwrap(model), "__globals__", None)
    module = sys.modules.get(getattr(model, "__module__", None) or "")
    return names if names is not None else getattr(module, "__dict__", {})


def _import_function(name: str) -> Callable[..., Any]:
    module_name, colon, function_name = name.rpartition(":")
    if not colon:
        raise InputError(f"python/{name}: write python/module:function")
    module = _import_module(name, module_name)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(f"python/{name}: {module_name} has no function {function_name}")
    _check(name, function)
    return function  # type: ignore[no-any-return]


def _check(name: str, function: Any) -> None:
    """Make sure that it can be called as it will be."""
    if not callable(function):
        raise InputError(f"python/{name}: {type(function).__name__} is no function")
    if inspect.iscoroutinefunction(function):
        raise InputError(f"python/{name}: {function.__name__} is async; give a plain function")
    try:
        inspect.signature(function).bind("audio", "sampling_rate", "prompt")
    except TypeError:
        raise InputError(
            f"python/{name}: the function must take (audio, sampling_rate, prompt), or batches as "
            "(audios, sampling_rate, prompts)"
        ) from None
    except ValueError:  # of a built-in, nothing can be told
        pass


def _takes_batches(function: Callable[..., Any]) -> bool:
    try:
        return "prompts" in inspect.signature(function).parameters
    except ValueError:
        return False


def _import_module(name: str, module_name: str) -> ModuleType:
    try:
        if module_name.endswith(".py"):
            return _import_file(Path(module_name).resolve())
        _see_that_it_is_not_shadowed(name, module_name)
        _append_to_path(Path.cwd())
        return importlib.import_module(module_name)
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # the user's module may raise anything
        what, place = f"{type(error).__name__}: {one_line(error)}", raised_at(error)
        where = f" at {place}" if place else ""
        raise InputError(f"python/{name}: cannot be imported ({what}){where}") from error


def _see_that_it_is_not_shadowed(name: str, module_name: str) -> None:
    """Refuse a module of the working folder that has the name of an installed one."""
    top = module_name.partition(".")[0]
    here = [Path.cwd() / f"{top}.py", Path.cwd() / top / "__init__.py"]
    mine = next((path for path in here if path.is_file()), None)
    found = _installed(top) if mine else None
    if mine and found and not (found.origin and Path(found.origin).resolve() == mine.resolve()):
        raise InputError(
            f"python/{name}: {mine} has the name of an installed library "
            f"({found.origin or top}), which comes first; rename it, or name a file: "
            f"python/path/to/{top}.py:function"
        )


def _installed(name: str) -> ModuleSpec | None:
    """Find what is imported by a name while no folder of the user's is looked at."""
    with suppress(Exception):  # no name of a module, or one whose parts are odd
        return importlib.util.find_spec(name)
    return None


def _import_file(path: Path) -> ModuleType:
    # By its path, not its name: there may be another module of that name.
    name = f"_{path.stem}_file" if _installed(path.stem) else path.stem
    _append_to_path(path.parent)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)  # what the file defines can be pickled
    spec.loader.exec_module(module)
    return module


def _call(function: Callable[..., Any], audio: Audio, prompt: str) -> Response | Failure:
    return _checked(function(audio.floats, SAMPLING_RATE, prompt))


def _call_batch(
    function: Callable[..., Any], questions: Sequence[Question]
) -> list[Response | Failure]:
    audios, prompts = [audio.floats for audio, _ in questions], [prompt for _, prompt in questions]
    answers = function(audios, SAMPLING_RATE, prompts)
    return [_checked(answer) for answer in _listed(answers, len(questions))]


def _listed(answers: object, count: int) -> Sequence[object]:
    """Make sure that there are as many answers as questions.

    Raises
    ------
    MalformedAnswersError
        There are more or fewer, so that nobody knows which belongs to which, or what was returned
        is no sequence. Arrays of numpy and series of pandas are taken for one.
    """
    listed = answers.tolist() if hasattr(answers, "tolist") else answers
    found = type(answers).__name__
    if isinstance(listed, Sequence) and not isinstance(listed, str | bytes | bytearray):
        if len(listed) == count:
            return listed
        found = in_words(len(listed), "answer")
    prompts = in_words(count, "prompt")
    raise MalformedAnswersError(f"the function returned {found} for {prompts}, not a list of str")


def _checked(answer: object) -> Response | Failure:
    if isinstance(answer, str):
        return Response(whole_text(answer))
    return Failure("malformed", f"the function returned {type(answer).__name__}, not str")
