"""The audio of a run's clips: what the run stores of it, and reading it for a model."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jasco.data.audio import Audio, read_file, read_known
from jasco.data.dataset import DataSet
from jasco.errors import InputError, RunConflictError, whole_text
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


def audio_facts(data: DataSet, clips: Iterable[Clip]) -> list[AudioFacts]:
    """Read the audio of clips (``InputError`` for the first that cannot be read)."""
    facts = []
    for clip in clips:
        path = audio_path(data, clip)
        file = read_file(path)
        facts.append(
            AudioFacts(
                whole_text(str(path.absolute())),
                file.sha256,
                file.audio.seconds,
                file.audio.conversions,
                file.clipped,
                file.warnings,
            )
        )
    return facts


def audio_reader(data: DataSet, files: Mapping[str, tuple[str, str]]) -> Callable[[Clip], Audio]:
    """Return a function that reads a clip's audio for the model: only the bytes that were hashed.

    Parameters
    ----------
    data : DataSet
        With its audio.
    files : mapping of str to (str, str)
        Path and SHA-256 of the audio that the run is about, by clip id.
    """

    def read(clip: Clip) -> Audio:
        path = audio_path(data, clip)
        audio = read_known(path, files[clip.id][1])
        if audio is None:
            raise RunConflictError(
                f"{path}: replaced while the run is going on, which is about the file that was "
                "there before; put that one back, or take another --run"
            )
        return audio

    return read


def audio_path(data: DataSet, clip: Clip) -> Path:
    """Return the path of a clip's audio (``InputError`` where the data comes without any)."""
    path = data.audio_path(clip)
    if path is None:
        raise InputError(f"the data set {data.name} comes without audio; give --data a folder")
    return path
