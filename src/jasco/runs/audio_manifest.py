"""The audio of a run's clips: what the run stores of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jasco.data.audio import read_file
from jasco.data.dataset import DataSet
from jasco.errors import InputError, whole_text
from jasco.protocol.clips import Clip


@dataclass(frozen=True)
class AudioFacts:
    """What a run stores of a clip's audio: never the audio itself.

    Attributes
    ----------
    path, sha256 : str
        The file, and the hash of its bytes.
    seconds : float
        Its duration.
    conversions : tuple of str
        What was done to it for the model: resampling, for example.
    clipped : int
        Clipped samples.
    warnings : tuple of str
        What is odd about it.
    """

    path: str
    sha256: str
    seconds: float
    conversions: tuple[str, ...]
    clipped: int = 0
    warnings: tuple[str, ...] = ()


def audio_facts(data: DataSet, clips: Iterable[Clip]) -> dict[str, AudioFacts]:
    """Read the audio of clips; return its facts by clip id.

    Raises
    ------
    InputError
        The audio of a clip is missing or cannot be read; the first such clip is named.
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
    """Return the path of a clip's audio (``InputError`` where the data comes without any)."""
    path = data.audio_path(clip)
    if path is None:
        raise InputError(f"the data set {data.name} comes without audio; give --data a folder")
    return path
