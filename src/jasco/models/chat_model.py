"""Any auditory LLM behind a server that speaks OpenAI's chat completions."""

import base64
from collections.abc import Mapping
from typing import Any

from jasco.backends.chat_client import ChatClient
from jasco.backends.requests import (
    AUDIO_FORM,
    FURTHER_OPTIONS,
    TRANSPORT_OPTIONS,
    Message,
    decoding_options,
    request_format,
)
from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.models.catalogue import known_window
from jasco.models.model import REASONING, Model
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response

ANSWERING = (*decoding_options(max_tokens=512), REASONING, *FURTHER_OPTIONS)


class ChatModel(Model):
    """A model on a server: vLLM, SGLang, llama.cpp, a gateway, an API.

    The audio goes as an ``input_audio`` part (WAV, 16 kHz) before the text, so that a server's
    prefix cache serves a clip's eight prompts.
    """

    NAME = "MODEL"
    raw_name = False
    uses_audio = True
    remote = True
    METERED = True
    OPTIONS = (*ANSWERING, *TRANSPORT_OPTIONS, AUDIO_FORM)

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._client = self._connect()
        self.max_audio_seconds = known_window(spec.name)  # the server cuts a clip without a word

    def _connect(self) -> ChatClient | None:
        return ChatClient(self.spec, self)

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Ask the server."""
        assert self._client
        assert audio is not None
        data = base64.b64encode(audio.wav).decode()
        return await self._client.ask([_message(item, data)], item.clip.id)

    def request(self, item: Item) -> Mapping[str, Any]:
        """Return the body of the request for an item, without the audio."""
        written = request_format(self.spec, self.adaptations)
        return written.body([_message(item, "")])

    def check(self) -> None:
        """See that there is an address that is meant to be asked."""
        if self._client:
            self._client.check()

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()


def _message(item: Item, data: str) -> Message:
    content = [
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        {"type": "text", "text": item.instruction},
    ]
    return {"role": "user", "content": content}
