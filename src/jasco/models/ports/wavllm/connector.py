"""The connectors between the encoders and the language model."""

import torch
from torch import nn
from torch.nn import functional


class Subsampler(nn.Module):
    """Two convolutions with gated linear units (Dauphin et al., 2017): a quarter of the positions.

    Parameters
    ----------
    channels, middle, out : int
        Channels of the input, of the first convolution (half of them are gates), and of the output.
    """

    def __init__(self, channels: int, middle: int, out: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, middle, kernel_size=3, stride=2, padding=1)
        self.second = nn.Conv1d(middle // 2, 2 * out, kernel_size=3, stride=2, padding=1)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Shorten states of shape (batch, time, channels)."""
        states = states.transpose(1, 2)
        for convolution in (self.first, self.second):
            states = functional.glu(convolution(states), dim=1)
        return states.transpose(1, 2)


class Adapter(nn.Module):
    """A bottleneck with a residual connection (Houlsby et al., 2019).

    Computes x + norm(up(gelu(down(x)))).
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Transform states of shape (batch, time, width)."""
        adapted: torch.Tensor = self.norm(self.up(functional.gelu(self.down(states))))
        return states + adapted


class WavLlmConnector(nn.Module):
    """The connector of one encoder: subsampler, adapter and projector.

    Parameters
    ----------
    channels, middle, width : int
        Channels of the subsampler: input, first convolution, output.
    bottleneck : int
        Channels of the adapter's bottleneck.
    out : int
        Channels of the output.
    """

    def __init__(self, channels: int, middle: int, width: int, bottleneck: int, out: int) -> None:
        super().__init__()
        self.subsampler = Subsampler(channels, middle, width)
        self.adapter = Adapter(width, bottleneck)
        self.projector = nn.Linear(width, out)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map (batch, time, channels) to (batch, time / 4, out)."""
        projected: torch.Tensor = self.projector(self.adapter(self.subsampler(states)))
        return projected


def join(whisper: torch.Tensor, wavlm: torch.Tensor) -> torch.Tensor:
    """Concatenate the outputs of both connectors by channel.

    Parameters
    ----------
    whisper : Tensor, shape (parts, time, channels)
        The parts are consecutive in time.
    wavlm : Tensor, shape (1, time, channels)

    Returns
    -------
    Tensor, shape (1, time, 2 * channels)
        Truncated to the shorter of both; Whisper's channels come first.
    """
    whisper = whisper.flatten(0, 1)[None]
    length = min(whisper.shape[1], wavlm.shape[1])
    return torch.cat([whisper[:, :length], wavlm[:, :length]], dim=-1)
