"""Running evaluations: answers, verdicts, and the jobs that commands and functions share."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jasco.api import arguments
from jasco.api.messages import Notify, log_message, named_as_in_python
from jasco.api.runs import Run
from jasco.api.scores import Scores, scores_of
from jasco.api.threads import run_in_thread
from jasco.backends.budget import read_limits
from jasco.data import responses_csv
from jasco.data.dataset import DataSet
from jasco.errors import InputError
from jasco.evaluation.job import Job
from jasco.evaluation.run_job import Stop, run_job
from jasco.judges.judge import Judge
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

    An exception that ends the call (``KeyboardInterrupt``, the ``SystemExit`` of a signal handler)
    stops the evaluation first. Everything received until then is saved in the run, and the same
    call resumes it.

    Parameters
    ----------
    model : str, function or object
        A spec as on the command line (``"openai/..."``); or a function ``answer(audio,
        sampling_rate, prompt)`` that returns a str, or ``answer(audios, sampling_rate, prompts)``
        that returns a list of them; or an object with such a method ``answer``. Audio is a float32
        array from -1 to 1, shape (samples,). A function is called in a separate thread, one call at
        a time.
    data : str, Path or DataSet
        ``"mini"``, ``"watd"``, or a folder that holds ``dataset/v0/v0.csv``.
    judges : str, or sequence of str or Judge
        Specs as on the command line: ``["offline"]``. Without any, answers are not judged.
    run : str, Path or None
        The run's folder, created if missing and resumed if it exists. None uses a temporary folder,
        which is deleted after a complete evaluation.
    name : str or None
        The name of the model in tables. A run identifies a function or object by it: give every
        checkpoint a different name, or a run of its own. With ``run``, it is required for anything
        whose own name is not unique: a lambda, a nested function, a partial, a method, an object.
    tags : mapping of str to str, or None
        Tags to add to the run, such as ``{"step": 1000}``.
    protocol : str or None
        ``"v2"``, the default, or ``"v1"``.
    instructions : sequence of str or None
        Instructions to ask instead of the published ones: 1 to 64 texts. Such figures cannot be
        compared with published ones. None uses those of the run.
    samples : int or None
        Number of answers to each item, each of them judged; figures are averaged over them. None
        uses that of the run, which is 1 in a new one. A larger number adds answers to a run.
    limit : int or None
        Number of clips, counted from the first; None uses all.
    concurrency : int
        Number of calls at once, to servers.
    preflight : bool
        Whether to check first that the model uses the audio, and refuse one that does not; and to
        ask each judge one question with a known verdict first.
    retry_final : bool
        Whether to repeat what a retry is not expected to fix: unreadable verdicts, and failures
        such as a content filter's.
    max_calls, max_tokens : int or None
        HTTP requests, and prompt and completion tokens, that the run may use in total, including
        earlier calls; :class:`IncompleteError` is raised before a limit is exceeded.
    max_cost : float or None
        Likewise, in the currency of the prices.
    price_in, price_out : float, mapping of str to float, or None
        Prices of a million prompt and completion tokens: for all, or by the name of a model or
        judge, as in tables or as ``provider/name``.

    Returns
    -------
    Scores
        The scores, which may be incomplete: see :attr:`Scores.complete`.

    Raises
    ------
    InputError, RunConflictError, IncompleteError
        As the command's exit statuses 2, 3 and 4; the message states what to do.

    Examples
    --------
    >>> import jasco
    >>> scores = jasco.evaluate("cascade", data="mini", judges=["offline"])  # doctest: +SKIP
    >>> print(scores)  # doctest: +SKIP
    """
    settings = _settings(
        concurrency, preflight, retry_final, max_calls, max_tokens, max_cost, price_in, price_out
    )
    arguments.check("run", run, run is None or arguments.is_path(run), "a folder or None")
    with _folder(run) as folder:
        job = open_job(
            run=folder,
            data=arguments.as_data(data, log_message),
            model=arguments.as_model(model, name, run),
            judges=judges,
            protocol=protocol,
            notify=log_message,
            name=name,
            tags=tags,
            limit=limit,
            instructions=instructions,
            samples=samples,
            **settings,
        )
        _run(job)
        return scores_of([folder], keep_items=True)


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
    concurrency: int = 16,
    preflight: bool = True,
    retry_final: bool = False,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    price_in: Prices = None,
    price_out: Prices = None,
) -> Run:
    """Collect the answers of a model without judging them; :func:`judge` judges them later.

    Parameters and exceptions are those of :func:`evaluate`.

    Returns
    -------
    Run
        The run with the answers.

    Examples
    --------
    >>> import jasco
    >>> run = jasco.respond("cascade", data="mini", run="my-run")  # doctest: +SKIP
    >>> scores = jasco.judge("my-run", judges=["offline"])  # doctest: +SKIP
    """
    settings = _settings(
        concurrency, preflight, retry_final, max_calls, max_tokens, max_cost, price_in, price_out
    )
    arguments.check("run", run, arguments.is_path(run), "a folder")
    job = open_job(
        run=Path(run),
        data=arguments.as_data(data, log_message),
        model=arguments.as_model(model, name, run),
        notify=log_message,
        name=name,
        tags=tags,
        instructions=instructions,
        samples=samples,
        limit=limit,
        **settings,
    )
    _run(job)
    return Run.open(job.run)


