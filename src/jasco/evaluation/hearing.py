"""What a run keeps of its clips' audio, whoever listens to it."""

from collections.abc import Iterable
from pathlib import Path

from jasco.benchmark.clips import Clip
from jasco.benchmark.dataset import DataSet
from jasco.benchmark.errors import InputError, whole_text
from jasco.evaluation.store import AudioFacts
from jasco.providers.audio import file_sha256, read_audio


def audio_facts(data: DataSet, clips: Iterable[Clip]) -> list[AudioFacts]:
    """Read the audio of clips (``InputError`` for the first that cannot be read)."""
    facts = []
    for clip in clips:
        path = audio_path(data, clip)
        audio = read_audio(path)
        facts.append(
            AudioFacts(
                whole_text(str(path.absolute())),
                file_sha256(path),
                audio.seconds,
                audio.treatments,
            )
        )
    return facts


def audio_path(data: DataSet, clip: Clip) -> Path:
    """Tell where a clip's audio lies (``InputError`` where the data comes without any)."""
    path = data.audio_path(clip)
    if path is None:
        raise InputError(f"the data set {data.name} comes without audio; give --data a folder")
    return path
