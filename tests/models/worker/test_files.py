"""Clips as files for a worker."""

import asyncio

from jasco.data.audio import Audio
from jasco.models.worker.files import ClipFiles
from synthetic import tone

AUDIO = Audio(tone(7))


def test_a_clip_is_written_once_and_kept_while_in_use() -> None:
    async def use_files() -> None:
        files = ClipFiles()
        async with files.file(AUDIO) as path:
            written = path.stat().st_mtime_ns
            assert path.read_bytes() == AUDIO.wav
            for clip in range(100, 200):
                async with files.file(Audio(tone(clip))):
                    pass
            async with files.file(AUDIO) as again:
                assert again == path
            assert path.stat().st_mtime_ns == written
            assert len(list(files.folder.iterdir())) <= 65
        files.remove()
        assert not files.folder.exists()

    asyncio.run(use_files())
