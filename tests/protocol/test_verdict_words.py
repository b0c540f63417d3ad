"""The word lists of the verdict parser."""

import pytest

from jasco.protocol.verdict_words import is_hedge, word_list, words_in


@pytest.mark.parametrize("word", ["maybe", "isn't", "unsure", "uncertainty", "hesitantly", "eg"])
def test_a_word_of_doubt_is_a_hedge(word: str) -> None:
    assert is_hedge(word)


@pytest.mark.parametrize("word", ["aligned", "castle", "perfect", "reference"])
def test_a_plain_word_is_no_hedge(word: str) -> None:
    assert not is_hedge(word)


def test_words_are_in_lower_case_with_their_apostrophes() -> None:
    assert words_in("It ISN'T so, e.g. 2.") == {"it", "isn't", "so", "eg"}


@pytest.mark.parametrize("name", ["hedges.txt", "lead_words.txt"])
def test_a_word_list_holds_words_in_lower_case_each_once(name: str) -> None:
    words = word_list(name)
    assert len(words) == len(set(words)) > 50
    assert all(word == word.lower() and "#" not in word for word in words)
