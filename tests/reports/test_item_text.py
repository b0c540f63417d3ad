"""The record of an item as text for a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from jasco.reports.item_text import harmless


@given(st.text())
def test_any_text_becomes_printable(text: str) -> None:
    printable = harmless(text)
    for character in printable:
        assert character in "\n\t" or character.isprintable() or character.isspace()
    assert not set(printable) & set("\x1b\x9b\r\x07\x08\u2028\u202e")
