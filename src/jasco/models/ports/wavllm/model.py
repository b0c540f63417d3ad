"""The WavLLM network: encoders, connectors, fusion, and Llama with scaled LoRA."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import WavLMConfig, WavLMModel, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from jasco.models.ports.language import fill, make_llama, splice
from jasco.models.ports.lora import add_lora
from jasco.models.ports.state_dict import Weights
from jasco.models.ports.wavllm.connector import WavLlmConnector, join
from jasco.models.ports.wavllm.features import valid_positions, wavlm_waveform, whisper_parts
from jasco.models.ports.wavllm.lora_scale import ScaleHead, states_before_norm
from jasco.models.ports.wavllm.scaled_lora import LORA_PROJECTIONS


class WavLlm(nn.Module):
    """Two encoders with a connector each, their fusion, and a Llama with scaled LoRA.

    Parameters
    ----------
    sizes : mapping
        Sizes in the form of :data:`jasco.models.ports.wavllm.sizes.PUBLISHED`.
    """

    def __init__(self, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        self.sizes = sizes
        # Eager attention, as in the original: other implementations differ in the sixth digit.
        whisper = WhisperConfig(**sizes["whisper"], attn_implementation="eager")
        # Masking is for training only; without it, there is no embedding of masked frames.
        wavlm = WavLMConfig(**sizes["wavlm"], mask_time_prob=0.0, mask_feature_prob=0.0)
        channels = sizes["connectors"]
        shared = channels["width"], channels["bottleneck"], channels["out"]
        self.whisper = WhisperEncoder(whisper)
        self.whisper_connector = WavLlmConnector(
            whisper.d_model, channels["whisper_middle"], *shared
        )
        self.wavlm = WavLMModel(wavlm)
        self.wavlm_layers = nn.Parameter(torch.zeros(wavlm.num_hidden_layers + 1))
        self.wavlm_connector = WavLlmConnector(wavlm.hidden_size, channels["wavlm_middle"], *shared)
        self.llama = make_llama(sizes["llama"])
        width = self.llama.config.hidden_size
        self.fusion = nn.Linear(2 * channels["out"], width)
        add_lora(self.llama, LORA_PROJECTIONS, sizes["updates"]["rank"])
        self.scale_head = ScaleHead(width, **sizes["scale"])

    def whisper_states(self, features: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Encode log-mel spectrograms with Whisper.

        Parameters
        ----------
        features : Tensor, shape (parts, bins, frames)
        valid : Tensor of int, shape (parts,)
            Number of frames without padding.

        Returns
        -------
        Tensor, shape (parts, time, channels)
        """
        weight = self.whisper.conv1.weight
        states: torch.Tensor = self.whisper(features.to(weight)).last_hidden_state
        return states[:, : valid_positions(valid)]

    def wavlm_states(self, waveform: torch.Tensor) -> torch.Tensor:
        """Encode a waveform with WavLM.

        Parameters
        ----------
        waveform : Tensor, shape (1, samples)

        Returns
        -------
        Tensor, shape (layers + 1, 1, time, channels)
            The input of the first layer, and the output of each layer.
        """
        output = self.wavlm(waveform.to(self.wavlm_layers), output_hidden_states=True)
        return torch.stack(output.hidden_states)

    def weighted_sum(self, states: torch.Tensor) -> torch.Tensor:
        """Compute the sum of WavLM's states, (layers + 1, ...), with learnt weights."""
        return torch.tensordot(torch.softmax(self.wavlm_layers, dim=0), states, dims=1)

    def audio_embeddings(self, samples: NDArray[np.float32]) -> torch.Tensor:
        """Compute a clip's embeddings for the language model.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            From -1 to 1 at 16 kHz.

        Returns
        -------
        Tensor, shape (time, width)
            About 12.5 embeddings per second.
        """
        waveform = wavlm_waveform(samples, self.sizes["wavlm"])
        features, valid = whisper_parts(samples, self.sizes["whisper"])
        whisper = self.whisper_connector(self.whisper_states(features, valid))
        wavlm = self.wavlm_connector(self.weighted_sum(self.wavlm_states(waveform)))
        embeddings: torch.Tensor = self.fusion(join(whisper, wavlm))[0]
        return embeddings

    def lora_scale(self, quoted: Sequence[int]) -> torch.Tensor:
        """Compute the LoRA scale for a question, shape (width,), from Llama without LoRA.

        Parameters
        ----------
        quoted : sequence of int
            Tokens of the question in quotation marks.
        """
        states = states_before_norm(self.llama, splice(self.llama, [quoted]))
        scale: torch.Tensor = self.scale_head(states)
        return scale


def shapes_of(sizes: Mapping[str, Any]) -> dict[str, torch.Size]:
    """Return the shape of every weight of a model, without allocating memory for any."""
    with torch.device("meta"):
        return {key: value.shape for key, value in WavLlm(sizes).state_dict().items()}


def assemble(
    sizes: Mapping[str, Any], weights: Weights, device: torch.device, dtype: torch.dtype
) -> WavLlm:
    """Create a model whose parameters are the given weights; none are initialised before.

    Parameters
    ----------
    sizes : mapping
    weights : mapping of str to Tensor
        All weights, by their names in :func:`shapes_of`.
    device, dtype
        Device and precision of the computation.
    """
    with torch.device("meta"):
        model = WavLlm(sizes)
    fill(model, {key: value.to(device, dtype) for key, value in weights.items()})
    model.to(device)
    return model
