"""Joint audio-speech co-reasoning (JASCO): evaluate auditory large language models.

Data flows one way through the packages, which are named for what they hold::

    protocol -> metrics -> data -> backends -> runs -> models, judges -> evaluation -> reports

``protocol`` defines clips, instructions, responses and verdicts; ``metrics`` computes the figures;
``data`` reads data sets and audio; ``backends`` reaches servers and weights; ``runs`` is the run
on disk; ``models`` answer; ``judges`` rate the answers; ``evaluation`` runs it all; ``reports``
shows it; ``api`` holds the public functions, and ``cli`` the command.

From Python, :func:`evaluate` does what ``jasco eval`` does, and :func:`score` returns the figures
of a run; their errors are :class:`InputError`, :class:`RunConflictError` and
:class:`IncompleteError`.
"""

import sys

if sys.argv[:1] == ["-m"] and {"jasco", "-mjasco"} & {*sys.orig_argv} and not sys.flags.safe_path:
    # ``python -m jasco`` looks for modules in the working folder first: no file there is to take
    # the place of a library. This runs before anything else is imported.
    del sys.path[0]
    from jasco.cli.interrupts import listen

    listen()

# What is imported early is little (see ``cli.launch``): the rest is imported when it is needed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from jasco.api.evaluation import evaluate
    from jasco.api.results import Evaluation, score
    from jasco.errors import IncompleteError, InputError, RunConflictError
    from jasco.version import __version__

__all__ = [
    "Evaluation",
    "IncompleteError",
    "InputError",
    "RunConflictError",
    "__version__",
    "evaluate",
    "score",
]
_MODULES = {"evaluate": "api.evaluation", "Evaluation": "api.results", "score": "api.results"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = "version" if name == "__version__" else _MODULES.get(name, "errors")
    globals()[name] = getattr(import_module(f"jasco.{module}"), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
