"""A loaded port: what it hears of a clip, kept, and how it answers questions about it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from transformers import LlamaForCausalLM

from jasco.data.audio import Audio
from jasco.errors import InputError, one_line
from jasco.models.batches import Question
from jasco.models.ports.decoding import Preset, Search, decode
from jasco.models.ports.text import Tokenizer
from jasco.models.recent_clips import RecentClips
from jasco.protocol.responses import Response

Encoded = TypeVar("Encoded")


@dataclass(frozen=True)
class PreparedQuestion:
    """A question that the language model is ready to answer.

    Attributes
    ----------
    sequence : Tensor, shape (1, length, width)
        Words and sounds up to the answer.
    search : Search
        What finds the answer.
    longest : int
        Tokens after which it is cut off.
    """

    sequence: torch.Tensor
    search: Search
    longest: int


A = TypeVar("A", bound=PreparedQuestion)


class Inference(ABC, Generic[Encoded, A]):
    """A network, its tokenizer, and its presets.

    Parameters
    ----------
    llama : LlamaForCausalLM
        The network's language model.
    tokenizer : Tokenizer
    presets : mapping of str to Preset
    max_audio_seconds : float or None
        Seconds after which a clip is cut off; None: never.
    """

    def __init__(
        self,
        llama: LlamaForCausalLM,
        tokenizer: Tokenizer,
        presets: Mapping[str, Preset],
        max_audio_seconds: float | None = None,
    ) -> None:
        self._llama, self._tokenizer, self._presets = llama, tokenizer, presets
        self._encoded: RecentClips[Encoded] = RecentClips()
        self.max_audio_seconds = max_audio_seconds

    @abstractmethod
    def encode(self, audio: Audio) -> Encoded:
        """Listen to a clip; done once for all of its questions."""

    @abstractmethod
    def prepare(self, heard: Encoded, prompt: str, preset: str) -> A:
        """Put a question behind, before or around what was heard of a clip."""

    def answer_all(self, questions: Sequence[Question], preset: str) -> list[Response]:
        """Answer questions about clips, in one batch.

        Parameters
        ----------
        questions : sequence of (Audio, str)
        preset : str
            A name of one of the presets.

        Returns
        -------
        list of Response
            ``usage`` counts the prompt's tokens, the clip's among them, and the answer's, with its
            end where it has one.

        Raises
        ------
        InputError
            There is no such preset, or the system cannot hear a clip or take a question.
        """
        if preset not in self._presets:
            raise InputError(f"no preset {one_line(preset)}; there are: {', '.join(self._presets)}")
        with torch.inference_mode():
            asked = [
                self.prepare(self.encode_once(audio), prompt, preset) for audio, prompt in questions
            ]
            self.decode(asked)
        return [self._response(each) for each in asked]

    def decode(self, asked: Sequence[A]) -> None:
        """Let the language model answer."""
        decode(self._llama, [each.sequence for each in asked], [each.search for each in asked])

    def encode_once(self, audio: Audio) -> Encoded:
        """Give what was heard of a clip, or listen to it."""
        encoded = self._encoded.get(audio)
        if encoded is None:
            encoded = self.encode(audio)
            self._encoded.put(audio, encoded)
        return encoded

    def _response(self, asked: PreparedQuestion) -> Response:
        said = asked.search.answer
        ended = len(said) < asked.longest
        usage = {
            "prompt_tokens": asked.sequence.shape[1],
            "completion_tokens": len(said) + ended,
        }
        return Response(self.text(said), "stop" if ended else "length", usage)

    def text(self, tokens: Sequence[int]) -> str:
        """Put an answer's tokens into words."""
        return self._tokenizer.decode(tokens)
