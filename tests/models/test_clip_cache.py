"""The cache of values computed from recent clips."""

import numpy as np
import pytest

from jasco.data.audio import Audio
from jasco.models import clip_cache
from jasco.models.clip_cache import ClipCache


def audio(number: int) -> Audio:
    return Audio(np.full(100, number, np.int16))


def test_the_most_recently_used_clips_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_cache, "MOST", 3)
    recent: ClipCache[int] = ClipCache()
    for number in (1, 2, 3):
        recent.put(audio(number), number)
    assert recent.get(audio(1)) == 1  # now clip 2 is the least recently used
    recent.put(audio(4), 4)
    assert [recent.get(audio(number)) for number in (1, 2, 3, 4)] == [1, None, 3, 4]
    recent.put(audio(1), 10)
    assert [recent.get(audio(number)) for number in (1, 3, 4)] == [10, 3, 4]


def test_a_value_belongs_to_the_samples_not_to_the_object() -> None:
    recent: ClipCache[str] = ClipCache()
    recent.put(audio(5), "five")
    assert recent.get(audio(5)) == "five"
    assert recent.get(audio(6)) is None
