"""The base class of every judge."""

from typing import Any

import pytest

from jasco.backends.specs import parse_spec
from jasco.judges.judge import Judge
from jasco.judges.offline import Offline
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.protocols import PROTOCOLS
from jasco.protocol.verdicts import Judgement, Orientation, Verdict

CLIP = Clip("7", "rain", "run", "a", "b", "they flee", "flee")
GOOD = Verdict(2, Orientation.BOTH)


class ConstantJudge(Judge):
    """A judge that rates every answer 2."""

    async def judge(self, item: Any, prediction: str, protocol: Any) -> Judgement:
        return Judgement(GOOD, ())


def test_a_judge_must_judge() -> None:
    class Silent(Judge):
        """A judge without verdicts."""

    with pytest.raises(TypeError, match="judge"):
        Silent(parse_spec("silent", Silent))  # type: ignore[abstract]


def test_everything_but_a_verdict_is_optional() -> None:
    judge = ConstantJudge(parse_spec("kind", ConstantJudge))
    [item, *_] = items_of(CLIP)
    assert not judge.needs_check
    assert not judge.trained_on(CLIP)
    assert not judge.disowns(item, "text", GOOD)
    assert judge.request(item, "they run", PROTOCOLS["v2"]) is None


def test_only_a_stand_in_is_a_proxy() -> None:
    assert Offline.proxy
    assert not ConstantJudge.proxy
