"""A model on a server: what is sent with audio, and without."""

import asyncio
from typing import Any

import pytest

from chat_server import ChatServer, Serve, audio_in
from jasco.backends.specs import open_spec
from jasco.data.audio import Audio
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.responses import Response
from synthetic import tone

ITEM = items_of(Clip("7", "rain", "run", "a", "b", "they flee", "flee"))[0]
AUDIO = Audio(tone(7))


def ask(server: ChatServer, audio: Audio | None, options: str = "") -> tuple[Any, dict[str, Any]]:
    """Ask once; return the model and the body that the server received."""
    model: Any = open_spec("model", f"openai/m,base_url={server.url}{options}")

    async def answer() -> Response:
        try:
            outcome = await model.answer(ITEM, audio)
        finally:
            await model.close()
        assert isinstance(outcome, Response)
        return outcome

    asyncio.run(answer())
    return model, server.requests()[-1].body


def test_the_audio_is_sent_before_the_text(serve: Serve) -> None:
    model, body = ask(serve(bodies=True), AUDIO)
    assert audio_in(body) == AUDIO.wav
    body["messages"][0]["content"][0]["input_audio"]["data"] = ""
    assert model.request(ITEM) == body


@pytest.mark.parametrize("options", ["", ",audio=audio_url"])
def test_without_audio_the_message_is_the_instruction(serve: Serve, options: str) -> None:
    model, body = ask(serve(bodies=True), None, options)
    assert model.accepts_no_audio
    assert body["messages"] == [{"role": "user", "content": ITEM.instruction}]
    assert model.request(ITEM, has_audio=False) == body


def test_a_model_whose_server_is_started_shares_this() -> None:
    model: Any = open_spec("model", "vllm/m")
    assert model.accepts_no_audio
    [message] = model.request(ITEM, has_audio=False)["messages"]
    assert message["content"] == ITEM.instruction
