"""SALMONN-7B (Tang et al., 2024), from waveform to text.

A sound is heard twice, by the encoder of Whisper (speech) and by BEATs (everything else). A
Q-Former sums up each window of a third of a second, as a token for Vicuna, a Llama with low-rank
updates. In the order of that way:

- :mod:`features`: what the two encoders are given.
- :mod:`beats`: the one of them that transformers lacks.
- :mod:`connector`: from both to the language model's width.
- :mod:`model`: all of it in one.
- :mod:`prompt`: the words around the sound.
- :mod:`beam`: how the answer is searched for.
- :mod:`inference`: a loaded model that answers.

:mod:`conversion` makes its weights of the published files.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jasco.models.ports.port_model import PortModel, options

if TYPE_CHECKING:
    from jasco.models.ports.salmonn.inference import SalmonnInference


class SalmonnModel(PortModel):
    """SALMONN-7B, from a folder that ``jasco convert salmonn`` has made. It hears 30 s."""

    OPTIONS = options("official", "greedy", "card")

    def load_folder(self, folder: Path, device: str, dtype: Any) -> "SalmonnInference":
        """Load the network and its tokenizer."""
        from jasco.models.ports.salmonn.inference import load

        return load(folder, device, dtype)
