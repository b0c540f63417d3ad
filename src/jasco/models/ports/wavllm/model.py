"""The modules of WavLLM put together, and what it hears in a clip."""

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
    """Two encoders, a connector each, their fusion, and a Llama whose updates prompts scale.

    Parameters
    ----------
    sizes : mapping
        As :data:`jasco.models.ports.wavllm.sizes.PUBLISHED`.
    """

    def __init__(self, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        self.sizes = sizes
        # Computed as the original does: other ways of attention differ in the sixth digit.
        whisper = WhisperConfig(**sizes["whisper"], attn_implementation="eager")
        # Masking is of training; without it there is no embedding of what is masked.
        wavlm = WavLMConfig(**sizes["wavlm"], mask_time_prob=0.0, mask_feature_prob=0.0)
        between = sizes["connectors"]
        ends = between["width"], between["bottleneck"], between["out"]
        self.whisper = WhisperEncoder(whisper)
        self.whisper_connector = WavLlmConnector(whisper.d_model, between["whisper_middle"], *ends)
        self.wavlm = WavLMModel(wavlm)
        self.wavlm_layers = nn.Parameter(torch.zeros(wavlm.num_hidden_layers + 1))
        self.wavlm_connector = WavLlmConnector(wavlm.hidden_size, between["wavlm_middle"], *ends)
        self.llama = make_llama(sizes["llama"])
        width = self.llama.config.hidden_size
        self.fusion = nn.Linear(2 * between["out"], width)
        add_lora(self.llama, LORA_PROJECTIONS, sizes["updates"]["rank"])
        self.scale_head = ScaleHead(width, **sizes["scale"])

    def whisper_states(self, features: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Encode log-mel spectrograms with Whisper.

        Parameters
        ----------
        features : Tensor, shape (parts, bins, frames)
        valid : Tensor of int, shape (parts,)
            Frames that are no filling.

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
            What goes into the first layer, and what comes out of each.
        """
        heard = self.wavlm(waveform.to(self.wavlm_layers), output_hidden_states=True)
        return torch.stack(heard.hidden_states)

    def weighted_sum(self, states: torch.Tensor) -> torch.Tensor:
        """Sum the states of WavLM's layers, (layers + 1, ...), by learnt weights."""
        return torch.tensordot(torch.softmax(self.wavlm_layers, dim=0), states, dims=1)

    def audio_embeddings(self, samples: NDArray[np.float32]) -> torch.Tensor:
        """Give what the language model gets to hear of a clip.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            From -1 to 1 at 16 kHz.

        Returns
        -------
        Tensor, shape (time, width)
            About 12.5 embeddings a second.
        """
        waveform = wavlm_waveform(samples, self.sizes["wavlm"])
        features, valid = whisper_parts(samples, self.sizes["whisper"])
        whisper = self.whisper_connector(self.whisper_states(features, valid))
        wavlm = self.wavlm_connector(self.weighted_sum(self.wavlm_states(waveform)))
        embeddings: torch.Tensor = self.fusion(join(whisper, wavlm))[0]
        return embeddings

    def lora_scale(self, quoted: Sequence[int]) -> torch.Tensor:
        """Give the scale of the updates for a question, shape (width,); made without updates.

        Parameters
        ----------
        quoted : sequence of int
            The question's tokens, in quotes.
        """
        states = states_before_norm(self.llama, splice(self.llama, [quoted]))
        scale: torch.Tensor = self.scale_head(states)
        return scale


def shapes_of(sizes: Mapping[str, Any]) -> dict[str, torch.Size]:
    """Give the shape of every weight of a model, without making room for any."""
    with torch.device("meta"):
        return {key: value.shape for key, value in WavLlm(sizes).state_dict().items()}


def assemble(
    sizes: Mapping[str, Any], weights: Weights, device: torch.device, dtype: torch.dtype
) -> WavLlm:
    """Make a model from weights; it takes them over, and fills no others in first.

    Parameters
    ----------
    sizes : mapping
    weights : mapping of str to Tensor
        Under the names of :func:`shapes_of`, all of them.
    device, dtype
        Where and in which precision it computes.
    """
    with torch.device("meta"):
        model = WavLlm(sizes)
    fill(model, {key: value.to(device, dtype) for key, value in weights.items()})
    model.to(device)
    return model
