"""Clips as files, for workers, which do not share memory with jasco."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import WeakValueDictionary, finalize

from jasco.data.audio import Audio
from jasco.errors import IncompleteError
from jasco.models.clip_cache import ClipCache, audio_digest


class _ClipFile:
    """A file that is removed together with the last reference to this object."""

    def __init__(self, path: Path) -> None:
        self.path = path
        finalize(self, path.unlink, missing_ok=True)


class ClipFiles:
    """A temporary folder of WAV files, each written once for all questions about a clip.

    A file is kept while it is in use, and while its clip is among those used last.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jasco-worker-"))
        self._recent: ClipCache[_ClipFile] = ClipCache()
        self._files: WeakValueDictionary[Path, _ClipFile] = WeakValueDictionary()
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def file(self, audio: Audio) -> AsyncIterator[Path]:
        """Yield the path of a clip's file, which is kept within the block."""
        path = self.folder / f"{audio_digest(audio).hex()[:32]}.wav"
        async with self._writing:
            file = self._files.get(path)
            if file is None:
                await asyncio.to_thread(_write, path, audio.wav)
                file = self._files[path] = _ClipFile(path)
            self._recent.put(audio, file)
        yield file.path

    def remove(self) -> None:
        """Remove the folder and its contents."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise IncompleteError(
            f"{path}: {error.strerror}; set TMPDIR to another folder for temporary files"
        ) from None
