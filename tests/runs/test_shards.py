"""Shards: their names, and which clips they hold."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.errors import InputError
from jasco.runs.shards import Shard, all_shards, shard_of_place


@given(clips=st.integers(0, 300), count=st.integers(1, 50))
def test_each_clip_belongs_to_exactly_one_shard(clips: int, count: int) -> None:
    places = [place for shard in all_shards(count) for place in shard.places(clips)]
    assert sorted(places) == list(range(clips))
    for place in range(clips):
        assert place in shard_of_place(place, count).places(clips)


@given(clips=st.integers(0, 300), more=st.integers(0, 100), count=st.integers(1, 50))
def test_a_shard_of_more_clips_begins_with_the_same_ones(clips: int, more: int, count: int) -> None:
    for shard in all_shards(count):
        own = shard.places(clips)
        assert shard.places(clips + more)[: len(own)] == own
    sizes = [len(shard.places(clips)) for shard in all_shards(count)]
    assert max(sizes) - min(sizes) <= 1


@given(st.text(max_size=12))
def test_any_text_is_a_shard_or_refused(text: str) -> None:
    try:
        shard = Shard.parse(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert 1 <= shard.number <= shard.count
        assert Shard.parse(str(shard)) == shard


@pytest.mark.parametrize(
    "text", ["0/8", "9/8", "3", "3/", "a/b", "-1/8", "1/0", "1/1000000", "١/٢"]
)
def test_an_invalid_shard_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected K/N") as error:
        Shard.parse(text)
    assert ("numbered from 1" in str(error.value)) == (text == "0/8")


def test_folders_are_in_the_order_of_the_shards() -> None:
    folders = [shard.folder(Path("run")) for shard in all_shards(12_345)]
    assert folders == sorted(folders)
    assert Shard(3, 8).folder(Path("run")) == Path("run/shards/0003-of-0008")
