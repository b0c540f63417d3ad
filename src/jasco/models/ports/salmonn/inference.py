"""A loaded SALMONN that answers questions about sounds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from jasco.data.audio import Audio
from jasco.errors import InputError, one_line
from jasco.models.ports.decoding import Preset, Sampler, Search
from jasco.models.ports.inference import Inference, PreparedQuestion
from jasco.models.ports.language import fill
from jasco.models.ports.salmonn.beam import BeamSearch
from jasco.models.ports.salmonn.features import WINDOW
from jasco.models.ports.salmonn.model import Salmonn
from jasco.models.ports.salmonn.prompt import PRESETS, split_prompt
from jasco.models.ports.state_dict import TOKENIZER, Weights, read_folder
from jasco.models.ports.text import Tokenizer

KIND = "salmonn"
"""What a converted folder says it holds."""


class SalmonnInference(Inference[torch.Tensor, PreparedQuestion]):
    """SALMONN and its tokenizer.

    Parameters
    ----------
    network : Salmonn
    tokenizer : Tokenizer
    """

    def __init__(self, network: Salmonn, tokenizer: Tokenizer) -> None:
        super().__init__(network.llama, tokenizer, PRESETS, max_audio_seconds=WINDOW)
        self._network = network

    def encode(self, audio: Audio) -> torch.Tensor:
        """Give a clip's embeddings."""
        return self._network.audio_embeddings(audio.floats)

    def prepare(self, heard: torch.Tensor, prompt: str, preset: str) -> PreparedQuestion:
        """Put a question around a clip."""
        settings = PRESETS[preset]
        left, right = (self._tokenizer.encode(half) for half in split_prompt(prompt, preset))
        sequence = self._network.sequence(left, heard, right)
        return PreparedQuestion(sequence, search_of(settings), settings.max_new_tokens)


def search_of(preset: Preset) -> Search:
    """Give the search that a preset asks for."""
    return BeamSearch(preset) if preset.num_beams > 1 else Sampler(preset)


def load(folder: Path, device: str, dtype: torch.dtype) -> SalmonnInference:
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
    return SalmonnInference(assemble(config, weights, folder, dtype).to(device), tokenizer)


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
