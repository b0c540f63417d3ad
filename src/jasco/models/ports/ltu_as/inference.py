"""LTU-AS ready to be asked: audio and question in, text out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from jasco.data.audio import Audio
from jasco.errors import InputError, one_line
from jasco.models.ports.decoding import Sampler
from jasco.models.ports.inference import Inference, PreparedQuestion
from jasco.models.ports.ltu_as.conversion import KIND
from jasco.models.ports.ltu_as.model import LtuAs, assemble, shapes_of
from jasco.models.ports.ltu_as.presets import PRESETS
from jasco.models.ports.ltu_as.prompt import clean_transcript, prompt_ids
from jasco.models.ports.ltu_as.sizes import Sizes
from jasco.models.ports.state_dict import CONFIG, SAME_KEYS, TOKENIZER, WEIGHTS, read_folder, rename
from jasco.models.ports.text import Tokenizer

Transcriber = Callable[[Audio], str]
"""Writes down what is said in a clip, all of it; the published system takes Whisper large-v2."""


@dataclass(frozen=True)
class EncodedClip:
    """What the system makes of a clip before it is asked.

    Attributes
    ----------
    embeddings : Tensor, shape (audio tokens, hidden)
        Of the clip's first seconds (:attr:`.sizes.Sizes.max_audio_seconds`).
    transcript : str
        Of the whole clip, cleaned; empty where nothing is said.
    """

    embeddings: torch.Tensor
    transcript: str


class LtuAsInference(Inference[EncodedClip, PreparedQuestion]):
    """LTU-AS with its tokenizer and a speech recogniser.

    Parameters
    ----------
    model : LtuAs
    tokenizer : Tokenizer
    transcriber : callable or None
        Called once a clip. None: the prompt is without a transcript, as in the published script's
        mode ``audio_only``.
    """

    def __init__(
        self, model: LtuAs, tokenizer: Tokenizer, transcriber: Transcriber | None = None
    ) -> None:
        super().__init__(
            model.llama, tokenizer, PRESETS, max_audio_seconds=model.sizes.max_audio_seconds
        )
        self._model, self._transcriber = model, transcriber

    def encode(self, audio: Audio) -> EncodedClip:
        """Listen to a clip's beginning, and write down what is said in all of it."""
        transcript = clean_transcript(self._transcriber(audio)) if self._transcriber else ""
        return EncodedClip(self._model.audio_embeddings(audio.floats), transcript)

    def prepare(self, heard: EncodedClip, prompt: str, preset: str) -> PreparedQuestion:
        """Put a question behind a clip."""
        settings = PRESETS[preset]
        ids = prompt_ids(self._tokenizer, prompt, heard.transcript)
        sequence = self._model.sequence(heard.embeddings, ids)
        # The published penalty sees the prompt's words, and not the clip.
        return PreparedQuestion(sequence, Sampler(settings, penalised=ids), settings.max_new_tokens)

    def text(self, tokens: Sequence[int]) -> str:
        """Put an answer into words, without white space around them, as the original does."""
        return super().text(tokens).strip()


def load(
    folder: Path,
    device: str | torch.device,
    dtype: torch.dtype,
    transcriber: Transcriber | None = None,
) -> LtuAsInference:
    """Load a converted folder (:mod:`.conversion`).

    Parameters
    ----------
    folder : Path
    device : str or device
    dtype : dtype
        float16 on a graphics card and float32 on a processor are the published script's.
    transcriber : callable or None
        See :class:`LtuAsInference`.

    Returns
    -------
    LtuAsInference

    Raises
    ------
    InputError
        The folder holds no converted LTU-AS, or not all of it.
    """
    config, weights = read_folder(folder, KIND)
    try:
        sizes = Sizes(**config["sizes"])
        shapes = shapes_of(sizes)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder / CONFIG}: not the sizes of LTU-AS ({one_line(error)}); convert it again"
        ) from error
    weights = rename(weights, SAME_KEYS, shapes, folder / WEIGHTS)
    model = assemble(sizes, weights, dtype).to(device)
    return LtuAsInference(model, Tokenizer(folder / TOKENIZER), transcriber)
