"""Causal modality reliance: which cues a model relies on, measured by interventions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jasco.api import arguments, conversions
from jasco.api.evaluation import Prices, checked_settings, open_job
from jasco.api.messages import Notify, log_message, named_as_in_python
from jasco.api.threads import run_in_thread
from jasco.data.dataset import DataSet
from jasco.errors import InputError
from jasco.evaluation.distributed.divided_run import Division
from jasco.evaluation.run_job import Stop
from jasco.interventions.reliance_results import read_reliance
from jasco.interventions.reliance_run import RelianceRunner
from jasco.interventions.stems import find_stems
from jasco.judges.judge import Judge
from jasco.models.model import Model
from jasco.protocol.conditions import DRAWS, parse_conditions
from jasco.reports.reliance_items import RelianceItems, audit_items
from jasco.reports.reliance_report import RelianceReport
from jasco.runs.condition_runs import conditions_of
from jasco.runs.reader import RunReader, is_run


@named_as_in_python()
def reliance(
    model: str | Callable[..., Any] | Model | object | None = None,
    *,
    run: str | Path,
    data: str | Path | DataSet | None = None,
    judges: str | Sequence[str | Judge] = (),
    conditions: str | Sequence[str] = "core",
    draws: int = DRAWS,
    stems: str | Path | None = None,
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
) -> RelianceReport:
    """Measure which cues a model relies on, by removing, swapping or stating them.

    The model answers each item of the data set under several conditions, for example with the sound
    alone. Each condition is a run in the folder of the original run; the same call resumes them.

    Parameters
    ----------
    model : str, function, object or None
        As in :func:`evaluate`. Without audio, a function receives None instead of an array. None
        asks no model: the existing answers are judged, or their figures are returned.
    run : str or Path
        The folder of the original run; created if missing, extended if it exists.
    data : str, Path, DataSet or None
        As in :func:`evaluate`; None uses that of the run.
    judges : str, or sequence of str or Judge
        Specs as on the command line, such as ``["offline"]``; at least one if a model is given.
    conditions : str or sequence of str
        ``"core"``, ``"all"``, or the names of conditions, such as ``["sound", "none"]``.
    draws : int
        Number of other clips from which a swapped cue is taken.
    stems : str, Path or None
        A folder with ``sound/ID.wav`` and ``speech/ID.wav``. None uses the stems of the data set,
        or those made by ``jasco data stems``.
    name, tags, protocol, instructions, samples, limit, shards, shard, on, concurrency, preflight, \