@named_as_in_python()
def judge(
    target: str | Path,
    *,
    judges: str | Sequence[str | Judge],
    output: str | Path | None = None,
    protocol: str | None = None,
    concurrency: int = 16,
    preflight: bool = True,
    retry_final: bool = False,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    price_in: Prices = None,
    price_out: Prices = None,
) -> Scores:
    """Judge the answers of a run, or of a CSV file.

    Parameters
    ----------
    target : str or Path
        The folder of a run, which keeps its verdicts; or a CSV file with answers in the column
        ``allm_output``.
    judges : str, or sequence of str or Judge
        Specs as on the command line; one judge for a CSV file.
    output : str, Path or None
        For a CSV file: the file to write, with its columns and the verdicts.
    protocol, concurrency, preflight, retry_final, max_calls, max_tokens, max_cost, price_in, \
price_out
        As of :func:`evaluate`.

    Returns
    -------
    Scores
        The scores of all judges of the run, earlier ones included.

    Raises
    ------
    InputError, RunConflictError, IncompleteError
        As of :func:`evaluate`; or ``output`` is missing.
    """
    settings = _settings(
        concurrency, preflight, retry_final, max_calls, max_tokens, max_cost, price_in, price_out
    )
    arguments.check("target", target, arguments.is_path(target), "a run or a CSV file")
    arguments.check("output", output, output is None or arguments.is_path(output), "a file or None")
    path, csv_file = Path(target), None if output is None else Path(output)
    check_targets([path], together=True)
    settings |= {"judges": judges, "protocol": protocol, "notify": log_message}
    if not path.is_dir():
        run, _ = run_in_thread(
            lambda begun: judge_responses_csv(path, csv_file, begun=begun, **settings)
        )
        return scores_of([run], keep_items=True)
    check_no_output(path, csv_file)
    _run(open_job(run=path, **settings))
    return scores_of([path], keep_items=True)


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
    """Return the job that a command or a function describes.

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
    name, tags, limit, samples
        As of :func:`evaluate`.
    instructions : pathlib.Path, sequence of str, or None
        A file with one instruction per line, or their texts; None uses those of the run.
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
        name=arguments.as_name(name),
        tags=arguments.as_tags(tags),
        limit=None if limit is None else arguments.as_positive("limit", limit, " or None"),
        samples=None if samples is None else arguments.as_positive("samples", samples, " or None"),
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
    judges: str | Sequence[str | Judge],
    notify: Notify,
    begun: Callable[[Stop], None] = lambda _: None,
    **settings: Any,
) -> tuple[Path, bool]:
    """Judge the answers in a CSV file, and write its columns with the verdicts to another one.

    Parameters
    ----------
    responses : pathlib.Path
        The file, with answers in the column ``allm_output``.
    output : pathlib.Path or None
        The file to write. The run that keeps the verdicts is the folder beside it.
    judges : str, or sequence of str or Judge
        One judge.
    notify : callable
        Takes messages to the user.
    begun : callable
        Takes the function that stops it.
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
            f"{responses}: missing output file for the answers with their verdicts: -o JUDGED.csv"
        )
    opened = arguments.as_judges(judges)
    if len(opened) != 1:
        raise InputError(
            f"{responses}: a responses CSV takes one judge at a time; run one command for each "
            "judge, with its own -o, then: jasco score JUDGED.csv..."
        )
    file = responses_csv.read_responses_csv(responses)
    if number := sum(text.strip().lower() == "nan" for text in file.answers().values()):
        notify(f"{file.path}: answers that read 'nan': {number}; empty the cell if none was given")
    run, model = output.with_suffix(JUDGING_RUN), f"csv/{responses}"
    job = open_job(run=run, data=file.data, model=model, judges=opened, notify=notify, **settings)
    complete = run_job(job, notify, begun)
    items, label = judged_items_of_run(run), job.judges[0].spec.label
    judged = items.judges.get(label, {})
    responses_csv.write_judged(output, file, judged, proxy=label in items.proxies)
    return run, complete


def check_no_output(run: Path, output: Path | None) -> None:
    """Raise ``InputError`` for an output file: a run keeps its verdicts."""
    if output:
        raise InputError(
            f"-o is for a responses CSV: {run} is a run, which keeps its verdicts; leave out -o"
        )


def _settings(
    concurrency: int,
    preflight: bool,
    retry_final: bool,
    max_calls: int | None,
    max_tokens: int | None,
    max_cost: float | None,
    price_in: Prices,
    price_out: Prices,
) -> dict[str, Any]:
    """Check the parameters that all functions have in common."""
    return {
        "concurrency": arguments.as_positive("concurrency", concurrency),
        "preflight": arguments.as_boolean("preflight", preflight),
        "retry_final": arguments.as_boolean("retry_final", retry_final),
        "limits": read_limits(max_calls, max_tokens, max_cost),
        "prices": arguments.as_price_list(price_in, price_out),
    }


@contextmanager
def _folder(run: str | Path | None) -> Iterator[Path]:
    """Provide the run's folder; a temporary one is deleted unless the evaluation fails."""
    folder = Path(tempfile.mkdtemp(prefix="jasco-") if run is None else run)
    is_kept = run is not None
    try:
        yield folder
    except BaseException as error:
        if not is_kept and (folder / "run.db").exists():
            error.add_note(f"Completed work is saved; to resume: run={str(folder)!r}")
            is_kept = True
        raise
    finally:
        if not is_kept:
            shutil.rmtree(folder)


def _run(job: Job) -> None:
    run_in_thread(lambda begun: run_job(job, log_message, begun))
