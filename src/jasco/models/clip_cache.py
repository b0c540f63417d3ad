"""Values computed from the clips used last: a clip's eight items come close together."""

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

from jasco.data.audio import Audio

T = TypeVar("T")
MOST = 64
"""Clips whose values are kept."""


def audio_digest(audio: Audio) -> bytes:
    """Return a hash of the samples, 64 bytes."""
    return hashlib.blake2b(audio.samples.tobytes()).digest()


class RecentClips(Generic[T]):
    """A cache of one value for each of the :data:`MOST` clips used last, keyed by their audio."""

    def __init__(self) -> None:
        self._values: OrderedDict[bytes, T] = OrderedDict()

    def get(self, audio: Audio) -> T | None:
        """Return the value of a clip; None where there is none, or none any more."""
        key = audio_digest(audio)
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, audio: Audio, value: T) -> None:
        """Store the value of a clip, and drop that of the clip least recently used."""
        key = audio_digest(audio)
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > MOST:
            self._values.popitem(last=False)
