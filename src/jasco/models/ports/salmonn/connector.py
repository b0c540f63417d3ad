"""The connector, which summarises the encoder states of each window as embeddings."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import Blip2QFormerConfig, Blip2QFormerModel

_SPAN = 30.0  # duration of Whisper's input, in seconds


class SalmonnConnector(nn.Module):
    """A window-level Q-Former (Tang et al., 2024, section 3.1).

    Parameters
    ----------
    sizes : mapping
        Sizes of the Q-Former, named as in BERT's configuration.
    window : mapping
        ``second_per_window`` and ``second_stride``, in seconds, and ``frames_per_30s``, the number
        of encoder states in 30 s.
    speech, audio, out : int
        Widths of Whisper, BEATs and the language model.
    """

    def __init__(
        self,
        sizes: Mapping[str, Any],
        window: Mapping[str, Any],
        *,
        speech: int,
        audio: int,
        out: int,
    ) -> None:
        super().__init__()
        width = sizes["hidden_size"]
        self.ln_speech = nn.LayerNorm(speech)
        self.ln_audio = nn.LayerNorm(audio)
        self.query_tokens = nn.Parameter(torch.zeros(1, sizes["num_query_tokens"], width))
        self.qformer = Blip2QFormerModel(
            Blip2QFormerConfig(
                hidden_size=width,
                num_hidden_layers=sizes["num_hidden_layers"],
                num_attention_heads=sizes["num_attention_heads"],
                intermediate_size=sizes["intermediate_size"],
                hidden_act=sizes["hidden_act"],
                layer_norm_eps=sizes["layer_norm_eps"],
                cross_attention_frequency=sizes["cross_attention_freq"],
                encoder_hidden_size=speech + audio,
            )
        )
        self.proj = nn.Linear(width, out)
        self.kernel, self.stride = (
            round(window["frames_per_30s"] * window[name] / _SPAN)
            for name in ("second_per_window", "second_stride")
        )

    def forward(self, speech: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """Compute embeddings for the language model.

        Parameters
        ----------
        speech, audio : Tensor, shape (1, frames, width)
            Encoder states of Whisper and of BEATs; their lengths may differ.

        Returns
        -------
        Tensor, shape (windows * queries, width of the language model)
        """
        states = windows(self.join(speech, audio)[0], self.kernel, self.stride)
        queries = self.query_tokens.expand(len(states), -1, -1)
        summary = self.qformer(query_embeds=queries, encoder_hidden_states=states)
        embeddings: torch.Tensor = self.proj(summary.last_hidden_state).flatten(0, 1)
        return embeddings

    def join(self, speech: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """Concatenate both encoders' states, shape (1, frames of the longer, sum of widths).

        The shorter is padded with zeros after it is normalised: the norm would turn zeros into its
        bias.
        """
        normalised = self.ln_speech(speech), self.ln_audio(audio)
        length = max(speech.shape[1], audio.shape[1])
        return torch.cat(
            [functional.pad(states, (0, 0, 0, length - states.shape[1])) for states in normalised],
            dim=-1,
        )


def windows(frames: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """Return the windows of a sequence, without an incomplete one at the end.

    Parameters
    ----------
    frames : Tensor, shape (frames, width)
    kernel, stride : int
        Frames in a window, and between the starts of two windows.

    Returns
    -------
    Tensor, shape (windows, kernel, width)
    """
    return frames.unfold(0, kernel, stride).transpose(1, 2)
