"""Inference: loading a converted SALMONN, and answering questions about clips."""

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
from jasco.models.ports.salmonn.features import MAX_AUDIO_SECONDS
from jasco.models.ports.salmonn.model import Salmonn
from jasco.models.ports.salmonn.prompt import PRESETS, split_prompt
from jasco.models.ports.state_dict import TOKENIZER, Weights, read_folder
from jasco.models.ports.text import Tokenizer

KIND = "salmonn"
"""The name of this port in the ``config.json`` of a converted folder."""


class SalmonnInference(Inference[torch.Tensor, PreparedQuestion]):
    """Inference with SALMONN and its tokenizer.

    Parameters
    ----------
    network : Salmonn
    tokenizer : Tokenizer
    """

    def __init__(self, network: Salmonn, tokenizer: Tokenizer) -> None:
        super().__init__(network.llama, tokenizer, PRESETS, max_audio_seconds=MAX_AUDIO_SECONDS)
        self._network = network

    def encode(self, audio: Audio) -> torch.Tensor:
        """Compute a clip's embeddings."""
        return self._network.audio_embeddings(audio.floats)

    def prepare(
        self, encoded: torch.Tensor, prompt: str, preset: str, sample: int = 0
    ) -> PreparedQuestion:
        """Combine a question with a clip's embeddings."""
        settings = PRESETS[preset].of_sample(sample)
        left, right = (self._tokenizer.encode(half) for half in split_prompt(prompt, preset))
        sequence = self._network.sequence(left, encoded, right)
        return PreparedQuestion(sequence, search_of(settings), settings.max_new_tokens)


def search_of(preset: Preset) -> Search:
    """Return the search of a preset."""
    return BeamSearch(preset) if preset.num_beams > 1 else Sampler(preset)


def load(folder: Path, device: str, dtype: torch.dtype) -> SalmonnInference:
    """Load a converted SALMONN.

    Parameters
    ----------
    folder : Path
        A folder with ``config.json``, ``model.safetensors`` and ``tokenizer.model``.
    device : str
    dtype : dtype
        Precision of the language model. All else is in float32, as in the checkpoints. (On a GPU
        the original computes it in half precision, under autocast.)

    Raises
    ------
    InputError
        The folder is incomplete.
    """
    config, weights = read_folder(folder, KIND)
    tokenizer = Tokenizer(folder / TOKENIZER)
    return SalmonnInference(assemble(config, weights, folder, dtype).to(device), tokenizer)


def assemble(
    config: Mapping[str, Any], weights: Weights, path: Path, dtype: torch.dtype = torch.float32
) -> Salmonn:
    """Return a network with these weights, which are not copied.

    Parameters
    ----------
    config : mapping
        Sizes, as for :class:`Salmonn`.
    weights : mapping of str to Tensor
        Weights by the network's names.
    path : Path
        Source of the weights, for messages.
    dtype : dtype
        Precision of the language model.

    Raises
    ------
    InputError
        The weights do not fit a network of these sizes.
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
            f"{path}: the weights do not match the sizes ({one_line(error)}); convert it again"
        ) from error
    return network
