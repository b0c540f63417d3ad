"""Models and judges that stay prepared from one job to the next, in one process."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from jasco.backends.specs import Provider
from jasco.data.dataset import DataSet
from jasco.evaluation.job import Job

T = TypeVar("T")
AnyProvider = TypeVar("AnyProvider", bound=Provider)


class KeptProviders:
    """The models and judges of earlier jobs, and the event loop in which they were prepared.

    Of those that run on this machine (a model, or a judge with its own server), only the one that
    was used last is kept: loading it may take minutes, and two rarely fit at the same time.
    """

    def __init__(self) -> None:
        self._loop = asyncio.Runner()
        self._prepared: list[Provider] = []

    def adopt(self, job: Job) -> Job:
        """Return the job with prepared models and judges in place of equal ones."""
        judges = [self._kept(judge) for judge in job.judges]
        return replace(job, model=job.model and self._kept(job.model), judges=judges)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the event loop."""
        return self._loop.run(coroutine)

    @asynccontextmanager
    async def hold(self, provider: Provider, data: DataSet) -> AsyncIterator[None]:
        """Prepare a model or judge, unless it is prepared; keep it unless the block fails."""
        if not any(provider is kept for kept in self._prepared):
            if _runs_here(provider):
                for kept in filter(_runs_here, [*self._prepared]):
                    await self._close(kept)
            self._prepared.append(provider)
            try:
                await provider.prepare(data)
            except BaseException:
                await self._close(provider)
                raise
        try:
            yield
        except BaseException:
            await self._close(provider)
            raise
        if provider.recorded:  # it was prepared for this data
            await self._close(provider)

    def close(self) -> None:
        """Close all models and judges, and the event loop."""
        for provider in [*self._prepared]:
            with suppress(Exception):
                self._loop.run(self._close(provider))
        self._loop.close()

    async def _close(self, provider: Provider) -> None:
        self._prepared = [kept for kept in self._prepared if kept is not provider]
        await provider.close()

    def _kept(self, provider: AnyProvider) -> AnyProvider:
        for kept in self._prepared:
            if type(kept) is type(provider) and kept == provider:
                return kept
        return provider


@asynccontextmanager
async def prepared(
    provider: Provider, data: DataSet, kept: KeptProviders | None
) -> AsyncIterator[None]:
    """Prepare a model or judge for the duration of a block, or for longer if it is kept."""
    if kept:
        async with kept.hold(provider, data):
            yield
        return
    try:
        await provider.prepare(data)
        yield
    finally:
        await provider.close()


def _runs_here(provider: Provider) -> bool:
    is_remote = getattr(provider, "remote", True)  # judges are: the others share the machine
    return provider.launches_server or not (is_remote or provider.recorded)
