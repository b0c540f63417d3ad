"""Names of participants."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.errors import InputError
from jasco.runs.participants import is_single_prompt, participant_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Anna", "Anna"),
        ("  Anna \n", "Anna"),
        ("Anna\u00a0 \u3000B", "Anna B"),
        ("Jose\u0301", "Jos\u00e9"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("李 雷", "李 雷"),
        ("=1+1", "=1+1"),
        ("x" * 40, "x" * 40),
    ],
)
def test_names_that_look_the_same_are_the_same_participant(text: str, name: str) -> None:
    assert participant_name(text) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 characters .expected 1 to 40"),
        (" \t\n", "0 characters .expected 1 to 40"),
        ("x" * 41, "41 characters .expected 1 to 40"),
        ("Anna, Bob", "comma"),
        ("Anna\nBob", "invisible character U.000A"),
        ("Anna\x1b[2J", "U.001B"),
        ("Anna\u2028Bob", "U.2028"),
        ("\u202eannA", "U.202E"),
        ("An\u200bna", "U.200B"),
        ("Anna\ud800", "U.D800"),
        ("Anna\ue000", "U.E000"),
        ("\0", "U.0000"),
    ],
)
def test_other_names_are_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        participant_name(text)
    assert str(error.value).isprintable()


@given(st.one_of(st.text(), st.text(st.characters(categories=("L", "M", "N", "P", "S", "Z")))))
def test_any_name_is_refused_or_becomes_one_plain_line(text: str) -> None:
    try:
        name = participant_name(text)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        assert len(str(error)) < 200
        return
    assert 1 <= len(name) <= 40
    assert participant_name(name) == participant_name(f" {name} ") == name
    assert "," not in name
    assert len(name.splitlines()) == 1
    assert not any(unicodedata.category(character)[0] == "C" for character in name)


def test_only_participants_have_one_instruction_per_clip() -> None:
    assert is_single_prompt({"provider": "human", "name": "Anna"})
    assert not is_single_prompt({"provider": "openai", "name": "human"})
    assert not is_single_prompt({})
