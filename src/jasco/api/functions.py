"""The same from Python: in a notebook, in a training loop.

What a call needs is imported by the call: ``import jasco`` stays quick.
"""

import html
import logging
import operator
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jasco.api.messages import named_as_in_python, python_names
from jasco.errors import InputError, one_line

if TYPE_CHECKING:
    from pandas import DataFrame

    from jasco.data.dataset import DataSet
    from jasco.evaluation.evaluate import Job, Stop
    from jasco.judges.judge import Judge
    from jasco.models.model import Model
    from jasco.runs.results import JudgedItems

_log = logging.getLogger("jasco")


def _say(line: str) -> None:
    _log.info("%s", python_names(line))


@dataclass(frozen=True, repr=False)
class Evaluation:
    """A model's figures. It prints as the command's table.

    Attributes
    ----------
    model : str
        What the model is called.
    summary : dict
        All that ``jasco score --json`` prints, in the documented schema.
    """

    model: str
    summary: dict[str, Any]
    _items: "Callable[[], JudgedItems]" = field(compare=False)

    @property
    def figures(self) -> dict[str, Any]:
        """The model's part of the summary: figures, judges, agreement, how the answering went."""
        figures: dict[str, Any] = self.summary["models"][self.model]
        return figures

    @property
    def best_mean(self) -> float | None:
        """A clip's best score over the 8 instructions, averaged over the clips: 0 to 2."""
        best_mean: float | None = self.figures["best_mean"]
        return best_mean

    @property
    def complete(self) -> bool:
        """Whether every item is answered, and every answer has a readable verdict."""
        return bool(self.figures["complete"])

    def __str__(self) -> str:
        """Write the table."""
        from jasco.reports.table import render

        return render(self.summary)

    def __repr__(self) -> str:
        """Write the table: what a notebook or a prompt shows of it."""
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def to_pandas(self) -> "DataFrame":
        """Give the figures as a data frame: a row for the model, and one for each judge.

        Columns: ``model``, ``judge`` (None for the model itself), ``best_mean``, ``mean``,
        ``audio``, ``both`` and ``speech`` (shares of 1), each with ``_low`` and ``_high`` (the
        ends of its 95 % interval), ``neither_rate``, ``unreadable_rate``, ``coverage``,
        ``complete``, ``proxy``, ``best_mean_at_worst`` and ``best_mean_at_best`` (what it would
        be with every missing verdict at its worst, or best), ``best_of_1`` to ``best_of_8``
        (prompts), ``mean_of_instruction_1`` to ``mean_of_instruction_8``.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        from jasco.reports.rows import figure_rows

        return _data_frame(list(figure_rows(self.summary)))

    def items_to_pandas(self) -> "DataFrame":
        """Give all that was answered and marked as a data frame: a row for each item and judge.

        Columns: ``clip``, ``instruction`` (1 to 8), ``prompt``, ``reference``, ``answer``,
        ``failure`` (why there is no answer: kind and message), ``judge``, ``rating`` (0 to 2),
        ``orientation``, ``score`` (the rating where it counts, else 0), ``judge_output``,
        ``judge_failure`` (why there is no verdict). What is missing is None.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        from jasco.reports.rows import item_rows

        return _data_frame(list(item_rows(self._items())))


def _data_frame(rows: list[dict[str, Any]]) -> "DataFrame":
    try:
        from pandas import DataFrame
    except ImportError:
        raise InputError("pandas is not installed: pip install pandas") from None
    return DataFrame(rows)


