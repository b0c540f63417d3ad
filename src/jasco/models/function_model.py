"""A model that is a Python function of the user, given by name or as an object.

``python/module:function`` or ``python/path/to/file.py:function``, where the function is

* ``answer(audio, sampling_rate, prompt) -> str``, or
* ``answer(audios, sampling_rate, prompts) -> list of str``: the parameter name ``prompts`` means
  that the function accepts batches.

``audio`` is a float32 array from -1 to 1, shape (samples,), one channel. In a condition without
audio it is None (in a batch: for every prompt), unless the function, or the object with the method,
has an attribute ``accepts_no_audio = False``: then it is not called. The function is called in one
thread other than the main thread, one call at a time; it need not be thread-safe. If a batch
raises an exception or has the wrong number of answers, its questions are asked one by one, so that
a bad question fails alone.
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
    """A Python function that answers questions, one at a time or in batches."""

    NAME = "module:function"
    raw_name = True

    def __init__(self, spec: Spec, function: Callable[..., Any] | None = None) -> None:
        super().__init__(spec)
        self._function = function
        self._file = ""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a worker creates an equal model; a function must be importable there."""
        return type(self), (self.spec, self._function)

    @classmethod
    def of(cls, model: object, name: str | None = None) -> "FunctionModel":
        """Create a model from a function, or from an object with a method ``answer``.

        Parameters
        ----------
        model : object
            The function or object.
        name : str or None
            The name in the run and the results; by default its name in its module.
        """
        function: Any = getattr(model, "answer", model)
        spec = parse_spec(f"python/{whole_text(name or name_of(model))}", cls)
        _takes_batches(spec.name, function)  # otherwise it would fail only when it is called
        return cls(spec, function)

    def fingerprint(self) -> str:
        """Return a hash of the function's file, or of the code of a function given as an object."""
        if self._function:
            return code_fingerprint(self._function)
        return file_fingerprint(source_file(self.spec.name.rpartition(":")[0]))

    def load(self) -> None:
        """Import the function, unless it was given as an object."""
        self._call = self._function or import_function(self.spec.name)
        self._takes_batches = _takes_batches(self.spec.name, self._call)
        self._file = file_of(self._call)
        self.accepts_no_audio = _accepts_no_audio(self._call)
        if self._takes_batches:
            self.batch_size = _BATCH

    def place_of(self, error: BaseException) -> str:
        """Return where in the function's file an error was raised."""
        return raised_at(error, self._file)

    def answer_batch(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """Call the function for one batch."""
        audios = [None if one.audio is None else one.audio.floats for one in questions]
        prompts = [question.prompt for question in questions]
        if not self._takes_batches:
            return [_outcome(self._call(audios[0], SAMPLING_RATE, prompts[0]))]
        answers = self._call(audios, SAMPLING_RATE, prompts)
        return [_outcome(answer) for answer in _listed(answers, len(questions))]


def name_of(model: object) -> str:
    """Return the default name of a function or object."""
    called = getattr(model, "__name__", type(model).__name__)
    if has_own_name(model):
        called = getattr(model, "__qualname__", called)
    return f"{getattr(model, '__module__', None) or 'python'}:{called}"


def has_own_name(model: object) -> bool:
    """Return whether the name of a function or object identifies it uniquely.

    All lambdas share one name, and so do closures of the same function, partials, methods of
    different objects, and a function and its decorated version. An object is named after its
    class, unless it has a ``__name__``.
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
    """Return the namespace of the module or notebook in which an object was defined."""
    names: Mapping[str, Any] | None = getattr(inspect.unwrap(model), "__globals__", None)
    module = sys.modules.get(getattr(model, "__module__", None) or "")
    return names if names is not None else getattr(module, "__dict__", {})


def _takes_batches(name: str, function: Any) -> bool:
    """Return whether a function accepts batches (``InputError`` if it cannot be called)."""
    if not callable(function):
        raise InputError(f"python/{name}: {type(function).__name__} is not a function")
    if inspect.iscoroutinefunction(function):
        raise InputError(f"python/{name}: {function.__name__} is async; use a regular function")
    try:
        signature = inspect.signature(function)
        signature.bind("audio", "sampling_rate", "prompt")
    except TypeError:
        raise InputError(
            f"python/{name}: the function must take (audio, sampling_rate, prompt), or "
            "(audios, sampling_rate, prompts) for batches"
        ) from None
    except ValueError:  # a built-in may have no signature
        return False
    return "prompts" in signature.parameters


def _accepts_no_audio(function: object) -> bool:
    """Return whether neither a function nor the object of a method declares that it needs audio."""
    return all(
        getattr(part, "accepts_no_audio", True)
        for part in (function, getattr(function, "__self__", None))
    )


def _listed(answers: object, number: int) -> Sequence[object]:
    """Return the answers to a batch as a sequence.

    Raises
    ------
    MalformedAnswersError
        The number of answers differs from the number of prompts, or the returned object is not a
        sequence. NumPy arrays and pandas series are accepted.
    """
    listed = answers.tolist() if hasattr(answers, "tolist") else answers
    found = type(answers).__name__
    if isinstance(listed, Sequence) and not isinstance(listed, str | bytes | bytearray):
        if len(listed) == number:
            return listed
        found = count(len(listed), "answer")
    prompts = count(number, "prompt")
    raise MalformedAnswersError(
        f"the function returned {found} for {prompts}; expected a list with one str per prompt"
    )


def _outcome(answer: object) -> Outcome:
    if isinstance(answer, str):
        return Response(whole_text(answer))
    return Failure("no text", f"the function returned {type(answer).__name__}, not str")
