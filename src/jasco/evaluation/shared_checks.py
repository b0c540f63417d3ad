"""Checks that are made once for all shards of a run, such as the preflight."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from jasco.evaluation.session import Session
from jasco.runs.locks import RunBusyError
from jasco.runs.reader import RunReader
from jasco.runs.writer import RunWriter


@asynccontextmanager
async def once_per_run(
    session: Session, facts: Sequence[str], is_made: Callable[[], bool]
) -> AsyncIterator[bool]:
    """Make the block's check in one shard at a time, and share the facts that it stores.

    The block runs while the run as a whole is locked. Afterwards, the facts that it has stored in
    its shard are copied to the whole run, from which the other shards copy them. In a run that is
    not divided, nothing is locked or copied.

    Parameters
    ----------
    session : Session
        The job and its run.
    facts : sequence of str
        The names of the facts.
    is_made : callable
        Returns whether the facts in the run of the session are those of a check that is valid for
        all shards.

    Yields
    ------
    bool
        Whether the check must be made: another shard has not made it.
    """
    if session.job.whole is None:
        yield True
        return
    while True:
        with RunReader.open(session.job.whole) as whole:
            session.store.set_facts(_known(whole, facts))
        if is_made():
            yield False
            return
        try:
            writer = RunWriter.open(session.job.whole, notify=session.notify)
            break
        except RunBusyError:  # another shard is making the check
            await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311 (not a secret)
    with writer:
        session.store.set_facts(_known(writer, facts))
        if is_made():
            yield False
            return
        try:
            yield True
        finally:
            writer.set_facts(_known(session.store, facts))


def _known(store: RunReader, names: Sequence[str]) -> dict[str, str]:
    return {name: value for name in names if (value := store.fact(name)) is not None}
