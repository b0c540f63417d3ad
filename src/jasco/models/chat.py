"""Any auditory LLM behind a server that speaks OpenAI's chat completions."""

import base64
from collections.abc import Mapping
from typing import Any

from jasco.benchmark.clips import Item
from jasco.benchmark.responses import Failure, Response
from jasco.models.catalogue import known_window
from jasco.models.model import Model
from jasco.providers.audio import Audio
from jasco.providers.chat import TRANSPORT_OPTIONS, ChatClient, body, decoding_options
from jasco.providers.specs import Spec

DECODING = decoding_options(max_tokens=512)


class ChatModel(Model):
    """A model on a server: vLLM, SGLang, llama.cpp, a gateway, an API.

    The audio goes as an ``input_audio`` part (WAV, 16 kHz) before the text, so that a server's
    prefix cache serves a clip's eight prompts.
    """

    NAME = "MODEL"
    VERBATIM = False
    HEARS = True
    SERVED = True
    METERED = True
    OPTIONS = (*DECODING, *TRANSPORT_OPTIONS)

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._client = self._connect()
        self.window = known_window(spec.name)  # the server cuts a clip without a word

    def _connect(self) -> ChatClient | None:
        return ChatClient(self.spec)

    def request(self, item: Item) -> Mapping[str, Any]:
        """Return the body that asks about an item, without the audio's bytes."""
        return body(self.spec, [{"role": "user", "content": _content(item, "")}])

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Ask the server."""
        assert self._client
        self._client.budget = self.budget
        assert audio is not None
        data = base64.b64encode(audio.wav).decode()
        content = _content(item, data)
        return await self._client.ask([{"role": "user", "content": content}], item.clip.id)

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()


def _content(item: Item, data: str) -> list[dict[str, Any]]:
    return [
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        {"type": "text", "text": item.instruction},
    ]
