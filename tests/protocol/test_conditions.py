"""Conditions: what is heard, what is read, and which annotations a judge sees."""

from dataclasses import replace

import pytest

from jasco.errors import InputError
from jasco.protocol.clips import Clip
from jasco.protocol.conditions import (
    CUES,
    ORIGINAL,
    SETS,
    condition_of,
    parse_conditions,
    swap_key,
)

CLIP = Clip("1", "Waves", "Stand up.", "At the beach.", "In a gym.", "They surf.", "surf")
DONOR = Clip("2", "Train", "Bye!", "At a station.", "On the phone.", "They part.", "farewell")


def keys(text: str, draws: int = 3) -> list[str]:
    return [condition.key for condition in parse_conditions(text, draws)]


def test_sets() -> None:
    assert keys("core") == ["original", "remix", "sound", "speech", "none", "silence"]
    assert keys("all", 2) == [
        *keys("core"),
        "swap-sound-1",
        "swap-sound-2",
        "swap-speech-1",
        "swap-speech-2",
        "text-sound",
        "text-speech",
        "text",
    ]
    assert len(keys("all")) == 15
    assert keys("core,all") == keys("all")


def test_names_are_in_a_fixed_order_and_the_original_is_among_them() -> None:
    assert keys(" text , sound,sound,") == [ORIGINAL, "sound", "text"]
    assert keys("swap-speech", 1) == [ORIGINAL, "swap-speech-1"]
    assert keys("") == keys(ORIGINAL) == [ORIGINAL]


@pytest.mark.parametrize("name", ["sounds", "swap-sound-1", "Core", "swap", "*"])
def test_an_unknown_name_is_an_error(name: str) -> None:
    with pytest.raises(InputError, match=f"no such condition: '{name}'".replace("*", r"\*")):
        parse_conditions(f"core,{name}")


def test_a_similar_name_is_suggested() -> None:
    with pytest.raises(InputError, match="speech"):
        parse_conditions("speach")


@pytest.mark.parametrize("key", keys("all"))
def test_a_condition_is_found_by_its_key(key: str) -> None:
    assert condition_of(key).key == key


@pytest.mark.parametrize(
    "key", ["", "swap-sound", "swap-sound-0", "swap-sound-01", "swap-text-1", "sound ", "../sound"]
)
def test_an_unknown_key_is_an_error(key: str) -> None:
    with pytest.raises(InputError, match="no such condition"):
        condition_of(key)


def test_a_swapped_cue_is_heard_from_one_of_several_donors() -> None:
    swap = condition_of(swap_key("speech", 12))
    assert (swap.key, swap.swapped, swap.draw, swap.stems) == (
        "swap-speech-12",
        "speech",
        12,
        ("sound",),
    )


def test_audio_and_stems() -> None:
    conditions = {condition.key: condition for condition in parse_conditions("all", 1)}
    assert {key for key, one in conditions.items() if not one.has_audio} == {"none", "text"}
    without_stems = {key for key, one in conditions.items() if not one.needs_stems}
    assert without_stems == {"original", "none", "silence", "text"}
    for condition in conditions.values():
        assert not set(condition.stems) & set(condition.text)
        assert set(condition.stems) | set(condition.text) <= set(CUES)
        assert condition.has_audio or not condition.stems


@pytest.mark.parametrize(
    ("key", "prompt"),
    [
        ("original", "What?"),
        ("sound", "What?"),
        ("none", "What?"),
        ("swap-sound-1", "What?"),
        ("text-sound", "Spoken text: Stand up.\nWhat?"),
        ("text-speech", "Audio sound: Waves\nWhat?"),
        ("text", "Audio sound: Waves\nSpoken text: Stand up.\nWhat?"),
    ],
)
def test_prompts_state_the_cues_that_are_given_as_text(key: str, prompt: str) -> None:
    assert condition_of(key).prompt(CLIP, "What?") == prompt


def test_prompts_keep_braces_and_percent_signs() -> None:
    clip = replace(CLIP, speech="{sound} %s\\n")
    assert condition_of("text-sound").prompt(clip, "{x}") == "Spoken text: {sound} %s\\n\n{x}"


def test_a_judge_sees_the_annotations_of_the_swapped_cue() -> None:
    sound = condition_of("swap-sound-1").judged_as(CLIP, DONOR)
    assert sound == replace(CLIP, sound="Train", audio_only="At a station.")
    speech = condition_of("swap-speech-1").judged_as(CLIP, DONOR)
    assert speech == replace(CLIP, speech="Bye!", speech_only="On the phone.")
    assert condition_of("sound").judged_as(CLIP, DONOR) == CLIP


def test_sets_hold_known_conditions() -> None:
    for names in SETS.values():
        assert len(parse_conditions(",".join(names), 1)) == len(names)
