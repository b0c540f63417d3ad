"""Auditory LLMs on servers that speak OpenAI's chat completions."""

from collections.abc import Mapping
from typing import Any

from jasco.backends.chat_provider import ChatProvider
from jasco.backends.chat_requests import (
    AUDIO_FORM,
    FURTHER_OPTIONS,
    TRANSPORT_OPTIONS,
    Message,
    decoding_options,
)
from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.models.known_models import known_max_audio_seconds
from jasco.models.model import REASONING, Model
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response

ANSWERING_OPTIONS = (*decoding_options(max_tokens=512), REASONING, *FURTHER_OPTIONS)


class ChatModel(ChatProvider, Model):
    """A model on a server: vLLM, SGLang, llama.cpp, a gateway, an API.

    The audio is sent as an ``input_audio`` part (WAV, 16 kHz) before the text, so that a server's
    prefix cache is used for a clip's eight instructions. Without audio, the content of the
    message is the text itself, a form that every server accepts.
    """

    remote = True
    accepts_no_audio = True
    OPTIONS = (*ANSWERING_OPTIONS, *TRANSPORT_OPTIONS, AUDIO_FORM)

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.max_audio_seconds = known_max_audio_seconds(spec.name)  # servers cut clips silently

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Request an answer from the server."""
        assert self._client
        data = None if audio is None else audio.wav_base64
        return await self._client.ask([_message(item, data)], item.clip.id, self._seed(item))

    def request(self, item: Item, *, has_audio: bool = True) -> Mapping[str, Any]:
        """Return the body of the request for an item, without the audio data."""
        return self._request_body([_message(item, "" if has_audio else None)], self._seed(item))

    def _seed(self, item: Item) -> Mapping[str, int]:
        """Return the seed of a further sample, where the spec has one."""
        seed = self.spec.options["seed"]
        return {} if seed is None or not item.sample else {"seed": seed + item.sample}


def _message(item: Item, data: str | None) -> Message:
    if data is None:
        return {"role": "user", "content": item.instruction}
    content = [
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        {"type": "text", "text": item.instruction},
    ]
    return {"role": "user", "content": content}
