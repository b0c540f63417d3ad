"""What people may be called."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.errors import InputError
from jasco.runs.participants import is_single_prompt, participant_name


@pytest.mark.parametrize(
    ("typed", "known"),
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
def test_who_reads_the_same_name_means_the_same_person(typed: str, known: str) -> None:
    assert participant_name(typed) == known


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("", "1 to 40 characters, this one 0"),
        (" \t\n", "1 to 40 characters, this one 0"),
        ("x" * 41, "1 to 40 characters, this one 41"),
        ("Anna, Bob", "a name cannot hold a comma"),
        ("Anna\nBob", "the character U.000A, which is not seen"),
        ("Anna\x1b[2J", "U.001B"),
        ("Anna\u2028Bob", "U.2028"),
        ("\u202eannA", "U.202E"),
        ("An\u200bna", "U.200B"),
        ("Anna\ud800", "U.D800"),
        ("Anna\ue000", "U.E000"),
        ("\0", "U.0000"),
    ],
)
def test_other_names_are_refused_in_one_line(typed: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as refusal:
        participant_name(typed)
    assert str(refusal.value).isprintable()


@given(st.one_of(st.text(), st.text(st.characters(categories=("L", "M", "N", "P", "S", "Z")))))
def test_any_name_is_refused_or_a_plain_line_that_stands_for_itself(typed: str) -> None:
    try:
        known = participant_name(typed)
    except InputError as refusal:
        assert len(str(refusal).splitlines()) == 1
        assert len(str(refusal)) < 200
        return
    assert 1 <= len(known) <= 40
    assert participant_name(known) == participant_name(f" {known} ") == known
    assert "," not in known
    assert len(known.splitlines()) == 1
    assert not any(unicodedata.category(character)[0] == "C" for character in known)


def test_only_people_hear_a_clip_once() -> None:
    assert is_single_prompt({"provider": "human", "name": "Anna"})
    assert not is_single_prompt({"provider": "openai", "name": "human"})
    assert not is_single_prompt({})
