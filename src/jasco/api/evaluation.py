"""Evaluating a model from Python, and the jobs of the commands that answer and judge."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from jasco.api import arguments
from jasco.api.messages import Notify, named_as_in_python, python_names, write_message
from jasco.api.results import Evaluation, score
from jasco.backends.budget import Budget, read_limits, read_price_list
from jasco.data import responses_csv
from jasco.data.audio import read_file
from jasco.data.csv_files import write_table
from jasco.data.dataset import DataSet
from jasco.data.sources import find_data
from jasco.errors import InputError
from jasco.evaluation.job import Job
from jasco.evaluation.run_job import Stop, run_job
from jasco.judge_exam.examination import Exam, take_exam
from jasco.judges.judge import Judge
from jasco.judges.panel import PANELS
from jasco.models.model import Model
from jasco.protocol.protocols import protocol_named
from jasco.reports.exam import summarise_exam
from jasco.reports.spending import spending_line
from jasco.runs.exam_records import ExamStore
from jasco.runs.read_csv import JUDGING_RUN
from jasco.runs.read_run import judged_items_of_run
from jasco.runs.spending import Spending

_log = logging.getLogger("jasco")


@named_as_in_python()
def evaluate(
    model: str | Callable[..., Any] | Model | object,
    *,
    data: str | Path | DataSet,
    judges: Sequence[str | Judge],
    run: str | Path | None = None,
    name: str | None = None,
    protocol: str | None = None,
    instructions: Sequence[str] | None = None,
    samples: int | None = None,
    limit: int | None = None,
    concurrency: int = 16,
    preflight: bool = True,
    retry_final: bool = False,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    price_in: float | Mapping[str, float] | None = None,
    price_out: float | Mapping[str, float] | None = None,
) -> Evaluation:
    """Evaluate a model: collect its answers, judge them, and return the figures.

    Parameters
    ----------
    model : str, function or object
        As on the command line (``"openai/..."``); or a function ``answer(audio, sampling_rate,
        prompt)`` that returns a str, or ``answer(audios, sampling_rate, prompts)`` that returns a
        list of them; or an object with such a method ``answer``. Audio is a float32 array from -1
        to 1, shape (samples,). It is called in a thread of its own, a call at a time.
    data : str, Path or DataSet
        ``"mini"``, ``"watd"``, or a folder that holds ``dataset/v0/v0.csv``.
    judges : sequence of str or Judge
        As on the command line: ``["offline"]``. None at all leaves the answers without verdicts.
    run : str, Path or None
        The run's folder, which is kept and continued; None takes a temporary one, which stays
        only if the evaluation does not get to its end.
    name : str or None
        The name of a function or object in the run and the results. A run identifies the model by
        it: give every checkpoint a name, or a run, of its own. It is required with ``run`` for
        anything without a name of its own: a lambda, a function within another one, a partial, a
        method, an object.
    protocol : str or None
        ``"v2"``, the default, or ``"v1"``.
    instructions : sequence of str or None
        Instructions to ask instead of the published ones: 1 to 64 texts. Such figures cannot be
        compared with published ones. None takes those of the run.
    samples : int or None
        The number of answers to each item, each judged; figures are averaged over them. None takes
        that of the run, 1 in a new one. A larger number adds answers to a run.
    limit : int or None
        Number of clips, from the first on; None takes all.
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
        Complete or not: see its ``complete``; ``figures`` hold what is missing.

    Raises
    ------
    InputError, RunConflictError, IncompleteError
        As the command's exit statuses 2, 3 and 4; the message states what to do. What was done is
        kept in the run.
    """
    arguments.check("run", run, run is None or arguments.is_path(run), "a folder or None")
    prices = [
        arguments.as_prices("price_in", price_in),
        arguments.as_prices("price_out", price_out),
    ]
    folder = Path(tempfile.mkdtemp(prefix="jasco-") if run is None else run)
    is_kept = run is not None
    try:
        job = open_job(
            run=folder,
            data=arguments.as_data(data, _notify),
            model=arguments.as_model(model, name, run),
            judges=judges,
            protocol=protocol,
            instructions=instructions,
            samples=None if samples is None else arguments.as_positive("samples", samples),
            notify=_notify,
            limit=None if limit is None else arguments.as_positive("limit", limit, " or None"),
            concurrency=arguments.as_positive("concurrency", concurrency),
            preflight=arguments.as_boolean("preflight", preflight),
            retry_final=arguments.as_boolean("retry_final", retry_final),
            limits=read_limits(max_calls, max_tokens, max_cost),
            prices=read_price_list(*prices),
        )
        _run_in_thread(job)
        return score(folder)
    except BaseException as error:
        if not is_kept and (folder / "run.db").exists():
            error.add_note(f"What was done is kept: run={str(folder)!r} goes on with it.")
            is_kept = True
        raise
    finally:
        if not is_kept:
            shutil.rmtree(folder)


def open_job(
    *,
    data: str | Path | DataSet | None = None,
    model: str | Model | None = None,
    judges: Sequence[str | Judge] = (),
    protocol: str | None = None,
    instructions: Path | Sequence[str] | None = None,
    notify: Notify,
    **settings: Any,
) -> Job:
    """Return the job that a command or a call describes.

    Parameters
    ----------
    data : str, Path, DataSet or None
        A name or a folder; None takes the run's own.
    model : str, Model or None
        A spec; None judges the answers that the run holds.
    judges : sequence of str or Judge
        Specs.
    protocol : str or None
        None takes the run's own, or the default.
    instructions : pathlib.Path, sequence of str, or None
        A file with one instruction per line, or their texts; None takes those of the run.
    notify : callable
        Takes messages to the user.
    **settings
        The other attributes of :class:`~jasco.evaluation.job.Job`.

    Raises
    ------
    InputError
        A spec, the data set, the protocol or the instructions are wrong.
    """
    return Job(
        instructions=arguments.as_instructions(instructions),
        protocol=arguments.as_protocol(protocol),
        data=None if data is None else arguments.as_data(data, notify),
        model=None if model is None else arguments.as_model(model),
        judges=arguments.as_judges(judges),
        **settings,
    )


def judge_responses_csv(
    responses: Path,
    output: Path | None,
    *,
    judges: Sequence[str],
    notify: Notify,
    **settings: Any,
) -> tuple[Path, bool]:
    """Judge the answers in a CSV file, and write its columns with the verdicts to another one.

    Parameters
    ----------
    responses : pathlib.Path
        The file, with answers in the column ``allm_output``.
    output : pathlib.Path or None
        The file to write. The run that keeps the verdicts is the folder beside it.
    judges : sequence of str
        One judge.
    notify : callable
        Takes messages to the user.
    **settings
        As of :func:`open_job`.

    Returns
    -------
    run : pathlib.Path
        The run's folder.
    complete : bool
        Whether nothing is left that the same call could finish.

    Raises
    ------
    InputError
        There is no output, more than one judge, or something is wrong with the file.
    RunConflictError, IncompleteError
        As of :func:`jasco.evaluation.run_job.run_job`; nothing is written.
    """
    if not output:
        raise InputError(
            f"{responses}: -o JUDGED.csv is missing: the file that the verdicts on a "
            "responses CSV are written to"
        )
    if len(judges) != 1 or judges[0].split(",")[0] in PANELS:
        raise InputError(
            f"{responses}: a responses CSV takes one judge at a time; give each a command "
            "with an -o of its own, and all of these to: jasco score"
        )
    file = responses_csv.read_responses_csv(responses)
    if number := sum(text.strip().lower() == "nan" for text in file.answers().values()):
        notify(f"{file.path}: answers that read 'nan': {number}; empty the cell if none was given")
    run, model = output.with_suffix(JUDGING_RUN), f"csv/{responses}"
    job = open_job(run=run, data=file.data, model=model, judges=judges, notify=notify, **settings)
    complete = run_job(job, notify)
    items, label = judged_items_of_run(run), job.judges[0].spec.label
    judged = items.judges.get(label, {})
    responses_csv.write_judged(output, file, judged, proxy=label in items.proxies)
    return run, complete


def write_template(data: DataSet, output: Path) -> None:
    """Write a CSV with a row for each item of a data set; the column ``allm_output`` is empty.

    Raises
    ------
    InputError
        A clip's audio is missing or cannot be read.
    """
    paths = {clip.id: data.audio_path(clip) for clip in data.clips}
    frames = {id_: read_file(path).frames for id_, path in paths.items() if path}
    write_table(output, responses_csv.COLUMNS, responses_csv.template_rows(data, frames))


def examine(
    judge: Judge,
    budget: Budget,
    *,
    data: str,
    gold: Path | None,
    protocol: str | None,
    notify: Notify,
    **settings: Any,
) -> tuple[dict[str, Any], bool]:
    """Examine a judge: ask what it was not asked yet, keep its verdicts, compute its figures.

    Parameters
    ----------
    judge : Judge
        The judge to examine.
    budget : Budget
        What may be spent.
    data : str
        The name or the folder of a data set.
    gold : pathlib.Path or None
        A CSV of rows labelled by people.
    protocol : str or None
        None takes the default.
    notify : callable
        Takes messages to the user.
    **settings
        ``concurrency`` and ``again``, as of :func:`jasco.judge_exam.examination.take_exam`.

    Returns
    -------
    summary : dict
        All that ``jasco exam --json`` prints.
    complete : bool
        Whether nothing is left that the same call could finish.

    Raises
    ------
    InputError
        The data, the labels or the judge's spec are wrong.
    """
    judge.budget = budget
    chosen = protocol_named(protocol)
    exam = Exam.about(find_data(data, notify), chosen, judge, gold)
    if exam.labels and exam.labels.by_id:
        notify(f"{gold}: no column clip_sha; rows are joined by id, right or wrong")
    with closing(ExamStore.of_user()) as store:
        result = take_exam(judge, exam, store, notify=notify, **settings)
        summary = summarise_exam(result)
        store.keep_result(judge.spec.identity, exam.labels_sha256, summary)
    if line := spending_line(Spending(budget.spent, budget.prices)):
        notify(line)
    return summary, result.left == 0


def _run_in_thread(job: Job) -> None:
    """Run a job in a thread of its own: in a notebook, this one has an event loop already."""
    begun: Future[Stop] = Future()
    with ThreadPoolExecutor(1, thread_name_prefix="jasco") as thread:
        try:
            thread.submit(run_job, job, _notify, begun.set_result).result()
        except KeyboardInterrupt:
            begun.add_done_callback(_stop)  # at once, or when it begins
            raise


def _stop(begun: Future[Stop]) -> None:
    with suppress(RuntimeError):  # it has just ended
        begun.result()()


def _notify(line: str) -> None:
    """Log a message; write it to stderr if logging is not configured, as in a plain notebook."""
    if _log.hasHandlers() or _log.level != logging.NOTSET:
        _log.info("%s", python_names(line))
    else:
        with suppress(OSError, ValueError):  # stderr is closed
            write_message(python_names(line))
