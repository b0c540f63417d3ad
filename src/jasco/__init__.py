"""Joint audio-speech co-reasoning (JASCO): evaluate auditory large language models.

The package is organised in layers, and data flows through them in one direction::

    protocol -> metrics -> data -> backends -> runs -> models, judges -> evaluation -> reports

``protocol`` defines clips, instructions, responses and verdicts; ``metrics`` computes the figures;
``data`` reads data sets and audio; ``backends`` connects to servers and downloads weights; ``runs``
stores results on disk; ``models`` answer; ``judges`` rate the answers; ``evaluation`` coordinates
models and judges; ``reports`` formats the results; ``api`` contains the public functions, and
``cli`` the command line.

Each command has a function: :func:`evaluate` corresponds to ``jasco eval``, and :func:`score`
returns the figures of runs. The exceptions are :class:`InputError`, :class:`RunConflictError` and
:class:`IncompleteError`. :mod:`jasco.plugins` exports the classes and functions for packages that
add models or judges.
"""

import sys

if sys.argv[:1] == ["-m"] and {"jasco", "-mjasco"} & {*sys.orig_argv} and not sys.flags.safe_path:
    # ``python -m jasco`` searches the working directory for modules first: a file there must not
    # shadow a library. This runs before anything else is imported.
    del sys.path[0]
    from jasco.cli.interrupts import listen

    listen()

# Few modules are imported at startup (see ``cli.launch``); the others are imported when needed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from jasco.api.bundles import Bundle, Verification, bundle, verify
    from jasco.api.comparisons import Comparisons, compare
    from jasco.api.data import StemReport, export_dataset, load_dataset, make_stems, write_template
    from jasco.api.evaluation import evaluate, judge, respond
    from jasco.api.exams import ExamReport, exam
    from jasco.api.interventions import reliance, reliance_items
    from jasco.api.leaderboards import leaderboard
    from jasco.api.reports import report, view
    from jasco.api.runs import Run, list_runs, open_run
    from jasco.api.scores import Scores, score
    from jasco.api.sweeps import Sweep, sweep
    from jasco.data.dataset import DataSet
    from jasco.errors import IncompleteError, InputError, RunConflictError
    from jasco.metrics.bootstrap import Estimate
    from jasco.metrics.scoring import PanelScore, Score, score_matrix
    from jasco.metrics.verdict_matrix import VerdictMatrix, verdict_matrix
    from jasco.protocol.clips import Clip, Item
    from jasco.protocol.judging import VerdictRequest, request_verdict
    from jasco.protocol.verdict_parser import read_verdict
    from jasco.protocol.verdicts import Judgement, Orientation, Verdict
    from jasco.reports.reliance_items import RelianceItems
    from jasco.reports.reliance_report import RelianceReport
    from jasco.version import __version__

__all__ = [
    "Bundle",
    "Clip",
    "Comparisons",
    "DataSet",
    "Estimate",
    "ExamReport",
    "IncompleteError",
    "InputError",
    "Item",
    "Judgement",
    "Orientation",
    "PanelScore",
    "RelianceItems",
    "RelianceReport",
    "Run",
    "RunConflictError",
    "Score",
    "Scores",
    "StemReport",
    "Sweep",
    "Verdict",
    "VerdictMatrix",
    "VerdictRequest",
    "Verification",
    "__version__",
    "bundle",
    "compare",
    "evaluate",
    "exam",
    "export_dataset",
    "judge",
    "leaderboard",
    "list_runs",
    "load_dataset",
    "make_stems",
    "open_run",
    "read_verdict",
    "reliance",
    "reliance_items",
    "report",
    "request_verdict",
    "respond",
    "score",
    "score_matrix",
    "sweep",
    "verdict_matrix",
    "verify",
    "view",
    "write_template",
]
_EXPORTS = {
    "api.bundles": ["Bundle", "Verification", "bundle", "verify"],
    "api.comparisons": ["Comparisons", "compare"],
    "api.data": ["StemReport", "export_dataset", "load_dataset", "make_stems", "write_template"],
    "api.evaluation": ["evaluate", "judge", "respond"],
    "api.exams": ["ExamReport", "exam"],
    "api.interventions": ["reliance", "reliance_items"],
    "api.leaderboards": ["leaderboard"],
    "api.reports": ["report", "view"],
    "api.runs": ["Run", "list_runs", "open_run"],
    "api.scores": ["Scores", "score"],
    "api.sweeps": ["Sweep", "sweep"],
    "data.dataset": ["DataSet"],
    "errors": ["IncompleteError", "InputError", "RunConflictError"],
    "metrics.bootstrap": ["Estimate"],
    "metrics.scoring": ["PanelScore", "Score", "score_matrix"],
    "metrics.verdict_matrix": ["VerdictMatrix", "verdict_matrix"],
    "protocol.clips": ["Clip", "Item"],
    "protocol.judging": ["VerdictRequest", "request_verdict"],
    "protocol.verdict_parser": ["read_verdict"],
    "protocol.verdicts": ["Judgement", "Orientation", "Verdict"],
    "reports.reliance_items": ["RelianceItems"],
    "reports.reliance_report": ["RelianceReport"],
    "version": ["__version__"],
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    globals()[name] = getattr(import_module(f"jasco.{_MODULES[name]}"), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
