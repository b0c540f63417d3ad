"""WavLLM ready to be asked."""

from pathlib import Path

import torch

from jasco.benchmark.errors import InputError, one_line
from jasco.models.native.language import splice
from jasco.models.native.text import Tokenizer
from jasco.models.native.weights import TOKENIZER, WEIGHTS, read_folder, rename
from jasco.models.wavllm.features import SAMPLES_AN_EMBEDDING
from jasco.models.wavllm.model import WavLlm, assemble, shapes_of
from jasco.models.wavllm.prompts import make_prompt
from jasco.models.wavllm.search import PRESETS, draw, room
from jasco.models.wavllm.sizes import KIND
from jasco.models.wavllm.updates import updated
from jasco.providers.audio import Audio


class System:
    """A loaded model with its tokenizer.

    Parameters
    ----------
    model : WavLlm
    tokenizer : Tokenizer
    second_bos : bool
        See :func:`jasco.models.wavllm.prompts.make_prompt`.
    """

    def __init__(self, model: WavLlm, tokenizer: Tokenizer, *, second_bos: bool = True) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._second_bos = second_bos

    def answer(self, audio: Audio, prompt: str, preset: str) -> tuple[str, str, dict[str, int]]:
        """Answer a question about a clip.

        Parameters
        ----------
        audio : Audio
        prompt : str
            The question.
        preset : str
            A name of :data:`jasco.models.wavllm.search.PRESETS`.

        Returns
        -------
        text : str
        finish_reason : str
            ``stop``, or ``length`` where the answer was cut off.
        usage : dict of str to int
            Tokens of the prompt, sounds included, and of the answer, with its EOS if it ended.

        Raises
        ------
        InputError
            The question or the clip is too long, or the clip too short.
        """
        if preset not in PRESETS:
            raise InputError(f"no preset {one_line(preset)!r}; there are: {', '.join(PRESETS)}")
        llama, settings = self._model.llama, PRESETS[preset]
        words = make_prompt(self._tokenizer, prompt, second_bos=self._second_bos)
        longest = room(settings, words.right)
        self._check_length(audio, len(words.left) + len(words.right) + longest)
        with torch.inference_mode():
            sounds = self._model.audio_embeddings(audio.floats)
            sequence = splice(llama, [words.left, sounds, words.right])
            with updated(llama, self._model.update_scale(words.quoted)):
                said = draw(llama, sequence, settings, longest)
        ended = len(said) < longest
        return (
            self._tokenizer.decode(said),
            "stop" if ended else "length",
            {"prompt_tokens": sequence.shape[1], "completion_tokens": len(said) + ended},
        )

    def _check_length(self, audio: Audio, words: int) -> None:
        """Refuse a clip that the language model has no positions for, before it is heard."""
        needed = words + len(audio.samples) // SAMPLES_AN_EMBEDDING
        positions = self._model.llama.config.max_position_embeddings
        if needed > positions:
            raise InputError(
                f"the clip ({audio.seconds:.0f} s), the question and an answer need {needed} "
                f"positions, and the model has {positions}; use a shorter clip"
            )


def load(folder: Path, device: str, dtype: torch.dtype) -> System:
    """Load a converted model.

    Parameters
    ----------
    folder : Path
        As :func:`jasco.models.wavllm.conversion.convert_files` writes it.
    device : str
    dtype : dtype
        The published script computes in float32.

    Raises
    ------
    InputError
        The folder holds no converted WavLLM, or not all of it.
    """
    sizes, weights = read_folder(folder, KIND)
    weights = rename(weights, lambda key: key, shapes_of(sizes), folder / WEIGHTS)
    model = assemble(sizes, weights, torch.device(device), dtype)
    return System(model, Tokenizer(folder / TOKENIZER))
