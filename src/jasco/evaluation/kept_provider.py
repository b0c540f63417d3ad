"""A model or judge that stays loaded from one job to the next, in one process."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from jasco.backends.specs import Provider
from jasco.data.dataset import DataSet
from jasco.evaluation.job import Job
from jasco.judges.judge import Judge
from jasco.models.model import Model

T = TypeVar("T")


class KeptProvider:
    """The model on this machine, or the judge with its own server, that was used last.

    It is closed when another one is needed, or at the end. Loading it may take minutes, and two
    rarely fit at the same time.
    """

    def __init__(self) -> None:
        self._loop = asyncio.Runner()
        self._provider: Provider | None = None

    def adopt(self, job: Job) -> Job:
        """Return the job with the loaded model or judge in place of an equal one."""
        kept, model = self._provider, job.model
        if isinstance(kept, Model) and model and _is_equal(kept, model):
            return replace(job, model=kept)
        if isinstance(kept, Judge):
            judges = [kept if _is_equal(kept, judge) else judge for judge in job.judges]
            return replace(job, judges=judges)
        return job

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the event loop in which the provider was prepared."""
        return self._loop.run(coroutine)

    @asynccontextmanager
    async def hold(self, provider: Provider, data: DataSet) -> AsyncIterator[None]:
        """Prepare a provider, unless it is still loaded; keep it unless the block fails."""
        if provider is not self._provider:
            await self._close_provider()
            self._provider = provider
            try:
                await provider.prepare(data)
            except BaseException:
                await self._close_provider()
                raise
        try:
            yield
        except BaseException:
            await self._close_provider()
            raise
        if not _can_be_kept(provider):
            await self._close_provider()

    def close(self) -> None:
        """Close the provider and the event loop."""
        with suppress(Exception):
            self._loop.run(self._close_provider())
        self._loop.close()

    async def _close_provider(self) -> None:
        provider, self._provider = self._provider, None
        if provider:
            await provider.close()


@asynccontextmanager
async def prepared(
    provider: Provider, data: DataSet, kept: KeptProvider | None
) -> AsyncIterator[None]:
    """Prepare a provider for the duration of a block, or for longer if it is kept."""
    if kept:
        async with kept.hold(provider, data):
            yield
        return
    try:
        await provider.prepare(data)
        yield
    finally:
        await provider.close()


def _can_be_kept(provider: Provider) -> bool:
    if provider.recorded:  # it depends on the data
        return False
    return provider.launches_server or (isinstance(provider, Model) and not provider.remote)


def _is_equal(one: Provider, other: Provider) -> bool:
    return (one.spec.identity, one.spec.options) == (other.spec.identity, other.spec.options)
