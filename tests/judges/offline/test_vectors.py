"""Vectors of words and texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.judges.offline.vectors import Vectors, all_words, content_words, pieces, stem

VECTORS = Vectors.load()


def test_words_are_lower_case_and_without_accents() -> None:
    assert all_words("L'été, THEY’RE in_side: 3 café") == [
        "l", "ete", "they", "re", "in", "side", "3", "cafe",
    ]  # fmt: skip


def test_content_words_stand_once_and_in_order() -> None:
    assert content_words("They are likely building a castle, and the castle falls.") == [
        "building", "castle", "falls",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("sand", ["sand"]),
        ("sandcastle", ["sand", "##castle"]),
        ("sandcat", []),  # the rest is not a piece
        ("", []),
        ("x" * 101, []),
    ],
)
def test_a_word_is_split_into_the_longest_pieces_from_the_left(
    word: str, expected: list[str]
) -> None:
    assert pieces(word, {"sand", "san", "##castle", "##d", "x", "##x"}) == expected


@pytest.mark.parametrize(
    "forms",
    [("fish", "fishing", "fishes"), ("run", "running", "runs"), ("bake", "baking", "baked")],
)
def test_the_forms_of_a_word_meet(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


def test_what_is_alike_is_close() -> None:
    castle, beach, tax = VECTORS.texts(
        ["They build a sandcastle.", "Children at the seaside dig in the sand.", "A tax return."]
    )
    assert castle @ beach > castle @ tax + 0.2


def test_a_text_is_the_sum_of_its_words_whatever_their_order() -> None:
    one, other = VECTORS.texts(["dogs chase cats", "cats chase dogs"])
    assert one == pytest.approx(other, abs=1e-6)


@given(st.lists(st.text(), max_size=4))
def test_every_text_has_length_1_or_0(texts: list[str]) -> None:
    lengths = np.linalg.norm(VECTORS.texts(texts), axis=1)
    assert all(length == pytest.approx(1, abs=1e-5) or length == 0 for length in lengths)


@pytest.mark.parametrize("text", ["", "  ", "音楽", "?!", "\ud800"])
def test_a_text_without_a_known_word_has_no_direction(text: str) -> None:
    assert not VECTORS.texts([text]).any()
