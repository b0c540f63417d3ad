"""Licences of data sets: only those that are known for exactly these clips."""

from dataclasses import replace

from jasco.data.data_cards import card_of
from jasco.data.dataset import ALTERED, OTHER_CLIPS, PUBLISHED
from jasco.data.sources import find_data


def test_mini_is_free_and_other_clips_in_a_folder_of_that_name_are_not() -> None:
    clips = find_data("mini", print).clips
    card = card_of("mini", clips[:3])
    assert card
    assert card.has_free_texts
    assert card_of("mini", [*clips, replace(clips[0], id="x")]) is None


def test_the_published_annotations_are_not_free_texts() -> None:
    for name in (PUBLISHED, ALTERED):
        card = card_of(name, [])
        assert card
        assert (card.licence, card.has_free_texts) == ("CC-BY-NC-4.0", False)
    assert card_of(OTHER_CLIPS, []) is None
    assert card_of("own", []) is None
