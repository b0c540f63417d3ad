"""Donors of a swapped cue differ from the clip, and their choice is reproducible."""

import pytest

from jasco.data.sources import find_data
from jasco.errors import InputError
from jasco.interventions.donors import donor_of
from jasco.protocol.clips import Clip
from jasco.protocol.conditions import CUES, Cue

CLIPS = find_data("mini", lambda _: None).clips


def clip(number: int, keywords: str, sound: str = "", speech: str = "") -> Clip:
    return Clip(
        str(number), sound or f"sound {number}", speech or f"speech {number}", "", "", "", keywords
    )


@pytest.mark.parametrize("cue", CUES)
def test_donors_are_other_clips_with_other_keywords_and_each_is_used_once(cue: Cue) -> None:
    for each in CLIPS:
        donors = [donor_of(each, cue, draw, CLIPS) for draw in (1, 2, 3)]
        assert len({donor.id for donor in donors}) == 3
        assert each.id not in {donor.id for donor in donors}
        assert all(getattr(donor, cue) != getattr(each, cue) for donor in donors)


def test_the_choice_depends_on_neither_order_nor_limit_of_earlier_calls() -> None:
    first = donor_of(CLIPS[3], "sound", 2, CLIPS)
    donor_of(CLIPS[0], "speech", 1, CLIPS)
    assert donor_of(CLIPS[3], "sound", 2, CLIPS) == first
    assert any(
        donor_of(each, "sound", 1, CLIPS) != donor_of(each, "speech", 1, CLIPS) for each in CLIPS
    )


def test_clips_with_a_common_keyword_or_the_same_cue_are_no_donors() -> None:
    clips = [
        clip(0, "surfing, wave"), clip(1, "surf"), clip(2, "boat", sound="sound 0"), clip(3, "cake")
    ]  # fmt: skip
    assert donor_of(clips[0], "sound", 1, clips) == clips[3]
    with pytest.raises(InputError, match="only 1 other clips"):
        donor_of(clips[0], "sound", 2, clips)
    assert {donor_of(clips[0], "speech", draw, clips).id for draw in (1, 2)} == {"2", "3"}
