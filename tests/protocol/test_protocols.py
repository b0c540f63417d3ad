"""Protocols: the prompts of a judge."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.errors import InputError
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.protocols import PROTOCOLS, SYSTEM_MESSAGE, protocol_named
from places import SHARED

NAMES = (
    "audio_sound", "spoken_text", "question", "audio_only_target", "speech_only_target",
    "reference", "keywords", "prediction",
)  # fmt: skip
CLIP = Clip("7", "SOUND", "SPEECH", "BY SOUND", "BY SPEECH", "REFERENCE", "KEY,WORDS")

PUBLISHED_PROMPTS = SHARED / "protocol"


@pytest.mark.parametrize(
    ("template", "file_name"),
    [
        ("judge_v2", "judge_prompt"),
        ("judge_v1", "judge_prompt_v1"),
        ("repair_v1", "repair_prompt_v1"),
    ],
)
def test_the_templates_are_the_published_ones_byte_for_byte(template: str, file_name: str) -> None:
    path = PUBLISHED_PROMPTS / f"{file_name}.txt"
    if not path.is_file():
        pytest.skip(f"the published prompts are not in {(SHARED / 'protocol')}")
    kind, name = template.split("_")
    assert getattr(PROTOCOLS[name], f"{kind}_template") == path.read_bytes().decode()


def test_the_instructions_are_the_published_ones() -> None:
    path = PUBLISHED_PROMPTS / "instructions.txt"
    if not path.is_file():
        pytest.skip(f"the published instructions are not in {(SHARED / 'protocol')}")
    assert list(INSTRUCTIONS) == path.read_text("utf-8").splitlines()


def test_the_protocols_differ_in_the_label_for_both() -> None:
    v1, v2 = PROTOCOLS["v1"], PROTOCOLS["v2"]
    options = "Audio-Oriented/Speech-Oriented/{}/Neither"
    for template in (v1.judge_template, v1.repair_template):
        assert options.format("Good") in template
        assert options.format("Both") not in template
    for template in (v2.judge_template, v2.repair_template):
        assert options.format("Both") in template
        assert options.format("Good") not in template
    assert v1.repair_template.replace("Good", "Both") == v2.repair_template
    assert SYSTEM_MESSAGE == "You are an NLP assistant"


def test_v2_is_the_default() -> None:
    assert next(iter(PROTOCOLS)) == "v2"


def test_an_unknown_protocol_is_named_with_the_known_ones() -> None:
    assert protocol_named("v1") is PROTOCOLS["v1"]
    with pytest.raises(InputError, match=r"v3.*v2 or v1"):
        protocol_named("v3")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_each_placeholder_is_filled_with_its_own(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert sorted(re.findall(r"\{(\w+)\}", protocol.judge_template)) == sorted(NAMES)
    prompt = protocol.judge_prompt(items_of(CLIP)[2], "PREDICTION")
    for heading, value in (
        ("Audio Sound", "SOUND"),
        ("Spoken Text", "SPEECH"),
        ("Question", INSTRUCTIONS[2]),
        ("Audio-Oriented Prediction", "BY SOUND"),
        ("Speech-Oriented Prediction", "BY SPEECH"),
        ("Reference Answer", "REFERENCE"),
        ("Reference Answer Key Words", "KEY,WORDS"),
        ("Model Prediction", "PREDICTION"),
    ):
        assert f"[{heading}]\n{value}\n" in prompt


@pytest.mark.parametrize("name", PROTOCOLS)
@given(st.lists(st.sampled_from([*(f"{{{n}}}" for n in NAMES), "{", "}", "\\1", "%s", "x"])))
def test_inserted_text_is_unchanged(name: str, parts: list[str]) -> None:
    prediction = "".join(parts)
    protocol = PROTOCOLS[name]
    clip = Clip("7", *[prediction] * 6)
    before, after = protocol.judge_template.split("{prediction}")
    prompt = protocol.judge_prompt(items_of(CLIP)[0], prediction)
    empty = protocol.judge_prompt(items_of(CLIP)[0], "")
    assert prompt.endswith(prediction + after)
    assert empty == prompt[: len(prompt) - len(prediction + after)] + after
    assert len(before) > 0
    prompt_of_equal_values = protocol.judge_prompt(items_of(clip)[0], prediction)
    assert prompt_of_equal_values.count(prediction) >= 7


def test_the_repair_prompt_holds_what_follows_the_last_explanation() -> None:
    protocol = PROTOCOLS["v2"]
    text = "Explanation1: a\nRating: 1\nExplanation2: b\nExplanation2: {explanation} c"
    before, after = protocol.repair_template.split("{explanation}")
    assert protocol.repair_prompt(text) == f"{before}{{explanation}} c{after}"
    assert protocol.repair_prompt("no such word") == f"{before}no such word{after}"
