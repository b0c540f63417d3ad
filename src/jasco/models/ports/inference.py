"""A loaded port: encoded clips, which are cached, and answers to questions about them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from transformers import LlamaForCausalLM

from jasco.data.audio import Audio
from jasco.errors import InputError, one_line
from jasco.models.batches import Question
from jasco.models.clip_cache import ClipCache
from jasco.models.ports.decoding import Preset, Search, decode
from jasco.models.ports.text import Tokenizer
from jasco.protocol.responses import Response

Encoded = TypeVar("Encoded")


@dataclass(frozen=True)
class PreparedQuestion:
    """A question in the form that the language model takes.

    Attributes
    ----------
    sequence : Tensor, shape (1, length, width)
        Embeddings of text and audio up to the answer.
    search : Search
        The search for the answer.
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
        self._encoded: ClipCache[Encoded] = ClipCache()
        self.max_audio_seconds = max_audio_seconds

    @abstractmethod
    def encode(self, audio: Audio) -> Encoded:
        """Encode a clip; called once for all of its questions."""

    @abstractmethod
    def prepare(self, encoded: Encoded, prompt: str, preset: str) -> A:
        """Combine a question with an encoded clip."""

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
            There is no such preset, or the port cannot process a clip or a question.
        """
        if preset not in self._presets:
            raise InputError(f"no preset {one_line(preset)}; there are: {', '.join(self._presets)}")
        with torch.inference_mode():
            prepared = [
                self.prepare(self.encode_once(audio), prompt, preset) for audio, prompt in questions
            ]
            self.decode(prepared)
        return [self._response(question) for question in prepared]

    def decode(self, questions: Sequence[A]) -> None:
        """Search for the answers, which are then held by each question's search."""
        decode(
            self._llama,
            [question.sequence for question in questions],
            [question.search for question in questions],
        )

    def encode_once(self, audio: Audio) -> Encoded:
        """Return an encoded clip from the cache, or encode it."""
        encoded = self._encoded.get(audio)
        if encoded is None:
            encoded = self.encode(audio)
            self._encoded.put(audio, encoded)
        return encoded

    def _response(self, question: PreparedQuestion) -> Response:
        tokens = question.search.answer
        ended = len(tokens) < question.longest
        usage = {
            "prompt_tokens": question.sequence.shape[1],
            "completion_tokens": len(tokens) + ended,
        }
        return Response(self.text(tokens), "stop" if ended else "length", usage)

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of an answer's tokens."""
        return self._tokenizer.decode(tokens)
