"""Models and judges stay prepared from job to job; of those on this machine, one does."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from fake_providers import fake_spec
from jasco.backends.specs import Spec
from jasco.data.dataset import DataSet
from jasco.evaluation.job import Job
from jasco.evaluation.kept_providers import KeptProviders, prepared

DATA = DataSet("none", ())


@dataclass(eq=False)
class Recorded:
    """A provider that records when it is prepared and closed."""

    name: str
    log: list[str] = field(default_factory=list)
    remote: bool = True
    recorded: bool = False
    launches_server: bool = False
    broken: bool = False

    def __post_init__(self) -> None:
        self.spec = fake_spec(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recorded) and self.spec == other.spec

    __hash__ = None  # type: ignore[assignment]

    async def prepare(self, data: DataSet) -> None:
        self.loop = asyncio.get_running_loop()
        self.log.append(f"prepare {self.name}")
        if self.broken:
            raise RuntimeError("broken")

    async def close(self) -> None:
        assert asyncio.get_running_loop() is self.loop
        self.log.append(f"close {self.name}")


@pytest.fixture
def kept() -> Iterator[KeptProviders]:
    providers = KeptProviders()
    yield providers
    with suppress(RuntimeError):
        providers.close()


def use(kept: KeptProviders | None, provider: Any, *, fail: bool = False) -> None:
    async def work() -> None:
        async with prepared(provider, DATA, kept):
            if fail:
                raise ValueError("no")

    with suppress(ValueError, RuntimeError):
        kept.run(work()) if kept else asyncio.run(work())


def test_without_keeping_each_job_prepares_and_closes() -> None:
    model = Recorded("a")
    use(None, model)
    use(None, model)
    assert model.log == ["prepare a", "close a"] * 2


def test_a_model_is_prepared_once_for_all_jobs(kept: KeptProviders) -> None:
    model = Recorded("a", remote=False)
    for _ in range(3):
        use(kept, model)
    assert model.log == ["prepare a"]
    kept.close()
    assert model.log == ["prepare a", "close a"]


def test_an_equal_model_of_a_later_job_is_replaced_by_the_kept_one(kept: KeptProviders) -> None:
    model, judge = Recorded("a", remote=False), Recorded("j")
    use(kept, model)
    use(kept, judge)
    again = Job(Path("run"), None, Recorded("a"), [Recorded("j"), Recorded("k")])  # type: ignore[arg-type, list-item]
    adopted = kept.adopt(again)
    assert adopted.model is model
    assert adopted.judges[0] is judge
    assert adopted.judges[1] is again.judges[1]
    other: Any = Recorded("a")
    other.spec = Spec("test", "a", MappingProxyType({"device": "cpu"}), model.spec.identity, "a")
    assert kept.adopt(Job(Path("run"), None, other, [])).model is other


def test_of_those_on_this_machine_only_the_last_one_is_kept(kept: KeptProviders) -> None:
    log: list[str] = []
    remote = Recorded("remote", log)
    for provider in (
        remote,
        Recorded("model", log, remote=False),
        Recorded("server", log, launches_server=True),
        remote,
    ):
        use(kept, provider)
    assert log == ["prepare remote", "prepare model", "close model", "prepare server"]


@pytest.mark.parametrize("how", ["recorded", "broken", "failed"])
def test_what_cannot_be_used_again_is_closed(kept: KeptProviders, how: str) -> None:
    model = Recorded("a", recorded=how == "recorded", broken=how == "broken")
    use(kept, model, fail=how == "failed")
    assert model.log == ["prepare a", "close a"]
    use(kept, model)
    assert model.log[2] == "prepare a"
