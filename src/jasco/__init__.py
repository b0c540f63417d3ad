"""Joint audio-speech co-reasoning (JASCO): evaluate auditory large language models.

Data flows one way through the packages, which are named for what they hold::

    protocol -> metrics -> data -> backends -> runs -> models, judges -> evaluation -> reports

``protocol`` defines clips, instructions, responses and verdicts; ``metrics`` computes the figures;
``data`` reads data sets and audio; ``backends`` reaches servers and weights; ``runs`` is the run
on disk; ``models`` answer; ``judges`` rate the answers; ``evaluation`` runs it all; ``reports``
shows it.

From Python, :func:`evaluate` does what ``jasco eval`` does, and :func:`score` gives the figures of
a run; what they raise is :class:`InputError`, :class:`RunConflictError` or
:class:`IncompleteError`.
"""

import sys

if sys.argv[:1] == ["-m"] and {"jasco", "-mjasco"} & {*sys.orig_argv} and not sys.flags.safe_path:
    # ``python -m jasco`` looks for modules in the working folder first: no file there is to take
    # the place of a library. This runs before anything else is imported.
    del sys.path[0]
    from jasco.cli.launch import listen

    listen()

# What is imported early is little (see ``launch``): the rest is imported when it is asked for.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from jasco.api import Evaluation, evaluate, score
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


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from jasco import api, errors, version

    homes = (api, errors, version)
    globals().update(
        {each: getattr(h, each) for h in homes for each in __all__ if hasattr(h, each)}
    )
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