@named_as_in_python()
def evaluate(
    model: "str | Callable[..., Any] | Model | object",
    *,
    data: "str | Path | DataSet",
    judges: "Sequence[str | Judge]",
    run: str | Path | None = None,
    name: str | None = None,
    protocol: str | None = None,
    limit: int | None = None,
    concurrency: int = 16,
    preflight: bool = True,
    retry_final: bool = False,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    price_in: "float | Mapping[str, float] | None" = None,
    price_out: "float | Mapping[str, float] | None" = None,
) -> Evaluation:
    """Let a model answer, have the answers marked, and give the figures.

    Parameters
    ----------
    model : str, function or object
        As on the command line (``"openai/..."``); or a function ``answer(audio, sampling_rate,
        prompt)`` that gives a str, or ``answer(audios, sampling_rate, prompts)`` that gives a
        list of them; or an object with such a method ``answer``. Audio is a float32 array from -1
        to 1, shape (samples,). It is called in a thread of its own, a call at a time.
    data : str, Path or DataSet
        ``"mini"``, ``"watd"``, or a folder that holds ``dataset/v0/v0.csv``.
    judges : sequence of str or Judge
        As on the command line: ``["offline"]``. None at all leaves the answers unmarked.
    run : str, Path or None
        The run's folder, which is kept and gone on with; None takes a temporary one, which stays
        only if the evaluation does not get to its end.
    name : str or None
        What a function or object is called in the run and the results. A run takes what has the
        same name for the same model: give every checkpoint a name, or a run, of its own. With
        ``run``, what has no name of its own needs one: a lambda, a function within another one, a
        partial, a method, an object.
    protocol : str or None
        ``"v2"``, the default, or ``"v1"``.
    limit : int or None
        The first so many clips; None takes all.
    concurrency : int
        Calls in flight at once, where calls are made.
    preflight : bool
        Whether to check first that the model uses the audio, and refuse one that does not; and to
        ask each judge one question with a known verdict before all others.
    retry_final : bool
        Whether to ask again what a repeat is not expected to mend: unreadable verdicts, and
        failures such as a content filter's.
    max_calls, max_tokens : int or None
        HTTP requests, and tokens in and out, that the run may use in total, including earlier
        calls; :class:`IncompleteError` is raised before a limit is exceeded.
    max_cost : float or None
        Likewise, in the currency of the prices.
    price_in, price_out : float, mapping of str to float, or None
        Prices of a million prompt and completion tokens: of all, or by model or judge, as tables
        name them or as ``provider/name``.

    Returns
    -------
    Evaluation
        Complete or not: ``complete`` tells, and ``figures`` says what is missing.

    Raises
    ------
    InputError, RunConflictError, IncompleteError
        As the command's exit statuses 2, 3 and 4; the message says what to do. What was done is
        kept in the run.
    """
    from jasco.backends.budget import read_limits, read_price_list
    from jasco.backends.specs import open_spec
    from jasco.evaluation.evaluate import Job

    limits = read_limits(max_calls, max_tokens, max_cost, ("max_calls", "max_tokens", "max_cost"))
    prices = read_price_list(
        _prices("price_in", price_in), _prices("price_out", price_out), ("price_in", "price_out")
    )
    if name is not None and not (isinstance(name, str) and name.strip()):
        raise InputError(f"name must be a text that is not empty: got {_shown(name)}")
    if isinstance(model, str):
        if name:
            raise InputError(f"{model}: a spec is its own name; leave out name={name!r}")
        model = open_spec("model", model)
    with _folder(run) as folder:
        job = Job(
            run=folder,
            protocol=_protocol(protocol),
            limit=None if limit is None else _positive("limit", limit, " or None"),
            concurrency=_positive("concurrency", concurrency),
            preflight=_boolean("preflight", preflight),
            model=_model(model, name, run),
            judges=_judges(judges),
            retry_final=_boolean("retry_final", retry_final),
            data=_data(data),
            limits=limits,
            prices=prices,
        )
        _run(job)
        return score(folder)


@named_as_in_python()
def score(
    target: "str | Path | Sequence[str | Path]",
    *,
    compat: bool = False,
    judges: Sequence[str] = (),
) -> Evaluation:
    """Give the figures of a run, or of judged CSV files.

    Parameters
    ----------
    target : str, Path or sequence of them
        A run's folder; or a judged CSV file, or several, which are several judges of one model.
    compat : bool
        Take the arithmetic of the published script, bug for bug.
    judges : sequence of str
        Whose verdicts count, as tables name them; all, where none is named.

    Returns
    -------
    Evaluation
        With the figures of what is there, complete or not.

    Raises
    ------
    InputError
        There is nothing to score, it cannot be read, or a judge is not there.
    """
    from jasco.reports.summary import summarise
    from jasco.runs.results import (
        judged_items_of_files,
        read_run,
        results_of_files,
        see_targets,
    )

    paths = _paths(target)
    see_targets(paths, together=True)
    if len(paths) == 1 and paths[0].is_dir():
        results, items = read_run(paths[0], compat=compat)
    else:
        results, items = results_of_files(paths, compat=compat), None
    results = results.judged_by([judges] if isinstance(judges, str) else judges)

    def read_items() -> "JudgedItems":
        # What the published script reads need not be a whole filled file: it is read when asked.
        return (items or judged_items_of_files(paths)).judged_by(
            [*results.judges, *results.without_verdict]
        )

    return Evaluation(results.model, summarise([results]), read_items)


def _paths(target: "str | Path | Sequence[str | Path]") -> list[Path]:
    given = [target] if isinstance(target, str | os.PathLike) else target
    paths = list(given) if isinstance(given, Iterable) else []
    if not paths or not all(map(_is_path, paths)):
        raise InputError(f"target must be a run or judged CSV files: got {_shown(target)}")
    return [Path(path) for path in paths]


def _data(data: "str | Path | DataSet") -> "DataSet":
    from jasco.data.dataset import DataSet
    from jasco.data.fetching import find_data

    if isinstance(data, DataSet):
        return data
    if not _is_path(data):
        raise InputError(f"data must be a name, a folder or a data set: got {_shown(data)}")
    return find_data(str(data), _say)


