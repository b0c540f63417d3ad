"""LTU-AS (Gong et al., 2023, "Joint audio and speech understanding"), from waveform to text.

A clip's first 10 s become 25 embeddings in front of the prompt; what is said in all of it, as a
speech recogniser wrote it down, is part of the prompt. In the order of an answer:

* :mod:`.features`: the waveform's log-mel spectrogram, and what every layer of Whisper makes of it;
* :mod:`.tltr`: the transformer over time and layers, which sums the layers up;
* :mod:`.model`: both, the projection into the language model, and the language model;
* :mod:`.prompt`: question and transcript as text and as tokens;
* :mod:`.presets`: how the answer is drawn;
* :mod:`.inference`: all of it, loaded from a folder and ready to be asked.

:mod:`.conversion` makes that folder of the published files; :mod:`.sizes` says how large all is.

On purpose it departs from the published code in this: only the answer's tokens are decoded, where
the original decodes all and cuts off four characters for an end that may not be there; and drawing
has a seed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jasco.backends.options import Option
from jasco.data.audio import Audio
from jasco.errors import InputError, one_line
from jasco.models.ports.port_model import PortModel, options

if TYPE_CHECKING:
    from jasco.models.ports.ltu_as.inference import LtuAsInference, Transcriber


class LtuAsModel(PortModel):
    """LTU-AS, from a folder that ``jasco convert ltu-as`` has made. It hears the first 10 s."""

    OPTIONS = (
        *options("official", "batch", "greedy"),
        Option(
            "transcriber",
            "Whisper as CTranslate2 has it, a folder or a size; none: without a transcript",
            default="large-v2",
            identity=True,
        ),
    )

    def load_folder(self, folder: Path, device: str, dtype: Any) -> "LtuAsInference":
        """Load the network and the speech recogniser."""
        from jasco.models.ports.ltu_as.inference import load
        from jasco.models.ports.state_dict import kind_of

        kind_of(folder)  # refused before a recogniser is fetched for nothing
        name = self.spec.options["transcriber"]
        try:
            transcriber = _transcriber(name, device)
        except Exception as error:  # of faster-whisper, CTranslate2, the hub's client
            raise InputError(
                f"{self.spec.label}: its speech recogniser {name} cannot be loaded "
                f"({type(error).__name__}: {one_line(error, 120)}); give a folder that holds it, "
                "transcriber=DIR, or transcriber=none"
            ) from error
        return load(folder, device, dtype, transcriber)


def _transcriber(name: str, device: str) -> "Transcriber | None":
    """Make the speech recogniser, with the settings of the published one."""
    if name == "none":
        return None
    from faster_whisper import WhisperModel

    whisper = WhisperModel(name, device=device.partition(":")[0])

    def transcribe(audio: Audio) -> str:
        # What Whisper's own ``transcribe`` does unless told otherwise: greedy, and hotter where
        # that gives nonsense.
        segments, _ = whisper.transcribe(audio.floats, beam_size=1, best_of=5)
        return "".join(segment.text for segment in segments)

    return transcribe
