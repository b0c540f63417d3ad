"""A model that is a Python function of the user's, named or handed over.

``python/module:function`` or ``python/path/to/file.py:function``, where the function is

* ``answer(audio, sampling_rate, prompt) -> str``, or
* ``answer(audios, sampling_rate, prompts) -> list of str``: the parameter's name, ``prompts``,
  says that it takes a batch.

``audio`` is a float32 array from -1 to 1, shape (samples,), one channel. The function is called
in one thread, not the main one, a call at a time; it need not be thread-safe. A batch that raises,
or that has another number of answers, is tried again one by one: a bad question fails alone.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MethodType, ModuleType
from typing import Any

from jasco.backends.fingerprints import code_fingerprint, file_fingerprint
from jasco.backends.specs import Spec, parse_spec
from jasco.data.audio import SAMPLING_RATE
from jasco.errors import InputError, count, whole_text
from jasco.models.batches import BatchedModel, MalformedAnswersError, Outcome, Question
from jasco.models.user_code import file_of, import_function, raised_at, source_file
from jasco.protocol.responses import Failure, Response

_BATCH = 8


class FunctionModel(BatchedModel):
    """A Python function that answers; it may take batches."""

    NAME = "module:function"
    raw_name = True

    def __init__(self, spec: Spec, function: Callable[..., Any] | None = None) -> None:
        super().__init__(spec)
        self._function = function
        self._file = ""

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
        _takes_batches(spec.name, function)  # else it fails only when it is called
        return cls(spec, function)

    def fingerprint(self) -> str:
        """Hash the file that holds the function, or the code of one that was handed over."""
        if self._function:
            return code_fingerprint(self._function)
        return file_fingerprint(source_file(self.spec.name.rpartition(":")[0]))

    def load(self) -> None:
        """Import the function, unless it was handed over."""
        self._call = self._function or import_function(self.spec.name)
        self._takes_batches = _takes_batches(self.spec.name, self._call)
        self._file = file_of(self._call)
        if self._takes_batches:
            self.batch_size = _BATCH

    def place_of(self, error: BaseException) -> str:
        """Return where in the function's file an error was raised."""
        return raised_at(error, self._file)

    def answer_batch(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Call the function once."""
        audios = [question.audio.floats for question in questions]
        prompts = [question.prompt for question in questions]
        if not self._takes_batches:
            return [_outcome(self._call(audios[0], SAMPLING_RATE, prompts[0]))]
        answers = self._call(audios, SAMPLING_RATE, prompts)
        return [_outcome(answer) for answer in _listed(answers, len(questions))]


def name_of(model: object) -> str:
    """Return what a function or object is called where it was given no name."""
    called = getattr(model, "__name__", type(model).__name__)
    if has_own_name(model):
        called = getattr(model, "__qualname__", called)
    return f"{getattr(model, '__module__', None) or 'python'}:{called}"


def has_own_name(model: object) -> bool:
    """Return whether the name of a function or object leads to it, and to no other.

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


def _takes_batches(name: str, function: Any) -> bool:
    """Return whether a function takes batches; ``InputError`` where it cannot be called."""
    if not callable(function):
        raise InputError(f"python/{name}: {type(function).__name__} is no function")
    if inspect.iscoroutinefunction(function):
        raise InputError(f"python/{name}: {function.__name__} is async; give a plain function")
    try:
        signature = inspect.signature(function)
        signature.bind("audio", "sampling_rate", "prompt")
    except TypeError:
        raise InputError(
            f"python/{name}: the function must take (audio, sampling_rate, prompt), or batches as "
            "(audios, sampling_rate, prompts)"
        ) from None
    except ValueError:  # a built-in may have no signature
        return False
    return "prompts" in signature.parameters


def _listed(answers: object, number: int) -> Sequence[object]:
    """Return the answers to a batch as a sequence.

    Raises
    ------
    MalformedAnswersError
        There are more or fewer than prompts, so that it is not known which belongs to which, or
        what was returned is no sequence. Arrays of numpy and series of pandas are taken for one.
    """
    listed = answers.tolist() if hasattr(answers, "tolist") else answers
    found = type(answers).__name__
    if isinstance(listed, Sequence) and not isinstance(listed, str | bytes | bytearray):
        if len(listed) == number:
            return listed
        found = count(len(listed), "answer")
    prompts = count(number, "prompt")
    raise MalformedAnswersError(f"the function returned {found} for {prompts}, not a list of str")


def _outcome(answer: object) -> Outcome:
    if isinstance(answer, str):
        return Response(whole_text(answer))
    return Failure("malformed", f"the function returned {type(answer).__name__}, not str")
