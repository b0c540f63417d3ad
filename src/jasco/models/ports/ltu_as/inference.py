"""Inference with LTU-AS."""

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
"""Returns the transcript of a whole clip; the original uses Whisper large-v2."""


@dataclass(frozen=True)
class EncodedClip:
    """A clip's embeddings and transcript.

    Attributes
    ----------
    embeddings : Tensor, shape (audio tokens, hidden)
        Embeddings of the clip's first seconds (:attr:`.sizes.Sizes.max_audio_seconds`).
    transcript : str
        Transcript of the whole clip, cleaned; empty where there is no speech.
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
        Called once for each clip. None: the prompt has no transcript, as in the published script's
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
        """Encode the beginning of a clip, and transcribe the whole clip."""
        transcript = clean_transcript(self._transcriber(audio)) if self._transcriber else ""
        return EncodedClip(self._model.audio_embeddings(audio.floats), transcript)

    def prepare(
        self, encoded: EncodedClip, prompt: str, preset: str, sample: int = 0
    ) -> PreparedQuestion:
        """Return a question about an encoded clip as input of the language model."""
        settings = PRESETS[preset].of_sample(sample)
        ids = prompt_ids(self._tokenizer, prompt, encoded.transcript)
        sequence = self._model.sequence(encoded.embeddings, ids)
        # As in the original, the repetition penalty applies to the prompt, but not to the clip.
        return PreparedQuestion(sequence, Sampler(settings, penalised=ids), settings.max_new_tokens)

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of an answer's tokens, stripped of white space as in the original."""
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
        The published script uses float16 on a GPU and float32 on a CPU.
    transcriber : callable or None
        See :class:`LtuAsInference`.

    Returns
    -------
    LtuAsInference

    Raises
    ------
    InputError
        The folder holds no converted LTU-AS, or an incomplete one.
    """
    config, weights = read_folder(folder, KIND)
    try:
        sizes = Sizes(**config["sizes"])
        shapes = shapes_of(sizes)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder / CONFIG}: invalid sizes ({one_line(error)}); convert the model again"
        ) from error
    weights = rename(weights, SAME_KEYS, shapes, folder / WEIGHTS)
    model = assemble(sizes, weights, dtype).to(device)
    return LtuAsInference(model, Tokenizer(folder / TOKENIZER), transcriber)
