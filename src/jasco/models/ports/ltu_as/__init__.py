"""A port of LTU-AS (Gong et al., 2023, "Joint audio and speech understanding").

The first 10 s of a clip become 25 embeddings before the prompt. A speech recogniser's transcript of
the whole clip is part of the prompt. The modules, in the order of the computation:

* :mod:`.features`: the log-mel spectrogram, and the outputs of all layers of Whisper's encoder;
* :mod:`.tltr`: the transformer over time and layers, which averages the layers;
* :mod:`.model`: the network: both of these, the projection, and the language model;
* :mod:`.prompt`: question and transcript as text and as tokens;
* :mod:`.presets`: decoding settings;
* :mod:`.inference`: inference with a model that is loaded from a converted folder.

:mod:`.conversion` converts the published checkpoint into that folder; :mod:`.sizes` has the sizes.

The port deviates from the published code in two respects, on purpose. It decodes only the tokens of
the answer, where the original decodes the whole sequence and removes four characters for an EOS
that may not be there. And its sampler has a seed.
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
    """LTU-AS, from a folder of ``jasco convert ltu-as``; it encodes the first 10 s of a clip."""

    OPTIONS = (
        *options("official", "batch", "greedy"),
        Option(
            "transcriber",
            "Whisper in CTranslate2's format: a folder or a size; none: no transcript",
            default="large-v2",
            identity=True,
        ),
    )

    def load_folder(self, folder: Path, device: str, dtype: Any) -> "LtuAsInference":
        """Load the network and the speech recogniser."""
        from jasco.models.ports.ltu_as.inference import load
        from jasco.models.ports.state_dict import kind_of

        kind_of(folder)  # raises before a recogniser is downloaded for nothing
        name = self.spec.options["transcriber"]
        try:
            transcriber = _transcriber(name, device)
        except Exception as error:  # from faster-whisper, CTranslate2 or the hub's client
            raise InputError(
                f"{self.spec.label}: its speech recogniser {name} cannot be loaded "
                f"({type(error).__name__}: {one_line(error, 120)}); give its folder with "
                "transcriber=DIR, or use transcriber=none"
            ) from error
        return load(folder, device, dtype, transcriber)


def _transcriber(name: str, device: str) -> "Transcriber | None":
    """Return the speech recogniser, with the settings of the original; None for ``none``."""
    if name == "none":
        return None
    from faster_whisper import WhisperModel

    whisper = WhisperModel(name, device=device.partition(":")[0])

    def transcribe(audio: Audio) -> str:
        # The defaults of Whisper's own ``transcribe``: greedy, and with rising temperatures where
        # the result is implausible.
        segments, _ = whisper.transcribe(audio.floats, beam_size=1, best_of=5)
        return "".join(segment.text for segment in segments)

    return transcribe
