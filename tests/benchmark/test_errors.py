"""Numbers before nouns, and foreign text, in messages."""

import pytest

from jasco.benchmark.errors import count


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "clip", "0 clips"),
        (1, "clip", "1 clip"),
        (2, "clip", "2 clips"),
        (1, "unreadable reply", "1 unreadable reply"),
        (3, "unreadable reply", "3 unreadable replies"),
        (2, "day", "2 days"),
        (2, "guess", "2 guesses"),
        (2, "match", "2 matches"),
        (2, "box", "2 boxes"),
    ],
)
def test_a_noun_has_the_number_that_stands_before_it(number: int, noun: str, text: str) -> None:
    assert count(number, noun) == text


def test_an_irregular_plural_is_given() -> None:
    assert count(2, "person", "people") == "2 people"
    assert count(1, "person", "people") == "1 person"
