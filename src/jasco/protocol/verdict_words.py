"""Words that matter to the verdict parser.

Hedges leave doubt about a value which they follow ("2 (maybe)", "Both (not sure)"). Their list,
``hedges.txt``, is long on purpose: a remark that is refused costs one verdict, and is reported; one
that is wrongly taken for harmless would be a silently wrong number.
"""

import re
from importlib.resources import files


def word_list(name: str) -> list[str]:
    """Read the words of a file, without its comments."""
    lines = (files("jasco.protocol") / name).read_text("utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


_HEDGES = frozenset(word_list("hedges.txt"))
_BEGINNINGS = tuple(word[:-1] for word in _HEDGES if word.endswith("*"))
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def words_in(text: str) -> frozenset[str]:
    """Return the words of a text, in lower case."""
    return frozenset(_WORD.findall(text.lower().replace("e.g.", "eg")))


def is_hedge(word: str) -> bool:
    """Return whether a word, in lower case, leaves doubt."""
    return word in _HEDGES or word.startswith(_BEGINNINGS) or word.endswith("n't")
