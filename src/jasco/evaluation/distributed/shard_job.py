"""The job of one shard of a run, and what it shares with the others: the run's index and checks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from jasco.backends.budget import Limits
from jasco.data.dataset import DataSet
from jasco.errors import InputError, RunConflictError, count
from jasco.evaluation.job import Job
from jasco.evaluation.kept_providers import KeptProviders
from jasco.evaluation.progress import Counts
from jasco.evaluation.run_job import Stop, run_in_store
from jasco.protocol.protocols import protocol_named
from jasco.runs.reader import RunReader
from jasco.runs.shards import Shard
from jasco.runs.writer import RunWriter

Source = DataSet | Path | None
"""A data set, or its folder, which is then read without keeping it in memory; None: as indexed."""
Notify = Callable[[str], None]

_PATIENCE = 600.0
"""Seconds to wait for another process that indexes the data set."""
_SHARD_PATIENCE = 30.0
"""Seconds to wait for an earlier worker of the same shard that is still ending."""


def index_run(job: Job, shards: int, source: Source, notify: Notify) -> int:
    """Store what a divided run is about, and check that it fits what the run holds.

    Parameters
    ----------
    job : Job
        The job of the whole run.
    shards : int
        Number of shards; 0 for that of the run.
    source : DataSet, Path or None
        The data set.
    notify : callable
        Takes lines for the user.

    Returns
    -------
    int
        Number of shards.

    Raises
    ------
    InputError
        The data set is invalid, or there are no answers to judge.
    RunConflictError
        The run holds something else, or another process is using it.
    """
    if source is None:
        RunReader.open(job.run).close()  # do not create a run
    with RunWriter.open(job.run, _PATIENCE, notify) as whole:
        whole.set_shards(shards or whole.shards)
        if isinstance(source, Path):
            total = whole.index_data(source)
        elif source is not None:
            total = len(whole.set_data(source).clips)
        else:
            total = whole.clip_count
        instructions = whole.instructions if job.instructions is None else job.instructions
        job.check_recorded(instructions, max(job.samples or 1, whole.samples))
        whole.set_instructions(job.instructions)
        whole.set_condition(job.condition)
        if job.judges:
            whole.set_protocol(protocol_named(job.protocol or whole.fact("protocol")).name)
        if job.model:
            model = whole.set_model(job.model.spec)
        elif whole.models():
            model = whole.models()[0][0]
        else:
            raise InputError(f"{job.run}: the run holds no answers to judge; see: jasco respond")
        whole.describe(model, job.name, job.tags)
        whole.add_judges([judge.spec for judge in job.judges])
        if job.limit and job.limit < whole.covered and not whole.has_answers():
            whole.narrow(0)
        covered = job.clips_covered(total, whole.covered, has_data=source is not None)
        if job.limit and job.limit < covered:
            notify(
                f"--limit {job.limit} has no effect: {job.run} already covers "
                f"{count(covered, 'clip')}; for fewer, use a different --run"
            )
        whole.widen(covered, job.samples or 1)
        return whole.shards


@contextmanager
def open_shard(job: Job, shard: Shard, notify: Notify) -> Iterator[tuple[Job, RunWriter]]:
    """Open a shard of an indexed run, and yield its job and its run.

    Raises
    ------
    RunConflictError
        Another process is working on the shard, or its folder holds something else.
    """
    with RunWriter.open(shard.folder(job.run), _SHARD_PATIENCE, notify) as store:
        with RunReader.open(job.run) as whole:
            if whole.shards != shard.count:
                raise RunConflictError(
                    f"{job.run}: no longer divided into {count(shard.count, 'shard')}; run the "
                    "command without --shard"
                )
            store.become_shard(shard, whole)
        data = replace(store.data(), folder=store.data_root)
        yield (
            replace(
                job,
                run=store.folder,
                whole=job.run,
                data=data,
                limit=None,
                name=None,
                tags={},
                limits=_share(job.limits, shard.count),
            ),
            store,
        )


def run_shard(
    job: Job,
    shard: Shard,
    notify: Notify,
    begun: Callable[[Stop], None] = lambda _: None,
    *,
    watch: Callable[[Counts], None] | None = None,
    kept: KeptProviders | None = None,
) -> bool:
    """Do what is missing in a shard of an indexed run.

    Parameters, return value and errors are those of :func:`.run_in_store`; the limits of the job
    are those of the whole run, of which each shard gets an equal share.
    """
    with open_shard(job, shard, notify) as (of_shard, store):
        return run_in_store(of_shard, store, notify, begun, watch=watch, kept=kept)


def _share(limits: Limits, shards: int) -> Limits:
    """Return the limits of a shard (``InputError`` if less than one call is left for it)."""
    share = Limits(
        None if limits.calls is None else limits.calls // shards,
        None if limits.tokens is None else limits.tokens // shards,
        None if limits.cost is None else limits.cost / Decimal(shards),
    )
    for name, most in (("--max-calls", share.calls), ("--max-tokens", share.tokens)):
        if most == 0:
            raise InputError(
                f"{name}: less than 1 for each of {shards} shards; use a larger limit, or fewer "
                "shards"
            )
    return share
