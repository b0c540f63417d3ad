"""Word lists of the verdict parser.

A hedge after a value makes it doubtful ("2 (maybe)", "Both (not sure)"). The list, ``hedges.txt``,
is deliberately long: a rejected remark makes one verdict unreadable, which is reported, while a
remark that is wrongly accepted would silently produce a wrong figure.
"""

import re
from importlib.resources import files


def word_list(name: str) -> list[str]:
    """Return the words of a file, without its comments."""
    lines = (files("jasco.protocol") / name).read_text("utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


_HEDGES = frozenset(word_list("hedges.txt"))
_BEGINNINGS = tuple(word[:-1] for word in _HEDGES if word.endswith("*"))
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def words_in(text: str) -> frozenset[str]:
    """Return the words of a text in lower case."""
    return frozenset(_WORD.findall(text.lower().replace("e.g.", "eg")))


def is_hedge(word: str) -> bool:
    """Return whether a word, in lower case, is a hedge."""
    return word in _HEDGES or word.startswith(_BEGINNINGS) or word.endswith("n't")
