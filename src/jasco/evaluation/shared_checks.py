"""Checks that are made once for all shards of a run, such as the preflight."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from jasco.evaluation.session import Session
from jasco.runs.locks import RunBusyError
from jasco.runs.reader import RunReader
from jasco.runs.writer import RunWriter


@asynccontextmanager
async def once_per_run(session: Session, facts: Sequence[str]) -> AsyncIterator[None]:
    """Make the block's check in one shard at a time, and share the facts that it stores.

    The block runs while the run as a whole is locked. Before, facts that another shard has stored
    are copied to this one; afterwards, those of this shard are copied to the whole run. In a run
    that is not divided, nothing is locked or copied.

    Parameters
    ----------
    session : Session
        The job and its run.
    facts : sequence of str
        The names of the facts.
    """
    if session.job.whole is None:
        yield
        return
    while True:
        try:
            whole = RunWriter.open(session.job.whole, notify=session.notify)
            break
        except RunBusyError:
            await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311 (not a secret)
    with whole:
        session.store.set_facts(_known(whole, facts))
        try:
            yield
        finally:
            whole.set_facts(_known(session.store, facts))


def _known(store: RunReader, names: Sequence[str]) -> dict[str, str]:
    return {name: value for name in names if (value := store.fact(name)) is not None}
