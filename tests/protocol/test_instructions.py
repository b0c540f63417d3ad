"""Instructions instead of the published ones: which lists are accepted, and how they are named."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.errors import InputError
from jasco.protocol.instructions import (
    INSTRUCTIONS,
    LONGEST_INSTRUCTION,
    checked_instructions,
    instructions_difference,
    instructions_label,
)


def test_a_list_is_taken_as_given_without_surrounding_blanks() -> None:
    assert checked_instructions([" What is it? ", "Where?"]) == ("What is it?", "Where?")
    assert checked_instructions(INSTRUCTIONS) == INSTRUCTIONS
    assert len(checked_instructions([str(number) for number in range(64)])) == 64


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "0 instructions"),
        ([str(number) for number in range(65)], "65 instructions"),
        (["Where?", " "], "instruction 2 is empty"),
        (["a", "b", "a "], "duplicate instruction 'a' .instructions 1 and 3."),
        (["x" * (LONGEST_INSTRUCTION + 1)], "2,001 characters"),
    ],
)
def test_other_lists_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=rf"list\.txt: .*{message}"):
        checked_instructions(texts, "list.txt")


def test_the_label_has_a_hash_of_the_texts() -> None:
    assert instructions_label(INSTRUCTIONS) == instructions_label(list(INSTRUCTIONS)) == "published"
    digest = hashlib.sha256('["Où?","What?"]'.encode()).hexdigest()
    assert instructions_label(["Où?", "What?"]) == f"custom[2]:{digest[:12]}"
    assert instructions_label(["What?", "Où?"]) != instructions_label(["Où?", "What?"])


texts = st.lists(st.text("ab", min_size=1), min_size=1, max_size=3)


@given(texts, texts)
def test_lists_have_one_label_only_if_they_are_equal(one: list[str], other: list[str]) -> None:
    assert (instructions_label(one) == instructions_label(other)) == (one == other)
    if one != other:
        assert instructions_difference(one, other)
