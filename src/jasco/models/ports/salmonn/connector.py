"""What both encoders heard, summed up window by window, in the language model's width."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import Blip2QFormerConfig, Blip2QFormerModel

_SPAN = 30.0  # seconds that Whisper's frames stand for


class SalmonnConnector(nn.Module):
    """A window-level Q-Former (Tang et al., 2024, section 3.1).

    Parameters
    ----------
    sizes : mapping
        Of the Q-Former, named as those of BERT.
    window : mapping
        ``second_per_window`` and ``second_stride``, and how many ``frames_per_30s`` there are.
    speech, audio, out : int
        Widths of Whisper, of BEATs and of the language model.
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
        """Sum up.

        Parameters
        ----------
        speech, audio : Tensor, shape (1, frames, width)
            Of Whisper and of BEATs; their lengths may differ.

        Returns
        -------
        Tensor, shape (windows * queries, width of the language model)
        """
        heard = windows(self.join(speech, audio)[0], self.kernel, self.stride)
        queries = self.query_tokens.expand(len(heard), -1, -1)
        summary = self.qformer(query_embeds=queries, encoder_hidden_states=heard)
        embeddings: torch.Tensor = self.proj(summary.last_hidden_state).flatten(0, 1)
        return embeddings

    def join(self, speech: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """Put both side by side, shape (1, frames of the longer, both widths).

        The shorter is filled up with zeros, once it is normalised: before, the zeros would become
        the norm's bias.
        """
        speech, audio = self.ln_speech(speech), self.ln_audio(audio)
        length = max(speech.shape[1], audio.shape[1])
        return torch.cat(
            [functional.pad(each, (0, 0, 0, length - each.shape[1])) for each in (speech, audio)],
            dim=-1,
        )


def windows(frames: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """Cut into windows, leaving out what fills none at the end.

    Parameters
    ----------
    frames : Tensor, shape (frames, width)
    kernel, stride : int
        Frames in a window, and from one to the next.

    Returns
    -------
    Tensor, shape (windows, kernel, width)
    """
    return frames.unfold(0, kernel, stride).transpose(1, 2)
