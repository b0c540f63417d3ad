"""Joint audio-speech co-reasoning (JASCO): evaluate auditory large language models.

Data flows one way through the packages, which are named for what they hold::

    benchmark -> providers -> models, judges -> evaluation -> reports

``benchmark`` says what is measured, ``providers`` reaches what is outside, ``models`` answer,
``judges`` mark the answers, ``evaluation`` runs it all into one folder, ``reports`` shows it.

From Python, :func:`evaluate` does what ``jasco eval`` does, and :func:`score` gives the figures of
a run; what they raise is :class:`InputError`, :class:`Refused` or :class:`CannotGoOn`.
"""

from jasco.api import Evaluation, evaluate, score
from jasco.benchmark.errors import CannotGoOn, InputError, Refused
from jasco.version import __version__

__all__ = [
    "CannotGoOn",
    "Evaluation",
    "InputError",
    "Refused",
    "__version__",
    "evaluate",
    "score",
]
