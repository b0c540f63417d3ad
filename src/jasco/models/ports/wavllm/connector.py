"""From an encoder's states to a stream that the language model can take."""

import torch
from torch import nn
from torch.nn import functional


class Subsampler(nn.Module):
    """Two convolutions with gated linear units (Dauphin et al., 2017): a quarter of the positions.

    Parameters
    ----------
    channels, middle, out : int
        What comes in, what the first convolution computes (half of it are gates), what goes out.
    """

    def __init__(self, channels: int, middle: int, out: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, middle, kernel_size=3, stride=2, padding=1)
        self.second = nn.Conv1d(middle // 2, 2 * out, kernel_size=3, stride=2, padding=1)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Shorten states of shape (batch, time, channels)."""
        rows = states.transpose(1, 2)
        for convolution in (self.first, self.second):
            rows = functional.glu(convolution(rows), dim=1)
        return rows.transpose(1, 2)


class Adapter(nn.Module):
    """A bottleneck beside a shortcut (Houlsby et al., 2019): x + norm(up(gelu(down(x))))."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Adapt states of shape (batch, time, width)."""
        adapted: torch.Tensor = self.norm(self.up(functional.gelu(self.down(states))))
        return states + adapted


class WavLlmConnector(nn.Module):
    """What stands between one encoder and the fusion of both.

    Parameters
    ----------
    channels, middle, width : int
        Of the subsampler.
    bottleneck : int
        Of the adapter.
    out : int
        Channels that the fusion gets.
    """

    def __init__(self, channels: int, middle: int, width: int, bottleneck: int, out: int) -> None:
        super().__init__()
        self.subsampler = Subsampler(channels, middle, width)
        self.adapter = Adapter(width, bottleneck)
        self.projector = nn.Linear(width, out)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map (batch, time, channels) to (batch, time / 4, out)."""
        stream: torch.Tensor = self.projector(self.adapter(self.subsampler(states)))
        return stream


def join(whisper: torch.Tensor, wavlm: torch.Tensor) -> torch.Tensor:
    """Lay the two streams side by side.

    Parameters
    ----------
    whisper : Tensor, shape (parts, time, channels)
        The parts follow each other in time.
    wavlm : Tensor, shape (1, time, channels)

    Returns
    -------
    Tensor, shape (1, time, 2 * channels)
        As long as the shorter one; Whisper's half comes first.
    """
    follows = whisper.flatten(0, 1)[None]
    length = min(follows.shape[1], wavlm.shape[1])
    return torch.cat([follows[:, :length], wavlm[:, :length]], dim=-1)
