"""Collecting and judging answers, for the commands and the public functions."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jasco.api import arguments, conversions
from jasco.api.messages import Notify, log_message, named_as_in_python
from jasco.api.runs import Run
from jasco.api.scores import Scores, scores_of
from jasco.api.threads import run_in_thread
from jasco.backends.budget import read_limits
from jasco.data import responses_csv
from jasco.data.dataset import DataSet
from jasco.errors import InputError, RunConflictError, count
from jasco.evaluation.distributed.divided_run import Division, is_divided, run_divided
from jasco.evaluation.job import Job
from jasco.evaluation.run_job import Stop, run_job
from jasco.judges.judge import Judge
from jasco.models.csv_model import read_responses
from jasco.models.model import Model
from jasco.runs.read_csv import JUDGING_RUN
from jasco.runs.read_run import judged_items_of_run
from jasco.runs.targets import check_targets

Prices = float | Mapping[str, float] | None


@named_as_in_python()
def evaluate(
    model: str | Callable[..., Any] | Model | object,
    *,
    data: str | Path | DataSet,
    judges: str | Sequence[str | Judge],
    run: str | Path | None = None,
    name: str | None = None,
    tags: Mapping[str, object] | None = None,
    protocol: str | None = None,
    instructions: Sequence[str] | None = None,
    samples: int | None = None,
    limit: int | None = None,
    shards: int | None = None,
    shard: str | None = None,
    on: str | None = None,
    concurrency: int = 16,
    preflight: bool = True,
    retry_final: bool = False,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    price_in: Prices = None,
    price_out: Prices = None,
) -> Scores:
    """Evaluate a model: collect its answers, have them judged, and return the scores.

    If the call is interrupted (``KeyboardInterrupt``, or ``SystemExit`` from a signal handler), the
    evaluation is stopped before the exception propagates. All results received so far are saved in
    the run, and the same call resumes it.

    Parameters
    ----------
    model : str, function or object
        A spec as on the command line (``"openai/..."``); a function ``answer(audio,
        sampling_rate, prompt)`` that returns a str, or ``answer(audios, sampling_rate, prompts)``
        that returns a list of str; or an object with such a method ``answer``. Audio is a float32
        array of shape (samples,) with values from -1 to 1; the sampling rate is in Hz. A function
        is called in a separate thread, one call at a time.
    data : str, Path or DataSet
        ``"mini"``, ``"watd"``, a folder that contains ``dataset/v0/v0.csv``, or a data set from
        :func:`load_dataset`.
    judges : str, or sequence of str or Judge
        Specs as on the command line, such as ``["offline"]``. If empty, answers are not judged.
    run : str, Path or None
        The run's folder; created if missing, resumed if it exists. None uses a temporary folder,
        which is deleted unless the evaluation fails.
    name : str or None
        The name of the model in tables. A run identifies a function or object by its name, so each
        checkpoint needs a different name or a different run. With ``run``, a name is required for a
        lambda, a nested function, a partial, a method or an object, which have no unique name.
    tags : mapping of str to str, int or float, or None
        Tags to add to the run, such as ``{"step": 1000}``; other values are converted to str.
    protocol : str or None
        The judging protocol: ``"v2"`` or ``"v1"``. None uses that of the run, which is ``"v2"`` for
        a new run.
    instructions : sequence of str or None
        1 to 64 instructions to use instead of the published ones; the figures can then not be
        compared with published results. None uses those of the run.
    samples : int or None
        Number of answers to each item. Each of them is judged, and figures are averaged over them.
        None uses that of the run, which is 1 for a new run. A larger number adds answers to a run.
    limit : int or None
        Number of clips to use, counted from the first; None uses all clips.
    shards : int or None
        Number of shards into which a new run is divided. None uses that of the run.
    shard : str or None
        ``"K/N"``: divide the run into N shards, and process shard K only (from 1), for example in
        one job of a cluster; the returned scores are those of the shard.
    on : str or None
        What processes the shards: ``"local,workers=2"``, ``"ray,address=..."`` or ``"slurm"``, with
        options as on the command line. None processes them one after the other in this process.
    concurrency : int
        Maximum number of concurrent calls to servers.
    preflight : bool
        Whether to check first that the model uses the audio, and to stop if it does not; and to ask
        each judge one question with a known verdict first.
    retry_final : bool
        Whether to retry final outcomes: unreadable verdicts, and failures that the same request is
        expected to cause again, such as those of a content filter.
    max_calls, max_tokens : int or None
        Maximum numbers of HTTP requests and of prompt and completion tokens for the run in total,
        including earlier calls; :class:`IncompleteError` is raised before a limit is exceeded.
    max_cost : float or None
        Maximum cost of the run in total, in the currency of the prices.
    price_in, price_out : float, mapping of str to float, or None
        Prices of a million prompt tokens and of a million completion tokens: one for all, or a
        mapping by the name of the model or judge, as in tables or as ``provider/name``.

    Returns
    -------
    Scores
        The scores. They may be incomplete: see :attr:`Scores.complete`.

    Raises
    ------
    InputError
        An argument is invalid, or the data set, the model or a judge is not found.
    RunConflictError
        The run contains other data or another model, another process is writing to it, the model
        does not use the audio, or a judge cannot be used.
    IncompleteError
        The evaluation could not finish, for example because a server is unavailable or a limit is
        reached. Completed work is saved; the same call resumes.

    Examples
    --------
    >>> import jasco
    >>> def answer(audio, sampling_rate, prompt):
    ...     return "They are building a sandcastle."
    >>> scores = jasco.evaluate(answer, data="mini", judges=["offline"], limit=2, preflight=False)
    >>> scores.complete, scores.coverage, list(scores.judges)
    (True, 1.0, ['offline'])
    """
    settings = checked_settings(
        concurrency, preflight, retry_final, max_calls, max_tokens, max_cost, price_in, price_out
    )
    arguments.check("run", run, run is None or arguments.is_path(run), "a folder or None")
    conversions.check_data(data)
    division = conversions.as_division(shard, shards, on)
    arguments.check("run", run, run is not None or shard is None, "a folder, to process a shard")
    with _folder(run) as folder:
        _run(
            division,
            run=folder,
            data=data,
            model=conversions.as_model(model, name, run),
            judges=judges,
            protocol=protocol,
            name=name,
            tags=tags,
            limit=limit,
            instructions=instructions,
            samples=samples,
            **settings,
        )
        scored = division.folder(folder) if division else folder
        return scores_of([scored], keep_items=run is None)


@named_as_in_python()
def respond(
    model: str | Callable[..., Any] | Model | object,
    *,
    data: str | Path | DataSet,
    run: str | Path,
    name: str | None = None,
    tags: Mapping[str, object] | None = None,
    instructions: Sequence[str] | None = None,
    samples: int | None = None,
    limit: int | None = None,
    shards: int | None = None,
    shard: str | None = None,
    on: str | None = None,
    concurrency: int = 16,
    preflight: bool = True,
    retry_final: bool = False,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    price_in: Prices = None,
    price_out: Prices = None,
) -> Run:
    """Collect the answers of a model without judging them; :func:`judge` can judge them later.

    The parameters and exceptions are those of :func:`evaluate`.

    Returns
    -------
    Run
        The run with the answers.

    Examples
    --------
    >>> import tempfile
    >>> import jasco
    >>> def answer(audio, sampling_rate, prompt):
    ...     return "They are building a sandcastle."
    >>> settings = {"data": "mini", "name": "castle", "limit": 2, "preflight": False}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = jasco.respond(answer, run=f"{folder}/run", **settings)
    >>> run.answered, run.items, run.state
    (16, 16, 'incomplete')
    """
    settings = checked_settings(
        concurrency, preflight, retry_final, max_calls, max_tokens, max_cost, price_in, price_out
    )
    arguments.check("run", run, arguments.is_path(run), "a folder")
    conversions.check_data(data)
    division = conversions.as_division(shard, shards, on)
    _run(
        division,
        run=Path(run),
        data=data,
        model=conversions.as_model(model, name, run),
        name=name,
        tags=tags,
        instructions=instructions,
        samples=samples,
        limit=limit,
        **settings,
    )
    return Run.open(division.folder(Path(run)) if division else Path(run))


@named_as_in_python()
def judge(
    target: str | Path,
    *,
    judges: str | Sequence[str | Judge],
    output: str | Path | None = None,
    protocol: str | None = None,
    shard: str | None = None,
    on: str | None = None,
    concurrency: int = 16,
    preflight: bool = True,
    retry_final: bool = False,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    price_in: Prices = None,
    price_out: Prices = None,
) -> Scores:
    """Judge the answers of a run, of a CSV file or of a log of Inspect.

    Parameters
    ----------
    target : str or Path
        The folder of a run, in which the verdicts are stored; a CSV file with answers in the
        column ``allm_output``; or a log of Inspect (``.eval``).
    judges : str, or sequence of str or Judge
        Specs as on the command line. A CSV file or a log takes one judge.
    output : str, Path or None
        The CSV file to write, required for a CSV file or a log: the answers and the verdicts.
    protocol, shard, on, concurrency, preflight, retry_final, max_calls, max_tokens, max_cost, \
