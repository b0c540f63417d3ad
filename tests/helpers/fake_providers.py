"""A model and a judge in memory that record their inputs."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.protocol.clips import Item
from jasco.protocol.protocols import Protocol
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict


def fake_spec(name: str) -> Spec:
    """Return the spec ``test/NAME``."""
    identity = MappingProxyType({"provider": "test", "name": name})
    return Spec("test", name, MappingProxyType({}), identity, f"test/{name}")


Key = tuple[str, int]


@dataclass
class FakeModel:
    """A model that records the audio it gets; some items fail."""

    name: str = "model"
    failing: Sequence[Key] = ()
    audio: dict[Key, Audio | None] = field(default_factory=dict)
    asked: list[Item] = field(default_factory=list)
    calls: int = 0
    most_calls: int = 0
    uses_audio: bool = True
    remote: bool = True
    recorded: bool = False
    greedy: bool = False
    launches_server: bool = False
    METERED: bool = False
    max_audio_seconds: float | None = None
    batch_size: int = 1
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.spec = fake_spec(self.name)

    async def prepare(self, data: DataSet) -> None:
        self.data = data

    def check(self) -> None:
        pass

    def fingerprint(self) -> str:
        return ""

    def disowns(self, item: Item, text: str) -> bool:
        return text != f"answer {item.clip.id} {item.number}{' again' * item.sample}"

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        self.asked.append(item)
        self.calls += 1
        self.most_calls = max(self.most_calls, self.calls)
        await asyncio.sleep(0.001)
        self.calls -= 1
        key = item.clip.id, item.number
        self.audio[key] = audio
        if key in self.failing:
            return Failure("timeout", "too late")
        silent = audio is not None and not audio.samples.any()
        again = " again" * item.sample
        return Response("silence" if silent else f"answer {item.clip.id} {item.number}{again}")

    async def close(self) -> None:
        self.closed = True


@dataclass
class FakeJudge:
    """A judge that records the responses it gets; some items fail."""

    name: str = "judge"
    failing: Sequence[Key] = ()
    responses: dict[Key, str] = field(default_factory=dict)
    exclusive: bool = False
    recorded: bool = False
    needs_check: bool = False
    METERED: bool = False
    proxy: bool = False

    def __post_init__(self) -> None:
        self.spec = fake_spec(self.name)

    def check(self) -> None:
        pass

    def fingerprint(self) -> str:
        return ""

    def disowns(self, item: Item, text: str, verdict: Verdict) -> bool:
        return False

    async def prepare(self, data: DataSet) -> None:
        pass

    async def judge(self, item: Item, prediction: str, protocol: Protocol) -> Judgement | Failure:
        key = item.clip.id, item.number
        self.responses[key] = prediction
        if key in self.failing:
            return Failure("server", "500")
        return Judgement(Verdict(1, Orientation.BOTH), (Attempt("verdict", protocol.name),))

    async def close(self) -> None:
        self.closed = True


ALL_ITEMS = [(str(clip), number) for clip in range(4) for number in range(1, 9)]
"""The clip ids and prompt numbers of the data set of the fixture ``data``."""
