"""A port of SALMONN-7B (Tang et al., 2024).

Two encoders process the audio: that of Whisper (for speech) and BEATs (for all other sounds). A
Q-Former summarises each window of a third of a second as one embedding for Vicuna, a Llama with
LoRA. The modules, in the order of the computation:

- :mod:`features`: input features of the two encoders.
- :mod:`beats`: the encoder BEATs, which transformers lacks.
- :mod:`connector`: the projection of both encoders' states to the language model's width.
- :mod:`model`: the whole network.
- :mod:`prompt`: the prompt's text, and the decoding presets.
- :mod:`beam`: the beam search.
- :mod:`inference`: loading, and inference.

:mod:`conversion` converts the checkpoints.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jasco.models.ports.port_model import PortModel, options

if TYPE_CHECKING:
    from jasco.models.ports.salmonn.inference import SalmonnInference


class SalmonnModel(PortModel):
    """SALMONN-7B, from a folder that ``jasco convert salmonn`` has made. It uses the first 30 s."""

    OPTIONS = options("official", "greedy", "card")

    def load_folder(self, folder: Path, device: str, dtype: Any) -> "SalmonnInference":
        """Load the network and its tokenizer."""
        from jasco.models.ports.salmonn.inference import load

        return load(folder, device, dtype)
