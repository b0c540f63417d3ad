"""Facts about the audio of a run's clips, as stored in the run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jasco.data.audio import read_file
from jasco.data.dataset import DataSet
from jasco.errors import InputError, whole_text
from jasco.protocol.clips import Clip


@dataclass(frozen=True)
class AudioFacts:
    """Facts that a run stores about a clip's audio; the audio itself is not stored.

    Attributes
    ----------
    path, sha256 : str
        Path of the file, and the SHA-256 hash of its bytes.
    seconds : float
        Duration.
    conversions : tuple of str
        Conversions applied for the model, such as resampling.
    clipped : int
        Number of clipped samples.
    warnings : tuple of str
        Warnings about the audio, for example that it is silent.
    """

    path: str
    sha256: str
    seconds: float
    conversions: tuple[str, ...]
    clipped: int = 0
    warnings: tuple[str, ...] = ()


def audio_facts(data: DataSet, clips: Iterable[Clip]) -> dict[str, AudioFacts]:
    """Read the audio of clips, and return its facts by clip id.

    Raises
    ------
    InputError
        The audio of a clip is missing or cannot be read; the message names the first such clip.
    """
    facts = {}
    for clip in clips:
        path = audio_path(data, clip)
        file = read_file(path)
        facts[clip.id] = AudioFacts(
            whole_text(str(path.absolute())),
            file.sha256,
            file.audio.seconds,
            file.audio.conversions,
            file.clipped,
            file.warnings,
        )
    return facts


def audio_path(data: DataSet, clip: Clip) -> Path:
    """Return the path of a clip's audio (``InputError`` if the data set has no audio)."""
    path = data.audio_path(clip)
    if path is None:
        raise InputError(
            f"the data set {data.name} has no audio; give a folder that contains it with --data"
        )
    return path