price_in, price_out
        As in :func:`evaluate`.

    Returns
    -------
    Scores
        The scores of all judges of the run, including earlier ones.

    Raises
    ------
    InputError
        An argument, the CSV file or the log is invalid, or ``output`` is missing.
    RunConflictError, IncompleteError
        As in :func:`evaluate`.

    Examples
    --------
    >>> import tempfile
    >>> import jasco
    >>> def answer(audio, sampling_rate, prompt):
    ...     return "They are building a sandcastle."
    >>> settings = {"data": "mini", "name": "castle", "limit": 2, "preflight": False}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = jasco.respond(answer, run=f"{folder}/run", **settings)
    ...     scores = jasco.judge(run.folder, judges=["offline"])
    >>> scores.coverage
    1.0
    """
    settings = checked_settings(
        concurrency, preflight, retry_final, max_calls, max_tokens, max_cost, price_in, price_out
    )
    arguments.check("target", target, arguments.is_path(target), "a run or a CSV file")
    arguments.check("output", output, output is None or arguments.is_path(output), "a file or None")
    path, csv_file = Path(target), None if output is None else Path(output)
    check_targets([path], together=True)
    settings |= {"judges": judges, "protocol": protocol}
    division = conversions.as_division(shard, None, on)
    if not path.is_dir():
        check_not_divided(path, division)
        run, _ = run_in_thread(
            lambda begun: judge_responses_csv(
                path, csv_file, notify=log_message, begun=begun, **settings
            )
        )
        return scores_of([run])
    check_no_output(path, csv_file)
    _run(division, run=path, **settings)
    return scores_of([division.folder(path) if division else path])


def run_command(
    division: Division | None,
    notify: Notify,
    begun: Callable[[Stop], None] = lambda _: None,
    *,
    run: Path,
    data: str | Path | DataSet | None = None,
    **settings: Any,
) -> bool:
    """Do what is missing in a run, which may be divided into shards.

    Parameters
    ----------
    division : Division or None
        How the run is divided and processed; None processes all of it in this process.
    notify, begun
        As in :func:`jasco.evaluation.run_job.run_job`.
    run : pathlib.Path
        The run's folder.
    data : str, Path, DataSet or None
        A name, a folder or a data set; None uses that of the run.
    **settings
        As in :func:`open_job`.

    Returns
    -------
    bool
        Whether no work is left that the same call could finish.

    Raises
    ------
    InputError, RunConflictError, IncompleteError
        As in :func:`jasco.evaluation.run_job.run_job`.
    """
    if division is None and not is_divided(run):
        return run_job(open_job(run=run, data=data, notify=notify, **settings), notify, begun)
    source = conversions.as_source(data, notify)
    job = open_job(run=run, notify=notify, **settings)
    return run_divided(job, source, division or Division(), notify, begun)


def open_job(
    *,
    data: str | Path | DataSet | None = None,
    model: str | Model | None = None,
    judges: str | Sequence[str | Judge] = (),
    protocol: str | None = None,
    name: str | None = None,
    tags: Mapping[str, object] | None = None,
    limit: int | None = None,
    samples: int | None = None,
    instructions: Path | Sequence[str] | None = None,
    notify: Notify,
    **settings: Any,
) -> Job:
    """Return the job for the arguments of a command or function.

    Parameters
    ----------
    data : str, Path, DataSet or None
        A name, a folder or a data set; None uses that of the run.
    model : str, Model or None
        A spec or a model; None judges the answers in the run.
    judges : str, or sequence of str or Judge
        Specs or judges.
    protocol : str or None
        None uses that of the run, or the default.
    name, tags, limit, samples
        As in :func:`evaluate`.
    instructions : pathlib.Path, sequence of str, or None
        A file with one instruction per line, or the texts; None uses those of the run.
    notify : callable
        Called with each message to the user.
    **settings
        The other attributes of :class:`~jasco.evaluation.job.Job`.

    Raises
    ------
    InputError
        A spec, the data set, the protocol or the instructions are invalid.
    """
    return Job(
        name=arguments.as_name(name),
        tags=arguments.as_tags(tags),
        limit=None if limit is None else arguments.as_positive("limit", limit, " or None"),
        samples=None if samples is None else arguments.as_positive("samples", samples, " or None"),
        instructions=conversions.as_instructions(instructions),
        protocol=conversions.as_protocol(protocol),
        data=None if data is None else conversions.as_data(data, notify),
        model=None if model is None else conversions.as_model(model),
        judges=conversions.as_judges(judges),
        **settings,
    )


def judge_responses_csv(
    responses: Path,
    output: Path | None,
    *,
    judges: str | Sequence[str | Judge],
    notify: Notify,
    begun: Callable[[Stop], None] = lambda _: None,
    **settings: Any,
) -> tuple[Path, bool]:
    """Judge the answers in a file, and write its columns and the verdicts to another file.

    Parameters
    ----------
    responses : pathlib.Path
        A CSV file with answers in the column ``allm_output``, or a log of Inspect.
    output : pathlib.Path or None
        The file to write. The run with the verdicts is a folder next to it.
    judges : str, or sequence of str or Judge
        A single judge.
    notify : callable
        Called with each message to the user.
    begun : callable
        Called with the function that stops the job.
    **settings
        As in :func:`open_job`.

    Returns
    -------
    run : pathlib.Path
        The run's folder.
    complete : bool
        Whether no work is left that the same call could finish.

    Raises
    ------
    InputError
        There is no output file, there is more than one judge, or the file is invalid.
    RunConflictError, IncompleteError
        As in :func:`jasco.evaluation.run_job.run_job`; the output file is not written.
    """
    if not output:
        raise InputError(
            f"{responses}: missing output file; give the file to write, with -o JUDGED.csv"
        )
    opened = conversions.as_judges(judges)
    if len(opened) != 1:
        raise InputError(
            f"{responses}: {len(opened)} judges for a file (expected one judge); run "
            "one command per judge, each with a different -o, then: jasco score JUDGED.csv..."
        )
    file = read_responses(responses)
    if number := sum(text.strip().lower() == "nan" for text in file.answers().values()):
        notify(
            f"{file.path}: {count(number, 'answer')} with the text 'nan'; leave the cell empty if "
            "there is no answer"
        )
    if file.empty:
        notify(
            f"{file.path}: {count(file.empty, 'answer')} with an empty text, which a CSV file "
            "cannot express: counted as not answered"
        )
    if os.path.realpath(output) == os.path.realpath(responses):
        raise InputError(f"{output}: the output would overwrite the input; choose another -o")
    run = output.with_suffix(JUDGING_RUN)
    job = open_job(
        run=run,
        data=file.data,
        model=f"csv/{responses}",
        name=file.model or None,
        judges=opened,
        notify=notify,
        **settings,
    )
    try:
        complete = run_job(job, notify, begun)
    except RunConflictError as error:
        remedy = f"use a different -o, or delete {run} to judge all answers again"
        message = str(error).replace("use a different --run", remedy)
        raise RunConflictError(message) from None
    items, label = judged_items_of_run(run), job.judges[0].spec.label
    judged = items.judges.get(label, {})
    responses_csv.write_judged(output, file, judged, proxy=label in items.proxies)
    return run, complete


def check_not_divided(responses: Path, division: Division | None) -> None:
    """Raise ``InputError`` if a responses CSV is to be judged in shards."""
    if division:
        raise InputError(f"{responses}: --shard and --on apply to runs; omit them for a file")


def check_no_output(run: Path, output: Path | None) -> None:
    """Raise ``InputError`` if an output file is given: verdicts are stored in the run."""
    if output:
        raise InputError(
            f"-o applies to a responses CSV only: {run} is a run, which stores its own verdicts; "
            "remove -o"
        )


def checked_settings(
    concurrency: int,
    preflight: bool,
    retry_final: bool,
    max_calls: int | None,
    max_tokens: int | None,
    max_cost: float | None,
    price_in: Prices,
    price_out: Prices,
) -> dict[str, Any]:
    """Return the validated parameters that all functions share."""
    return {
        "concurrency": arguments.as_positive("concurrency", concurrency),
        "preflight": arguments.as_boolean("preflight", preflight),
        "retry_final": arguments.as_boolean("retry_final", retry_final),
        "limits": read_limits(max_calls, max_tokens, max_cost),
        "prices": conversions.as_price_list(price_in, price_out),
    }


@contextmanager
def _folder(run: str | Path | None) -> Iterator[Path]:
    """Yield the run's folder; a temporary one is deleted unless the evaluation fails."""
    folder = Path(tempfile.mkdtemp(prefix="jasco-") if run is None else run)
    is_kept = run is not None
    try:
        yield folder
    except BaseException as error:
        refused = isinstance(error, InputError | RunConflictError)
        if (folder / "run.db").exists() and not (is_kept and refused):
            error.add_note(f"Completed work is saved; to resume: run={str(folder)!r}")
            is_kept = True
        raise
    finally:
        if not is_kept:
            shutil.rmtree(folder)


def _run(division: Division | None, **settings: Any) -> None:
    if division and division.executor:
        run_command(division, log_message, **settings)
        return
    run_in_thread(lambda begun: run_command(division, log_message, begun, **settings))
