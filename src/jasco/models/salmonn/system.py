"""A loaded SALMONN that answers questions about sounds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from jasco.benchmark.errors import InputError, one_line
from jasco.models.native.decoding import Preset, generate
from jasco.models.native.language import fill
from jasco.models.native.text import Tokenizer
from jasco.models.native.weights import TOKENIZER, Weights, read_folder
from jasco.models.salmonn.beam import beam_search
from jasco.models.salmonn.network import Salmonn
from jasco.models.salmonn.prompt import PRESETS, halves
from jasco.providers.audio import Audio

KIND = "salmonn"
"""What a converted folder says it holds."""


class System:
    """SALMONN and its tokenizer.

    Parameters
    ----------
    network : Salmonn
    tokenizer : Tokenizer
    """

    def __init__(self, network: Salmonn, tokenizer: Tokenizer) -> None:
        self._network, self._tokenizer = network, tokenizer

    def answer(self, audio: Audio, prompt: str, preset: str) -> tuple[str, str, dict[str, int]]:
        """Answer a question about a sound.

        Parameters
        ----------
        audio : Audio
        prompt : str
        preset : str
            One of :data:`~jasco.models.salmonn.prompt.PRESETS`.

        Returns
        -------
        text : str
        finish_reason : str
            ``stop``, or ``length`` where the answer is cut off.
        usage : dict
            Tokens of the prompt, sound included, and of the answer.
        """
        settings = PRESETS[preset]
        left, right = (self._tokenizer.encode(half) for half in halves(prompt, preset))
        with torch.inference_mode():
            heard = self._network.audio_embeddings(audio.floats)
            sequence = self._network.sequence(left, heard, right)
        tokens = decode(self._network, sequence, settings)
        cut = len(tokens) == settings.max_new_tokens
        usage = {
            "prompt_tokens": sequence.shape[1],
            "completion_tokens": len(tokens) + (not cut),
        }
        return self._tokenizer.decode(tokens), "length" if cut else "stop", usage


def decode(network: Salmonn, sequence: torch.Tensor, preset: Preset) -> list[int]:
    """Let the language model go on from a sequence, shape (1, length, width)."""
    if preset.num_beams > 1 and not preset.temperature:
        return beam_search(network.llama, sequence, preset.num_beams, preset.max_new_tokens)
    return generate(network.llama, sequence, preset)


def load(folder: Path, device: str, dtype: torch.dtype) -> System:
    """Load a converted SALMONN.

    Parameters
    ----------
    folder : Path
        With ``config.json``, ``model.safetensors`` and ``tokenizer.model``.
    device : str
    dtype : dtype
        Of the language model; all else is in float32, as published. (On a graphics card the
        original computes that under autocast, in half precision.)

    Raises
    ------
    InputError
        The folder does not hold all of it.
    """
    config, weights = read_folder(folder, KIND)
    tokenizer = Tokenizer(folder / TOKENIZER)
    return System(assemble(config, weights, folder, dtype).to(device), tokenizer)


def assemble(
    config: Mapping[str, Any], weights: Weights, path: Path, dtype: torch.dtype = torch.float32
) -> Salmonn:
    """Make a network of weights, without a second copy of them.

    Parameters
    ----------
    config : mapping
        As :class:`Salmonn` takes it.
    weights : mapping of str to Tensor
        Under the network's own names.
    path : Path
        Where they are from, for messages.
    dtype : dtype
        Of the language model.

    Raises
    ------
    InputError
        They are not the weights of a network of these sizes.
    """
    with torch.device("meta"):
        network = Salmonn(config)
    try:
        fill(
            network,
            {
                key: value.to(dtype if key.startswith("llama.") else torch.float32)
                for key, value in weights.items()
            },
        )
    except RuntimeError as error:
        raise InputError(
            f"{path}: the weights do not fit the sizes ({one_line(error)}); convert it anew"
        ) from error
    return network