def _judges(judges: "Sequence[str | Judge]") -> "list[Judge]":
    from jasco.judges.panel import open_judges

    given = [judges] if isinstance(judges, str) else judges
    if not isinstance(given, Iterable):
        raise InputError(f"judges must be a list of specs or judges: got {_shown(judges)}")
    opened: list[Judge] = []
    for judge in given:
        if isinstance(judge, str):
            opened += open_judges(judge)
        elif _is_provider(judge, "judge"):
            opened.append(judge)
        else:
            raise InputError(f"judges must be specs or judges: got {_shown(judge)}")
    return opened


def _model(model: Any, name: str | None, run: str | Path | None) -> "Model":
    from jasco.models.function import FunctionModel, has_own_name, name_of

    if _is_provider(model, "answer"):
        if name:
            raise InputError(f"{model.spec.label}: it has a name; leave out name={name!r}")
        made: Model = model
        return made
    function = FunctionModel.of(model, name)
    if run is not None and not name and not has_own_name(model):
        raise InputError(
            f"the run could take this model for another one: {name_of(model)} is not the name of "
            "one function only; give it one of its own: name=..."
        )
    return function


def _is_provider(given: object, does: str) -> bool:
    """Whether it was made of a spec, and does what is wanted of it."""
    from jasco.backends.specs import Spec

    is_ours = isinstance(getattr(given, "spec", None), Spec)
    return is_ours and callable(getattr(given, does, None))


def _protocol(protocol: str | None) -> str | None:
    from jasco.protocol.protocols import protocol_named

    if protocol is None:
        return None
    if not isinstance(protocol, str):
        raise InputError(f"protocol must be a name or None: got {_shown(protocol)}")
    return protocol_named(protocol).name


def _positive(name: str, value: Any, otherwise: str = "") -> int:
    """Take any kind of integer, those of numpy too."""
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise InputError(f"{name} must be a positive integer{otherwise}: got {_shown(value)}")
    return number


def _prices(name: str, given: object) -> list[str]:
    """Write prices as on the command line."""
    if given is None:
        return []
    if not isinstance(given, Mapping):
        return [str(given)]
    if not all(isinstance(each, str) and each for each in given):
        raise InputError(f"{name} must be a number, or have names of models or judges as its keys")
    return [f"{each}={price}" for each, price in given.items()]


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} must be True or False: got {_shown(value)}")
    return value


def _is_path(value: object) -> bool:
    text = str(value) if isinstance(value, str | os.PathLike) else ""
    return bool(text.strip()) and "\0" not in text


def _shown(value: object) -> str:
    return one_line(repr(value), 80)


@contextmanager
def _folder(run: str | Path | None) -> Iterator[Path]:
    """Give the run's folder; a temporary one stays only where something went wrong."""
    if run is not None:
        if not _is_path(run):
            raise InputError(f"run must be a folder or None: got {_shown(run)}")
        yield Path(run)
        return
    folder = Path(tempfile.mkdtemp(prefix="jasco-"))
    try:
        yield folder
    except BaseException as error:
        if (folder / "run.db").exists():
            error.add_note(f"What was done is kept: run={str(folder)!r} goes on with it.")
        else:
            shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def _run(job: "Job") -> None:
    """Do a job in a thread of its own: a notebook has a loop of events in this one already."""
    from jasco.evaluation.evaluate import evaluate as do

    stop = _Stop()
    with _messages_shown(), ThreadPoolExecutor(1, thread_name_prefix="jasco") as thread:
        try:
            thread.submit(do, job, _say, stop.begun).result()
        except KeyboardInterrupt:
            stop.now()
            raise


class _Handler(logging.Handler):
    """Writes messages to stderr, where a bar of progress gives way to them."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        with suppress(OSError, ValueError):  # stderr is closed
            tqdm.write(f"jasco: {record.getMessage()}", file=sys.stderr)


@contextmanager
def _messages_shown() -> Iterator[None]:
    """Write messages to stderr if logging is not configured, as in a plain notebook."""
    if _log.hasHandlers() or _log.level != logging.NOTSET:
        yield
        return
    handler = _Handler()
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    try:
        yield
    finally:
        _log.removeHandler(handler)
        _log.setLevel(logging.NOTSET)


class _Stop:
    """Stops a job, whether it has begun or not."""

    def __init__(self) -> None:
        self._stop: Stop | None = None
        self._wanted = False

    def begun(self, stop: "Stop") -> None:
        self._stop = stop
        if self._wanted:
            stop()

    def now(self) -> None:
        self._wanted = True
        if self._stop:
            with suppress(RuntimeError):  # it has just ended
                self._stop()
