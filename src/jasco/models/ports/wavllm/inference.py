"""WavLLM ready to be asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from jasco.data.audio import Audio
from jasco.errors import InputError
from jasco.models.ports.decoding import decode
from jasco.models.ports.inference import Inference, PreparedQuestion
from jasco.models.ports.language import splice
from jasco.models.ports.state_dict import SAME_KEYS, TOKENIZER, WEIGHTS, read_folder, rename
from jasco.models.ports.text import Tokenizer
from jasco.models.ports.wavllm.features import SAMPLES_AN_EMBEDDING
from jasco.models.ports.wavllm.model import WavLlm, assemble, shapes_of
from jasco.models.ports.wavllm.prompt import make_prompt
from jasco.models.ports.wavllm.scaled_lora import scaled_lora
from jasco.models.ports.wavllm.search import PRESETS, room, search_of
from jasco.models.ports.wavllm.sizes import KIND


@dataclass(frozen=True)
class ScaledQuestion(PreparedQuestion):
    """A question, and what it makes of the updates.

    Attributes
    ----------
    scale : Tensor, shape (width,)
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

    def encode(self, audio: Audio) -> torch.Tensor:
        """Give a clip's embeddings; a clip that the model has no positions for is refused."""
        self._check_length(len(audio.samples) // SAMPLES_AN_EMBEDDING)
        return self._model.audio_embeddings(audio.floats)

    def prepare(self, heard: torch.Tensor, prompt: str, preset: str) -> ScaledQuestion:
        """Put a question around a clip."""
        settings = PRESETS[preset]
        words = make_prompt(self._tokenizer, prompt, second_bos=self._second_bos)
        longest = room(settings, words.right)
        self._check_length(len(words.left) + len(heard) + len(words.right) + longest)
        sequence = splice(self._llama, [words.left, heard, words.right])
        scale = self._model.lora_scale(words.quoted)
        return ScaledQuestion(sequence, search_of(settings, longest), longest, scale)

    def decode(self, asked: Sequence[ScaledQuestion]) -> None:
        """Answer, with the updates scaled for each question."""
        sequences, searches = zip(*((each.sequence, each.search) for each in asked), strict=True)
        with scaled_lora(self._llama, torch.stack([each.scale for each in asked])) as keep:
            decode(self._llama, sequences, searches, keep)

    def _check_length(self, needed: int) -> None:
        positions = self._llama.config.max_position_embeddings
        if needed > positions:
            raise InputError(
                f"the clip, the question and an answer need {needed} positions, and the model has "
                f"{positions}; use a shorter clip"
            )


def load(folder: Path, device: str, dtype: torch.dtype) -> WavLlmInference:
    """Load a converted model.

    Parameters
    ----------
    folder : Path
        As :func:`jasco.models.ports.wavllm.conversion.convert_files` writes it.
    device : str
    dtype : dtype
        The published script computes in float32.

    Raises
    ------
    InputError
        The folder holds no converted WavLLM, or not all of it.
    """
    sizes, weights = read_folder(folder, KIND)
    weights = rename(weights, SAME_KEYS, shapes_of(sizes), folder / WEIGHTS)
    model = assemble(sizes, weights, torch.device(device), dtype)
    return WavLlmInference(model, Tokenizer(folder / TOKENIZER))
