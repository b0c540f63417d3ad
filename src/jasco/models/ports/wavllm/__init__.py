"""WavLLM (Hu et al., 2024), from the waveform to the text.

Whisper encodes a clip in parts of 30 seconds, and WavLM encodes it as a whole (``features``). A
connector each shortens the two streams, which side by side become embeddings of Llama
(``connector``, ``model``). Llama's projections have LoRA (``scaled_lora``), which each prompt
scales anew, by what Llama makes of the question alone (``lora_scale``). The prompt stands around
the audio (``prompt``), and the answer is sampled by the rules of fairseq's search (``search``).
``conversion`` turns the published checkpoint into a folder, and ``inference`` loads it and answers.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jasco.models.ports.port_model import PortModel, options

if TYPE_CHECKING:
    from jasco.models.ports.wavllm.inference import WavLlmInference


class WavLlmModel(PortModel):
    """WavLLM, from a folder that ``jasco convert wavllm`` has made."""

    OPTIONS = options("official", "greedy")

    def load_folder(self, folder: Path, device: str, dtype: Any) -> "WavLlmInference":
        """Load the network and its tokenizer."""
        from jasco.models.ports.wavllm.inference import load

        return load(folder, device, dtype)
