"""What a run keeps of its clips' audio, whoever listens to it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from jasco.data.audio import Audio, read_file, read_known
from jasco.data.dataset import DataSet
from jasco.errors import InputError, RunConflictError, whole_text
from jasco.protocol.clips import Clip
from jasco.runs.store import AudioFacts


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


def audio_reader(data: DataSet, held: Mapping[str, tuple[str, str]]) -> Callable[[Clip], Audio]:
    """Give what reads a clip's audio for the model: only the very bytes that were hashed.

    Parameters
    ----------
    data : DataSet
        With its audio.
    held : mapping of str to (str, str)
        Path and SHA-256 of the audio that the run is about, by clip id.
    """

    def read(clip: Clip) -> Audio:
        path = audio_path(data, clip)
        audio = read_known(path, held[clip.id][1])
        if audio is None:
            raise RunConflictError(
                f"{path}: replaced while the run is going on, which is about the file that was "
                "there before; put that one back, or take another --run"
            )
        return audio

    return read


def audio_path(data: DataSet, clip: Clip) -> Path:
    """Tell where a clip's audio lies (``InputError`` where the data comes without any)."""
    path = data.audio_path(clip)
    if path is None:
        raise InputError(f"the data set {data.name} comes without audio; give --data a folder")
    return path
