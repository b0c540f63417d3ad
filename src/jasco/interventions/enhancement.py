"""Speech enhancement with GTCRN (Rong et al., 2024), which attenuates sounds other than speech.

"GTCRN: a speech enhancement model requiring ultralow computational resources", ICASSP 2024. The
network processes the spectrogram frame by frame.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jasco.errors import InputError
from jasco.interventions.separation import FRAME, Samples, samples_of, spectrogram

_HOP = FRAME // 2
_STATE = {
    "conv_cache": (2, 1, 16, 16, 33),
    "tra_cache": (2, 3, 1, 1, 16),
    "inter_cache": (2, 1, 33, 16),
}


class Enhancer:
    """GTCRN, loaded.

    Parameters
    ----------
    path : Path
        The network in ONNX.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._network = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime does not export its own classes
            raise InputError(
                f"{path}: onnxruntime {onnxruntime.__version__} cannot load GTCRN: {error}"
            ) from error

    def speech(self, samples: Samples) -> Samples:
        """Return the speech in samples of float32 from -1 to 1 at 16 kHz."""
        state: list[NDArray[np.float32]] = [
            np.zeros(shape, np.float32) for shape in _STATE.values()
        ]
        spectra = spectrogram(samples, _HOP)
        for number, spectrum in enumerate(spectra):
            parts = np.stack([spectrum.real, spectrum.imag], axis=-1)[None, :, None]
            inputs = {"mix": parts, **dict(zip(_STATE, state, strict=True))}
            enhanced, *state = self._network.run(None, inputs)
            spectra[number] = enhanced[0, :, 0, 0] + 1j * enhanced[0, :, 0, 1]
        return samples_of(spectra, len(samples), _HOP)
