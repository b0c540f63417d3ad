"""WavLLM (Hu et al., 2024), from the waveform to the text.

Whisper encodes a clip in parts of 30 seconds, and WavLM encodes it as a whole (``features``). Each
encoder has a connector, which shortens its states; both outputs are concatenated by channel and
projected to Llama's embeddings (``connector``, ``model``). Llama's attention projections have LoRA
(``scaled_lora``), whose scale for each prompt is predicted from Llama's states of the question
alone (``lora_scale``). The prompt has text before and after the audio (``prompt``), and
the answer is sampled under the rules of fairseq's search (``search``). ``conversion`` converts the
checkpoint into a folder, and ``inference`` loads the folder and answers questions.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jasco.models.ports.port_model import PortModel, options

if TYPE_CHECKING:
    from jasco.models.ports.wavllm.inference import WavLlmInference


class WavLlmModel(PortModel):
    """WavLLM, from a folder written by ``jasco convert wavllm``."""

    OPTIONS = options("official", "greedy", prefix_cache=False)

    def load_folder(self, folder: Path, device: str, dtype: Any) -> "WavLlmInference":
        """Load the model and its tokenizer."""
        from jasco.models.ports.wavllm.inference import load

        return load(folder, device, dtype)