retry_final, max_calls, max_tokens, max_cost, price_in, price_out
        As in :func:`evaluate`; limits apply to all conditions together.

    Returns
    -------
    RelianceReport
        The figures by all judges that judged every condition. They may be incomplete: see
        :attr:`RelianceReport.complete`.

    Raises
    ------
    InputError
        An argument is invalid, stems are missing, or the run has no conditions.
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
    ...     report = jasco.reliance(answer, judges=["offline"], run=f"{folder}/run", **settings)
    >>> report.complete, report.reliance.figures.effects["necessity_speech"].v.value
    (True, 0.0)
    """
    settings = checked_settings(
        concurrency, preflight, retry_final, max_calls, max_tokens, max_cost, price_in, price_out
    )
    arguments.check("run", run, arguments.is_path(run), "a folder")
    folder = Path(run)
    if data is not None:
        conversions.check_data(data)
    if model is not None and not judges:
        raise InputError("judges: expected at least one; further ones can be added later")
    if model is not None or judges:
        division = conversions.as_division(shard, shards, on)
        settings |= {
            "model": None if model is None else conversions.as_model(model, name, run),
            "data": data,
            "judges": judges,
            "conditions": conditions,
            "draws": draws,
            "stems": stems,
            "name": name,
            "tags": tags,
            "protocol": protocol,
            "instructions": instructions,
            "samples": samples,
            "limit": limit,
        }

        def work(begun: Callable[[Stop], None] = lambda _: None) -> bool:
            return open_runner(division, log_message, begun, run=folder, **settings).run()

        if division and division.executor:
            work()
        else:
            run_in_thread(work)
    return reliance_of(folder)


def open_runner(
    division: Division | None,
    notify: Notify,
    begun: Callable[[Stop], None] = lambda _: None,
    *,
    run: Path,
    model: str | Model | None,
    data: str | Path | DataSet | None,
    conditions: str | Sequence[str],
    draws: int,
    stems: str | Path | None,
    **settings: Any,
) -> RelianceRunner:
    """Return what runs the conditions of a model.

    Parameters
    ----------
    division : Division or None
        How each run is divided and processed.
    notify, begun
        As in :func:`jasco.evaluation.run_job.run_job`.
    run : pathlib.Path
        The folder of the original run.
    model : str, Model or None
        A spec or a model; None judges the existing answers.
    data, conditions, draws, stems
        As in :func:`reliance`.
    **settings
        As in :func:`jasco.api.evaluation.open_job`.

    Raises
    ------
    InputError
        An argument is invalid, the run does not exist, or stems are missing.
    """
    if model is None:
        RunReader.open(run).close()
        job = open_job(run=run, notify=notify, **settings)
        return RelianceRunner(job, conditions_of(run), None, division, notify, begun)
    names = ",".join(arguments.as_names("conditions", conditions))
    chosen = parse_conditions(names, arguments.as_positive("draws", draws))
    if len(chosen) == 1:
        raise InputError("--conditions: expected at least one condition besides original")
    data = _data_of(run) if data is None else data
    job = open_job(run=run, data=data, model=model, notify=notify, **settings)
    assert job.data is not None
    assert job.model is not None
    if not job.model.uses_audio:
        raise InputError(
            f"{job.model.spec.label}: its answers are read from a file, so nothing can be changed "
            "in its input; give a model that can be asked"
        )
    arguments.check("stems", stems, stems is None or arguments.is_path(stems), "a folder or None")
    folder = None if stems is None else Path(stems)
    needs_stems = any(condition.needs_stems for condition in chosen)
    found = find_stems(job.data, folder) if needs_stems else None
    return RelianceRunner(job, chosen, found, division, notify, begun)


def _data_of(run: Path) -> Path:
    """Return the folder from which the data set of an existing run was read."""
    if is_run(run):
        with RunReader.open(run) as store:
            if store.data_root:
                return store.data_root
    raise InputError(f"{run}: a new run; give its data set with --data")


def reliance_of(run: Path, *, judges: Sequence[str] = ()) -> RelianceReport:
    """Return the report of a run with conditions.

    Parameters
    ----------
    run : pathlib.Path
        The folder of the original run.
    judges : sequence of str
        The names of the judges whose verdicts are used; all that judged every condition if empty.

    Raises
    ------
    InputError
        There is no run, it has no conditions, or a judge is unknown.
    """
    return RelianceReport.of(read_reliance(run, judges))


@named_as_in_python()
def reliance_items(
    runs: str | Path | Sequence[str | Path], *, judges: str | Sequence[str] = ()
) -> RelianceItems:
    """Return what suffices to solve each clip, over several models.

    Parameters
    ----------
    runs : str, Path or sequence of them
        The runs of the models, which have conditions.
    judges : str or sequence of str
        The judges whose verdicts are used; all that judged every condition if empty.

    Returns
    -------
    RelianceItems
        The class of each clip for each model.

    Raises
    ------
    InputError
        A run has no conditions, or the runs are about different data.
    """
    return audit_of(arguments.as_paths(runs), judges=arguments.as_names("judges", judges))


def audit_of(runs: Sequence[Path], *, judges: Sequence[str] = ()) -> RelianceItems:
    """Return the audit of the clips of several runs, as :func:`reliance_items`."""
    if not runs:
        raise InputError("--items: missing runs; give at least one run with conditions")
    return audit_items([reliance_of(run, judges=judges) for run in runs])
