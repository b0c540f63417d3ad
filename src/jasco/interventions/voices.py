"""Voice activity detection with Silero, a small network that faster-whisper contains."""

from functools import partial

from jasco.backends.optional_imports import import_optional
from jasco.data.audio import SAMPLING_RATE
from jasco.interventions.separation import Interval, Samples


def voices(samples: Samples, user: str, *, probability: float, pause: float) -> list[Interval]:
    """Find the intervals in which a voice is heard.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        From -1 to 1 at 16 kHz.
    user : str
        What requires the detector, for the message of an error.
    probability : float
        A voice begins where its probability is at least this.
    pause : float
        Seconds; shorter pauses belong to the voice.

    Raises
    ------
    InputError
        The libraries of the extra ``stems`` are missing.
    """
    load = partial(import_optional, user=user, extra="stems")
    load("onnxruntime")
    vad = load("faster_whisper.vad")
    options = vad.VadOptions(
        threshold=probability, min_silence_duration_ms=round(1000 * pause), speech_pad_ms=0
    )
    found = vad.get_speech_timestamps(samples, options, SAMPLING_RATE)
    return [(voice["start"], voice["end"]) for voice in found]
