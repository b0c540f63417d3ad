"""Cached values of recent clips: a clip's eight items are answered in close succession."""

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

from jasco.data.audio import Audio

T = TypeVar("T")
MOST = 64
"""Maximum number of cached clips."""


def audio_digest(audio: Audio) -> bytes:
    """Return a hash of the samples, 64 bytes."""
    return hashlib.blake2b(audio.samples.tobytes()).digest()


class ClipCache(Generic[T]):
    """A cache with one value for each of the :data:`MOST` clips used last, keyed by their audio."""

    def __init__(self) -> None:
        self._values: OrderedDict[bytes, T] = OrderedDict()

    def get(self, audio: Audio) -> T | None:
        """Return the value of a clip; None if it is not, or no longer, in the cache."""
        key = audio_digest(audio)
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, audio: Audio, value: T) -> None:
        """Store the value of a clip, and drop the value of the least recently used clip."""
        key = audio_digest(audio)
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > MOST:
            self._values.popitem(last=False)
