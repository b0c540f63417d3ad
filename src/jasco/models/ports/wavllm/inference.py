"""Inference with a converted WavLLM."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from jasco.data.audio import Audio
from jasco.errors import InputError
from jasco.models.ports.decoding import decode
from jasco.models.ports.inference import Inference, PreparedQuestion
from jasco.models.ports.language import splice
from jasco.models.ports.state_dict import SAME_KEYS, TOKENIZER, WEIGHTS, read_folder, rename
from jasco.models.ports.text import Tokenizer
from jasco.models.ports.wavllm.features import SAMPLES_PER_EMBEDDING
from jasco.models.ports.wavllm.model import WavLlm, assemble, shapes_of
from jasco.models.ports.wavllm.prompt import make_prompt
from jasco.models.ports.wavllm.scaled_lora import scaled_lora
from jasco.models.ports.wavllm.search import PRESETS, room, search_of
from jasco.models.ports.wavllm.sizes import KIND
from jasco.protocol.instructions import MOST_INSTRUCTIONS


@dataclass(frozen=True)
class ScaledQuestion(PreparedQuestion):
    """A prepared question with its LoRA scale.

    Attributes
    ----------
    scale : Tensor, shape (width,)
        The LoRA scale of each channel.
    """

    scale: torch.Tensor


class WavLlmInference(Inference[torch.Tensor, ScaledQuestion]):
    """A loaded model with its tokenizer.

    Parameters
    ----------
    model : WavLlm
    tokenizer : Tokenizer
    second_bos : bool
        See :func:`jasco.models.ports.wavllm.prompt.make_prompt`.
    """

    def __init__(self, model: WavLlm, tokenizer: Tokenizer, *, second_bos: bool = True) -> None:
        super().__init__(model.llama, tokenizer, PRESETS)
        self._model, self._second_bos = model, second_bos
        # The scale depends on the question only, and the questions about all clips are the same.
        self._scale_of = lru_cache(maxsize=MOST_INSTRUCTIONS)(model.lora_scale)

    def encode(self, audio: Audio) -> torch.Tensor:
        """Compute a clip's embeddings (``InputError`` if the model has too few positions)."""
        self._check_length(len(audio.samples) // SAMPLES_PER_EMBEDDING)
        return self._model.audio_embeddings(audio.floats)

    def prepare(
        self, encoded: torch.Tensor, prompt: str, preset: str, sample: int = 0
    ) -> ScaledQuestion:
        """Combine a question with a clip's embeddings."""
        settings = PRESETS[preset].of_sample(sample)
        tokens = make_prompt(self._tokenizer, prompt, second_bos=self._second_bos)
        longest = room(settings, tokens.right)
        self._check_length(len(tokens.left) + len(encoded) + len(tokens.right) + longest)
        sequence = splice(self._llama, [tokens.left, encoded, tokens.right])
        scale = self._scale_of(tuple(tokens.quoted))
        return ScaledQuestion(sequence, search_of(settings, longest), longest, scale)

    def decode(
        self,
        questions: Sequence[ScaledQuestion],
        clips: Sequence[Hashable] | None,  # noqa: ARG002
    ) -> None:
        """Search for the answers, with LoRA scaled for each question.

        Prompts about a clip do not share a prefix, because the scale changes all of their states.
        """
        sequences = [question.sequence for question in questions]
        searches = [question.search for question in questions]
        scales = torch.stack([question.scale for question in questions])
        with scaled_lora(self._llama, scales) as select_rows:
            decode(self._llama, sequences, searches, select_rows)

    def _check_length(self, needed: int) -> None:
        positions = self._llama.config.max_position_embeddings
        if needed > positions:
            raise InputError(
                f"the clip, the question and the answer need {needed} positions, but the model has "
                f"{positions}; use a shorter clip"
            )


def load(folder: Path, device: str, dtype: torch.dtype) -> WavLlmInference:
    """Load a converted model.

    Parameters
    ----------
    folder : Path
        A folder written by :func:`jasco.models.ports.wavllm.conversion.convert_files`.
    device : str
    dtype : dtype
        The original script computes in float32.

    Raises
    ------
    InputError
        The folder contains no converted WavLLM, or an incomplete one.
    """
    sizes, weights = read_folder(folder, KIND)
    weights = rename(weights, SAME_KEYS, shapes_of(sizes), folder / WEIGHTS)
    model = assemble(sizes, weights, torch.device(device), dtype)
    return WavLlmInference(model, Tokenizer(folder / TOKENIZER))
