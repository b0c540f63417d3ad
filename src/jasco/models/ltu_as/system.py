"""LTU-AS ready to be asked: audio and question in, text out."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from jasco.benchmark.errors import InputError, one_line
from jasco.models.ltu_as.conversion import KIND, expected
from jasco.models.ltu_as.model import LtuAs, assemble
from jasco.models.ltu_as.presets import PRESETS
from jasco.models.ltu_as.prompt import clean_transcript, prompt_ids
from jasco.models.ltu_as.sizes import Sizes
from jasco.models.native.decoding import generate
from jasco.models.native.text import Tokenizer
from jasco.models.native.weights import CONFIG, TOKENIZER, WEIGHTS, read_folder, rename
from jasco.providers.audio import Audio

Transcriber = Callable[[Audio], str]
"""Writes down what is said in a clip, all of it; the published system takes Whisper large-v2."""

_REMEMBERED = 64  # clips; a clip's questions come close together


@dataclass(frozen=True)
class Heard:
    """What the system makes of a clip before it is asked.

    Attributes
    ----------
    embeddings : Tensor, shape (audio tokens, hidden)
        Of the clip's first seconds (:attr:`.sizes.Sizes.window`).
    transcript : str
        Of the whole clip, cleaned; empty where nothing is said.
    """

    embeddings: torch.Tensor
    transcript: str


class System:
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
        self._model, self._tokenizer, self._transcriber = model, tokenizer, transcriber
        self._heard: OrderedDict[bytes, Heard] = OrderedDict()
        self.window = model.sizes.window

    def hear(self, audio: Audio) -> Heard:
        """Listen to a clip, or recall what was heard."""
        key = hashlib.blake2b(audio.samples.tobytes()).digest()
        if key not in self._heard:
            transcript = clean_transcript(self._transcriber(audio)) if self._transcriber else ""
            self._heard[key] = Heard(self._model.audio_embeddings(audio.floats), transcript)
        self._heard.move_to_end(key)
        if len(self._heard) > _REMEMBERED:
            self._heard.popitem(last=False)
        return self._heard[key]

    def answer(
        self, audio: Audio, prompt: str, preset: str = "official"
    ) -> tuple[str, str, dict[str, int]]:
        """Answer a question about a clip.

        Parameters
        ----------
        audio : Audio
        prompt : str
            The question.
        preset : str
            One of :data:`.presets.PRESETS`.

        Returns
        -------
        text : str
        finish_reason : str
            ``stop``, or ``length`` where the answer was cut off.
        usage : dict of str to int
            ``prompt_tokens`` (with the clip's) and ``completion_tokens`` (with the end's).

        Raises
        ------
        InputError
            There is no such preset, or the clip is too short to be heard.
        """
        if preset not in PRESETS:
            raise InputError(f"no preset {one_line(preset)}; there are: {', '.join(PRESETS)}")
        settings, heard = PRESETS[preset], self.hear(audio)
        ids = prompt_ids(self._tokenizer, prompt, heard.transcript)
        embeddings = self._model.sequence(heard.embeddings, ids)
        # The published penalty sees the prompt's words, and not the clip.
        new = generate(self._model.llama, embeddings, settings, penalised=ids)
        ended = len(new) < settings.max_new_tokens
        usage = {
            "prompt_tokens": embeddings.shape[1],
            "completion_tokens": len(new) + ended,
        }
        return self._tokenizer.decode(new).strip(), "stop" if ended else "length", usage


def load(
    folder: Path,
    device: str | torch.device,
    dtype: torch.dtype,
    transcriber: Transcriber | None = None,
) -> System:
    """Load a converted folder (:mod:`.conversion`).

    Parameters
    ----------
    folder : Path
    device : str or device
    dtype : dtype
        float16 on a graphics card and float32 on a processor are the published script's.
    transcriber : callable or None
        See :class:`System`.

    Returns
    -------
    System

    Raises
    ------
    InputError
        The folder holds no converted LTU-AS, or not all of it.
    """
    config, weights = read_folder(folder, KIND)
    try:
        sizes = Sizes(**config["sizes"])
        shapes = expected(sizes)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder / CONFIG}: not the sizes of LTU-AS ({one_line(error)}); convert it again"
        ) from error
    weights = rename(weights, lambda key: key, shapes, folder / WEIGHTS)
    model = assemble(sizes, weights, dtype).to(device)
    return System(model, Tokenizer(folder / TOKENIZER), transcriber)
