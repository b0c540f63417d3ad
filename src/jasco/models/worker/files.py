"""Clips as files, for who cannot be handed them in memory."""

import asyncio
import hashlib
import shutil
import tempfile
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jasco.data.audio import Audio
from jasco.errors import IncompleteError

_KEPT = 64
"""Files that stay beside those in use: a clip's questions come close together."""


class ClipFiles:
    """A temporary folder of WAV files, each written once for all questions about its clip."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jasco-worker-"))
        self._users: Counter[Path] = Counter()
        self._written: OrderedDict[Path, None] = OrderedDict()
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def file(self, audio: Audio) -> AsyncIterator[Path]:
        """Give a clip's file, which stays there meanwhile."""
        name = hashlib.blake2b(audio.samples.tobytes(), digest_size=16).hexdigest()
        path = self.folder / f"{name}.wav"
        self._users[path] += 1
        try:
            async with self._writing:
                if path not in self._written:
                    await asyncio.to_thread(_write, path, audio.wav)
                self._written[path] = None
                self._written.move_to_end(path)
            yield path
        finally:
            self._users[path] -= 1
            self._forget()

    def _forget(self) -> None:
        for path in list(self._written)[: max(0, len(self._written) - _KEPT)]:
            if not self._users[path]:
                del self._written[path], self._users[path]
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise IncompleteError(
            f"{path}: {error.strerror}; TMPDIR names another place for temporary files"
        ) from None
