"""Inference with a loaded port: encode clips, cache them, and answer questions about them."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from transformers import LlamaForCausalLM

from jasco.data.audio import Audio
from jasco.errors import InputError, invalid_value
from jasco.models.batches import Question
from jasco.models.clip_cache import ClipCache
from jasco.models.ports.decoding import Preset, Search, decode
from jasco.models.ports.text import Tokenizer
from jasco.protocol.responses import Response

Encoded = TypeVar("Encoded")


@dataclass(frozen=True)
class PreparedQuestion:
    """A question as input of the language model.

    Attributes
    ----------
    sequence : Tensor, shape (1, length, width)
        Embeddings of the prompt, text and audio.
    search : Search
        The search for the answer.
    longest : int
        Maximum number of tokens of the answer.
    """

    sequence: torch.Tensor
    search: Search
    longest: int


Prepared = TypeVar("Prepared", bound=PreparedQuestion)


class Inference(ABC, Generic[Encoded, Prepared]):
    """A network with its tokenizer and presets.

    Parameters
    ----------
    llama : LlamaForCausalLM
        The network's language model.
    tokenizer : Tokenizer
    presets : mapping of str to Preset
    max_audio_seconds : float or None
        Seconds of a clip that the network uses; None: all.
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
        """Encode a clip; called once for all questions about it."""

    @abstractmethod
    def prepare(self, encoded: Encoded, prompt: str, preset: str, sample: int = 0) -> Prepared:
        """Return a question about an encoded clip as input of the language model."""

    def answer_all(
        self, questions: Sequence[Question], preset: str, *, prefix_cache: bool = True
    ) -> list[Response]:
        """Answer questions about clips in one batch.

        Parameters
        ----------
        questions : sequence of Question
        preset : str
            The name of a preset.
        prefix_cache : bool
            Whether the prefix that the prompts about a clip have in common is computed once.

        Returns
        -------
        list of Response
            ``usage`` counts the prompt's tokens, including those of the clip, and the answer's,
            including its EOS unless it is cut off.

        Raises
        ------
        InputError
            The preset is unknown, or the port cannot process one of the clips or questions.
        """
        if preset not in self._presets:
            presets = ", ".join(self._presets)
            raise InputError(invalid_value("preset", preset, f"expected one of {presets}"))
        with torch.inference_mode():
            clips, prepared = [], []
            for audio, prompt, sample in questions:
                assert audio is not None  # ports do not accept questions without audio
                clips.append(self.encode_once(audio))
                prepared.append(self.prepare(clips[-1], prompt, preset, sample))
            self.decode(prepared, [id(clip) for clip in clips] if prefix_cache else None)
        return [self._response(question) for question in prepared]

    def decode(self, questions: Sequence[Prepared], clips: Sequence[Hashable] | None) -> None:
        """Run the searches of the questions, which then hold the answers.

        Parameters
        ----------
        questions : sequence of PreparedQuestion
        clips : sequence of hashable, or None
            The clip of each question, if prompts about a clip may share their common prefix.
        """
        decode(
            self._llama,
            [question.sequence for question in questions],
            [question.search for question in questions],
            groups=clips,
        )

    def is_greedy(self, preset: str) -> bool:
        """Return whether a preset selects the likeliest answer, without sampling."""
        return not self._presets[preset].temperature

    def encode_once(self, audio: Audio) -> Encoded:
        """Return an encoded clip, from the cache where possible."""
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
