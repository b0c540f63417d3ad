"""The files of the published data set, by hash, and whether what bears its name is all of it."""

from collections.abc import Mapping
from importlib.resources import files

from jasco.data.dataset import ALTERED, PUBLISHED


def published_files() -> dict[str, str]:
    """Give the SHA-256 of each published file by its path."""
    lines = (files("jasco.data") / "watd.sha256").read_text("utf-8").splitlines()
    return {path: sha256 for sha256, path in (line.split(maxsplit=1) for line in lines)}


def name_with_audio(name: str, audio: Mapping[str, str]) -> str:
    """Name a data set by its audio too: the published annotations may come with other clips.

    Parameters
    ----------
    name : str
        By its annotations: see :func:`jasco.data.dataset.name_of`.
    audio : mapping of str to str
        SHA-256 of the audio files that were read, by clip id. Of others nothing is claimed.
    """
    if name not in (PUBLISHED, ALTERED):
        return name
    published = published_files()
    alike = all(published.get(f"dataset/v0/{id_}.wav") == sha256 for id_, sha256 in audio.items())
    return PUBLISHED if alike else ALTERED
