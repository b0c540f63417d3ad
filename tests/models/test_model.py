"""The base class of every model."""

from typing import Any

import pytest

from jasco.backends.specs import parse_spec
from jasco.models.model import Model
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.responses import Response

ITEM = items_of(Clip("7", "rain", "run", "a", "b", "they flee", "flee"))[0]


class Parrot(Model):
    """Repeats the instruction."""

    async def answer(self, item: Any, audio: Any) -> Response:
        return Response(item.instruction)


def test_a_model_must_answer() -> None:
    class Silent(Model):
        """Has no answer."""

    with pytest.raises(TypeError, match="answer"):
        Silent(parse_spec("silent", Silent))  # type: ignore[abstract]


def test_everything_but_an_answer_is_optional() -> None:
    model = Parrot(parse_spec("parrot", Parrot))
    assert (model.uses_audio, model.remote, model.max_audio_seconds) == (True, False, None)
    assert not model.disowns(ITEM, "text")
    assert not model.accepts_no_audio
    assert model.request(ITEM) is model.request(ITEM, has_audio=False) is None
    assert model.fingerprint() == ""
